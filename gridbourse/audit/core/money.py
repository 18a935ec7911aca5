"""Money accounts, holds and positions, rebuilt (`ClearingHouse.sol`, `SettlementCurrency.sol`)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gridbourse.audit.core.balances import Balances, Claims
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.registry import Members
from gridbourse.audit.core.tariff import Tariffs
from gridbourse.model.house_accounts import (
    MARGIN_ACCOUNT,
    SPREAD_ACCOUNT,
    SUPPLIER_ACCOUNT,
    TSO_ACCOUNT,
    dso_account,
)

NO_AREA = -1
"""Of who was never registered."""


class Rates(NamedTuple):
    """Backing of one reserved Wh of a period, µEUR per Wh."""

    retail: int
    hold: int


class Position(NamedTuple):
    """Energy traded in a period, Wh."""

    sold_wh: int = 0
    bought_wh: int = 0

    @property
    def net_wh(self) -> int:
        """The contract: + sells."""
        return self.sold_wh - self.bought_wh


class GroupChange(NamedTuple):
    """Change of a group by settlement or a correction, µEUR: its participants, in order, the supplier and
    the DSO."""

    deltas: dict[int, int]
    supplier: int
    dso: int


class Settled(NamedTuple):
    """By participant, µEUR: balances of those in debt now, and credits that wait from now on."""

    debts: dict[int, int]
    waits: dict[int, int]


class Backing(NamedTuple):
    """Money behind the accounts: the supplier's cover, and the other house accounts, µEUR."""

    cover: int
    house: int

    @property
    def strength(self) -> int:
        """Amount that can be credited before credits wait."""
        return self.cover + min(self.house, 0)


class Money:
    """Every account, hold and open trade. Invariant: with what waits and what is set aside, their sum
    is the currency held.

    What is of a period is of an area in it (area, period), or of a participant, who is in one.
    waiting: credit by participant that the supplier's money does not cover. set_aside: withdrawals
    announced and not paid. due: payments of trades by period and participant, made at settlement.
    """

    def __init__(self, house: str, members: Members, tariffs: Tariffs, findings: Findings) -> None:
        self._house, self._members, self._tariffs = house.lower(), members, tariffs
        self._findings = findings
        self._rates: dict[tuple[int, int], Rates] = {}
        self.free = Balances()
        self.waiting: defaultdict[int, int] = defaultdict(int)
        self.set_aside = 0
        self.holds: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.due: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.open_trades: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.positions: defaultdict[int, dict[int, Position]] = defaultdict(dict)
        self.paid: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.credit_limits: defaultdict[int, int] = defaultdict(int)
        self.settling: set[tuple[int, int]] = set()
        # Of the present block: whose hold drew on credit, and whether anything was settled.
        self.drawn_on: set[int] = set()
        self.has_settled = False
        self.deposits = self.withdrawals = self.currency_held = 0

    @property
    def activated_periods(self) -> set[tuple[int, int]]:
        """(area, period) of those that took a ring slot."""
        return set(self._rates)

    def total(self) -> int:
        """Σ accounts + what waits + what is set aside + Σ holds + Σ open trades, µEUR."""
        accounts = sum(self.free.values()) + self.waiting_micro_eur + self.set_aside
        return accounts + self._in_periods()

    def position(self, period: int, participant: int) -> Position:
        """Position of a participant in a period, as booked."""
        return self.positions[period].get(participant, Position())

    # --- what backs what -----------------------------------------------------------------------

    def backing(self) -> Backing:
        """The supplier's money and the credits that wait for it, less what participants owe; and the rest
        of the house."""
        cover = self.free[SUPPLIER_ACCOUNT] + self.waiting_micro_eur - self.free.debts_micro_eur
        return Backing(cover, sum(self.free[each] for each in sorted(self.free.earners)))

    @property
    def waiting_micro_eur(self) -> int:
        """Σ credits that wait."""
        return sum(self.waiting.values())

    def may_leave(self, account: int) -> int:
        """Amount that may leave an account now, µEUR: of a house account only what need not cover debts."""
        own = max(self.free[account], 0)
        if account == SUPPLIER_ACCOUNT:
            cover, house = self.backing()
            return max(min(own, cover if house >= 0 else 0), 0)
        if account in self.free.earners:
            cover, house = self.backing()
            return max(min(own, house + min(cover, 0)), 0)
        return own

    def claims(self) -> Claims:
        """Claims of everybody together now, and the currency held."""
        earners = sorted(self.free.earners)
        backing, theirs = self.backing(), sum(max(self.free[each], 0) for each in earners)
        house = min(max(backing.house + min(backing.cover, 0), 0), theirs)
        return Claims(
            participants=self.free.free_micro_eur,
            house=house + self.may_leave(SUPPLIER_ACCOUNT),
            held_for_others=self.free[MARGIN_ACCOUNT] + max(self.free[TSO_ACCOUNT], 0),
            set_aside=self.set_aside,
            in_periods=self._in_periods(),
            currency_held=self.currency_held,
        )

    def periods_short(self) -> dict[tuple[int, int], int]:
        """By (area, period) where they are below zero: holds and open trades together, µEUR. Never any."""
        sums = defaultdict(int, self.open_trades)
        for (period, who), held in self.holds.items():
            sums[self._area_of(who), period] += held
        return {key: total for key, total in sorted(sums.items()) if total < 0}

    def _in_periods(self) -> int:
        return sum(self.holds.values()) + sum(self.open_trades.values())

    # --- events ------------------------------------------------------------------------------

    def deposited(self, event: Event) -> None:
        """Deposited: the margin account is filled by deals alone."""
        where = f"deposit, {event.at('account')}"
        self._findings.require(
            "money rule", where, event["account"] != MARGIN_ACCOUNT, "held for others"
        )
        self.free[event["account"]] += event["amountMicroEur"]
        self.deposits += event["amountMicroEur"]

    def waiting_paid(self, event: Event) -> None:
        """WaitingPaid: as far as there is cover."""
        who, amount = event["participant"], event["amountMicroEur"]
        due = min(self.waiting[who], max(self.backing().strength, 0))
        self._findings.compare("credit that waits", f"paid, µEUR, {event.at('participant')}",
                               amount, due)  # fmt: skip
        self.waiting[who] -= due
        self.free[who] += due

    def credit_limited(self, event: Event) -> None:
        """CreditLimitSet: how far below zero orders may take an account."""
        self.credit_limits[event["participant"]] = event["limitMicroEur"]

    def transferred(self, event: Event) -> None:
        """Transfer of the currency, into the clearing house or out of it."""
        self.currency_held += event["value"] * (
            (event["to"].lower() == self._house) - (event["from"].lower() == self._house)
        )

    def activated(self, event: Event) -> None:
        """PeriodActivated: fixes what orders of the period are backed with."""
        area, period, where = event["area"], event["period"], event.at("area", "period")
        self._findings.require(
            "registry", where, self._members.is_open(area, period), "no area, or one that is closed"
        )
        retail = self._tariffs.energy(area, period).retail
        rates = Rates(retail, retail + self._tariffs.highest_fee(area, period))
        chain = (event["retailMicroEurPerWh"], event["holdMicroEurPerWh"])
        self._findings.compare("tariff", f"(retail, hold), {where}", chain, tuple(rates))
        self._rates[area, period] = rates

    # --- what orders, trades and settlement do -----------------------------------------------

    def hold_rate(self, period: int, participant: int) -> int:
        """Backing of each Wh reserved into its connection, µEUR."""
        return self._rates_of(period, participant).hold

    def retail(self, period: int, participant: int) -> int:
        """The retail price that an activated period of its area goes by, µEUR per Wh."""
        return self._rates_of(period, participant).retail

    def hold(self, period: int, participant: int, wh: int) -> None:
        """Hold money for `wh` more into a connection; below zero, give it back."""
        change = wh * self.hold_rate(period, participant)
        self.free[participant] -= change
        self.holds[period, participant] += change
        if change > 0 and self.free[participant] < 0:
            self.drawn_on.add(participant)

    def book(self, period: int, participant: int, fill: Position, payment: int) -> None:
        """A trade: its payment is due at settlement, and till then its hold stays."""
        self.due[period, participant] += payment
        self.paid[period, participant] += payment
        held = self.position(period, participant)
        self.positions[period][participant] = Position(
            held.sold_wh + fill.sold_wh, held.bought_wh + fill.bought_wh
        )

    def collect_spread(self, area: int, period: int, amount: int) -> None:
        """Credit the spread account with what buyers pay above what sellers receive."""
        self.open_trades[area, period] -= amount
        self.free[SPREAD_ACCOUNT] += amount

    def collect_rest(self, area: int, period: int) -> int:
        """When all of an area is settled: what the trades of a period leave over is spread too."""
        left = self.open_trades.pop((area, period), 0)
        self.free[SPREAD_ACCOUNT] += left
        return left

    def take_off(self, period: int, participant: int, fill: Position, payment: int) -> None:
        """Undo bookings of a market that was revoked before its payers had paid its payees."""
        self.book(period, participant, Position(-fill.sold_wh, -fill.bought_wh), -payment)

    def settle(self, area: int, period: int, groups: Sequence[GroupChange]) -> Settled:
        """Give holds back, pay trades and change the accounts, group by group in their order."""
        self.settling.add((area, period))
        found = Settled({}, {})
        backing = self.backing()
        for group in groups:
            given = {}
            for who in group.deltas:
                held, payment = self.holds.pop((period, who), 0), self.due.pop((period, who), 0)
                self.open_trades[area, period] -= payment
                given[who] = held + payment
                if held or group.deltas[who]:  # as the contract looks at whom to name
                    found.debts[who] = 0
            backing = self._write(group, given, backing, found)
        return self._end(area, groups, found)

    def correct(self, area: int, group: GroupChange) -> Settled:
        """Change the accounts of a group of an area by a correction."""
        found = Settled(dict.fromkeys((w for w, delta in group.deltas.items() if delta), 0), {})
        self._write(group, {}, self.backing(), found)
        return self._end(area, [group], found)

    def _write(
        self, group: GroupChange, given: Mapping[int, int], backing: Backing, found: Settled
    ) -> Backing:
        """Write a group, but for the credits that have to wait; the backing afterwards."""
        owed = self.free.debts_micro_eur
        for who, delta in group.deltas.items():
            self.free[who] += given.get(who, 0) + delta
        more_owed = self.free.debts_micro_eur - owed
        backing = Backing(backing.cover + group.supplier - more_owed, backing.house + group.dso)
        if backing.strength >= 0:
            return backing
        waits = {
            who: min(delta, self.free[who])
            for who, delta in group.deltas.items()
            if min(delta, self.free[who]) > 0
        }
        for who, credit in waits.items():
            self.free[who] -= credit
            self.waiting[who] += credit
            found.waits[who] = credit
        return backing._replace(cover=backing.cover + sum(waits.values()))

    def _end(self, area: int, groups: Sequence[GroupChange], found: Settled) -> Settled:
        """The house's sides; of whose account changed, those who are in debt now."""
        self.has_settled = True
        self.free[SUPPLIER_ACCOUNT] += sum(group.supplier for group in groups)
        self.free[dso_account(area)] += sum(group.dso for group in groups)
        debts = {who: self.free[who] for who in found.debts if self.free[who] < 0}
        return Settled(debts, found.waits)

    def _rates_of(self, period: int, participant: int) -> Rates:
        return self._rates.get((self._area_of(participant), period), Rates(0, 0))

    def _area_of(self, participant: int) -> int:
        area = self._members.area_of(participant)
        return NO_AREA if area is None else area
