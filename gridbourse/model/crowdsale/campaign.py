"""Reference crowdsales, which `contracts/crowdsale` must equal, refusal by refusal ([Talari-nd] §3.4.2).

A campaign collects money for one project, all of it or nothing, releases it to the property owner by
milestones, and gives back what was not released. A donation is the campaign alone; a reward is goods for
money given; equity is in `gridbourse.model.crowdsale.equity`. Accounts are any hashable
names, money is µEUR, a token is one µEUR given. Amounts are exact unless a docstring says "rounded".
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from gridbourse.model.errors import ModelError

Account = Hashable


class Refused(ModelError):
    """Call that the rules do not allow; `rule`: the name of the contract's error."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"crowdsale: {rule}")


def require(holds: bool, rule: str) -> None:
    if not holds:
        raise Refused(rule)


class Phase(IntEnum):
    """Phases of `Campaign.sol`, in its order."""

    DRAFT = 0
    OPEN = 1
    SUCCEEDED = 2
    FAILED = 3
    BUILT = 4
    OPERATING = 5
    CLOSED = 6
    ABANDONED = 7


@dataclass(frozen=True)
class Rules:
    """Terms that do not change: money µEUR, times unix seconds; funding in [start, end)."""

    goal: int
    cap: int
    minimum: int
    maximum: int
    start: int
    end: int
    operate_by: int
    term_periods: int = 0


@dataclass
class Campaign:
    """One campaign. Invariant: `held` = funded - refunded - withdrawn; every token belongs to an account."""

    rules: Rules
    owner: Account
    attester: Account
    payee: Account = None
    phase: Phase = Phase.DRAFT
    milestones: tuple[int, ...] = ()
    confirmed: int = 0
    first_period: int = 0
    funded: int = 0
    released: int = 0
    withdrawn: int = 0
    refunded: int = 0
    pool: int = 0
    pool_tokens: int = 0
    tokens: defaultdict[Account, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def beneficiary(self) -> Account:
        """Account that receives what milestones release."""
        return self.owner if self.payee is None else self.payee

    @property
    def held(self) -> int:
        """Currency the campaign holds, µEUR."""
        return self.funded - self.refunded - self.withdrawn

    @property
    def supply(self) -> int:
        """All tokens."""
        return sum(self.tokens.values())

    def _require_in(self, *phases: Phase) -> None:
        require(self.phase in phases, "WrongPhase")

    def _require_attester(self, by: Account) -> None:
        require(by == self.attester, "MissingRole")

    # --- funding -----------------------------------------------------------------------------

    def open(self, by: Account, milestones: Sequence[int], now: int) -> None:
        """Open for funding; the milestones add up to the goal."""
        self._require_may_open(by, milestones, now)
        self.milestones, self.phase = tuple(milestones), Phase.OPEN

    def _require_may_open(self, by: Account, milestones: Sequence[int], now: int) -> None:
        require(by == self.owner, "OnlyOwner")
        self._require_in(Phase.DRAFT)
        require(now < self.rules.end, "OutsideFunding")
        require(sum(milestones) == self.rules.goal, "MilestonesDiffer")

    def _end(self, last: Phase) -> None:
        """Enter the phase after which nothing more is earned."""
        self.phase = last

    def fund(self, funder: Account, amount: int, now: int) -> None:
        """Give money; the last amount that fits under the cap may be below the minimum."""
        self._require_in(Phase.OPEN)
        require(self.rules.start <= now < self.rules.end, "OutsideFunding")
        require(amount > 0, "NothingToMove")
        room, given = self.rules.cap - self.funded, self.tokens[funder] + amount
        require(amount <= room, "AboveCap")
        require(given >= self.rules.minimum or amount == room, "BelowMinimum")
        require(given <= self.rules.maximum, "AboveMaximum")
        self.funded += amount
        self.tokens[funder] += amount

    def conclude(self, now: int) -> None:
        """End the funding, at its end or once the cap is reached."""
        self._require_in(Phase.OPEN)
        require(now >= self.rules.end or self.funded == self.rules.cap, "NotOver")
        if self.funded < self.rules.goal:
            self._end(Phase.FAILED)
        else:
            self.phase = Phase.SUCCEEDED

    # --- building ----------------------------------------------------------------------------

    def confirm_milestone(self, by: Account, milestone: int) -> int:
        """Release the next milestone; the last one takes what is above the goal. µEUR."""
        self._require_attester(by)
        self._require_in(Phase.SUCCEEDED, Phase.BUILT)
        in_turn = milestone == self.confirmed < len(self.milestones)
        require(in_turn, "MilestoneOutOfTurn")
        self.confirmed += 1
        above = self.funded - self.rules.goal if self.confirmed == len(self.milestones) else 0
        amount = self.milestones[milestone] + above
        self.released += amount
        return amount

    def withdraw(self, by: Account) -> int:
        """Pay what was released to the beneficiary, µEUR."""
        require(by == self.beneficiary, "OnlyBeneficiary")
        amount = self.released - self.withdrawn
        require(amount > 0, "NothingToMove")
        self.withdrawn = self.released
        return amount

    def confirm_built(self, by: Account) -> None:
        """Confirm that the project is built."""
        self._require_attester(by)
        self._require_in(Phase.SUCCEEDED)
        self.phase = Phase.BUILT

    def start_operating(self, by: Account, current_period: int) -> None:
        """Start operating from the next delivery period on."""
        self._require_attester(by)
        self._require_in(Phase.BUILT)
        require(self.confirmed == len(self.milestones), "MilestoneOutOfTurn")
        require(current_period > 0, "ClockNotBegun")
        self.phase, self.first_period = Phase.OPERATING, current_period + 1

    @property
    def until_period(self) -> int:
        """First delivery period after the term."""
        return self.first_period + self.rules.term_periods

    def close(self, current_period: int) -> None:
        """Close the campaign: the term is over."""
        self._require_in(Phase.OPERATING)
        require(current_period >= self.until_period, "NotOver")
        self._end(Phase.CLOSED)

    # --- giving back -------------------------------------------------------------------------

    def abandon(self, by: Account, now: int) -> None:
        """Abandon it: the owner while nothing is released, the attester, anyone when it is late."""
        self._require_in(Phase.OPEN, Phase.SUCCEEDED, Phase.BUILT)
        late = self.phase != Phase.OPEN and now >= self.rules.operate_by
        if not (by == self.owner and self.released == 0) and not late:
            self._require_attester(by)
        if self.phase == Phase.OPEN:
            self._end(Phase.FAILED)
            return
        require(self.funded > self.released, "NothingToMove")
        self.pool, self.pool_tokens = self.funded - self.released, self.supply
        self._end(Phase.ABANDONED)

    def refund_of(self, holder: Account) -> int:
        """Refund of a holder, µEUR: all after a failure, its part (rounded down) after abandonment."""
        if self.phase == Phase.FAILED:
            return self.tokens[holder]
        if self.phase == Phase.ABANDONED:
            return self.tokens[holder] * self.pool // self.pool_tokens
        return 0

    def refund(self, holder: Account) -> int:
        """Money back for all tokens of a holder, µEUR; the last one leaves the beneficiary the remainder."""
        self._require_in(Phase.FAILED, Phase.ABANDONED)
        require(self.tokens[holder] > 0, "NothingToMove")
        amount = self.refund_of(holder)
        self.refunded += amount
        del self.tokens[holder]
        if self.supply == 0:
            self.released = self.funded - self.refunded
        return amount


# --- rewards -----------------------------------------------------------------------------------


@dataclass
class Good:
    """Amount in µEUR given that entitles to one, and number of goods left."""

    price: int
    left: int


@dataclass
class Voucher:
    """Number of goods picked, and number that each side says were handed over."""

    picked: int = 0
    handed_over: int = 0
    received: int = 0

    @property
    def redeemed(self) -> int:
        """Number of goods that both sides confirm as handed over."""
        return min(self.handed_over, self.received)


@dataclass
class Reward(Campaign):
    """Campaign whose funders get goods, never money; a unit of money given stands for one voucher at most."""

    goods: list[Good] = field(default_factory=list)
    vouchers: defaultdict[tuple[Account, int], Voucher] = field(
        default_factory=lambda: defaultdict(Voucher)
    )
    spoken_for: defaultdict[Account, int] = field(default_factory=lambda: defaultdict(int))

    def pick(self, funder: Account, good: int, count: int) -> None:
        """Pick goods for money given, until the project is built."""
        self._require_in(Phase.OPEN, Phase.SUCCEEDED)
        require(good < len(self.goods), "NoSuchGood")
        require(count > 0, "NothingToMove")
        picked = self.goods[good]
        require(count <= picked.left, "OutOfStock")
        needed = self.spoken_for[funder] + picked.price * count
        require(needed <= self.tokens[funder], "NotGivenEnough")
        self.spoken_for[funder] = needed
        picked.left -= count
        self.vouchers[funder, good].picked += count

    def hand_over(self, by: Account, funder: Account, good: int, count: int) -> None:
        """The owner's half of a redemption."""
        require(by == self.owner, "OnlyOwner")
        voucher = self._standing(funder, good, count)
        require(voucher.handed_over + count <= voucher.picked, "AbovePicked")
        voucher.handed_over += count

    def confirm_receipt(self, funder: Account, good: int, count: int) -> None:
        """The funder's half of a redemption."""
        voucher = self._standing(funder, good, count)
        require(voucher.received + count <= voucher.picked, "AbovePicked")
        voucher.received += count

    def _standing(self, funder: Account, good: int, count: int) -> Voucher:
        self._require_in(Phase.SUCCEEDED, Phase.BUILT, Phase.OPERATING, Phase.CLOSED)
        require(count > 0, "NothingToMove")
        return self.vouchers[funder, good]

    def refund(self, holder: Account) -> int:
        """Money back; vouchers not redeemed are void and their goods return to the stock."""
        amount = super().refund(holder)
        self.spoken_for.pop(holder, None)
        for good, stock in enumerate(self.goods):
            voucher = self.vouchers[holder, good]
            stock.left += voucher.picked - voucher.redeemed
            voucher.picked = voucher.redeemed
        return amount
