"""A market kept in plain Python beside the chain: `gridbourse.model` decides, integers are added."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gridbourse.chain.lanes import BID, OFFER
from gridbourse.model.caps import NO_CAP
from gridbourse.model.clearing import Band, Clearing, clear
from gridbourse.model.settlement import Prices, hold_micro_eur, settle

BAND = Band(80, 5, 32)
RETAIL, FEED_IN = 300, 60
FEES = {1: (60, 20, 5), 2: (50, 10, 0)}  # by zone: import, local, export
HOLD_RATE = RETAIL + 60
DSO, SUPPLIER = 1, 2


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
    credit: int = 0

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
    open_trades: int = 0
    readings: dict[int, int] = field(default_factory=dict)
    settled_on: dict[int, int] = field(default_factory=dict)


class ModelMarket:
    """Free money by account, and every delivery period there ever was."""

    def __init__(self, seats: dict[int, Seat]) -> None:
        self.seats = seats
        self.money: defaultdict[int, int] = defaultdict(int)
        self.deliveries: defaultdict[int, Delivery] = defaultdict(Delivery)

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
        if self.money[who] < -seat.credit:
            return "InDebt"
        return "InsufficientMoney" if self.money[who] + seat.credit < more else None

    def place(self, period: int, who: int, order: Order) -> None:
        self.money[who] -= (order.bid_wh - self.order(period, who).bid_wh) * HOLD_RATE
        self.deliveries[period].orders[who] = order

    def last_promised(self, who: int) -> int:
        """The last period with energy of an order that stands; 0 = none."""
        return max((p for p in self.deliveries if self.order(p, who).wh), default=0)

    def holds(self, period: int) -> int:
        """What backs the open orders of a period, of those who are not settled yet."""
        return sum(
            self.hold(period, who)
            for who in self.deliveries[period].orders
            if who not in self.deliveries[period].settled_on
        )

    def hold(self, period: int, who: int) -> int:
        bought = max(-self.deliveries[period].contracts.get(who, 0), 0)
        wh = np.array([self.order(period, who).bid_wh, bought])
        return int(hold_micro_eur(wh[:1], wh[1:], RETAIL, HOLD_RATE)[0])

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
        """Trades are paid; energy bought is backed no more, its fees are."""
        delivery = self.deliveries[period]
        if delivery.clearing is None:
            return
        fills = delivery.clearing.fills_wh.tolist()
        payments = delivery.clearing.payments_micro_eur.tolist()
        for who, fill, payment in zip(sorted(delivery.orders), fills, payments, strict=True):
            before = self.hold(period, who)
            offers = delivery.orders[who].side == OFFER
            delivery.contracts[who] = fill if offers else -fill
            self.money[who] += payment + before - self.hold(period, who)
            delivery.open_trades -= payment

    # --- settlement ----------------------------------------------------------------------------

    def settle(self, period: int) -> None:
        """Every member, on its reading, and on its contract where that is missing."""
        delivery = self.deliveries[period]
        for who, seat in self.seats.items():
            if seat.is_member(period):
                self.money[who] += self.hold(period, who)
                contract = delivery.contracts.get(who, 0)
                delivery.settled_on[who] = delivery.readings.get(who, contract)
        self._charge(period, delivery.settled_on, +1)

    def correct(self, period: int, readings: dict[int, int]) -> None:
        """Taken back as it was settled, and settled again as it should have been."""
        settled = self.deliveries[period].settled_on
        self._charge(period, {who: settled[who] for who in readings}, -1)
        settled.update(readings)
        self._charge(period, readings, +1)

    def _charge(self, period: int, readings: dict[int, int], sign: int) -> None:
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
        for who, delta in zip(readings, due.delta.tolist(), strict=True):
            self.money[who] += sign * delta
        self.money[SUPPLIER] += sign * int(due.supplier.sum())
        self.money[DSO] += sign * int(due.dso.sum())
