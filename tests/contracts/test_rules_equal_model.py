"""The contracts' pure rules against the reference model, and against what limits them on the chain.

A harness puts many cases into one call, so that a thousand books take seconds. What goes through
the whole auction is in `test_auction_equals_model`.
"""

from itertools import islice, product

import numpy as np
import pytest
from brownie import web3

from gridbourse.chain.encoding.lanes import order_lane
from gridbourse.model.call_auction import clear
from gridbourse.model.caps import NO_CAP
from gridbourse.model.settlement import Prices, settle
from tests.contracts.harnesses import deploy_harness
from tests.contracts.refusal import refused
from tests.model.books import BAND, EDGE_BOOKS, LAST, Book, random_books

BOOKS_PER_CALL = 50
MOST = 2**32 - 1  # what a tick of a book holds, Wh
P = 1_630_370
BID, OFFER = 0, 1


@pytest.fixture(scope="module")
def rules(tmp_path_factory, accounts):
    return deploy_harness("Rules", tmp_path_factory, accounts)


# --- clearing ----------------------------------------------------------------------------------


def lanes(book: Book) -> list[int]:
    rows = zip(book.is_offer.tolist(), book.tick.tolist(), book.wh.tolist(), strict=True)
    return [order_lane(int(is_offer), tick, wh, 1) for is_offer, tick, wh in rows]


def require_equal(book: Book, outcome, fills) -> None:
    volume, price_tick, bid, ask = outcome
    expected = clear(book.is_offer, book.tick, book.wh, BAND)
    crossing = expected.crossing

    assert volume == crossing.volume_wh, book
    assert fills == expected.fills_wh.tolist(), book
    if crossing.price_tick is None:
        assert (price_tick, tuple(bid), tuple(ask)) == (0, (0, 0, 0), (0, 0, 0)), book
    else:
        assert BAND.price(price_tick) == expected.price_micro_eur_per_wh, book
        assert tuple(bid) == tuple(vars(crossing.bid).values()), book
        assert tuple(ask) == tuple(vars(crossing.ask).values()), book


def pages(cases, size):
    cases = iter(cases)
    return iter(lambda: list(islice(cases, size)), [])


def require_all_equal(rules, books) -> int:
    count = 0
    for page in pages(books, BOOKS_PER_CALL):
        outcomes, fills = rules.clear(BAND.ticks, [lanes(book) for book in page]).call()
        for book, outcome, filled in zip(page, outcomes, fills, strict=True):
            require_equal(book, outcome, filled)
        count += len(page)
    return count


def test_edge_books_clear_as_the_model_does(rules):
    assert require_all_equal(rules, EDGE_BOOKS) == len(EDGE_BOOKS)


def test_a_thousand_random_books_clear_as_the_model_does(rules):
    assert require_all_equal(rules, random_books(1_000, seed=20160701)) == 1_000


def test_books_of_two_orders_clear_as_the_model_does(rules):
    """Every pair of ticks around both edges of the band, and every relation of the energies."""
    ticks, energies = (0, 1, 2, LAST - 1, LAST), (1, 2, NO_CAP)
    books = [
        Book.of(f"bid {b}, offer {o}", ("bid", *b), ("offer", *o))
        for b, o in product(product(ticks, energies), repeat=2)
    ]

    assert require_all_equal(rules, books) == 225


# --- a tick's energy on the chain --------------------------------------------------------------


def send(call, accounts):
    web3.eth.wait_for_transaction_receipt(call.transact({"from": accounts[0].address}))


def test_a_book_keeps_every_tick_of_both_sides_apart(rules, accounts):
    for side, tick in product((BID, OFFER), (0, 6, 7, 13, 255, 256, 258)):
        send(rules.add(P, side, tick, 1_000 * side + tick + 1), accounts)

    for side in (BID, OFFER):
        volumes = rules.volumes(P, side, 259).call()
        present = {tick: wh for tick, wh in enumerate(volumes) if wh}
        assert present == {t: 1_000 * side + t + 1 for t in (0, 6, 7, 13, 255, 256, 258)}


def test_a_tick_holds_32_bits_and_refuses_more(rules, accounts):
    send(rules.add(P, OFFER, 8, MOST - 1), accounts)
    send(rules.add(P, OFFER, 9, MOST), accounts)
    send(rules.add(P, OFFER, 8, 1), accounts)

    assert rules.volumes(P, OFFER, 14).call()[7:10] == [0, MOST, MOST]
    one_more = rules.add(P, OFFER, 8, 1).build_transaction({"gas": 100_000})
    call = {"to": one_more["to"], "data": one_more["data"]}
    assert refused(call, "add") == ("TickFull", OFFER, 8, MOST, 1)
    send(rules.remove(P, OFFER, 8, MOST), accounts)
    assert rules.volumes(P, OFFER, 14).call()[7:10] == [0, 0, MOST]


def test_a_book_of_another_period_is_empty(rules, accounts):
    send(rules.add(P, BID, 3, 70), accounts)
    assert not any(rules.volumes(P + 1, BID, 56).call())

    send(rules.add(P + 1, BID, 4, 50), accounts)  # the same word, now of another period
    assert rules.volumes(P + 1, BID, 56).call()[3:5] == [0, 50]
    assert not any(rules.volumes(P, BID, 56).call())


# --- imbalance ---------------------------------------------------------------------------------


def require_equal_charges(rules, readings, contracts, caps, prices: list[tuple]) -> None:
    supplier, dso = rules.charge(readings, contracts, caps, prices).call()
    columns = np.array(prices, dtype=np.int64).T
    expected = settle(
        np.array(readings, dtype=np.int64),
        np.array(contracts, dtype=np.int64),
        np.array(caps, dtype=np.int64),
        Prices(*columns),
    )

    assert supplier == expected.supplier.tolist()
    assert dso == expected.dso.tolist()


def test_charges_of_adversarial_cases_equal_the_models(rules):
    """Every combination of signs, ties and limits of reading, contract and cap."""
    energies = (-NO_CAP, -5_001, -5_000, -1, 0, 1, 5_000, 5_001, NO_CAP)
    caps = (0, 1, 4_999, 5_000, NO_CAP)
    prices = ((300, 80, 60, 20, 5), (65_535, 65_535, 0, 0, 65_535), (0, 0, 0, 0, 0))
    cases = list(product(energies, energies, caps, prices))

    for page in pages(cases, 500):
        readings, contracts, exports, tariffs = map(list, zip(*page, strict=True))
        require_equal_charges(rules, readings, contracts, exports, tariffs)


def test_charges_of_random_cases_equal_the_models(rules):
    rng = np.random.default_rng(7)
    for scale in (3, 5_000, NO_CAP):
        count = 500
        require_equal_charges(
            rules,
            rng.integers(-scale, scale + 1, count).tolist(),
            rng.integers(-scale, scale + 1, count).tolist(),
            rng.integers(0, scale + 1, count).tolist(),
            [tuple(row) for row in rng.integers(0, 400, (count, 5)).tolist()],
        )
