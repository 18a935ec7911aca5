"""Reference equity, which `EquityCampaign.sol` must equal ([Talari-nd] §3.4.2).

Investors share the export income of the panel they paid for, or a rent, by the tokens they hold. Income
is what the market metered and settled, each sale valued at no less than the feed-in tariff. The agreement
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
"""Holder of the metering point as long as nobody else is named."""
ALWAYS = (0, (1 << 32) - 1)
"""Stay at the metering point: from the first period on, until before the second."""


class Dividends:
    """Payments divided among the holders of shares at that moment; rounded when claimed."""

    def __init__(self) -> None:
        self._parts: defaultdict[Account, Fraction] = defaultdict(Fraction)
        self.claimed_by: defaultdict[Account, int] = defaultdict(int)
        self.paid_in = 0

    def distribute(self, amount: int, shares: Mapping[Account, int]) -> None:
        """Divide µEUR among the present holders of shares."""
        supply = sum(shares.values())
        for holder, held in shares.items():
            self._parts[holder] += Fraction(amount * held, supply)
        self.paid_in += amount

    def claimable(self, holder: Account) -> int:
        """Exact part over all time, rounded down, less what was claimed, µEUR."""
        return int(self._parts[holder]) - self.claimed_by[holder]

    def claim(self, holder: Account) -> int:
        """Pay out the claim, µEUR."""
        amount = self.claimable(holder)
        require(amount > 0, "NothingToMove")
        self.claimed_by[holder] += amount
        return amount

    @property
    def claimed(self) -> int:
        """Claims of all holders over all time, µEUR."""
        return sum(self.claimed_by.values())


class Form(IntEnum):
    """Income of investors, as `EquityCampaign.sol` numbers it."""

    NONE = 0
    PROFIT_SHARE = 1
    RENT = 2


@dataclass(frozen=True)
class Agreement:
    """Agreement; value: permille of the export income, or µEUR a delivery period."""

    form: Form
    value: int


@dataclass
class Export:
    """Export of a settled period: Wh, µEUR per Wh.

    premium: paid by the market above feed-in, once attested. holder: at the metering point, and owes for it.
    """

    wh: int
    retail: int
    feed_in: int
    premium: int | None = None
    holder: Account = OWNER


@dataclass
class Pledges:
    """Shares of one metering point's export pledged to its campaigns: no Wh is promised twice."""

    permille: int = 0

    @property
    def left(self) -> int:
        """Permille of the export that is free for another campaign."""
        return PERMILLE - self.permille


@dataclass
class Equity(Campaign):
    """Campaign whose investors get a part of the income from exporting with the new panel, or a rent.

    panel_permille: the new panel's part of all panels behind the meter, by installed power.
    pledges: of the metering point, the same for all its campaigns. taken_from: taken from a holder's account
    and not returned, µEUR; collected: the part of it that has come in and belongs to the shares.
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
        """Open as any campaign, once terms are agreed, and if that much of the export is free."""
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
        """Record the export of a settled period in the term, once for each reading.

        A correction records it again, and makes void what was attested before.
        """
        self._require_in(Phase.OPERATING, Phase.CLOSED)
        require(self.first_period <= period < self.until_period, "OutsideTerm")
        known = self.exports.get(period)
        require(known is None or known.wh != export.wh, "RecordedBefore")
        self.exports[period] = export

    def attest(self, by: Account, period: int, premium: int) -> None:
        """Attest the market's premium over the feed-in tariff, at most up to the retail price; once."""
        self._require_attester(by)
        require(period in self.exports, "NotRecorded")
        export = self.exports[period]
        require(export.premium is None, "AttestedBefore")
        require(premium <= export.wh * (export.retail - export.feed_in), "PremiumOutOfRange")
        export.premium = premium

    @property
    def taken(self) -> int:
        """Money taken from all holders' accounts, µEUR."""
        return sum(self.taken_from.values())

    def due(
        self, current_period: int, holder: Account = OWNER, stay: tuple[int, int] = ALWAYS
    ) -> int:
        """Debt of a holder of the metering point over all time, µEUR; its part of the income is rounded once.

        stay: the periods [from, until) in which it holds the point; rent is owed for those.
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
        """Take the debt of a holder out of its free money, as far as there is some, µEUR."""
        self._require_in(Phase.OPERATING, Phase.CLOSED)
        arrears = self.due(current_period, holder, stay) - self.taken_from[holder]
        amount = max(0, min(arrears, free))
        self.taken_from[holder] += amount
        return amount

    def arrive(self, amount: int) -> None:
        """Money taken has come in, after the clearing house's dispute window: it belongs to the shares."""
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
        """Take and let arrive at once, where the clearing house has no dispute window."""
        amount = self.take(current_period, free, holder, stay)
        self.arrive(amount)
        return amount

    def claim(self, holder: Account) -> int:
        """Pay out the earnings of the holder's shares, µEUR."""
        return self.dividends.claim(holder)


def premium_micro_eur(
    export_wh: int, sold_wh: int, paid_micro_eur: int, retail: int, feed_in: int
) -> int:
    """Premium over the feed-in tariff in a period's contracts, for what was exported, µEUR.

    sold_wh, paid_micro_eur: of all markets together, net of purchases. A participant that sold more than it
    exported is credited the exported part of it, rounded down; no Wh counts above the retail price.
    """
    if sold_wh <= 0:
        return 0
    above = max(0, paid_micro_eur - sold_wh * feed_in)
    if sold_wh > export_wh:
        above = above * export_wh // sold_wh
    return min(above, export_wh * (retail - feed_in))
