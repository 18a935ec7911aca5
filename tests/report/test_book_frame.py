"""The book rebuilt from events: against the model on a random stream, and events that lie."""

import random
from collections import Counter
from typing import Any

import pandas as pd
import pytest

from gridbourse.chain.encoding.book_order import BookOrder
from gridbourse.model.call_auction import Band
from gridbourse.model.order_book import Kind, OrderBook, OrderBookError, Placement, Side
from gridbourse.model.trade import TradeWord
from gridbourse.report.book_frame import BookEventsError, book_at, frame

BAND = Band(floor_micro_eur_per_wh=80, tick_micro_eur_per_wh=4, ticks=16)
AREA, PERIOD = 3, 1_600_000
BID, OFFER = Side.BID, Side.OFFER


def event(name: str, side: Side, **values: Any) -> dict[str, Any]:
    return {"event": name, "area": AREA, "period": PERIOD, "side": int(side), **values}


def rested(who: int, side: Side, tick: int, position: int, wh: int, **more: Any) -> dict[str, Any]:
    return event(
        "OrderRested", side, participant=who, tick=tick, position=position, wh=wh, **more
    )  # fmt: skip


def cancelled(who: int, side: Side, tick: int, position: int, wh: int) -> dict[str, Any]:
    return {**rested(who, side, tick, position, wh), "event": "OrderCancelled"}


def reduced(who: int, side: Side, tick: int, position: int, wh: int) -> dict[str, Any]:
    return {**rested(who, side, tick, position, wh), "event": "OrderReduced"}


def matched(taker: int, wh: int, *trades: TradeWord) -> dict[str, Any]:
    """The side of the taker is told by its trades alone."""
    words = [trade.pack() for trade in trades]
    place = {"area": AREA, "period": PERIOD}
    return {"event": "OrdersMatched", **place, "taker": taker, "wh": wh, "trades": words}


def sale(seller: int, buyer: int, wh: int, tick: int) -> TradeWord:
    return TradeWord(seller, buyer, wh, BAND.price(tick))


class Emitter:
    """The model's book, writing down what the contract would emit."""

    def __init__(self) -> None:
        self.book = OrderBook(BAND.ticks, min_wh=10, max_fills=3, max_open=400)
        self.events: list[dict[str, Any]] = []
        self.positions: dict[int, int] = {}
        self.tails: Counter[tuple[Side, int]] = Counter()

    def place(self, who: int, side: Side, tick: int, wh: int, kind: Kind) -> None:
        self._arrived(who, side, tick, wh, self.book.place(who, side, tick, wh, kind))

    def cancel(self, who: int, order_id: int) -> None:
        (order,) = (o for o in self.book.open_orders(who) if o.order_id == order_id)
        position = self.positions[order_id]
        left = self.book.cancel(who, order_id)
        self.events.append(cancelled(who, order.side, order.tick, position, left))

    def replace(self, who: int, order_id: int, tick: int, wh: int) -> None:
        (order,) = (o for o in self.book.open_orders(who) if o.order_id == order_id)
        position = self.positions[order_id]
        placement = self.book.replace(who, order_id, tick, wh)
        if placement.order_id == order_id:
            self.events.append(reduced(who, order.side, tick, position, wh))
            return
        self.events.append(cancelled(who, order.side, order.tick, position, order.wh))
        self._arrived(who, order.side, tick, wh, placement)

    def _arrived(self, who: int, side: Side, tick: int, wh: int, placement: Placement) -> None:
        if placement.trades:
            trades = [sale(t.seller, t.buyer, t.wh, t.tick) for t in placement.trades]
            self.events.append(matched(who, wh, *trades))
        if placement.order_id is not None:
            position = self.tails[side, tick]
            self.tails[side, tick] += 1
            self.positions[placement.order_id] = position
            self.events.append(rested(who, side, tick, position, placement.rested_wh))


def random_stream(calls: int, seed: int) -> Emitter:
    emitter, rng = Emitter(), random.Random(seed)
    for _ in range(calls):
        who, tick, wh = rng.randrange(9), rng.randrange(BAND.ticks), rng.randrange(10, 400)
        own = emitter.book.open_orders(who)
        side = rng.choice([BID, OFFER])
        try:
            if not own or rng.random() < 0.6:
                kind = rng.choices(list(Kind), [8, 1, 1])[0]
                emitter.place(who, side, tick, wh, kind)
            elif rng.random() < 0.5:
                emitter.cancel(who, rng.choice(own).order_id)
            else:
                order = rng.choice(own)
                same = rng.random() < 0.5
                emitter.replace(who, order.order_id, order.tick if same else tick, wh)
        except OrderBookError:
            continue
    return emitter


def levels(book: OrderBook) -> list[tuple[str, int, int, int, int]]:
    return [
        (side.name.lower(), tick, BAND.price(tick), wh, orders)
        for side in (BID, OFFER)
        for tick, wh, orders in book.depth(side)
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_frame_of_a_random_stream_is_the_models_book(seed):
    emitter = random_stream(3_000, seed)

    orders = frame(emitter.events, BAND)

    assert Counter(e["event"] for e in emitter.events).keys() == {
        "OrderRested", "OrdersMatched", "OrderCancelled", "OrderReduced",
    }  # fmt: skip
    at_end = book_at(orders, AREA, PERIOD).reset_index()
    assert [tuple(row) for row in at_end.itertuples(index=False)] == levels(emitter.book)
    open_rows = orders[orders.left_wh > 0]
    resting = sorted(
        (*emitter.book.resting(BID), *emitter.book.resting(OFFER)), key=lambda o: o.order_id
    )
    assert len(resting) > 5
    assert open_rows[["participant", "tick", "position", "left_wh"]].to_numpy().tolist() == [
        [o.participant, o.tick, emitter.positions[o.order_id], o.wh] for o in resting
    ]
    assert (orders.placed_wh == orders.filled_wh + orders.cancelled_wh + orders.left_wh).all()
    assert (orders.ended_at.isna() == (orders.left_wh > 0)).all()
    traded = sum(TradeWord.unpack(word).wh for e in emitter.events for word in e.get("trades", ()))
    assert orders.filled_wh.sum() == traded > 0


def released(*orders: BookOrder) -> dict[str, Any]:
    words = [order.pack() for order in orders]
    return {"event": "BookReleased", "area": AREA, "period": PERIOD, "orders": words}


def test_what_is_released_after_gate_closure_is_at_rest_no_more():
    emitter = random_stream(300, 3)
    at_rest = [
        BookOrder(o.participant, side=o.side, tick=o.tick, position=emitter.positions[o.order_id], wh=o.wh)
        for side in Side
        for o in emitter.book.resting(side)
    ]  # fmt: skip
    pages = [released(*at_rest[:7]), released(*at_rest[7:])]
    orders = frame([*emitter.events, *pages], BAND)

    assert len(at_rest) > 10
    assert len(book_at(orders, AREA, PERIOD)) == 0
    assert orders.cancelled_wh.sum() >= sum(order.wh for order in at_rest)
    assert (orders.placed_wh == orders.filled_wh + orders.cancelled_wh).all()
    for lie in ({"wh": 9}, {"side": 1 - at_rest[0].side}, {"participant": 77}, {"position": 900}):
        with pytest.raises(BookEventsError, match=f"event {len(emitter.events)} BookReleased"):
            frame([*emitter.events, released(at_rest[0]._replace(**lie))], BAND)


def test_a_prefix_of_the_events_is_the_book_of_that_moment():
    emitter, books = Emitter(), []
    for who, side, tick in ((1, BID, 4), (2, OFFER, 9), (3, OFFER, 4), (4, BID, 12)):
        emitter.place(who, side, tick, 100, Kind.LIMIT)
        books.append((len(emitter.events), levels(emitter.book)))

    for count, expected in books:
        found = book_at(frame(emitter.events[:count], BAND), AREA, PERIOD).reset_index()
        assert [tuple(row) for row in found.itertuples(index=False)] == expected


def test_the_life_of_an_order():
    orders = frame(
        [
            {"event": "GateClosed"},
            rested(1, OFFER, 5, 0, 100),
            rested(2, OFFER, 5, 1, 80),
            matched(7, 30, sale(1, 7, 30, 5)),
            reduced(1, OFFER, 5, 0, 40),
            matched(7, 60, sale(1, 7, 40, 5), sale(2, 7, 20, 5)),
            event("OrderKilled", BID, participant=7, tick=5, wh=900),
            cancelled(2, OFFER, 5, 1, 60),
        ],
        BAND,
    )

    first, second = (row._asdict() for row in orders.itertuples(index=False))
    assert first == {
        "area": AREA, "period": PERIOD, "participant": 1, "side": "offer", "tick": 5, "position": 0,
        "price_micro_eur_per_wh": 100, "placed_wh": 100, "filled_wh": 70, "cancelled_wh": 30,
        "left_wh": 0, "rested_at": 1, "ended_at": 5,
    }  # fmt: skip
    assert (second["filled_wh"], second["cancelled_wh"], second["left_wh"]) == (20, 60, 0)
    assert (second["rested_at"], second["ended_at"]) == (2, 7)


def test_areas_and_periods_have_books_of_their_own():
    here, there = rested(1, BID, 5, 0, 100), {**rested(1, BID, 5, 0, 70), "area": 4}
    later = {**rested(1, BID, 5, 0, 50), "period": PERIOD + 1}

    orders = frame([here, there, later], BAND)

    for area, period, wh in ((AREA, PERIOD, 100), (4, PERIOD, 70), (AREA, PERIOD + 1, 50)):
        assert book_at(orders, area, period).wh.tolist() == [wh]
    assert book_at(orders, 4, PERIOD + 1).empty


def test_no_event_is_an_empty_book_with_the_same_columns():
    empty, one = frame([], BAND), frame([rested(1, BID, 5, 0, 100)], BAND)

    pd.testing.assert_series_equal(empty.dtypes, one.dtypes)
    assert book_at(empty, AREA, PERIOD).empty
    assert list(book_at(empty, AREA, PERIOD)) == list(book_at(one, AREA, PERIOD))


OFFERED = [rested(1, OFFER, 5, 0, 100), rested(2, OFFER, 5, 1, 80)]


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        (rested(3, OFFER, 5, 1, 10), "position 1 of tick 5 is taken"),
        (rested(3, OFFER, 6, 0, 0), "wh 0 must be positive"),
        (rested(3, OFFER, 16, 0, 10), r"tick 16 must lie in 0\.\.15"),
        (cancelled(1, OFFER, 5, 0, 90), "cancels 90 Wh of an order that has 100 left"),
        (cancelled(2, OFFER, 5, 0, 100), "participant 2 has no order at position 0 of tick 5"),
        (cancelled(1, BID, 5, 0, 100), "participant 1 has no order at position 0 of tick 5"),
        (reduced(1, OFFER, 5, 0, 100), "leaves 100 Wh of an order that has 100 left"),
        (reduced(1, OFFER, 5, 0, 0), "leaves 0 Wh of an order that has 100 left"),
        (matched(7, 50, sale(2, 7, 50, 5)), "trades with 2, but 1 is first at its tick"),
        (matched(7, 150, sale(1, 7, 150, 5)), "trades 150 Wh of an order that has 100"),
        (matched(7, 50, sale(1, 7, 50, 6)), "trades at tick 6, where no OFFER rests"),
        (matched(7, 50, sale(7, 1, 50, 5)), "trades at tick 5, where no BID rests"),
        (matched(7, 50, sale(1, 8, 50, 5)), "is not of taker 7"),
        (matched(7, 40, sale(1, 7, 50, 5)), "trades more than the order's 40 Wh"),
        (matched(7, 50, TradeWord(1, 7, 50, 101)), "101 µEUR/Wh is not a tick of the band"),
        ({**matched(7, 50), "trades": [1 << 108]}, "more than 108 bits"),
        ({"event": "OrderRested", "area": AREA}, "'period' is missing"),
        ({**OFFERED[0], "side": 2}, r"side 2 must be 0 \(bid\) or 1"),
    ],
)
def test_events_no_book_emits_are_refused_by_row(lie, rule):
    with pytest.raises(BookEventsError, match=rf"^event 2 {lie['event']}: .*{rule}"):
        frame([*OFFERED, lie], BAND)
