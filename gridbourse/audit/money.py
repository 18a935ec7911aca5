"""Money accounts, holds and positions, rebuilt (`ClearingHouse.sol`, `SettlementCurrency.sol`)."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from gridbourse.audit.events import Event
from gridbourse.audit.findings import Findings
from gridbourse.audit.members import Members
from gridbourse.audit.tariffs import Tariffs

DSO, SUPPLIER, OPERATOR, SPREAD, MARGIN = 1, 2, 3, 5, 6  # HouseAccounts.sol


class Rates(NamedTuple):
    """What one reserved Wh of a period is backed with, µEUR per Wh."""

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


class Money:
    """Every account, hold and open trade. Invariant: their sum is the currency held."""

    def __init__(self, house: str, members: Members, tariffs: Tariffs, findings: Findings) -> None:
        self._house, self._members, self._tariffs = house.lower(), members, tariffs
        self._findings = findings
        self._rates: dict[int, Rates] = {}
        self.free: defaultdict[int, int] = defaultdict(int)
        self.holds: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.open_trades: defaultdict[int, int] = defaultdict(int)
        self.positions: defaultdict[int, dict[int, Position]] = defaultdict(dict)
        self.paid: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.credit_limits: defaultdict[int, int] = defaultdict(int)
        self.settling: set[int] = set()
        self.deposits = self.withdrawals = self.currency_held = 0

    @property
    def activated_periods(self) -> set[int]:
        """Periods that took a ring slot."""
        return set(self._rates)

    def total(self) -> int:
        """Σ accounts + Σ holds + Σ open trades, µEUR."""
        return sum(self.free.values()) + sum(self.holds.values()) + sum(self.open_trades.values())

    def position(self, period: int, participant: int) -> Position:
        """What a participant has booked in a period."""
        return self.positions[period].get(participant, Position())

    # --- events ------------------------------------------------------------------------------

    def deposited(self, event: Event) -> None:
        """Deposited: the margin account is filled by deals alone."""
        where = f"deposit, {event.at('account')}"
        self._findings.require("money rule", where, event["account"] != MARGIN, "held for others")
        self.free[event["account"]] += event["amountMicroEur"]
        self.deposits += event["amountMicroEur"]

    def withdrawn(self, event: Event) -> None:
        """Withdrawn: only what is free."""
        account, amount = event["account"], event["amountMicroEur"]
        where = f"withdrawal, {event.at('account')}"
        self._findings.require("money rule", where, self.free[account] >= amount, "not free")
        self.free[account] -= amount
        self.withdrawals += amount

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
        retail = self._tariffs.energy(event["period"]).retail
        rates = Rates(retail, retail + self._tariffs.highest_fee(event["period"]))
        chain = (event["areas"], event["retailMicroEurPerWh"], event["holdMicroEurPerWh"])
        rebuilt = (len(self._members.areas), *rates)
        self._findings.compare(
            "tariff", f"(areas, retail, hold), {event.at('period')}", chain, rebuilt
        )
        self._rates[event["period"]] = rates

    # --- what orders, trades and settlement do -----------------------------------------------

    def hold_rate(self, period: int) -> int:
        """What backs each Wh reserved into a connection, µEUR."""
        return self._rates_of(period).hold

    def hold(self, period: int, participant: int, wh: int) -> None:
        """Hold money for `wh` more into a connection; below zero, give it back."""
        change = wh * self.hold_rate(period)
        self.free[participant] -= change
        self.holds[period, participant] += change

    def book(self, period: int, participant: int, fill: Position, payment: int) -> None:
        """A trade is paid from its hold; its fees stay backed."""
        backed = fill.bought_wh * self._rates_of(period).retail
        self.holds[period, participant] -= backed
        self.free[participant] += backed + payment
        self.open_trades[period] -= payment
        self.paid[period, participant] += payment
        held = self.position(period, participant)
        self.positions[period][participant] = Position(
            held.sold_wh + fill.sold_wh, held.bought_wh + fill.bought_wh
        )

    def collect_spread(self, period: int, amount: int) -> None:
        """What buyers paid above what sellers received goes to its account."""
        self.open_trades[period] -= amount
        self.free[SPREAD] += amount

    def settle(self, period: int, deltas: Mapping[int, int]) -> dict[int, int]:
        """Give holds back and change the accounts; the balances of those in debt by it."""
        self.settling.add(period)
        held = {who: self.holds.pop((period, who), 0) for who in deltas}
        changed = {who: held[who] + delta for who, delta in deltas.items() if held[who] or delta}
        return self._change(changed)

    def correct(self, deltas: Mapping[int, int]) -> dict[int, int]:
        """Change accounts by a correction; the balances of those in debt by it."""
        return self._change({who: delta for who, delta in deltas.items() if delta})

    def _change(self, changes: Mapping[int, int]) -> dict[int, int]:
        for who, change in changes.items():
            self.free[who] += change
        return {who: self.free[who] for who in changes if self.free[who] < 0}

    def _rates_of(self, period: int) -> Rates:
        return self._rates.get(period, Rates(0, 0))
