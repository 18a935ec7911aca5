"""Books through the real auction, orders to fills and payments, against the model: a thousand in the end.

Each book is a delivery period of its own; all of them are open at once, so that none has to be
settled before the next. (`tests/contracts` takes some of them all the way to balances, and pay-as-bid.)
"""

from collections.abc import Iterator

import numpy as np
import pytest
from eth_utils import keccak

from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.encoding.lanes import order_lane
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import clear
from gridbourse.model.caps import NO_CAP
from tests.model.books import BAND, EDGE_BOOKS, Book, random_books

SEED = 20_260_729
MTU = 900
FIRST = 2_000
MONEY = 10**15


@pytest.fixture(scope="module")
def market(books: list[Book]) -> Iterator[tuple[Market, list[int]]]:
    """A market whose ring holds every book, and the numbers of enough participants."""
    people = max(len(book.wh) for book in books)
    with session("devnet-child") as w3:
        chain, keys = Chain(w3, load_artifacts()), Keyring.for_chain(w3)
        periods = len(books) + 1
        settings = MarketSettings(
            MTU, 0, BAND, ("books",), horizon_periods=periods, ring_size=periods + 1
        )
        opened = deploy(chain, keys, settings)
        operator, treasurer = keys["operator"], keys["treasurer"]
        opened.registry.write(operator, "set-up", "addZone", b"zone".ljust(32, b"\0"), 0)
        retail = BAND.price(BAND.ticks - 1)
        opened.tariff.write(keys["supplier"], "set-up", "setEnergyPrices", FIRST_AREA, 0, retail, 0)
        rows = [
            Registration(keys[f"{i}"].address, keccak(text=f"{i}"), FIRST_AREA, 1, NO_CAP - 1, 0)
            for i in range(people)
        ]
        numbers = [
            n
            for at in range(0, people, 50)
            for n in opened.registry.register(operator, rows[at : at + 50])
        ]
        for i in range(people):
            opened.registry.write(keys[f"{i}"], "set-up", "giveMandate", 1)
        total = MONEY * people
        opened.currency.write(
            treasurer, "set-up", "mint", treasurer.address, total, b"1".ljust(32, b"\0")
        )
        opened.currency.write(treasurer, "set-up", "approve", opened.house.address, total)
        opened.house.deposit(treasurer, dict.fromkeys(numbers, MONEY))
        yield opened, numbers


@pytest.fixture(scope="module", params=[200, pytest.param(1_000, marks=pytest.mark.assurance)])
def books(request: pytest.FixtureRequest) -> list[Book]:
    drawn = [*EDGE_BOOKS, *random_books(request.param, SEED)]
    return [book for book in drawn if (book.wh > 0).all() and (book.wh < NO_CAP - 1).all()]


def test_fills_and_payments_of_every_book_are_the_models(
    market: tuple[Market, list[int]], books: list[Book]
) -> None:
    opened, numbers = market
    gateway, operator = opened.keys["gateway"], opened.keys["operator"]
    opened.clock.advance_to(operator, FIRST * MTU - 1)
    for period, book in enumerate(books, start=FIRST):
        rows = zip(
            numbers, book.is_offer.tolist(), book.tick.tolist(), book.wh.tolist(), strict=False
        )
        lanes = {who: order_lane(int(offer), tick, wh, 1) for who, offer, tick, wh in rows}
        if lanes:
            opened.auction.place_batch(gateway, FIRST_AREA, period, lanes)
    opened.clock.advance_to(operator, (FIRST + len(books)) * MTU)

    assert len(books) >= 200
    for period, book in enumerate(books, start=FIRST):
        outcome = opened.auction.clear(operator, FIRST_AREA, period)
        expected = clear(book.is_offer, book.tick, book.wh, BAND)
        assert outcome.matched_wh == expected.crossing.volume_wh, book
        assert outcome.price_micro_eur_per_wh == expected.price_micro_eur_per_wh, book
        fills = opened.auction.fills(FIRST_AREA, period)
        net = np.where(book.is_offer, expected.fills_wh, -expected.fills_wh)
        mine = zip(numbers, net.tolist(), expected.payments_micro_eur.tolist(), strict=False)
        assert fills == {who: (wh, paid) for who, wh, paid in mine if wh}, book
