"""A grid oracle, or nobody at all: what no verdict reached before delivery is over with it."""

import pytest
from brownie import chain

from tests.contracts.market import BID, BOOKED, FIRST, OFFER, PURSE, VERDICT_WINDOW, VOID
from tests.contracts.order_books import Hall, trades_in
from tests.contracts.refusal import fact, refusal

P = FIRST + 2


@pytest.fixture
def cleared(market):
    seller, buyer = market.members[:2]
    market.place(P, {seller: (OFFER, 10, 4_000), buyer: (BID, 50, 4_000)})
    market.close_gate(P)
    market.clear(P)
    return market


def test_the_grid_oracle_cannot_choose_a_book_by_what_was_delivered(cleared):
    """Before: `accept` up to 97 periods late, when the readings were known."""
    judged = cleared.judged(P)
    cleared.advance_to(P)
    refused = refusal(cleared.grid.accept, *judged, by=cleared.grid_oracle)
    assert refused == ("DeliveryBegun", P, P)


def test_a_silent_grid_oracle_cannot_hold_a_book_beyond_delivery(cleared):
    """Before: its orders were held for the whole verdict window after delivery."""
    deadline = chain[-1].timestamp + VERDICT_WINDOW
    expire = cleared.auction.expire
    assert refusal(expire, 0, P, by=cleared.stranger)[0] == "VerdictAwaited"
    cleared.advance_to(P)
    expire(0, P, {"from": cleared.stranger})
    assert chain[-1].timestamp < deadline
    assert cleared.auction.sessionOf(0, P)["phase"] == VOID

    cleared.book(P)
    cleared.deliver(P)
    cleared.meter(P, {member.number: 0 for member in cleared.in_area(0)})
    cleared.settle(P)
    assert cleared.auction.sessionOf(0, P)["phase"] == BOOKED
    assert cleared.house.balanceOf(cleared.members[1].number) == PURSE


def test_half_a_verdict_cannot_hold_a_book_beyond_delivery(cleared):
    judged = cleared.judged(P)
    cleared.grid.cap(*judged, [], False, {"from": cleared.grid_oracle})
    cleared.advance_to(P)

    refused = refusal(cleared.grid.cap, *judged, [], True, by=cleared.grid_oracle)
    assert refused == ("DeliveryBegun", P, P)
    cleared.auction.expire(0, P, {"from": cleared.stranger})
    assert fact(cleared.book(P), "Booked") == (0, P, 0, 0)


def test_a_silent_grid_oracle_cannot_hold_trades_beyond_delivery(market):
    """Before: for the whole verdict window, and every group after the first for another."""
    hall = Hall.open(market)
    seller, buyer = market.members[:2]
    hall.offer(P, seller, 20, 1_000)
    trades = trades_in(hall.bid(P, buyer, 20, 1_000))
    market.advance_to(P)
    hall.contract.sealGroup(0, P, {"from": market.stranger})
    tx = hall.contract.expire(0, P, 0, trades, {"from": market.stranger})

    assert fact(tx, "GroupDecided") == (0, P, 0, 1, True)
    assert hall.contract.booked(0, P)
    assert market.house.balanceOf(buyer.number) == PURSE
    assert hall.reserved(P, seller) == (0, 0)
