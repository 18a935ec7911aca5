"""Reference money accounts, which `contracts/ledger` must equal to the micro-euro, refusal by refusal.

Conservation: Σ accounts + holds + open trades + credits that wait + withdrawals set aside = deposits -
withdrawals. Solvency: the money that everybody together can take out now is there. The supplier covers the
feed-in it owes and what its customers do not pay, as a balance responsible supplier does ([Khajeh2022]
§2.1.2): credits of a settlement or correction beyond its cover wait. Money is µEUR, accounts are
numbers, times are unix seconds of block time.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gridbourse.model.errors import ModelError
from gridbourse.model.house_accounts import (
    AREA_DSOS,
    DSO_ACCOUNT,
    MARGIN_ACCOUNT,
    OPERATOR_ACCOUNT,
    ROUNDING_ACCOUNT,
    SPREAD_ACCOUNT,
    SUPPLIER_ACCOUNT,
    TSO_ACCOUNT,
    dso_account,
)

HOUSE = (DSO_ACCOUNT, OPERATOR_ACCOUNT, ROUNDING_ACCOUNT, SPREAD_ACCOUNT)
"""Accounts that, besides the supplier's and every DSO's, have to cover what participants owe."""


def is_house(account: int) -> bool:
    """Whether an account has to cover what participants owe; the TSO's and margins are of others."""
    return account < MARGIN_ACCOUNT or account > AREA_DSOS


class Refused(ModelError):
    """Call that the rules do not allow; `rule`: the name of the contract's error."""

    def __init__(self, rule: str, detail: str = "") -> None:
        self.rule = rule
        super().__init__(f"money: {rule}{detail and ': ' + detail}")


@dataclass(frozen=True)
class Withdrawal:
    """Money on its way out of an account, µEUR; it may leave from `ready_at` on."""

    account: int
    amount: int
    ready_at: int


@dataclass(frozen=True)
class Settling:
    """Change of one account by settlement: hold given back, trades paid, and the rest; µEUR, + received."""

    held: int = 0
    payment: int = 0
    delta: int = 0


@dataclass
class Ledger:
    """Accounts, money held or waiting, and withdrawals on their way."""

    dispute_window: int = 0
    balances: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    waiting: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    margins: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    holds: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    trades: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    credit_limits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    on_the_way: dict[int, Withdrawal] = field(default_factory=dict)
    announced: int = 0
    deposits: int = 0
    withdrawals: int = 0

    # --- what is behind the accounts -----------------------------------------------------------

    @property
    def debts(self) -> int:
        """Debts of participants and the TSO, µEUR."""
        owed = (
            money
            for who, money in self.balances.items()
            if who >= TSO_ACCOUNT and not is_house(who)
        )
        return -sum(min(money, 0) for money in owed)

    @property
    def cover(self) -> int:
        """Supplier's account and its waiting credits, less what is owed, µEUR."""
        return self.balances[SUPPLIER_ACCOUNT] + sum(self.waiting.values()) - self.debts

    @property
    def house(self) -> int:
        """Other house accounts, µEUR; the TSO's is its own, margins belong to others."""
        of_areas = sum(money for account, money in self.balances.items() if account > AREA_DSOS)
        return of_areas + sum(self.balances[account] for account in HOUSE)

    @property
    def strength(self) -> int:
        """Amount that can be credited before credits wait, µEUR."""
        return self.cover + min(self.house, 0)

    @property
    def set_aside(self) -> int:
        return sum(withdrawal.amount for withdrawal in self.on_the_way.values())

    @property
    def money_sum(self) -> int:
        """Conservation sum; always zero."""
        held = sum(self.holds.values()) + sum(self.trades.values())
        waits = sum(self.waiting.values()) + self.set_aside
        return sum(self.balances.values()) + held + waits - (self.deposits - self.withdrawals)

    @property
    def gap(self) -> int:
        """Money missing if everybody takes theirs at once: never above zero."""
        others = (a for a in self.balances if not is_house(a))
        free = sum(max(self.balances[account], 0) for account in others)
        held = sum(self.holds.values()) + sum(self.trades.values())
        house = max(min(self.cover, 0) + self.house, 0) if self.house >= 0 else 0
        if self.house >= 0 and self.cover > 0:
            house += min(self.cover, max(self.balances[SUPPLIER_ACCOUNT], 0))
        return free + house + self.set_aside + held - (self.deposits - self.withdrawals)

    def spendable(self, account: int) -> int:
        """Money that an account may give away now, µEUR."""
        money = self.balances[account]
        if account == MARGIN_ACCOUNT:
            return 0
        if is_house(account):
            if account == SUPPLIER_ACCOUNT:
                money = min(money, self.cover if self.house >= 0 else 0)
            else:
                money = min(money, min(self.cover, 0) + self.house)
        return max(money, 0)

    # --- money in, across and out --------------------------------------------------------------

    def deposit(self, account: int, amount: int) -> None:
        self.balances[account] += amount
        self.deposits += amount

    def transfer(self, module: str, source: int, target: int, amount: int) -> None:
        """Moves free money for a market; out of the margin account only what the market put there."""
        if source == MARGIN_ACCOUNT and amount > self.margins[module]:
            raise Refused("MarginOfOthers")
        self._require_spendable(source, amount)
        self.margins[module] += amount * ((target == MARGIN_ACCOUNT) - (source == MARGIN_ACCOUNT))
        self.balances[source] -= amount
        self.balances[target] += amount

    def withdraw(self, account: int, amount: int, now: int) -> int:
        """Sets free money aside; returns the withdrawal's number. Without a window it is paid at once."""
        self._require_spendable(account, amount)
        self.balances[account] -= amount
        self.announced += 1
        self.on_the_way[self.announced] = Withdrawal(account, amount, now + self.dispute_window)
        if self.dispute_window == 0:
            self.finish(self.announced, now)
        return self.announced

    def finish(self, number: int, now: int) -> int:
        """Pays a withdrawal out, less what its account is in debt; returns what was paid."""
        due = self._on_the_way(number)
        if now < due.ready_at:
            raise Refused("WithdrawalWaits", str(due.ready_at))
        kept = min(due.amount, max(-self.balances[due.account], 0))
        after = _with_more(self, due.account, kept)
        if is_house(due.account) and not after._covers(due.account, 0):
            raise Refused("HouseMustCover")
        del self.on_the_way[number]
        self.balances[due.account] += kept
        self.withdrawals += due.amount - kept
        return due.amount - kept

    def cancel(self, number: int) -> None:
        due = self._on_the_way(number)
        del self.on_the_way[number]
        self.balances[due.account] += due.amount

    def _on_the_way(self, number: int) -> Withdrawal:
        if number not in self.on_the_way:
            raise Refused("NoWithdrawal", str(number))
        return self.on_the_way[number]

    def _require_spendable(self, account: int, amount: int) -> None:
        if self.balances[account] < amount:
            raise Refused("InsufficientMoney")
        if is_house(account) and not self._covers(account, amount):
            raise Refused("HouseMustCover")

    def _covers(self, account: int, amount: int) -> bool:
        """True where what participants owe is still covered when a house account gives an amount away."""
        cover, house = self.cover, self.house
        if account == SUPPLIER_ACCOUNT:
            cover -= amount
        else:
            house -= amount
        return min(cover, 0) + house >= 0 and (account != SUPPLIER_ACCOUNT or cover >= 0)

    # --- periods -------------------------------------------------------------------------------

    def hold(self, period: int, account: int, more: int) -> None:
        """Holds more of a buyer's money in a period (less, below zero). Credit lends only what is covered."""
        free = self.balances[account]
        limit = self.credit_limits[account]
        if more > 0:
            if free < -limit:
                raise Refused("InDebt")
            if free + limit < more:
                raise Refused("InsufficientMoney")
            lent = max(more - max(free, 0), 0)
            if lent > 0 and self.strength < lent:
                raise Refused("CreditNotCovered")
        self.balances[account] -= more
        self.holds[period] += more

    def collect_spread(self, period: int, amount: int) -> None:
        self.trades[period] -= amount
        self.balances[SPREAD_ACCOUNT] += amount

    def settle(
        self, period: int, group: Mapping[int, Settling], supplier: int, area: int = 0
    ) -> dict[int, int]:
        """Books a group of four at settlement; its area's DSO gets what is left. Returns what waits.

        Group by group in participant order: the result does not depend on how a range was cut into calls.
        """
        for account, due in group.items():
            self.balances[account] += due.held + due.payment
            self.holds[period] -= due.held
            self.trades[period] -= due.payment
        deltas = {account: due.delta for account, due in group.items()}
        return self.credit(deltas, supplier, -sum(deltas.values()) - supplier, area)

    def credit(
        self, deltas: Mapping[int, int], supplier: int, dso: int, area: int = 0
    ) -> dict[int, int]:
        """Changes the accounts of a group; without cover, credits wait, as far as the account has them."""
        if sum(deltas.values()) + supplier + dso != 0:
            raise Refused("SumNotZero")
        for account, delta in deltas.items():
            self.balances[account] += delta
        self.balances[SUPPLIER_ACCOUNT] += supplier
        self.balances[dso_account(area)] += dso
        if self.strength >= 0:
            return {}
        waits = {
            account: min(delta, self.balances[account])
            for account, delta in deltas.items()
            if min(delta, self.balances[account]) > 0
        }
        for account, amount in waits.items():
            self.balances[account] -= amount
            self.waiting[account] += amount
        return waits

    def pay_waiting(self, accounts: Iterable[int]) -> dict[int, int]:
        """Pays credits that wait in the order given, as far as cover allows."""
        paid: dict[int, int] = {}
        for account in accounts:
            amount = min(self.waiting[account], self.strength)
            if amount <= 0:
                continue
            self.waiting[account] -= amount
            self.balances[account] += amount
            paid[account] = paid.get(account, 0) + amount
        return paid

    def finish_period(self, period: int) -> None:
        """Moves what trades leave to the spread account, once all payments are made."""
        if self.holds[period] != 0:
            raise Refused("PeriodHasOpenMoney")
        self.balances[SPREAD_ACCOUNT] += self.trades.pop(period, 0)
        del self.holds[period]


def _with_more(ledger: Ledger, account: int, more: int) -> Ledger:
    """Copy of a ledger with one account changed."""
    balances = defaultdict(int, ledger.balances)
    balances[account] += more
    return replace(ledger, balances=balances)
