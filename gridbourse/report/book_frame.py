"""Order book rebuilt off-chain: one row an order that rested, from the contract's events alone.

`OrderBook.sol` stores as little as it can; its logs hold the rest. `frame` of the events up to a moment
is the history until then, and `book_at` is the book at their end. An event is
checked against the orders it changes: one that is missing or repeated is found.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from gridbourse.chain.encoding.book_order import BookOrder
from gridbourse.errors import GridbourseError
from gridbourse.model.call_auction import Band
from gridbourse.model.errors import ModelError
from gridbourse.model.order_book import Side
from gridbourse.model.trade import TradeWord


class BookEventsError(GridbourseError):
    """Events that no order book emits in this order; the message names the event by its row."""


@dataclass
class OrderRow:
    """One order that rested, and its life: placed = filled + cancelled + left.

    position: its place in the queue of its tick; rested_at, ended_at: rows of the events.
    """

    area: int
    period: int
    participant: int
    side: str
    tick: int
    position: int
    price_micro_eur_per_wh: int
    placed_wh: int
    filled_wh: int
    cancelled_wh: int
    left_wh: int
    rested_at: int
    ended_at: int | None


def frame(events: Iterable[Mapping[str, Any]], band: Band) -> pd.DataFrame:
    """One row an order that rested, in order of time; columns are the fields of `OrderRow`.

    events: in chain order, each its values by name and its own name as "event". Events of other
    names are skipped, but count as rows. band: of the market.
    Raises BookEventsError.
    """
    rebuilt = _Book(band)
    for at, event in enumerate(events):
        name = event.get("event")
        reader = _READERS.get(str(name))
        if reader is None:
            continue
        try:
            reader(rebuilt, at, event)
        except KeyError as missing:
            raise BookEventsError(f"event {at} {name}: {missing} is missing") from missing
        except (ModelError, _Impossible) as reason:
            raise BookEventsError(f"event {at} {name}: {reason}") from reason
    table = pd.DataFrame(map(asdict, rebuilt.rows), columns=[f.name for f in fields(OrderRow)])
    whole = {f.name: "int64" for f in fields(OrderRow) if f.type is int}
    return table.astype({**whole, "side": "str", "ended_at": "Int64"})


def book_at(orders: pd.DataFrame, area: int, period: int) -> pd.DataFrame:
    """Order book of an area and period at the end of a frame's events, best price first.

    One row a level. Index: side ("bid", "offer"), tick. Columns: price_micro_eur_per_wh, wh, orders.
    """
    resting = orders[(orders.area == area) & (orders.period == period) & (orders.left_wh > 0)]
    levels = resting.groupby(["side", "tick"]).agg(
        price_micro_eur_per_wh=("price_micro_eur_per_wh", "first"),
        wh=("left_wh", "sum"),
        orders=("left_wh", "size"),
    )
    bids, offers = (levels[levels.index.get_level_values("side") == s] for s in ("bid", "offer"))
    return pd.concat([bids.iloc[::-1], offers])


class _Impossible(Exception):
    """Event that contradicts the order book."""


@dataclass(frozen=True)
class _Level:
    """Price level at which orders queue."""

    area: int
    period: int
    side: Side
    tick: int


class _Book:
    """Orders of all areas and periods; each event changes it as it changed the chain's."""

    def __init__(self, band: Band) -> None:
        self.rows: list[OrderRow] = []
        self._band = band
        # Resting orders by position, in order of time.
        self._queues: defaultdict[_Level, dict[int, OrderRow]] = defaultdict(dict)

    def rested(self, at: int, event: Mapping[str, Any]) -> None:
        level, position, wh = _level(event), event["position"], event["wh"]
        if position in self._queues[level]:
            raise _Impossible(f"position {position} of tick {level.tick} is taken")
        if wh <= 0:
            raise _Impossible(f"wh {wh} must be positive")
        if not 0 <= level.tick < self._band.ticks:
            raise _Impossible(f"tick {level.tick} must lie in 0..{self._band.ticks - 1}")
        row = OrderRow(
            area=level.area,
            period=level.period,
            participant=event["participant"],
            side=level.side.name.lower(),
            tick=level.tick,
            position=position,
            price_micro_eur_per_wh=self._band.price(level.tick),
            placed_wh=wh,
            filled_wh=0,
            cancelled_wh=0,
            left_wh=wh,
            rested_at=at,
            ended_at=None,
        )
        self.rows.append(row)
        self._queues[level][position] = row

    def matched(self, at: int, event: Mapping[str, Any]) -> None:
        taker, trades = event["taker"], [TradeWord.unpack(word) for word in event["trades"]]
        side = Side.BID if trades and trades[0].buyer == taker else Side.OFFER
        for trade in trades:
            maker = trade.seller if side is Side.BID else trade.buyer
            if taker != (trade.buyer if side is Side.BID else trade.seller):
                raise _Impossible(f"trade {trade} is not of taker {taker}")
            tick = self._band.tick_of(trade.price_micro_eur_per_wh)
            level = _Level(event["area"], event["period"], side.other, tick)
            self._fill(at, level, maker, trade.wh)
        if sum(trade.wh for trade in trades) > event["wh"]:
            raise _Impossible(f"trades more than the order's {event['wh']} Wh")

    def cancelled(self, at: int, event: Mapping[str, Any]) -> None:
        level, row = self._named(event)
        if event["wh"] != row.left_wh:
            raise _Impossible(f"cancels {event['wh']} Wh of an order that has {row.left_wh} left")
        row.cancelled_wh += row.left_wh
        self._take(at, level, row, row.left_wh)

    def reduced(self, at: int, event: Mapping[str, Any]) -> None:
        level, row = self._named(event)
        if not 0 < event["wh"] < row.left_wh:
            raise _Impossible(f"leaves {event['wh']} Wh of an order that has {row.left_wh} left")
        gone = row.left_wh - event["wh"]
        row.cancelled_wh += gone
        self._take(at, level, row, gone)

    def released(self, at: int, event: Mapping[str, Any]) -> None:
        for word in map(BookOrder.unpack, event["orders"]):
            side = Side(word.side)
            named = {**event, **word._asdict(), "side": side}
            level, row = self._named(named)
            if (word.wh, side.name.lower()) != (row.left_wh, row.side):
                raise _Impossible(f"releases {word}, but {row.left_wh} Wh are left of a {row.side}")
            row.cancelled_wh += row.left_wh
            self._take(at, level, row, row.left_wh)

    def _fill(self, at: int, level: _Level, maker: int, wh: int) -> None:
        queue = self._queues[level]
        if not queue:
            raise _Impossible(f"trades at tick {level.tick}, where no {level.side.name} rests")
        row = next(iter(queue.values()))
        if row.participant != maker:
            raise _Impossible(f"trades with {maker}, but {row.participant} is first at its tick")
        if not 0 < wh <= row.left_wh:
            raise _Impossible(f"trades {wh} Wh of an order that has {row.left_wh} left")
        row.filled_wh += wh
        self._take(at, level, row, wh)

    def _take(self, at: int, level: _Level, row: OrderRow, wh: int) -> None:
        row.left_wh -= wh
        if not row.left_wh:
            row.ended_at = at
            del self._queues[level][row.position]

    def _named(self, event: Mapping[str, Any]) -> tuple[_Level, OrderRow]:
        """Resting order that an event names by its place and owner."""
        level, position = _level(event), event["position"]
        row = self._queues[level].get(position)
        if row is None or row.participant != event["participant"]:
            raise _Impossible(
                f"participant {event['participant']} has no order at position {position} "
                f"of tick {level.tick}"
            )
        return level, row


def _level(event: Mapping[str, Any]) -> _Level:
    return _Level(event["area"], event["period"], _side(event), event["tick"])


def _side(event: Mapping[str, Any]) -> Side:
    if event["side"] not in list(Side):
        raise _Impossible(f"side {event['side']} must be 0 (bid) or 1 (offer)")
    return Side(event["side"])


_READERS = {
    "OrderRested": _Book.rested,
    "OrdersMatched": _Book.matched,
    "OrderCancelled": _Book.cancelled,
    "OrderReduced": _Book.reduced,
    "BookReleased": _Book.released,
}
"""Reader of each event. An order killed left no trace in the book: `OrderKilled` does nothing."""
