"""Long random streams and random walks: the order book does what its model does, and stays backed."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from brownie import chain
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.order_book import Kind, OrderBook, Side, TooManyOrders
from gridbourse.model.order_book import Order as ModelOrder
from gridbourse.model.trade import TradeWord
from gridbourse.report.book_frame import book_at, frame
from tests.contracts.market import FIRST, Market
from tests.contracts.order_books import Hall, trades_in
from tests.contracts.refusal import ask
from tests.model.books import BAND

P = FIRST + 2
EVENTS = 10_000
A_BATCH = 100
PEOPLE = 24
TICKS = range(20, 36)
MIN_WH, MAX_FILLS, MAX_OPEN = 10, 6, 60
GROUP_SIZE = 64
LARGEST_WH = (1 << 28) - 2
PURSE = 10**13


def model_book() -> OrderBook:
    return OrderBook(BAND.ticks, MIN_WH, MAX_FILLS, MAX_OPEN)


@pytest.fixture(scope="module")
def hall(market):
    """A market of one area whose connections carry any order there is."""
    whole = Market(market.contracts).admit(PEOPLE, purse=PURSE, capacity=LARGEST_WH)
    rules = {"minWh": MIN_WH, "maxFills": MAX_FILLS, "maxOpen": MAX_OPEN, "groupSize": GROUP_SIZE}
    return Hall.open(whole, **rules)


@dataclass
class Mirror:
    """The model, and where on the chain each of its orders lies."""

    book: OrderBook = field(default_factory=model_book)
    trades: list[TradeWord] = field(default_factory=list)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    queues: dict[int, "Positions"] = field(default_factory=dict)

    def place(self, who: int, side: int, tick: int, wh: int, kind: int) -> BookOrder:
        placement = self.book.place(who, Side(side), tick, wh, Kind(kind))
        self._note(placement, tick)
        return BookOrder(who, Action(kind), side, tick, wh)

    def cancel(self, order: ModelOrder) -> BookOrder:
        tick, position = self.places[order.order_id]
        self.book.cancel(order.participant, order.order_id)
        self._forget_gone()
        return BookOrder(order.participant, Action.CANCEL, tick=tick, position=position)

    def replace(self, order: ModelOrder, new_tick: int, wh: int) -> BookOrder:
        tick, position = self.places[order.order_id]
        placement = self.book.replace(order.participant, order.order_id, new_tick, wh)
        self._note(placement, new_tick)
        return BookOrder(
            order.participant,
            Action.REPLACE,
            tick=tick,
            position=position,
            new_tick=new_tick,
            wh=wh,
        )

    def _note(self, placement, tick):
        for trade in placement.trades:
            price = BAND.price(trade.tick)
            self.trades.append(TradeWord(trade.seller, trade.buyer, trade.wh, price))
        self._forget_gone()
        if placement.order_id is not None and placement.order_id not in self.places:
            queue = self.queues.setdefault(tick, Positions())
            self.places[placement.order_id] = (tick, queue.append())

    def _forget_gone(self):
        """Orders that are no longer at rest leave their positions."""
        gone = self.places.keys() - self.book._by_id.keys()
        for order_id in sorted(gone):  # the earliest first, as they are met
            tick, position = self.places.pop(order_id)
            self.queues[tick].remove(position)


@dataclass
class Positions:
    """Which positions of a tick are taken: a new one is behind the last in its word of four, or else the
    first of the first word that holds no order."""

    live: list[int] = field(default_factory=list)

    def append(self) -> int:
        if self.live and (self.live[-1] + 1) % 4:
            position = self.live[-1] + 1
        else:
            words = {taken // 4 for taken in self.live}
            position = 4 * next(word for word in range(208) if word not in words)
        self.live.append(position)
        return position

    def remove(self, position: int) -> None:
        self.live.remove(position)


class Stream:
    """Seeded random events that the model accepts, most of them near the middle of the book."""

    def __init__(self, numbers: list[int], seed: int) -> None:
        self.numbers, self.rng, self.mirror = numbers, np.random.default_rng(seed), Mirror()
        self.counts: dict[Action, int] = dict.fromkeys(Action, 0)
        self.stale = 0

    def next(self) -> BookOrder:
        while True:
            try:
                order = self._draw()
            except TooManyOrders:
                continue  # the whole batch would be refused
            self.counts[order.action] += 1
            return order

    def _draw(self) -> BookOrder:
        rng, mirror = self.rng, self.mirror
        resting = list(mirror.places)
        choice = rng.random()
        if choice > 0.97:
            return self._too_late()
        if resting and choice < 0.4:
            order = mirror.book._by_id[resting[rng.integers(len(resting))]]
            if choice < 0.25:
                return mirror.cancel(order)
            same = bool(rng.integers(0, 2))
            tick = order.tick if same else int(rng.choice(TICKS))
            return mirror.replace(order, tick, int(rng.integers(MIN_WH, 2_000)))
        side = int(rng.integers(0, 2))
        low, high = (TICKS.start, TICKS.stop - 6) if side == BID else (TICKS.start + 6, TICKS.stop)
        kind = int(rng.choice(3, p=(0.7, 0.15, 0.15)))
        who = int(rng.choice(self.numbers))
        return mirror.place(
            who, side, int(rng.integers(low, high)), int(rng.integers(MIN_WH, 3_000)), kind
        )

    def _too_late(self) -> BookOrder:
        """Names an order that is gone, or another's in its place; the model knows nothing of it."""
        owners = {
            self.mirror.places[i]: order.participant for i, order in self.mirror.book._by_id.items()
        }
        while True:
            who, tick = int(self.rng.choice(self.numbers)), int(self.rng.choice(TICKS))
            position = int(self.rng.integers(0, 40))
            if owners.get((tick, position)) != who:
                break
        self.stale += 1
        action = Action.CANCEL if self.stale % 2 else Action.REPLACE
        return BookOrder(who, action, tick=tick, position=position, new_tick=tick, wh=MIN_WH)


@pytest.mark.parametrize("seed", [4])
def test_streams_of_the_model_and_the_contract_are_one(hall, seed):
    market, numbers = hall.market, [member.number for member in hall.market.members]
    stream = Stream(numbers, seed)
    traded: list[int] = []
    events: list[dict] = []
    for _ in range(EVENTS // A_BATCH):
        before = len(stream.mirror.trades)
        tx = hall.batch(P, *(stream.next() for _ in range(A_BATCH)))
        trades = trades_in(tx)
        assert trades == [trade.pack() for trade in stream.mirror.trades[before:]]
        traded += trades
        events += [{"event": event.name, **event} for event in tx.events]
        _same_book(hall, stream.mirror.book)
        _same_reservations(hall, stream.mirror)
    assert min(stream.counts.values()) > EVENTS / 20  # every kind of event was there
    assert sum(event["event"] == "OrderGone" for event in events) == stream.stale > 100
    assert len(traded) > EVENTS / 10
    assert len(stream.mirror.places) > PEOPLE  # the book was no empty one
    _rebuilt_from_events(events, stream.mirror.book)

    _judged_and_released(hall, traded, stream.mirror)
    assert market.money_sum() == 0


def _same_book(hall, book: OrderBook):
    for side in Side:
        expected = [(o.participant, o.tick, o.wh) for o in book.resting(side)]
        assert hall.resting(P, side) == expected
        assert hall.depth(P, side, 256) == book.depth(side)


def _rebuilt_from_events(events: list[dict], book: OrderBook):
    rebuilt = book_at(frame(events, BAND), 0, P)
    for side in Side:
        levels = rebuilt[rebuilt.index.get_level_values("side") == side.name.lower()]
        found = zip(levels.index.get_level_values("tick"), levels.wh, levels.orders, strict=True)
        assert list(found) == book.depth(side)


def _same_reservations(hall, mirror: Mirror, rejected=frozenset(), kept=None):
    """Reserved = orders at rest + trades that wait or were accepted + what is kept for orders to come."""
    members = hall.market.members
    expected = {m.number: list(mirror.book.reserved_wh(m.number)) for m in members}
    for number, pair in (kept or {}).items():
        expected[number] = [
            at_rest + more for at_rest, more in zip(expected[number], pair, strict=True)
        ]
    for i, trade in enumerate(mirror.trades):
        if i not in rejected:
            expected[trade.seller][0] += trade.wh
            expected[trade.buyer][1] += trade.wh
    accounts = ask(*((hall.market.house.accountInPeriod, m.number, P) for m in members))
    assert {m.number: list(a[1:3]) for m, a in zip(members, accounts, strict=True)} == expected


def _judged_and_released(hall, traded, mirror):
    """The DSO rejects every seventh trade; what rests goes; what is left reserved is what was traded."""
    market = hall.market
    market.close_gate(P)
    if len(traded) % GROUP_SIZE:
        hall.seal(P)
    rejected = set()
    for group, start in enumerate(range(0, len(traded), GROUP_SIZE)):
        words = traded[start : start + GROUP_SIZE]
        bits = sum(1 << i for i in range(len(words)) if (start + i) % 7 == 0)
        rejected |= {start + i for i in range(len(words)) if (start + i) % 7 == 0}
        hall.judge(P, group, words, bits)
    assert hall.contract.booked(0, P)
    while sum(hall.contract.top(0, P)[1::2]):
        hall.contract.release(0, P, 30, {"from": market.stranger})
    mirror.book.close()
    mirror.book.release(10**6)
    _same_reservations(hall, mirror, frozenset(rejected))
    _same_positions(hall, [t for i, t in enumerate(mirror.trades) if i not in rejected])


def _same_positions(hall, accepted):
    members = hall.market.members
    expected = {m.number: [0, 0] for m in members}
    for trade in accepted:
        expected[trade.seller][0] += trade.wh
        expected[trade.buyer][1] += trade.wh
    accounts = ask(*((hall.market.house.accountInPeriod, m.number, P) for m in members))
    assert {m.number: list(a[3:5]) for m, a in zip(members, accounts, strict=True)} == expected


# --- random walks --------------------------------------------------------------------------------


class Walk(RuleBasedStateMachine):
    """Single calls of a few participants, own and through the gateway, until the gate closes."""

    hall: Hall

    @initialize()
    def start(self):
        chain.snapshot()
        self.hall.batch(P)  # nothing in it, but the period has its ring slot
        self.mirror = Mirror()
        self.kept: dict[int, list[int]] = {}
        self.members = self.hall.market.members[:5]
        self.by_number = {member.number: member for member in self.members}

    def teardown(self):
        chain.revert()

    orders = st.tuples(
        st.integers(0, 4),
        st.sampled_from([BID, OFFER]),
        st.sampled_from(TICKS[:6]),
        st.integers(MIN_WH, 400),
        st.sampled_from([0, 0, 0, 1, 2]),
    )

    @rule(order=orders, own=st.booleans())
    def place(self, order, own):
        who, side, tick, wh, kind = order
        member, before = self.members[who], len(self.mirror.trades)
        if own:
            self._draw(member.number, side, wh)
        word = self.mirror.place(member.number, side, tick, wh, kind)
        if own:
            tx = self.hall.place(P, member, side, tick, wh, kind)
            left = wh - sum(t.wh for t in self.mirror.trades[before:]) - self._rested(tx)
            self._come_back(member.number, side, left)
        else:
            tx = self.hall.batch(P, word)
        assert trades_in(tx) == [trade.pack() for trade in self.mirror.trades[before:]]

    @precondition(lambda self: self.mirror.places)
    @rule(which=st.integers(0, 10**6), own=st.booleans())
    def cancel(self, which, own):
        order = self._pick(which)
        word = self.mirror.cancel(order)
        if own:
            self.hall.cancel(P, self.by_number[order.participant], word.tick, word.position)
            self._come_back(order.participant, order.side, order.wh)
        else:
            self.hall.batch(P, word)

    @precondition(lambda self: self.mirror.places)
    @rule(
        which=st.integers(0, 10**6), tick=st.sampled_from(TICKS[:6]), wh=st.integers(MIN_WH, 400),
        own=st.booleans(),
    )  # fmt: skip
    def replace(self, which, tick, wh, own):
        """By the participant itself out of what it keeps; a gateway's replacement does not draw on that."""
        before, order = len(self.mirror.trades), self._pick(which)
        word = self.mirror.replace(order, tick, wh)
        if own:
            who = self.by_number[order.participant].sends
            tx = self.hall.contract.replace(P, word.tick, word.position, tick, wh, who)
        else:
            tx = self.hall.batch(P, word)
        traded = self.mirror.trades[before:]
        assert trades_in(tx) == [trade.pack() for trade in traded]
        if not own:
            return
        number, side = order.participant, order.side
        if "OrderReduced" in tx.events:
            self._come_back(number, side, order.wh - wh)
            return
        self._come_back(number, side, order.wh)
        self._draw(number, side, wh)
        left = wh - sum(trade.wh for trade in traded) - self._rested(tx)
        self._come_back(number, side, left)

    @rule(who=st.integers(0, 4), sell=st.integers(0, 600), buy=st.integers(0, 600))
    def keep(self, who, sell, buy):
        member = self.members[who]
        self.hall.contract.keep(P, sell, buy, member.sends)
        self.kept[member.number] = [sell, buy]
        if not sell and not buy:
            del self.kept[member.number]

    def _pick(self, which):
        ids = sorted(self.mirror.places)
        return self.mirror.book._by_id[ids[which % len(ids)]]

    def _rested(self, tx):
        return tx.events["OrderRested"]["wh"] if "OrderRested" in tx.events else 0

    def _draw(self, number, side, wh):
        if number in self.kept:
            self.kept[number][1 - side] -= min(wh, self.kept[number][1 - side])

    def _come_back(self, number, side, wh):
        if number in self.kept:
            self.kept[number][1 - side] += wh

    @invariant()
    def the_book_is_the_models(self):
        _same_book(self.hall, self.mirror.book)

    @invariant()
    def the_book_is_not_crossed(self):
        bid_tick, bid_wh, offer_tick, offer_wh = self.hall.contract.top(0, P)
        assert not (bid_wh and offer_wh) or bid_tick < offer_tick

    @invariant()
    def reserved_is_at_rest_traded_or_kept(self):
        _same_reservations(self.hall, self.mirror, kept=self.kept)

    @invariant()
    def no_money_is_made(self):
        assert self.hall.market.money_sum() == 0


def test_any_walk_keeps_priority_and_backing(hall):
    walk = type("HallWalk", (Walk,), {"hall": hall})
    case = walk.TestCase
    case.settings = settings(max_examples=12, stateful_step_count=20)
    case().runTest()
