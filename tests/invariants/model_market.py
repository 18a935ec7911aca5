"""A market kept in plain Python beside the chain: `gridbourse.model` decides, integers are added."""

from collections import defaultdict
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.call_auction import Band, Clearing, clear
from gridbourse.model.caps import NO_CAP
from gridbourse.model.ledger import Ledger, Refused, Settling
from gridbourse.model.settlement import Prices, estimate_wh, hold_micro_eur, settle, usable

BAND = Band(80, 5, 32)
RETAIL, FEED_IN = 300, 60
FEES = {1: (60, 20, 5), 2: (50, 10, 0)}  # by zone: import, local, export
HOLD_RATE = RETAIL + 60
PER_GROUP = 4
SILENT_PERMILLE = 1_000


class Order(NamedTuple):
    side: int
    tick: int
    wh: int

    @property
    def bid_wh(self) -> int:
        return self.wh if self.side == BID else 0

    @property
    def offer_wh(self) -> int:
        return self.wh if self.side == OFFER else 0


NO_ORDER = Order(BID, 0, 0)


@dataclass
class Seat:
    """A participant as the model needs to know it."""

    zone: int
    capacity_wh: int
    status: str = "active"  # "suspended", "left"
    until: int | None = None

    def is_member(self, period: int) -> bool:
        return self.until is None or period < self.until


@dataclass
class Delivery:
    """One period: orders, caps, net contracts and what it was settled on, by participant."""

    orders: dict[int, Order] = field(default_factory=dict)
    caps: dict[int, tuple[int, int]] = field(default_factory=dict)
    round: int = 0
    clearing: Clearing | None = None
    contracts: dict[int, int] = field(default_factory=dict)
    payments: dict[int, int] = field(default_factory=dict)
    readings: dict[int, int] = field(default_factory=dict)
    settled_on: dict[int, int] = field(default_factory=dict)


class ModelMarket:
    """The money, and every delivery period there ever was."""

    def __init__(self, seats: dict[int, Seat], dispute_window: int = 0) -> None:
        self.seats = seats
        self.ledger = Ledger(dispute_window)
        self.deliveries: defaultdict[int, Delivery] = defaultdict(Delivery)

    @property
    def money(self) -> defaultdict[int, int]:
        """Free money of every account."""
        return self.ledger.balances

    # --- orders --------------------------------------------------------------------------------

    def order(self, period: int, who: int) -> Order:
        return self.deliveries[period].orders.get(who, NO_ORDER)

    def refusal(self, period: int, who: int, order: Order) -> str | None:
        """The rule by which an order is refused; None when it may stand."""
        former, seat = self.order(period, who), self.seats[who]
        more = (order.bid_wh - former.bid_wh) * HOLD_RATE
        if more <= 0 and order.offer_wh <= former.offer_wh:
            return None
        if seat.status != "active":
            return "ParticipantNotActive"
        if order.wh > seat.capacity_wh:
            return "AboveConnectionCapacity"
        if self.money[who] < -self.ledger.credit_limits[who]:
            return "InDebt"
        try:
            deepcopy(self.ledger).hold(period, who, more)
        except Refused as refused:
            return refused.rule
        return None

    def place(self, period: int, who: int, order: Order) -> None:
        more = (order.bid_wh - self.order(period, who).bid_wh) * HOLD_RATE
        self.ledger.hold(period, who, more)
        self.deliveries[period].orders[who] = order

    def last_promised(self, who: int) -> int:
        """The last period with energy of an order that stands; 0 = none."""
        return max((p for p in self.deliveries if self.order(p, who).wh), default=0)

    def hold(self, period: int, who: int) -> int:
        """What backs the open order of a participant that is not settled yet."""
        return int(hold_micro_eur(np.array([self.order(period, who).bid_wh]), HOLD_RATE)[0])

    # --- clearing and verdicts -----------------------------------------------------------------

    def clear(self, period: int) -> Clearing:
        delivery = self.deliveries[period]
        rows = np.array([delivery.orders[who] for who in sorted(delivery.orders)], dtype=np.int64)
        side, tick, wh = rows.reshape(-1, 3).T
        delivery.clearing = clear(side == OFFER, tick, wh, BAND)
        return delivery.clearing

    def cap(self, period: int, caps: dict[int, tuple[int, int]]) -> None:
        delivery = self.deliveries[period]
        for who, both in caps.items():
            former = delivery.caps.get(who, (NO_CAP, NO_CAP))
            delivery.caps[who] = export, import_ = min(both[0], former[0]), min(both[1], former[1])
            order = self.order(period, who)
            limit = export if order.side == OFFER else import_
            if order.wh > limit:
                self.place(period, who, order._replace(wh=limit))
        delivery.round += 1
        self.void(period)

    def void(self, period: int) -> None:
        self.deliveries[period].clearing = None

    def book(self, period: int) -> None:
        """Trades are due at settlement; until then every hold stays."""
        delivery = self.deliveries[period]
        if delivery.clearing is None:
            return
        fills = delivery.clearing.fills_wh.tolist()
        payments = delivery.clearing.payments_micro_eur.tolist()
        for who, fill, payment in zip(sorted(delivery.orders), fills, payments, strict=True):
            offers = delivery.orders[who].side == OFFER
            delivery.contracts[who] = fill if offers else -fill
            delivery.payments[who] = payment

    # --- settlement ----------------------------------------------------------------------------

    def settle(self, period: int) -> None:
        """Every member, on its reading, and on the worst there could be where that is missing."""
        delivery = self.deliveries[period]
        members = [who for who, seat in self.seats.items() if seat.is_member(period)]
        delivery.settled_on = {who: self._counted(period, who) for who in members}
        for group in _groups(members):
            deltas, supplier = self._charge(period, {w: delivery.settled_on[w] for w in group})
            due = {
                w: Settling(self.hold(period, w), delivery.payments.get(w, 0), deltas[w])
                for w in group
            }
            self.ledger.settle(period, due, supplier)
        self.ledger.finish_period(period)

    def _counted(self, period: int, who: int) -> int:
        delivery, capacity = self.deliveries[period], np.array([self.seats[who].capacity_wh])
        reading = delivery.readings.get(who)
        if reading is not None and usable(np.array([reading]), capacity)[0]:
            return reading
        contract = np.array([delivery.contracts.get(who, 0)])
        return int(estimate_wh(contract, capacity, SILENT_PERMILLE)[0])

    def correct(self, period: int, readings: dict[int, int]) -> None:
        """The difference between what it was settled on and what it should have been, group by group."""
        settled = self.deliveries[period].settled_on
        for group in _groups(readings):
            given = {who: readings[who] for who in group}
            before, sent = self._charge(period, {who: settled[who] for who in group})
            after, due = self._charge(period, given)
            deltas = {who: after[who] - before[who] for who in group}
            self.ledger.credit(deltas, due - sent, -sum(deltas.values()) - (due - sent))
            settled.update(given)

    def _charge(self, period: int, readings: dict[int, int]) -> tuple[dict[int, int], int]:
        """What the accounts change by, and what the supplier receives of them."""
        delivery = self.deliveries[period]
        contracts = [delivery.contracts.get(who, 0) for who in readings]
        caps = [delivery.caps.get(who, (NO_CAP, NO_CAP))[0] for who in readings]
        fees = np.array([FEES[self.seats[who].zone] for who in readings], dtype=np.int64).T
        due = settle(
            np.array(list(readings.values()), dtype=np.int64),
            np.array(contracts, dtype=np.int64),
            np.array(caps, dtype=np.int64),
            Prices(RETAIL, FEED_IN, *fees),
        )
        return dict(zip(readings, due.delta.tolist(), strict=True)), int(due.supplier.sum())


def _groups(numbers: Iterable[int]) -> list[list[int]]:
    """Numbers in order, four seats together."""
    return [list(g) for _, g in groupby(sorted(numbers), key=lambda who: who // PER_GROUP)]
