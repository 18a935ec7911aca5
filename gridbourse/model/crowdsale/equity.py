"""Reference equity; what `EquityCampaign.sol` must equal ([Talari-nd] §3.4.2).

Investors share the export income of the panel they paid for, or a rent, by the tokens they hold. Income
is what the market metered and settled, each sale valued at no less than the feed-in tariff. What was agreed
binds the metering point: whoever holds it in a period owes for that period.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction

from gridbourse.model.crowdsale.campaign import Account, Campaign, Phase, require

PERMILLE = 1000
OWNER = "owner"
"""Who holds the metering point as long as nobody else is named."""
ALWAYS = (0, (1 << 32) - 1)
"""A stay at the metering point: from this period on, until before that one."""


class Dividends:
    """What is paid in once, divided among who held shares at that moment; rounded when claimed."""

    def __init__(self) -> None:
        self._parts: defaultdict[Account, Fraction] = defaultdict(Fraction)
        self.claimed_by: defaultdict[Account, int] = defaultdict(int)
        self.paid_in = 0

    def distribute(self, amount: int, shares: Mapping[Account, int]) -> None:
        """Divide µEUR among those who hold shares now."""
        supply = sum(shares.values())
        for holder, held in shares.items():
            self._parts[holder] += Fraction(amount * held, supply)
        self.paid_in += amount

    def claimable(self, holder: Account) -> int:
        """The exact part over all time, rounded down, less what was claimed, µEUR."""
        return int(self._parts[holder]) - self.claimed_by[holder]

    def claim(self, holder: Account) -> int:
        """Take it out, µEUR."""
        amount = self.claimable(holder)
        require(amount > 0, "NothingToMove")
        self.claimed_by[holder] += amount
        return amount

    @property
    def claimed(self) -> int:
        """µEUR of all holders over all time."""
        return sum(self.claimed_by.values())


class Form(IntEnum):
    """Of `EquityCampaign.sol`: what investors get."""

    NONE = 0
    PROFIT_SHARE = 1
    RENT = 2


@dataclass(frozen=True)
class Agreement:
    """value: permille of the export income, or µEUR a delivery period."""

    form: Form
    value: int


@dataclass
class Export:
    """Of a settled period: Wh, µEUR per Wh; premium: what the market paid above feed-in, once attested.

    holder: who was at the metering point, and owes of it.
    """

    wh: int
    retail: int
    feed_in: int
    premium: int | None = None
    holder: Account = OWNER


@dataclass
class Pledges:
    """What the campaigns at one metering point share of its export: no Wh is promised twice."""

    permille: int = 0

    @property
    def left(self) -> int:
        """Permille of the export for another campaign."""
        return PERMILLE - self.permille


@dataclass
class Equity(Campaign):
    """Investors get a part of what the new panel earns by exporting, or a rent.

    panel_permille: the new panel's part of all panels behind the meter, by installed power.
    pledges: of the metering point, the same for all its campaigns. taken_from: out of a holder's account,
    µEUR, and not gone back to it; collected: of that, what has come in and is the shares'.
    """

    agreed: Agreement = Agreement(Form.NONE, 0)
    panel_permille: int = PERMILLE
    exports: dict[int, Export] = field(default_factory=dict)
    taken_from: defaultdict[Account, int] = field(default_factory=lambda: defaultdict(int))
    collected: int = 0
    dividends: Dividends = field(default_factory=Dividends)
    pledges: Pledges = field(default_factory=Pledges)

    @property
    def held(self) -> int:
        """Currency the campaign holds, µEUR."""
        return super().held + self.collected - self.dividends.claimed

    def open(self, by: Account, milestones: Sequence[int], now: int) -> None:
        """As of any campaign, once something is agreed, and while so much of the export is free."""
        super().open(by, milestones, now)
        self.pledges.permille += self.panel_permille

    def _require_may_open(self, by: Account, milestones: Sequence[int], now: int) -> None:
        require(self.agreed.form != Form.NONE, "NothingAgreed")
        super()._require_may_open(by, milestones, now)
        require(self.panel_permille <= self.pledges.left, "PledgedAbove")

    def _end(self, last: Phase) -> None:
        super()._end(last)
        self.pledges.permille -= self.panel_permille

    def transfer(self, holder: Account, to: Account, tokens: int) -> None:
        """Give shares away, once the funding is over and has not failed."""
        movable = self.phase not in (Phase.DRAFT, Phase.OPEN, Phase.FAILED)
        require(movable, "NotTransferable")
        require(tokens <= self.tokens[holder], "ERC20InsufficientBalance")
        self.tokens[holder] -= tokens
        self.tokens[to] += tokens

    def record(self, period: int, export: Export) -> None:
        """The export of a settled period in the term, once as its reading stands.

        After a correction again: what was attested before is void with it.
        """
        self._require_in(Phase.OPERATING, Phase.CLOSED)
        require(self.first_period <= period < self.until_period, "OutsideTerm")
        known = self.exports.get(period)
        require(known is None or known.wh != export.wh, "RecordedBefore")
        self.exports[period] = export

    def attest(self, by: Account, period: int, premium: int) -> None:
        """What the market paid above the feed-in tariff, at most up to the retail price; once."""
        self._require_attester(by)
        require(period in self.exports, "NotRecorded")
        export = self.exports[period]
        require(export.premium is None, "AttestedBefore")
        require(premium <= export.wh * (export.retail - export.feed_in), "PremiumOutOfRange")
        export.premium = premium

    @property
    def taken(self) -> int:
        """µEUR taken from all holders' accounts."""
        return sum(self.taken_from.values())

    def due(
        self, current_period: int, holder: Account = OWNER, stay: tuple[int, int] = ALWAYS
    ) -> int:
        """µEUR a holder of the metering point owed over all time; its part of the income is rounded once.

        stay: the periods [from, until) in which it holds the point; a rent is owed for those.
        """
        if self.agreed.form == Form.PROFIT_SHARE:
            its = [export for export in self.exports.values() if export.holder == holder]
            income = sum(e.wh * e.feed_in + (e.premium or 0) for e in its)
            return income * self.panel_permille * self.agreed.value // PERMILLE**2
        if self.first_period == 0:
            return 0
        begins = max(self.first_period, stay[0])
        ends = min(stay[1], current_period, self.until_period)
        return max(ends - begins, 0) * self.agreed.value

    def take(
        self,
        current_period: int,
        free: int,
        holder: Account = OWNER,
        stay: tuple[int, int] = ALWAYS,
    ) -> int:
        """Take what a holder owes out of its free money, as far as there is some, µEUR."""
        self._require_in(Phase.OPERATING, Phase.CLOSED)
        arrears = self.due(current_period, holder, stay) - self.taken_from[holder]
        amount = max(0, min(arrears, free))
        self.taken_from[holder] += amount
        return amount

    def arrive(self, amount: int) -> None:
        """What was taken has come in, after the clearing house's dispute window: it is the shares'."""
        if amount:
            self.collected += amount
            self.dividends.distribute(amount, self.tokens)

    def collect(
        self,
        current_period: int,
        free: int,
        holder: Account = OWNER,
        stay: tuple[int, int] = ALWAYS,
    ) -> int:
        """Both at once, where the clearing house has no dispute window."""
        amount = self.take(current_period, free, holder, stay)
        self.arrive(amount)
        return amount

    def claim(self, holder: Account) -> int:
        """What the holder's shares have earned, µEUR."""
        return self.dividends.claim(holder)


def premium_micro_eur(
    export_wh: int, sold_wh: int, paid_micro_eur: int, retail: int, feed_in: int
) -> int:
    """What a period's contracts paid above the feed-in tariff, for what was exported, µEUR.

    sold_wh, paid_micro_eur: of all markets together, net of what was bought. Who sold more than it
    exported is credited the exported part of it, rounded down; no Wh counts above the retail price.
    """
    if sold_wh <= 0:
        return 0
    above = max(0, paid_micro_eur - sold_wh * feed_in)
    if sold_wh > export_wh:
        above = above * export_wh // sold_wh
    return min(above, export_wh * (retail - feed_in))
