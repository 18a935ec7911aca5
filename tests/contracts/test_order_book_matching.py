"""What an incoming order does in the book, rule by rule, in the contract."""

import pytest

from gridbourse.chain.encoding.lanes import BID, OFFER
from tests.contracts.market import (
    FIRST,
    PURSE,
)
from tests.contracts.order_books import (
    FILL_LIMIT,
    FOK,
    IMMEDIATE,
    IOC,
    KILLED,
    MAX_FILLS,
    OWN_ORDER,
    Hall,
    trades_of,
)
from tests.contracts.refusal import fact
from tests.model.books import BAND

P = FIRST + 2


@pytest.fixture(scope="module")
def hall(market):
    return Hall.open(market)


def test_best_price_first_then_the_earliest_at_the_resting_price(hall, market):
    a, b, c, d = market.members[:4]
    hall.offer(P, a, 40, 100)
    hall.offer(P, b, 35, 100)
    hall.offer(P, c, 35, 100)

    tx = hall.bid(P, d, 40, 250)

    assert trades_of(tx) == [
        (b.number, d.number, 100, BAND.price(35)),
        (c.number, d.number, 100, BAND.price(35)),
        (a.number, d.number, 50, BAND.price(40)),
    ]
    assert hall.resting(P, OFFER) == [(a.number, 40, 50)]
    assert hall.resting(P, BID) == []
    assert [hall.reserved(P, m) for m in (a, b, c, d)] == [(100, 0), (100, 0), (100, 0), (0, 250)]


def test_an_order_trades_down_its_own_ticks_and_rests_with_what_is_left(hall, alice, bob):
    hall.bid(P, alice, 30, 300)
    tx = hall.offer(P, bob, 28, 1_000)

    assert trades_of(tx) == [(bob.number, alice.number, 300, BAND.price(30))]
    assert fact(tx, "OrdersMatched")[:4] == (0, P, bob.number, 1_000)
    assert fact(tx, "OrderRested") == (0, P, bob.number, OFFER, 28, 0, 700)
    assert hall.reserved(P, bob) == (1_000, 0)


def test_immediate_or_cancel_never_rests(hall, alice, bob):
    hall.bid(P, alice, 30, 300)
    tx = hall.offer(P, bob, 30, 1_000, IOC)

    assert fact(tx, "OrderKilled") == (0, P, bob.number, OFFER, 30, 700, IMMEDIATE)
    assert hall.resting(P, OFFER) == []
    assert hall.reserved(P, bob) == (300, 0)


def test_fill_or_kill_fills_whole_or_does_nothing(market, hall, alice, bob, carol):
    hall.bid(P, alice, 30, 300)
    hall.bid(P, bob, 29, 300)

    tx = hall.offer(P, carol, 29, 601, FOK)
    assert fact(tx, "OrderKilled") == (0, P, carol.number, OFFER, 29, 601, KILLED)
    assert "OrdersMatched" not in tx.events
    assert hall.resting(P, BID) == [(alice.number, 30, 300), (bob.number, 29, 300)]
    assert hall.reserved(P, carol) == (0, 0)
    assert market.house.balanceOf(carol.number) == PURSE

    tx = hall.offer(P, carol, 29, 600, FOK)
    assert [trade[2] for trade in trades_of(tx)] == [300, 300]
    assert hall.resting(P, BID) == []


def test_meeting_ones_own_order_ends_the_matching(hall, alice, bob):
    hall.offer(P, bob, 29, 100)
    hall.offer(P, alice, 30, 100)
    hall.offer(P, bob, 31, 100)

    tx = hall.bid(P, alice, 31, 300)

    assert trades_of(tx) == [(bob.number, alice.number, 100, BAND.price(29))]
    assert fact(tx, "OrderKilled") == (0, P, alice.number, BID, 31, 200, OWN_ORDER)
    assert hall.resting(P, OFFER) == [(alice.number, 30, 100), (bob.number, 31, 100)]
    assert hall.reserved(P, alice) == (100, 100)


def test_ones_own_order_behind_as_many_makers_as_one_may_meet_is_what_ended_it(market, hall, alice):
    for member in market.members[1 : MAX_FILLS + 1]:
        hall.offer(P, member, 30, 100)
    hall.offer(P, alice, 30, 100)
    tx = hall.bid(P, alice, 30, 10_000)

    assert len(trades_of(tx)) == MAX_FILLS
    assert fact(tx, "OrderKilled")[-2:] == (10_000 - MAX_FILLS * 100, OWN_ORDER)


def test_an_order_meets_so_many_makers_and_no_more(market, hall, alice):
    for member in market.members[1 : MAX_FILLS + 2]:
        hall.offer(P, member, 30, 100)
    tx = hall.bid(P, alice, 30, 10_000)

    assert len(trades_of(tx)) == MAX_FILLS
    assert fact(tx, "OrderKilled")[-2:] == (10_000 - MAX_FILLS * 100, FILL_LIMIT)
    assert hall.reserved(P, alice) == (0, MAX_FILLS * 100)
