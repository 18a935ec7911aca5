"""The order book: what rests and is reserved, cancelled, replaced, kept; refusals; gate closure; views."""

import pytest
from brownie import OrderBook, chain

from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import BID, OFFER
from tests.contracts.bilateral_markets import anchors
from tests.contracts.market import (
    CAPACITY_WH,
    FIRST,
    HOLD_RATE,
    HORIZON,
    LEFT,
    PURSE,
    RETAIL,
    SUSPENDED,
)
from tests.contracts.order_books import (
    IOC,
    MAX_FILLS,
    MAX_OPEN,
    MIN_WH,
    Hall,
    book_settings,
    rested_at,
    trades_of,
)
from tests.contracts.refusal import deployment_refusal, fact, refusal
from tests.model.books import BAND

P = FIRST + 2


@pytest.fixture(scope="module")
def hall(market):
    return Hall.open(market)


# --- orders at rest ----------------------------------------------------------------------------


def test_an_order_that_meets_nobody_rests_and_is_backed(market, hall, alice):
    tx = hall.bid(P, alice, 30, 1_000)

    assert fact(tx, "OrderRested") == (0, P, alice.number, BID, 30, 0, 1_000)
    assert hall.queue(P, 30) == [(alice.number, 0, 1_000)]
    assert hall.reserved(P, alice) == (0, 1_000)
    assert market.house.balanceOf(alice.number) == PURSE - 1_000 * HOLD_RATE


# --- cancel and replace ------------------------------------------------------------------------


def test_a_cancelled_order_gives_everything_back(market, hall, alice):
    position = rested_at(hall.bid(P, alice, 30, 1_000))
    tx = hall.cancel(P, alice, 30, position)

    assert fact(tx, "OrderCancelled") == (0, P, alice.number, BID, 30, position, 1_000)
    assert hall.resting(P, BID) == []
    assert hall.reserved(P, alice) == (0, 0)
    assert market.house.balanceOf(alice.number) == PURSE


def test_less_energy_at_the_same_tick_keeps_the_place(hall, alice, bob):
    hall.offer(P, alice, 30, 500)
    hall.offer(P, bob, 30, 500)
    tx = hall.contract.replace(P, 30, 0, 30, 200, alice.sends)

    assert fact(tx, "OrderReduced") == (0, P, alice.number, OFFER, 30, 0, 200)
    assert hall.queue(P, 30) == [(alice.number, 0, 200), (bob.number, 1, 500)]
    assert hall.reserved(P, alice) == (200, 0)


@pytest.mark.parametrize(("tick", "wh"), [(30, 500), (30, 600), (31, 200)])
def test_any_other_replacement_goes_to_the_back(hall, alice, bob, tick, wh):
    hall.offer(P, alice, 30, 500)
    hall.offer(P, bob, 30, 500)
    hall.offer(P, bob, 31, 500)
    hall.contract.replace(P, 30, 0, tick, wh, alice.sends)

    assert hall.queue(P, tick)[-1][::2] == (alice.number, wh)
    assert hall.reserved(P, alice) == (wh, 0)


def test_a_replacement_may_use_what_the_order_has_reserved(hall, alice):
    hall.offer(P, alice, 30, CAPACITY_WH)
    hall.contract.replace(P, 30, 0, 31, CAPACITY_WH, alice.sends)

    assert hall.reserved(P, alice) == (CAPACITY_WH, 0)


def test_a_replacement_that_crosses_trades(hall, alice, bob):
    hall.offer(P, alice, 30, 500)
    hall.bid(P, bob, 20, 200)
    tx = hall.contract.replace(P, 20, 0, 30, 300, bob.sends)

    assert trades_of(tx) == [(alice.number, bob.number, 300, BAND.price(30))]
    assert hall.reserved(P, bob) == (0, 300)


# --- collateral that is kept -------------------------------------------------------------------


def test_kept_collateral_backs_orders_and_takes_back_what_they_do_not_need(market, hall, alice):
    tx = hall.contract.keep(P, 0, 1_000, alice.sends)
    assert fact(tx, "CollateralKept") == (0, P, alice.number, 0, 1_000)
    assert hall.reserved(P, alice) == (0, 1_000)

    hall.bid(P, alice, 30, 600)
    assert hall.reserved(P, alice) == (0, 1_000)
    hall.bid(P, alice, 31, 600)  # 200 more than was kept
    assert hall.reserved(P, alice) == (0, 1_200)
    hall.cancel(P, alice, 30, 0)
    assert hall.reserved(P, alice) == (0, 1_200)

    hall.contract.keep(P, 0, 0, alice.sends)
    assert hall.reserved(P, alice) == (0, 600)
    hall.cancel(P, alice, 31, 0)
    assert hall.reserved(P, alice) == (0, 0)
    assert market.house.balanceOf(alice.number) == PURSE


def test_what_is_kept_to_sell_backs_no_purchase(hall, alice):
    hall.contract.keep(P, 1_000, 0, alice.sends)
    hall.bid(P, alice, 30, 600)

    assert hall.reserved(P, alice) == (1_000, 600)


def test_who_is_suspended_does_not_order_on_kept_collateral(market, hall, alice):
    hall.contract.keep(P, 1_000, 0, alice.sends)
    market.registry.suspend(alice.number, {"from": market.operator})

    refused = refusal(hall.contract.place, P, OFFER, 30, 500, 0, by=alice.account)
    assert refused == ("ParticipantNotActive", alice.number, SUSPENDED)
    market.registry.reinstate(alice.number, {"from": market.operator})
    hall.offer(P, alice, 30, 500)
    market.registry.leaveMarket(alice.number, alice.sends)
    refused = refusal(hall.contract.place, P, OFFER, 30, 500, 0, by=alice.account)
    assert refused == ("ParticipantNotActive", alice.number, LEFT)


def test_who_is_suspended_gives_no_order_another_price(market, hall, alice, bob):
    hall.offer(P, bob, 40, 300)
    hall.bid(P, alice, 30, 500)
    market.registry.suspend(alice.number, {"from": market.operator})

    refused = refusal(hall.contract.replace, P, 30, 0, 40, 300, by=alice.account)
    assert refused == ("ParticipantNotActive", alice.number, SUSPENDED)
    hall.contract.replace(
        P, 30, 0, 30, 300, alice.sends
    )  # less at the same tick commits to nothing
    hall.cancel(P, alice, 30, 0)


def test_kept_collateral_is_backed_like_any_order(hall, alice):
    keep = hall.contract.keep
    too_much = refusal(keep, P, CAPACITY_WH + 1, 0, by=alice.account)
    assert too_much == (
        "AboveConnectionCapacity", alice.number, CAPACITY_WH + 1, CAPACITY_WH,
    )  # fmt: skip
    assert refusal(keep, P, 1 << 28, 0, by=alice.account)[0] == "MalformedOrder"


# --- bad input ---------------------------------------------------------------------------------


def order(hall, member, **other):
    named = {"side": BID, "tick": 30, "wh": 100} | other
    return BookOrder(member.number, **named)


def refused_batch(hall, *orders, area=0, by=None):
    words = [o if isinstance(o, int) else o.pack() for o in orders]
    return refusal(hall.contract.placeBatch, area, P, words, by=by or hall.market.gateway)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((BID, BAND.ticks, 100, 0), ("TickOutOfBand", BAND.ticks, BAND.ticks)),
        ((BID, 30, MIN_WH - 1, 0), ("EnergyOutOfRange", MIN_WH - 1, MIN_WH, (1 << 28) - 1)),
        ((BID, 30, 1 << 28, 0), ("EnergyOutOfRange", 1 << 28, MIN_WH, (1 << 28) - 1)),
        ((2, 30, 100, 0), ("MalformedOrder", 0)),
        ((BID, 30, 100, 3), ("MalformedOrder", 3)),
        ((OFFER, 30, CAPACITY_WH + 1, 0), ("AboveConnectionCapacity", CAPACITY_WH + 1, CAPACITY_WH)),
    ],
)  # fmt: skip
def test_a_bad_order_is_refused_by_name(hall, alice, arguments, error):
    refused = refusal(hall.contract.place, P, *arguments, by=alice.account)

    assert refused == (error[0], alice.number, *error[1:])


def test_orders_are_for_open_periods_and_participants(market, hall, alice):
    place = hall.contract.place
    assert refusal(place, P, BID, 30, 100, 0, by=market.stranger)[0] == "UnknownParticipant"
    late = refusal(place, FIRST, BID, 30, 100, 0, by=alice.account)
    assert late[:2] == ("GateClosed", FIRST)
    far = FIRST + HORIZON + 5
    assert refusal(place, far, BID, 30, 100, 0, by=alice.account)[0] == "BeyondHorizon"


def test_in_block_time_the_book_is_open_when_its_clock_is(market, alice):
    """It works that out by itself: the settings of a clock that follows blocks never change."""
    mtu, closes = market.clock.mtuSeconds(), market.clock.gateClosureSeconds()
    clock = market.contracts.MarketClock.deploy(
        market.registry, False, mtu, closes, HORIZON, {"from": market.operator}
    )
    registry, _, house, grid, _ = anchors(market)
    hall = Hall.open(market, anchors=(registry, clock, house, grid, 0))  # the ring is a short one
    coming = chain.time() // mtu + 2

    def refused(period):
        return refusal(hall.contract.place, period, BID, 30, 100, 0, by=alice.account)[:2]

    for before, first in [(closes + mtu // 3, coming), (closes // 2, coming + 1)]:
        chain.sleep(coming * mtu - before - chain.time())
        chain.mine()
        assert (clock.nextOpenPeriod(), clock.lastOpenPeriod()) == (first, first + HORIZON - 1)
        assert refused(first - 1) == ("GateClosed", first - 1)
        assert refused(first + HORIZON) == ("BeyondHorizon", first + HORIZON)
        for period in (first, first + HORIZON - 1):
            hall.contract.place.call(period, BID, 30, 100, 0, alice.sends)


def test_an_order_needs_its_money(market, hall, alice):
    market.house.withdraw(PURSE - 100 * HOLD_RATE, alice.sends)
    refused = refusal(hall.contract.place, P, BID, 30, 101, 0, by=alice.account)

    assert refused == ("InsufficientMoney", alice.number, 100 * HOLD_RATE, 101 * HOLD_RATE)


def test_a_participant_brings_so_many_orders_to_rest_and_no_more(hall, alice, bob):
    for tick in range(MAX_OPEN):
        hall.bid(P, alice, tick, 100)
    place = hall.contract.place
    assert refusal(place, P, BID, 30, 100, 0, by=alice.account) == (
        "TooManyOrders", alice.number, MAX_OPEN,
    )  # fmt: skip
    hall.offer(P, bob, 0, 100)  # fills the highest bid, which still counts
    assert refusal(place, P, BID, 0, 100, 0, by=alice.account)[0] == "TooManyOrders"
    hall.offer(P, bob, 40, 50)
    hall.bid(P, alice, 40, 50)  # rests nowhere
    hall.cancel(P, alice, 0, 0)  # what its owner takes back does not
    hall.bid(P, alice, 3, 100)
    assert refusal(place, P, BID, 0, 100, 0, by=alice.account)[0] == "TooManyOrders"
    hall.contract.replace(P, 3, 0, 4, 100, alice.sends)
    assert len(hall.contract.ordersOf(alice.number, P)) == MAX_OPEN - 1


def test_an_order_is_taken_back_once_whatever_way_and_whatever_is_left_of_it(hall, alice, bob):
    hall.contract.keep(P, 0, 250, alice.sends)
    places = [rested_at(hall.bid(P, alice, 30, 100)) for _ in range(MAX_OPEN)]
    hall.offer(P, bob, 30, 150)  # the first is gone, half of the second as well
    at = {"tick": 30}
    hall.cancel(P, alice, 30, places[1])
    hall.contract.replace(P, 30, places[2], 30, 40, alice.sends)  # keeps its place, and its count
    hall.batch(P, BookOrder(alice.number, Action.CANCEL, position=places[3], **at))
    hall.batch(
        P,
        BookOrder(alice.number, Action.REPLACE, position=places[4], new_tick=31, wh=70, **at),
        BookOrder(alice.number, Action.CANCEL, position=places[3], **at),  # gone
        BookOrder(alice.number, Action.CANCEL, position=places[0], **at),  # filled
    )
    assert hall.resting(P, BID) == [
        (alice.number, 31, 70), (alice.number, 30, 40), (alice.number, 30, 100),
    ]  # fmt: skip
    hall.bid(P, alice, 20, 10)
    hall.bid(P, alice, 20, 10)  # two were taken back: one that was filled still counts
    refused = refusal(hall.contract.place, P, BID, 20, 10, 0, by=alice.account)
    assert refused == ("TooManyOrders", alice.number, MAX_OPEN)
    hall.contract.keep(P, 0, 0, alice.sends)
    assert hall.reserved(P, alice) == (0, 70 + 40 + 100 + 2 * 10 + 150)


def test_what_trades_leave_of_an_order_may_be_less_than_the_least(hall, alice, bob, carol):
    hall.bid(P, alice, 30, 3 * MIN_WH)
    hall.offer(P, bob, 30, 3 * MIN_WH - 1)
    assert hall.queue(P, 30) == [(alice.number, 0, 1)]
    hall.offer(P, carol, 30, MIN_WH)  # takes that, and rests with less than the least

    assert hall.queue(P, 30) == [(carol.number, 0, MIN_WH - 1)]
    hall.cancel(P, carol, 30, 0)
    assert [hall.reserved(P, member) for member in (alice, carol)] == [(0, 3 * MIN_WH), (1, 0)]


def test_only_ones_own_order_at_rest_is_cancelled_or_replaced(hall, alice, bob):
    hall.bid(P, bob, 30, 100)
    hall.bid(P, alice, 29, 100)
    cancel, replace = hall.contract.cancel, hall.contract.replace
    not_hers = ("NotTheOwner", alice.number, bob.number, 30, 0)
    assert refusal(cancel, P, 30, 0, by=alice.account) == not_hers
    assert refusal(replace, P, 30, 0, 31, 100, by=alice.account) == not_hers
    for tick, position in [(30, 1), (31, 0), (29, 863), (29, 5_000), (300, 0)]:
        refused = refusal(cancel, P, tick, position, by=alice.account)
        assert refused == ("UnknownOrder", alice.number, P, tick, position)
    hall.offer(P, bob, 29, 100, IOC)  # would meet its own bid first
    hall.cancel(P, bob, 30, 0)
    hall.offer(P, bob, 29, 100)
    assert refusal(cancel, P, 29, 0, by=alice.account)[0] == "UnknownOrder"  # filled


def test_what_a_gateway_gets_wrong_refuses_its_whole_batch(hall, alice, bob):
    good = order(hall, alice)
    bad = {
        "MalformedOrder": order(hall, bob).pack() | 1 << 122,
        "TickOutOfBand": order(hall, bob, tick=BAND.ticks),
        "EnergyOutOfRange": order(hall, bob, wh=MIN_WH - 1),
    }
    for error, second in bad.items():
        assert refused_batch(hall, good, second)[0] == error
    assert refused_batch(hall, BookOrder(bob.number, 5, wh=100))[0] == "MalformedOrder"
    assert hall.resting(P, BID) == []


@pytest.mark.parametrize("action", [Action.CANCEL, Action.REPLACE])
def test_a_batch_leaves_out_what_came_too_late(hall, alice, bob, action):
    hall.bid(P, alice, 30, 300)
    late = {
        "never there": BookOrder(bob.number, action, tick=20, position=3, new_tick=20, wh=100),
        "another's": BookOrder(bob.number, action, tick=30, position=0, new_tick=20, wh=100),
    }
    tx = hall.batch(P, order(hall, bob, tick=28), *late.values(), order(hall, alice, tick=29))

    gone = [tuple(event.values()) for event in tx.events["OrderGone"]]
    assert gone == [(0, P, word.pack()) for word in late.values()]
    assert hall.resting(P, BID) == [
        (alice.number, 30, 300), (alice.number, 29, 100), (bob.number, 28, 100),
    ]  # fmt: skip
    assert hall.reserved(P, bob) == (0, 100)


def test_a_batch_is_of_those_who_gave_the_gateway_their_mandate(market, hall, alice):
    market.registry.giveMandate(0, alice.sends)
    assert refused_batch(hall, order(hall, alice)) == ("NoMandate", alice.number, 0, 1)
    other = market.in_area(1)[0]
    assert refused_batch(hall, order(hall, other)) == ("GroupOfOtherArea", other.group, 0)
    assert refused_batch(hall, by=market.stranger)[0] == "UnknownGateway"
    assert refused_batch(hall, area=7) == ("UnknownArea", 7)


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ({"minWh": 0}, ("BadRules", 0, MAX_FILLS, MAX_OPEN)),
        ({"maxFills": 0}, ("BadRules", MIN_WH, 0, MAX_OPEN)),
        ({"maxOpen": 256}, ("BadRules", MIN_WH, MAX_FILLS, 256)),
        ({"ticks": 225}, ("BadBand", 80, 4, 225)),
        ({"groupSize": 0}, ("BadGroupSize", 0, 256)),
    ],
)
def test_a_book_needs_a_band_and_rules(market, rules, error):
    settings = book_settings(market, **rules)

    assert deployment_refusal(OrderBook, settings, by=market.operator) == error


def test_the_ticks_of_a_band_above_the_retail_price_are_not_used(market, alice):
    hall = Hall.open(market, ticks=57)
    hall.bid(P, alice, 55, 50)
    refused = refusal(hall.contract.place, P, BID, 56, 50, 0, by=alice.account)

    assert refused == ("TickOutOfBand", alice.number, 56, 56)


def test_a_band_whose_floor_is_above_the_retail_price_takes_no_orders(market, alice):
    hall = Hall.open(market, floor=RETAIL + 1)
    refused = refusal(hall.contract.place, P, BID, 3, 50, 0, by=alice.account)

    assert refused == ("BandAboveRetail", RETAIL + 1, RETAIL)


# --- after gate closure ------------------------------------------------------------------------


def test_gate_closure_ends_trading_and_anyone_releases_what_rests(market, hall, alice, bob):
    hall.bid(P, alice, 30, 600)
    hall.bid(P, alice, 29, 600)
    hall.offer(P, bob, 40, 700)
    release = hall.contract.release
    assert refusal(release, 0, P, 9, by=market.stranger) == ("GateStillOpen", P)
    market.close_gate(P)
    for call, *arguments in [
        (hall.contract.place, P, BID, 30, 100, 0),
        (hall.contract.cancel, P, 30, 0),
        (hall.contract.replace, P, 30, 0, 30, 100),
        (hall.contract.keep, P, 100, 0),
    ]:
        assert refusal(call, *arguments, by=alice.account)[0] == "GateClosed"

    tx = hall.contract.release(0, P, 1, {"from": market.stranger})  # the lowest tick first
    released = [BookOrder.unpack(word) for word in fact(tx, "BookReleased")[2]]
    assert released == [BookOrder(alice.number, tick=29, wh=600)]
    assert hall.reserved(P, alice) == (0, 600)
    hall.contract.release(0, P, 9, {"from": market.stranger})
    assert [hall.reserved(P, m) for m in (alice, bob)] == [(0, 0), (0, 0)]
    assert tuple(hall.contract.top(0, P)) == (0, 0, 0, 0)
    assert "BookReleased" not in hall.contract.release(0, P, 9, {"from": market.stranger}).events


def test_a_tick_of_several_words_is_released_page_by_page_and_once(market, hall, alice, bob):
    for member in (alice, bob, alice, bob, alice, bob):
        hall.bid(P, member, 30, 100)
    market.close_gate(P)
    pages = [hall.contract.release(0, P, 1, {"from": market.stranger}) for _ in range(3)]
    counts = [
        len(fact(tx, "BookReleased")[2]) if "BookReleased" in tx.events else 0 for tx in pages
    ]

    assert counts == [4, 2, 0]
    assert [hall.reserved(P, m) for m in (alice, bob)] == [(0, 0), (0, 0)]


def test_what_was_kept_comes_back_with_the_settlement_and_not_twice(market, hall, alice):
    hall.contract.keep(P, 0, 600, alice.sends)
    market.trade(P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})
    market.settle(P)

    assert market.house.balanceOf(alice.number) == PURSE
    assert refusal(hall.contract.keep, P, 0, 0, by=alice.account) == ("SettlementBegun", 0, P)


def test_what_was_not_released_comes_back_with_the_settlement_and_not_twice(market, hall, alice):
    hall.bid(P, alice, 30, 600)
    market.trade(P)  # the pool has its say in every period as well
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})
    market.settle(P)

    assert market.house.balanceOf(alice.number) == PURSE
    refused = refusal(hall.contract.release, 0, P, 9, by=market.stranger)
    assert refused == ("SettlementBegun", 0, P)


# --- questions ---------------------------------------------------------------------------------


def test_best_bid_best_offer_and_depth_in_one_call(hall, alice, bob):
    for tick, wh in [(20, 100), (25, 200), (25, 50)]:
        hall.bid(P, alice, tick, wh)
    for tick, wh in [(40, 70), (35, 80)]:
        hall.offer(P, bob, tick, wh)

    assert tuple(hall.contract.top(0, P)) == (25, 250, 35, 80)
    assert hall.depth(P, BID, 9) == [(25, 250, 2), (20, 100, 1)]
    assert hall.depth(P, OFFER, 1) == [(35, 80, 1)]
    assert hall.depth(P + 1, BID, 9) == []
    words = hall.contract.ordersOf(alice.number, P)
    assert [BookOrder.unpack(w).tick for w in words] == [20, 25, 25]
    assert len(hall.contract.ordersOf(alice.number, P + 1)) == 0
