"""The order book's reference: each rule by hand, then all of them on random streams of calls."""

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gridbourse.model.order_book import (
    Ending,
    EnergyOutOfRange,
    GateClosed,
    Kind,
    NotTheOwner,
    Order,
    OrderBook,
    OrderBookError,
    Placement,
    Side,
    TickOutsideBand,
    TooManyOrders,
    UnknownOrder,
)
from gridbourse.model.trade import MOST_WH

BID, OFFER = Side.BID, Side.OFFER
ANNA, BERT, CARL, DORA = range(4)
TICKS, MIN_WH, MAX_FILLS, MAX_OPEN = 8, 10, 3, 4


@pytest.fixture
def book() -> OrderBook:
    return OrderBook(TICKS, MIN_WH, MAX_FILLS, MAX_OPEN)


def fills(placement: Placement) -> list[tuple[int, int, int]]:
    """(maker, tick, Wh) of each trade."""
    return [(trade.maker, trade.tick, trade.wh) for trade in placement.trades]


def contents(book: OrderBook) -> list[Order]:
    return [*book.resting(BID), *book.resting(OFFER)]


def test_an_order_meets_the_best_price_first_then_the_earliest(book):
    book.place(ANNA, OFFER, 5, 100)
    book.place(BERT, OFFER, 4, 100)
    book.place(CARL, OFFER, 4, 100)

    placement = book.place(DORA, BID, 5, 250)

    assert fills(placement) == [(BERT, 4, 100), (CARL, 4, 100), (ANNA, 5, 50)]
    assert placement.ending is Ending.FILLED
    assert contents(book) == [Order(0, ANNA, OFFER, 5, 50)]


def test_a_trade_is_at_the_resting_orders_price_and_names_seller_and_buyer(book):
    book.place(ANNA, BID, 6, 100)

    (trade,) = book.place(BERT, OFFER, 2, 40).trades

    assert (trade.tick, trade.wh, trade.maker_order_id) == (6, 40, 0)
    assert (trade.seller, trade.buyer, trade.maker, trade.taker) == (BERT, ANNA, ANNA, BERT)


def test_a_partly_filled_maker_keeps_its_place(book):
    book.place(ANNA, OFFER, 3, 100)
    book.place(BERT, OFFER, 3, 100)
    book.place(CARL, BID, 3, 30)

    assert fills(book.place(DORA, BID, 3, 80)) == [(ANNA, 3, 70), (BERT, 3, 10)]


def test_what_is_left_of_a_limit_order_rests_at_its_own_price(book):
    book.place(ANNA, OFFER, 3, 100)

    placement = book.place(BERT, BID, 5, 130)

    assert (placement.rested_wh, placement.cancelled_wh) == (30, 0)
    assert placement.ending is Ending.RESTED
    assert book.open_orders(BERT) == [Order(placement.order_id, BERT, BID, 5, 30)]


def test_immediate_or_cancel_never_rests(book):
    book.place(ANNA, OFFER, 3, 100)

    placement = book.place(BERT, BID, 5, 130, Kind.IMMEDIATE_OR_CANCEL)

    assert fills(placement) == [(ANNA, 3, 100)]
    assert (placement.order_id, placement.rested_wh, placement.cancelled_wh) == (None, 0, 30)
    assert placement.ending is Ending.IMMEDIATE
    assert contents(book) == []


@pytest.mark.parametrize(
    ("makers", "wh"),
    [
        ([(ANNA, 3, 100), (CARL, 6, 100)], 130),  # the second costs too much
        ([(ANNA, 3, 100), (BERT, 3, 100)], 130),  # the second is its own
        ([(CARL, 3, 10), (CARL, 3, 10), (CARL, 4, 10), (CARL, 4, 10)], 40),  # one maker too many
    ],
)
def test_fill_or_kill_that_cannot_fill_whole_has_no_effect(book, makers, wh):
    for participant, tick, energy in makers:
        book.place(participant, OFFER, tick, energy)
    before = contents(book)

    placement = book.place(BERT, BID, 5, wh, Kind.FILL_OR_KILL)

    assert placement == Placement(None, (), 0, wh, Ending.KILLED)
    assert contents(book) == before


def test_fill_or_kill_fills_whole_over_several_makers(book):
    for tick in (3, 4, 5):
        book.place(ANNA, OFFER, tick, 50)

    placement = book.place(BERT, BID, 5, 150, Kind.FILL_OR_KILL)

    assert fills(placement) == [(ANNA, 3, 50), (ANNA, 4, 50), (ANNA, 5, 50)]
    assert placement.ending is Ending.FILLED


@pytest.mark.parametrize("kind", [Kind.LIMIT, Kind.IMMEDIATE_OR_CANCEL])
def test_meeting_ones_own_order_ends_the_matching(book, kind):
    book.place(ANNA, OFFER, 3, 100)
    own = book.place(BERT, OFFER, 4, 100).order_id
    book.place(CARL, OFFER, 4, 100)

    placement = book.place(BERT, BID, 5, 250, kind)

    assert fills(placement) == [(ANNA, 3, 100)]
    assert (placement.rested_wh, placement.cancelled_wh) == (0, 150)
    assert placement.ending is Ending.OWN_ORDER
    assert [order.order_id for order in book.open_orders(BERT)] == [own]


def test_an_order_filled_before_its_own_is_not_ended_by_it(book):
    book.place(ANNA, OFFER, 3, 100)
    book.place(BERT, OFFER, 4, 100)

    assert book.place(BERT, BID, 5, 100).ending is Ending.FILLED


def test_an_order_meets_at_most_max_fills_makers(book):
    for _ in range(MAX_FILLS + 1):
        book.place(ANNA, OFFER, 3, 50)

    placement = book.place(BERT, BID, 3, 500)

    assert len(placement.trades) == MAX_FILLS
    assert (placement.rested_wh, placement.cancelled_wh) == (0, 500 - 50 * MAX_FILLS)
    assert placement.ending is Ending.FILL_LIMIT
    assert book.best_bid is None


def test_after_max_fills_makers_the_rest_stays_when_nothing_crosses_any_more(book):
    for _ in range(MAX_FILLS):
        book.place(ANNA, OFFER, 3, 50)
    book.place(ANNA, OFFER, 4, 50)

    placement = book.place(BERT, BID, 3, 500)

    assert placement.rested_wh == 500 - 50 * MAX_FILLS
    assert (book.best_bid, book.best_offer) == (3, 4)


def test_one_open_order_too_many_is_refused_as_a_whole(book):
    for _ in range(MAX_OPEN):
        book.place(ANNA, BID, 1, 50)
    book.place(BERT, OFFER, 4, 50)
    before = contents(book)

    with pytest.raises(TooManyOrders, match="participant 0: brought 4 orders to rest"):
        book.place(ANNA, BID, 4, 60)

    assert contents(book) == before
    assert book.place(ANNA, BID, 4, 50).ending is Ending.FILLED
    assert book.place(CARL, BID, 1, 50).ending is Ending.RESTED


def test_an_order_its_owner_takes_back_makes_room_and_one_that_is_filled_does_not(book):
    for _ in range(MAX_OPEN):
        book.place(ANNA, BID, 1, 50)
    book.place(BERT, OFFER, 1, 70)  # the first whole, the second in part
    with pytest.raises(TooManyOrders):
        book.place(ANNA, BID, 1, 50)

    book.cancel(ANNA, 1)
    book.place(ANNA, BID, 1, 50)
    with pytest.raises(TooManyOrders):
        book.place(ANNA, BID, 1, 50)
    book.replace(ANNA, 2, 2, 50)  # one back, another for it

    assert [order.order_id for order in book.open_orders(ANNA)] == [3, 4, 5]


def test_what_never_rests_does_not_count(book):
    for maker in (BERT, CARL) * 2:
        book.place(maker, OFFER, 1, 50)
        assert book.place(ANNA, BID, 1, 60, Kind.IMMEDIATE_OR_CANCEL).trades
        book.place(maker, OFFER, 1, 50)
        assert book.place(ANNA, BID, 1, 50).ending is Ending.FILLED

    for _ in range(MAX_OPEN):
        assert book.place(ANNA, BID, 1, 50).ending is Ending.RESTED


def test_cancel_gives_back_what_is_left_and_only_to_the_owner(book):
    order_id = book.place(ANNA, BID, 1, 50).order_id
    book.place(BERT, OFFER, 1, 20)

    with pytest.raises(NotTheOwner, match="order 0 is not of participant 1 but of 0"):
        book.cancel(BERT, order_id)

    assert book.cancel(ANNA, order_id) == 30
    assert (book.reserved_wh(ANNA), book.depth(BID)) == ((0, 0), [])
    with pytest.raises(UnknownOrder, match="no order 0 rests"):
        book.cancel(ANNA, order_id)


def test_less_energy_at_the_same_tick_keeps_the_place(book):
    book.place(ANNA, OFFER, 3, 100)
    book.place(BERT, OFFER, 3, 100)

    assert book.replace(ANNA, 0, 3, 40) == Placement(0, (), 40, 0, Ending.RESTED)

    assert fills(book.place(CARL, BID, 3, 60)) == [(ANNA, 3, 40), (BERT, 3, 20)]


@pytest.mark.parametrize("wh", [100, 150])
def test_as_much_or_more_energy_loses_the_place(book, wh):
    book.place(ANNA, OFFER, 3, 100)
    book.place(BERT, OFFER, 3, 100)

    assert book.replace(ANNA, 0, 3, wh).order_id == 2

    assert fills(book.place(CARL, BID, 3, 110)) == [(BERT, 3, 100), (ANNA, 3, 10)]


def test_another_price_is_a_new_order_that_may_trade(book):
    book.place(ANNA, OFFER, 6, 100)
    book.place(BERT, BID, 3, 70)

    placement = book.replace(ANNA, 0, 3, 100)

    assert fills(placement) == [(BERT, 3, 70)]
    assert contents(book) == [Order(2, ANNA, OFFER, 3, 30)]


def test_a_refused_replacement_leaves_the_order(book):
    book.place(ANNA, OFFER, 6, 100)

    with pytest.raises(TickOutsideBand):
        book.replace(ANNA, 0, TICKS, 100)
    with pytest.raises(EnergyOutOfRange):
        book.replace(ANNA, 0, 6, MIN_WH - 1)
    with pytest.raises(NotTheOwner):
        book.replace(BERT, 0, 6, 50)

    assert contents(book) == [Order(0, ANNA, OFFER, 6, 100)]


@pytest.mark.parametrize(
    ("tick", "wh", "error", "rule_"),
    [
        (-1, 100, TickOutsideBand, r"tick: -1 must lie in 0\.\.7"),
        (TICKS, 100, TickOutsideBand, r"tick: 8 must lie in 0\.\.7"),
        (3, MIN_WH - 1, EnergyOutOfRange, r"wh: 9 must lie in 10\.\."),
        (3, MOST_WH + 1, EnergyOutOfRange, "wh: 268435456 must lie in"),
    ],
)
def test_orders_outside_the_rules_are_refused(book, tick, wh, error, rule_):
    with pytest.raises(error, match=rule_):
        book.place(ANNA, BID, tick, wh)

    assert contents(book) == []


def test_gate_closure_ends_trading_and_pages_release_what_rests(book):
    for tick in range(3):
        book.place(ANNA, BID, tick, 100)
    with pytest.raises(OrderBookError, match="after gate closure"):
        book.release(1)
    book.close()

    for refused in (
        lambda: book.place(BERT, OFFER, 2, 100),
        lambda: book.cancel(ANNA, 0),
        lambda: book.replace(ANNA, 0, 0, 50),
    ):
        with pytest.raises(GateClosed):
            refused()

    assert [order.order_id for order in book.release(2)] == [0, 1]
    assert book.reserved_wh(ANNA) == (0, 100)
    assert [order.order_id for order in book.release(2)] == [2]
    assert book.release(2) == []


def test_depth_and_reservations(book):
    book.place(ANNA, BID, 1, 100)
    book.place(ANNA, BID, 2, 50)
    book.place(BERT, BID, 2, 60)
    book.place(BERT, OFFER, 5, 70)

    assert (book.best_bid, book.best_offer) == (2, 5)
    assert book.depth(BID) == [(2, 110, 2), (1, 100, 1)]
    assert book.depth(OFFER) == [(5, 70, 1)]
    assert book.reserved_wh(ANNA) == (0, 150)
    assert book.reserved_wh(BERT) == (70, 60)


class RandomStream(RuleBasedStateMachine):
    """Random calls, each foretold from a plain list of the open orders kept beside the book.

    Few ticks and fills, and some orders much larger than others: all endings happen often.
    """

    few_ticks, few_fills = 4, 2

    people = st.integers(0, 3)
    sides = st.sampled_from(Side)
    ticks = st.integers(0, few_ticks - 1)
    energies = st.integers(MIN_WH, 30) | st.integers(MIN_WH, 200)
    kinds = st.sampled_from(Kind)

    def __init__(self) -> None:
        super().__init__()
        self.book = OrderBook(self.few_ticks, MIN_WH, self.few_fills, MAX_OPEN)
        self.open: list[Order] = []  # in order of time
        self.brought = dict.fromkeys(range(4), 0)  # to rest and not taken back, by participant
        self.placed = dict.fromkeys(Side, 0)
        self.traded = dict.fromkeys(Side, 0)
        self.cancelled = dict.fromkeys(Side, 0)

    def foretold(
        self, who: int, side: Side, tick: int, wh: int
    ) -> tuple[list[tuple[int, int]], bool]:
        """(order id, Wh) of the makers met, and whether the order was stopped short of its price."""
        sign = 1 if side is BID else -1
        crossing = [o for o in self.open if o.side != side and sign * o.tick <= sign * tick]
        met: list[tuple[int, int]] = []
        for maker in sorted(crossing, key=lambda order: sign * order.tick):  # stable: time
            if wh == 0:
                break
            if maker.participant == who or len(met) == self.few_fills:
                return met, True
            met.append((maker.order_id, min(wh, maker.wh)))
            wh -= min(wh, maker.wh)
        return met, False

    def arrive(self, who: int, side: Side, tick: int, wh: int, kind: Kind, place) -> None:
        """An order by `place`, which must do exactly what is foretold."""
        met, stopped = self.foretold(who, side, tick, wh)
        left = wh - sum(part for _, part in met)
        killed = kind is Kind.FILL_OR_KILL and left > 0
        rests = kind is Kind.LIMIT and left > 0 and not stopped
        if rests and self.brought[who] == MAX_OPEN:
            with pytest.raises(TooManyOrders):
                place()
            return
        placement = place()

        self.placed[side] += wh
        if killed:
            met, left = [], wh
        assert [(trade.maker_order_id, trade.wh) for trade in placement.trades] == met
        assert all(trade.seller != trade.buyer for trade in placement.trades)
        assert (placement.rested_wh, placement.cancelled_wh) == ((left, 0) if rests else (0, left))
        for order_id, part in met:
            self.take(order_id, part)
        volume = sum(part for _, part in met)
        for each in Side:
            self.traded[each] += volume
        if rests:
            assert placement.order_id is not None
            self.brought[who] += 1
            self.open.append(Order(placement.order_id, who, side, tick, left))
        self.cancelled[side] += placement.cancelled_wh

    def take(self, order_id: int, wh: int) -> None:
        (at,) = (i for i, order in enumerate(self.open) if order.order_id == order_id)
        order = self.open.pop(at)
        if order.wh > wh:
            self.open.insert(
                at, Order(order_id, order.participant, order.side, order.tick, order.wh - wh)
            )

    @rule(who=people, side=sides, tick=ticks, wh=energies, kind=kinds)
    def place(self, who, side, tick, wh, kind):
        self.arrive(who, side, tick, wh, kind, lambda: self.book.place(who, side, tick, wh, kind))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def cancel(self, data):
        order = data.draw(st.sampled_from(self.open))

        assert self.book.cancel(order.participant, order.order_id) == order.wh

        self.brought[order.participant] -= 1
        self.cancelled[order.side] += order.wh
        self.take(order.order_id, order.wh)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), tick=ticks, wh=energies)
    def replace(self, data, tick, wh):
        order = data.draw(st.sampled_from(self.open))
        assume((tick, wh < order.wh) != (order.tick, True))
        self.brought[order.participant] -= 1
        self.cancelled[order.side] += order.wh
        self.take(order.order_id, order.wh)
        self.arrive(
            order.participant, order.side, tick, wh, Kind.LIMIT,
            lambda: self.book.replace(order.participant, order.order_id, tick, wh),
        )  # fmt: skip

    @precondition(lambda self: any(order.wh > MIN_WH for order in self.open))
    @rule(data=st.data())
    def reduce(self, data):
        order = data.draw(st.sampled_from([o for o in self.open if o.wh > MIN_WH]))
        wh = data.draw(st.integers(MIN_WH, order.wh - 1))

        assert self.book.replace(order.participant, order.order_id, order.tick, wh) == Placement(
            order.order_id, (), wh, 0, Ending.RESTED
        )

        self.cancelled[order.side] += order.wh - wh
        self.take(order.order_id, order.wh - wh)

    @invariant()
    def the_book_is_never_crossed(self):
        bid, offer = self.book.best_bid, self.book.best_offer
        assert bid is None or offer is None or bid < offer

    @invariant()
    def the_book_holds_exactly_the_open_orders(self):
        assert sorted(contents(self.book), key=lambda order: order.order_id) == self.open

    @invariant()
    def energy_placed_is_traded_resting_or_cancelled(self):
        for side in Side:
            resting = sum(wh for _, wh, _ in self.book.depth(side))
            assert self.placed[side] == self.traded[side] + resting + self.cancelled[side]

    @invariant()
    def reservations_are_the_open_orders(self):
        for who in range(4):
            own = [order for order in self.open if order.participant == who]
            assert self.book.open_orders(who) == own
            assert len(own) <= MAX_OPEN
            assert self.book.reserved_wh(who) == tuple(
                sum(order.wh for order in own if order.side is side) for side in (OFFER, BID)
            )


TestRandomStream = RandomStream.TestCase
TestRandomStream.settings = settings(max_examples=150, stateful_step_count=60)
