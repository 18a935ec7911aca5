"""Whole books through the real auction: from orders to balances, as the model says."""

from dataclasses import replace

import numpy as np
import pytest

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.call_auction import clear
from gridbourse.model.caps import NO_CAP
from gridbourse.model.settlement import hold_micro_eur
from tests.contracts.market import FIRST, HOLD_RATE, SPREAD, Market
from tests.contracts.refusal import ask
from tests.model.books import BAND, EDGE_BOOKS, Book, random_books

P = FIRST + 2
SEATS = 41
LARGEST_WH = NO_CAP - 1  # the most a connection may carry
PURSE = 10**14  # enough to back one bid of 28 bits

BOOKS = [
    replace(book, wh=np.minimum(book.wh, LARGEST_WH))
    for book in (*EDGE_BOOKS, *random_books(15, seed=42))
]


@pytest.fixture(scope="module", params=[False, True], ids=["uniform price", "pay as bid"])
def hall(request, market):
    """A market of one area whose connections carry any order there is."""
    hall = Market(market.contracts, pay_as_bid=request.param)
    hall.admit(SEATS, purse=PURSE, capacity=LARGEST_WH)
    return hall


@pytest.mark.parametrize("book", BOOKS, ids=str)
def test_a_book_trades_and_pays_as_the_model_does(hall, book: Book):
    hall.place_book(P, book)
    hall.trade(P)

    expected = clear(book.is_offer, book.tick, book.wh, BAND, hall.pay_as_bid)
    members = hall.members[: len(book.wh)]
    accounts = ask(*((hall.house.accountInPeriod, m.number, P) for m in members))
    held, sell, buy, sold, bought = np.array(accounts, dtype=np.int64).reshape(-1, 5).T
    fills = expected.fills_wh
    assert sell.tolist() == np.where(book.is_offer, book.wh, 0).tolist()
    assert buy.tolist() == np.where(book.is_offer, 0, book.wh).tolist()
    assert sold.tolist() == np.where(book.is_offer, fills, 0).tolist()
    assert bought.tolist() == np.where(book.is_offer, 0, fills).tolist()
    assert held.tolist() == hold_micro_eur(buy, HOLD_RATE).tolist()
    assert hall.balances(members).tolist() == (PURSE - held).tolist()
    payments = ask(*((hall.house.paymentOf, m.number, P) for m in members))
    assert list(payments) == expected.payments_micro_eur.tolist()
    assert hall.house.balanceOf(SPREAD) == expected.spread_micro_eur
    assert hall.money_sum() == 0


def test_the_books_are_of_both_kinds():
    """A guard of the test's own: books that trade, and books that do not, on both sides."""
    volumes = [clear(b.is_offer, b.tick, b.wh, BAND).crossing.volume_wh for b in BOOKS]

    assert len(BOOKS) >= 30
    assert sum(volume > 0 for volume in volumes) >= 20
    assert sum(volume == 0 for volume in volumes) >= 4
    assert {BID, OFFER} == {int(side) for book in BOOKS for side in book.is_offer}
