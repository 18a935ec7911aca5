"""The chain takes every pairing of the model, and of all others those that the model allows."""

from random import Random
from typing import NamedTuple

import pytest

from gridbourse.model.bilateral import Offer, PriceRule, Request, Zones, allowed, match
from gridbourse.model.trade import TradeWord
from tests.contracts.bilateral_markets import (
    SELLER,
    WITHIN,
    Neighbours,
    judge,
    offer_draft,
    request_draft,
)
from tests.contracts.market import FIRST, Market
from tests.contracts.refusal import refusal

P = FIRST + 2
SOURCE_BITS = {"pv": 1, "chp": 2, "wind": 4}
ZONES = Zones({1: 0, 2: 1})  # of tests.contracts.market
RULES = {SELLER: PriceRule.SELLER, WITHIN: PriceRule.MIDPOINT}


class Book(NamedTuple):
    """Listings of the model, and their numbers on the board."""

    offers: list[Offer]
    requests: list[Request]
    offer_numbers: list[int]
    request_numbers: list[int]


def random_book(market: Market, neighbours: Neighbours, random: Random) -> Book:
    """One offer and two requests a participant, listed in one call."""
    members = market.in_area(0)
    numbers = [int(m.number) for m in members]
    sources = {number: random.choice(list(SOURCE_BITS)) for number in numbers}
    for number, source in sources.items():
        market.registry.attest(number, SOURCE_BITS[source], {"from": market.operator})

    def somebody() -> int | None:
        return random.choice([None] * 12 + numbers)

    offers = [
        Offer(int(m.number), random.randint(10, 3_000), random.randint(80, 220),
              sources[int(m.number)], m.zone, somebody())
        for m in members
    ]  # fmt: skip
    requests = [
        Request(
            buyer=int(m.number),
            wh=random.randint(10, 3_000),
            most_micro_eur_per_wh=random.randint(80, 300),
            within=random.choice([None, None, 1, 2]),
            sources=random.choice([None, {"pv"}, {"pv", "wind"}]),
            seller=somebody(),
            zone=m.zone,
        )
        for m in members
        for _ in range(2)
    ]
    by_number = dict(zip(numbers, members, strict=True))
    drafts = [
        offer_draft(by_number[o.seller], o.wh, o.least_micro_eur_per_wh, o.buyer or 0)
        for o in offers
    ] + [
        request_draft(
            by_number[r.buyer], r.wh, r.most_micro_eur_per_wh, r.seller or 0, r.within or 0,
            sum(SOURCE_BITS[s] for s in r.sources or ()),
        )
        for r in requests
    ]  # fmt: skip
    first = neighbours.contract.list(0, P, drafts, {"from": market.gateway}).return_value
    listed = list(range(first, first + len(drafts)))
    return Book(offers, requests, listed[: len(offers)], listed[len(offers) :])


def answer(neighbours: Neighbours, pairing: tuple) -> str | None:
    """The error a pairing is refused by, or None."""
    try:
        return refusal(neighbours.contract.pair, 0, P, [pairing], by=neighbours.market.operator)[0]
    except AssertionError:
        return None


def broken(offer: Offer, request: Request) -> set[str]:
    """The rules by which the chain may refuse what the model does not allow."""
    return {
        name
        for name, is_broken in {
            "SelfTrade": offer.seller == request.buyer,
            "PriceAboveRequest": offer.least_micro_eur_per_wh > request.most_micro_eur_per_wh,
            "OtherPartner": offer.buyer not in (None, request.buyer)
            or request.seller not in (None, offer.seller),
            "SourceNotAccepted": request.sources is not None
            and offer.source not in request.sources,
            "OutsideZone": request.within is not None
            and not ZONES.is_within(offer.zone, request.within),
        }.items()
        if is_broken
    }


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_the_models_pairings_go_through_and_no_limit_gives_way(market, rule, seed):
    random = Random(seed)
    neighbours = Neighbours.open(market, priceRule=rule)
    book = random_book(market, neighbours, random)

    both = [(i, j) for i in range(len(book.offers)) for j in range(len(book.requests))]
    refused = 0
    for i, j in both:
        offer, request = book.offers[i], book.requests[j]
        ids = (book.offer_numbers[i], book.request_numbers[j])
        error = answer(neighbours, (*ids, 10, offer.least_micro_eur_per_wh))
        assert (error is None) == allowed(offer, request, ZONES)
        assert error is None or error in broken(offer, request)
        refused += error is not None
    assert 0 < refused < len(both)

    found = match(book.offers, book.requests, ZONES, RULES[rule])
    pairings = [
        (book.offer_numbers[p.offer], book.request_numbers[p.request], p.wh,
         p.price_micro_eur_per_wh)
        for p in found
    ]  # fmt: skip
    assert len(pairings) > 3
    # Nobody's limit has room for a watt-hour or a micro-euro more than it says.
    for (offer_number, request_number, wh, price), p in zip(pairings, found, strict=True):
        most = book.requests[p.request].most_micro_eur_per_wh
        ids = (offer_number, request_number)
        room = min(book.offers[p.offer].wh, book.requests[p.request].wh)
        assert answer(neighbours, (*ids, room + 1, price)) == "NothingPaired"
        assert answer(neighbours, (*ids, wh, most + 1)) == "PriceAboveRequest"
        least = book.offers[p.offer].least_micro_eur_per_wh
        assert answer(neighbours, (*ids, wh, least - 1)) == "PriceBelowOffer"
    neighbours.pair(P, *pairings)

    trades = [TradeWord(p.seller, p.buyer, p.wh, p.price_micro_eur_per_wh) for p in found]
    judge(market, neighbours.contract, P, trades)
    for member in market.in_area(0):
        sold = sum(t.wh for t in trades if t.seller == member.number)
        bought = sum(t.wh for t in trades if t.buyer == member.number)
        assert tuple(market.house.accountInPeriod(member.number, P))[3:] == (sold, bought)
    assert market.money_sum() == 0
