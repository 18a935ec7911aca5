"""The order book: price, then time; what is reserved; refusals; gate closure; the DSO's verdict."""

import pytest
from brownie import OrderBook, chain

from gridbourse.chain.book_order import Action, BookOrder
from gridbourse.chain.lanes import BID, OFFER
from gridbourse.model.trade_word import TradeWord
from tests.contracts.market import (
    CAPACITY_WH,
    FIRST,
    HOLD_RATE,
    HORIZON,
    PURSE,
    RETAIL,
    SUSPENDED,
    VERDICT_WINDOW,
)
from tests.contracts.order_books import (
    FILL_LIMIT,
    FOK,
    GROUP_SIZE,
    IMMEDIATE,
    IOC,
    KILLED,
    MAX_FILLS,
    MAX_OPEN,
    MIN_WH,
    OWN_ORDER,
    Hall,
    book_settings,
    rested_at,
    trades_in,
    trades_of,
)
from tests.contracts.refusal import deployment_refusal, fact, refusal
from tests.model.books import BAND

P = FIRST + 2


@pytest.fixture(scope="module")
def hall(market):
    return Hall.open(market)


@pytest.fixture
def alice(market):
    return market.members[0]


@pytest.fixture
def bob(market):
    return market.members[1]


@pytest.fixture
def carol(market):
    return market.members[2]


# --- orders at rest ----------------------------------------------------------------------------


def test_an_order_that_meets_nobody_rests_and_is_backed(market, hall, alice):
    tx = hall.bid(P, alice, 30, 1_000)

    assert fact(tx, "OrderRested") == (0, P, alice.number, BID, 30, 0, 1_000)
    assert hall.queue(P, 30) == [(alice.number, 0, 1_000)]
    assert hall.reserved(P, alice) == (0, 1_000)
    assert market.house.balanceOf(alice.number) == PURSE - 1_000 * HOLD_RATE


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
