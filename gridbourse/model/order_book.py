"""Reference order book, which `contracts/market/order_book/OrderBook.sol` must equal, event for event.

A continuous double auction ([Mendes2020] §3.1.1.2, Fig. 11-12) of one area and delivery
period, on a grid of price ticks: best price first, then earliest; trades at the resting order's
price. Nobody trades with itself, and an incoming order meets a bounded number of makers. Integers
only: no float, clock or random number can make two runs differ.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from itertools import groupby
from operator import attrgetter

from gridbourse.model.errors import ModelError
from gridbourse.model.trade import MOST_WH


class Side(IntEnum):
    """Bid = buy, offer = sell."""

    BID = 0
    OFFER = 1

    @property
    def other(self) -> "Side":
        """Opposite side, with which this one trades."""
        return Side(1 - self)


class Kind(IntEnum):
    """Treatment of energy that does not trade at once."""

    LIMIT = 0
    """It rests in the book."""
    IMMEDIATE_OR_CANCEL = 1
    """It is cancelled."""
    FILL_OR_KILL = 2
    """There is none: the order fills whole or has no effect."""


class Ending(Enum):
    """Ending of an incoming order."""

    FILLED = "filled whole"
    RESTED = "rests in the book"
    IMMEDIATE = "immediate or cancel: the remainder is cancelled"
    OWN_ORDER = "met its own participant's order: the remainder is cancelled"
    FILL_LIMIT = "met as many makers as one order may: the remainder is cancelled"
    KILLED = "fill or kill: could not fill whole, no effect"


class OrderBookError(ModelError):
    """Refused call; the book is as it was before."""


class TickOutsideBand(OrderBookError):
    """Price outside the band."""


class EnergyOutOfRange(OrderBookError):
    """Less than the minimum quantity or more than a lane holds."""


class TooManyOrders(OrderBookError):
    """More orders than a participant may bring to rest in a period."""


class UnknownOrder(OrderBookError):
    """Order that does not rest in the book: never did, or was filled or cancelled."""


class NotTheOwner(OrderBookError):
    """Order of another participant."""


class GateClosed(OrderBookError):
    """Trading of the period has ended."""


@dataclass(frozen=True)
class Order:
    """Resting order; `wh` is what is left of it. Ids rise in the order in which orders rest."""

    order_id: int
    participant: int
    side: Side
    tick: int
    wh: int


@dataclass(frozen=True)
class Trade:
    """Trade of `wh` at the tick of the maker, the order that rested."""

    maker_order_id: int
    maker: int
    taker: int
    seller: int
    buyer: int
    tick: int
    wh: int


@dataclass(frozen=True)
class Placement:
    """Effect of an order on arrival: Σ trades + rested_wh + cancelled_wh = its energy.

    order_id: of the order that rests, else None.
    """

    order_id: int | None
    trades: tuple[Trade, ...]
    rested_wh: int
    cancelled_wh: int
    ending: Ending


class OrderBook:
    """Order book of one area and period.

    ticks: of the band; min_wh: least energy of an order; max_fills: most makers an incoming order
    meets; max_open: most orders a participant may bring to rest without taking one back, and so the most
    it has open. Orders filled by others still count, so that a fill need not touch the maker's account.
    """

    def __init__(self, ticks: int, min_wh: int, max_fills: int, max_open: int) -> None:
        self.ticks = ticks
        self.min_wh = min_wh
        self.max_fills = max_fills
        self.max_open = max_open
        self.closed = False
        self._next_id = 0
        self._by_id: dict[int, Order] = {}
        self._by_owner: dict[int, set[int]] = {}
        # By participant, orders brought to rest and not taken back.
        self._brought: Counter[int] = Counter()
        # Per side and tick the ids in order of time; a tick without orders has no queue.
        self._queues: tuple[dict[int, OrderedDict[int, None]], ...] = ({}, {})

    # ------------------------------------------------------------------------------- orders

    def place(
        self, participant: int, side: Side, tick: int, wh: int, kind: Kind = Kind.LIMIT
    ) -> Placement:
        """Match an order with the book, then rest or cancel what is left of it, by its kind.

        Raises GateClosed, TickOutsideBand, EnergyOutOfRange or TooManyOrders, without effect.
        """
        self._require_order(tick, wh)
        trades, stopped = self._match(participant, side, tick, wh)
        left = wh - sum(trade.wh for trade in trades)
        if kind is Kind.FILL_OR_KILL and left:
            return Placement(None, (), 0, wh, Ending.KILLED)
        rests = left > 0 and stopped is None and kind is Kind.LIMIT
        if rests:
            self._require_room(participant)
        for trade in trades:
            self._shrink(trade.maker_order_id, trade.wh)
        if rests:
            return Placement(
                self._rest(participant, side, tick, left), trades, left, 0, Ending.RESTED
            )
        ending = (stopped or Ending.IMMEDIATE) if left else Ending.FILLED
        return Placement(None, trades, 0, left, ending)

    def cancel(self, participant: int, order_id: int) -> int:
        """Take one's own order out of the book; returns the Wh that were left of it.

        Raises GateClosed, UnknownOrder or NotTheOwner.
        """
        order = self._own(participant, order_id)
        self._shrink(order_id, order.wh)
        self._brought[participant] -= 1
        return order.wh

    def replace(self, participant: int, order_id: int, tick: int, wh: int) -> Placement:
        """Give one's own order another price or energy.

        Less energy than is left at the same tick keeps the order's id and place. Anything else
        cancels what is left and places a new limit order, behind all others.
        Raises what `cancel` and `place` raise, without effect.
        """
        order = self._own(participant, order_id)
        self._require_order(tick, wh)
        if tick == order.tick and wh < order.wh:
            self._shrink(order_id, order.wh - wh)
            return Placement(order_id, (), wh, 0, Ending.RESTED)
        self.cancel(participant, order_id)
        return self.place(participant, order.side, tick, wh)

    def close(self) -> None:
        """Gate closure: nothing is placed, replaced or cancelled any more."""
        self.closed = True

    def release(self, most: int) -> list[Order]:
        """Take out up to `most` orders that rested, the earliest first, after gate closure.

        Raises OrderBookError while the gate is open.
        """
        if not self.closed:
            raise OrderBookError("release: orders are released after gate closure")
        page = [self._by_id[order_id] for order_id in sorted(self._by_id)[:most]]
        for order in page:
            self._shrink(order.order_id, order.wh)
        return page

    # -------------------------------------------------------------------------------- views

    @property
    def best_bid(self) -> int | None:
        """The highest tick with a bid."""
        return max(self._queues[Side.BID], default=None)

    @property
    def best_offer(self) -> int | None:
        """The lowest tick with an offer."""
        return min(self._queues[Side.OFFER], default=None)

    def depth(self, side: Side) -> list[tuple[int, int, int]]:
        """(tick, Wh, orders) of every tick with an order, best first."""
        levels = (
            (tick, list(level)) for tick, level in groupby(self.resting(side), attrgetter("tick"))
        )
        return [(tick, sum(order.wh for order in level), len(level)) for tick, level in levels]

    def resting(self, side: Side) -> Iterator[Order]:
        """Every order of a side in the order in which it would be met."""
        queues = self._queues[side]
        for tick in sorted(queues, reverse=side is Side.BID):
            yield from (self._by_id[order_id] for order_id in queues[tick])

    def open_orders(self, participant: int) -> list[Order]:
        """A participant's resting orders, the earliest first."""
        return [self._by_id[order_id] for order_id in sorted(self._by_owner.get(participant, ()))]

    def reserved_wh(self, participant: int) -> tuple[int, int]:
        """(sell, buy): Wh reserved for a participant's resting orders."""
        orders = self.open_orders(participant)
        sell = sum(order.wh for order in orders if order.side is Side.OFFER)
        return sell, sum(order.wh for order in orders) - sell

    # ----------------------------------------------------------------------------- matching

    def _match(
        self, participant: int, side: Side, tick: int, wh: int
    ) -> tuple[tuple[Trade, ...], Ending | None]:
        """Trades that an order would make, and the reason it makes no more, if not the price."""
        trades: list[Trade] = []
        for maker in self.resting(side.other):
            crosses = maker.tick <= tick if side is Side.BID else maker.tick >= tick
            if not wh or not crosses:
                break
            if maker.participant == participant:
                return tuple(trades), Ending.OWN_ORDER
            if len(trades) == self.max_fills:
                return tuple(trades), Ending.FILL_LIMIT
            seller, buyer = maker.participant, participant
            if side is Side.OFFER:
                seller, buyer = buyer, seller
            part = min(wh, maker.wh)
            trades.append(
                Trade(
                    maker.order_id, maker.participant, participant, seller, buyer, maker.tick, part
                )
            )
            wh -= part
        return tuple(trades), None

    # ------------------------------------------------------------------------------ storage

    def _rest(self, participant: int, side: Side, tick: int, wh: int) -> int:
        """Put an order at the tail of its tick; returns its id."""
        order = Order(self._next_id, participant, side, tick, wh)
        self._next_id += 1
        self._brought[participant] += 1
        self._by_id[order.order_id] = order
        self._by_owner.setdefault(participant, set()).add(order.order_id)
        self._queues[side].setdefault(tick, OrderedDict())[order.order_id] = None
        return order.order_id

    def _shrink(self, order_id: int, by_wh: int) -> None:
        """Take energy from a resting order where it stands; the last takes it out of the book."""
        order = self._by_id[order_id]
        if by_wh < order.wh:
            self._by_id[order_id] = replace(order, wh=order.wh - by_wh)
            return
        del self._by_id[order_id]
        self._by_owner[order.participant].discard(order_id)
        queue = self._queues[order.side][order.tick]
        del queue[order_id]
        if not queue:
            del self._queues[order.side][order.tick]

    # ----------------------------------------------------------------------------- refusals

    def _require_open(self) -> None:
        if self.closed:
            raise GateClosed("order: the gate of this period has closed")

    def _require_order(self, tick: int, wh: int) -> None:
        self._require_open()
        if not 0 <= tick < self.ticks:
            raise TickOutsideBand(f"tick: {tick} must lie in 0..{self.ticks - 1}")
        if not self.min_wh <= wh <= MOST_WH:
            raise EnergyOutOfRange(f"wh: {wh} must lie in {self.min_wh}..{MOST_WH}")

    def _require_room(self, participant: int) -> None:
        if self._brought[participant] >= self.max_open:
            raise TooManyOrders(
                f"participant {participant}: brought {self.max_open} orders to rest and took none of "
                "them back, the most allowed"
            )

    def _own(self, participant: int, order_id: int) -> Order:
        self._require_open()
        order = self._by_id.get(order_id)
        if order is None:
            raise UnknownOrder(f"order_id: no order {order_id} rests in the book")
        if order.participant != participant:
            raise NotTheOwner(
                f"order_id: order {order_id} is not of participant {participant} "
                f"but of {order.participant}"
            )
        return order
