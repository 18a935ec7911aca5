"""Resting orders of an area and period: the model's, and their places on the chain."""

from collections import defaultdict

from gridbourse.audit.core.rules import BookRules
from gridbourse.audit.markets.tick_queue import TickQueue
from gridbourse.chain.encoding.book_order import BookOrder
from gridbourse.model.order_book import Order, OrderBook, Side


class RestingBook:
    """`orders`: the model. Tick and position of each order that rests."""

    def __init__(self, rules: BookRules) -> None:
        self.orders = OrderBook(rules.band.ticks, rules.min_wh, rules.max_fills, rules.max_open)
        self._queues: defaultdict[int, TickQueue] = defaultdict(TickQueue)
        self._places: dict[int, tuple[int, int]] = {}
        self._owners: dict[int, int] = {}

    def rest(self, order_id: int, participant: int, tick: int) -> int | None:
        """Position of a new order at its tick."""
        self._owners[order_id] = participant
        position = self._queues[tick].append(order_id)
        if position is not None:
            self._places[order_id] = (tick, position)
        return position

    def at(self, tick: int, position: int) -> Order | None:
        """Order at a place."""
        order_id = self._queues[tick].orders.get(position)
        return None if order_id is None else self._order(order_id)

    def _order(self, order_id: int) -> Order | None:
        """Order by number; None once nothing is left of it."""
        own = self.orders.open_orders(self._owners[order_id])
        return next((order for order in own if order.order_id == order_id), None)

    def forget_filled(self, order_id: int) -> None:
        """Free the place of an order of which nothing is left."""
        if order_id in self._places and self._order(order_id) is None:
            tick, position = self._places.pop(order_id)
            self._queues[tick].remove(position)
            del self._owners[order_id]

    def resting(self) -> list[Order]:
        """Orders by tick, those of a tick in order of time."""
        both = [*self.orders.resting(Side.BID), *self.orders.resting(Side.OFFER)]
        return sorted(both, key=lambda order: order.tick)

    def word(self, order: Order) -> BookOrder:
        """Order as `queueOf` and BookReleased have it."""
        position = self._places.get(order.order_id, (order.tick, 0))[1]
        return BookOrder(
            order.participant, side=order.side, tick=order.tick, wh=order.wh, position=position
        )
