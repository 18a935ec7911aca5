"""Ranking and matching of bilateral offers: by hand, and against every matching of tiny books."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.bilateral import (
    MOST_HOPS,
    ListingError,
    Offer,
    Pairing,
    Premiums,
    PriceRule,
    Ranked,
    Request,
    Zones,
    allowed,
    match,
    rank,
    surplus,
)
from gridbourse.model.trade import MOST_PRICE_MICRO_EUR_PER_WH, MOST_WH

ROOF = Offer(seller=1, wh=100, least_micro_eur_per_wh=150, source="pv", zone=1)
PLANT = Offer(seller=2, wh=100, least_micro_eur_per_wh=120, source="chp", zone=3)
HOME = Request(buyer=9, wh=100, most_micro_eur_per_wh=200, zone=1)


TREE = Zones({1: 0, 2: 0, 3: 1, 4: 1, 5: 2})
IN_A_ROW = Zones({zone: zone - 1 for zone in range(1, 300)})
"""Each zone below the one before it."""


def partners(pairings: list[Pairing]) -> list[tuple[int, int, int]]:
    return [(pairing.seller, pairing.buyer, pairing.wh) for pairing in pairings]


def worth(offers: list[Offer], requests: list[Request], pairings: list[Pairing]) -> tuple[int, int]:
    """(Σ Wh × surplus, Σ Wh): what the matching makes greatest, in this order."""
    total = 0
    for pairing in pairings:
        offer, request = offers[pairing.offer], requests[pairing.request]
        total += pairing.wh * surplus(offer, request, IN_A_ROW.hops(offer.zone, request.zone))
    return total, sum(pairing.wh for pairing in pairings)


# ------------------------------------------------------------------------------------ ranking


@pytest.mark.parametrize(
    ("premiums", "first"),
    [
        (Premiums(), 2),  # the cheaper
        (Premiums(sources={"pv": 31}), 1),
        (Premiums(sources={"pv": 29}), 2),
        (Premiums(own_zone=31), 1),
        (Premiums(per_hop=-16), 1),  # two hops cost 32 more than none
        (Premiums(per_hop=-14), 2),
        (Premiums(sellers={1: 31}), 1),
    ],
)
def test_a_buyers_premiums_order_the_offers_it_sees(premiums, first):
    ranking = rank(replace(HOME, premiums=premiums), [ROOF, PLANT], IN_A_ROW)

    assert len(ranking) == 2
    assert (ROOF, PLANT)[ranking[0].offer].seller == first


def test_of_equals_the_cheaper_comes_first_then_the_earlier_listed():
    dear = replace(ROOF, least_micro_eur_per_wh=160, source="green")
    request = replace(HOME, premiums=Premiums(sources={"green": 10}))

    assert rank(request, [dear, ROOF, ROOF], IN_A_ROW) == [
        Ranked(1, 50),
        Ranked(2, 50),
        Ranked(0, 50),
    ]


@pytest.mark.parametrize(
    ("offer", "request_"),
    [
        (replace(ROOF, least_micro_eur_per_wh=201), HOME),
        (replace(ROOF, seller=9), HOME),
        (replace(ROOF, buyer=8), HOME),
        (ROOF, replace(HOME, seller=2)),
        (ROOF, replace(HOME, sources=frozenset({"chp", "wind"}))),
        (ROOF, replace(HOME, sources=frozenset())),
        (ROOF, replace(HOME, within=2)),
        (ROOF, replace(HOME, within=3)),
        # The limits agree, but from two hops away the energy is worth less to it than it costs.
        (PLANT, replace(HOME, premiums=Premiums(per_hop=-41))),
    ],
    ids=[
        "price",
        "itself",
        "another's",
        "not by name",
        "source",
        "none",
        "above",
        "far",
        "not worth it",
    ],
)
def test_what_a_limit_forbids_is_neither_seen_nor_matched(offer, request_):
    assert rank(request_, [offer], IN_A_ROW) == []
    assert match([offer], [request_], IN_A_ROW) == []


def test_limits_that_are_met_exactly_allow_the_pair():
    offer = replace(PLANT, least_micro_eur_per_wh=200, buyer=9)
    request = replace(HOME, seller=2, sources=frozenset({"chp"}), within=3)

    assert match([offer], [request], IN_A_ROW) == [Pairing(0, 0, 2, 9, 100, 200)]


# ----------------------------------------------------------------------------------- matching


def test_one_seller_serves_many_buyers_and_one_buyer_has_many_sellers():
    others = [replace(HOME, buyer=buyer, wh=40) for buyer in (7, 8)]

    assert partners(match([ROOF], others, IN_A_ROW)) == [(1, 7, 40), (1, 8, 40)]
    assert partners(match([ROOF, PLANT], [replace(HOME, wh=200)], IN_A_ROW)) == [
        (1, 9, 100),
        (2, 9, 100),
    ]


def test_energy_goes_where_it_is_valued_most_not_to_the_first():
    fond = replace(HOME, buyer=8, premiums=Premiums(sellers={1: 50}))

    assert partners(match([ROOF, PLANT], [HOME, fond], IN_A_ROW)) == [(2, 9, 100), (1, 8, 100)]


def test_among_optima_the_greatest_volume_is_taken():
    at_its_limit = replace(ROOF, least_micro_eur_per_wh=200)

    assert partners(match([at_its_limit], [HOME], IN_A_ROW)) == [(1, 9, 100)]


def test_a_premium_ranks_and_is_never_paid():
    request = replace(HOME, premiums=Premiums(sources={"pv": 500}))

    assert match([ROOF], [request], IN_A_ROW)[0].price_micro_eur_per_wh == 150
    assert match([ROOF], [request], IN_A_ROW, PriceRule.MIDPOINT)[0].price_micro_eur_per_wh == 175
    beyond = replace(ROOF, least_micro_eur_per_wh=201)
    assert match([beyond], [request], IN_A_ROW) == []


def test_the_middle_price_is_rounded_down():
    offer = replace(ROOF, least_micro_eur_per_wh=151)

    (pairing,) = match([offer], [HOME], IN_A_ROW, PriceRule.MIDPOINT)

    assert pairing.price_micro_eur_per_wh == 175


def test_nothing_listed_is_nothing_matched():
    assert (
        match([], [], IN_A_ROW) == match([ROOF], [], IN_A_ROW) == match([], [HOME], IN_A_ROW) == []
    )


PRICES = st.integers(0, 6)
OFFERS = st.builds(
    Offer, st.integers(0, 4), st.integers(1, 3), PRICES, st.sampled_from(["pv", "chp"]),
    st.integers(0, 2), st.none() | st.integers(0, 4),
)  # fmt: skip
SMALL = st.integers(-4, 4)
REQUESTS = st.builds(
    Request, st.integers(0, 4), st.integers(1, 3), PRICES, st.integers(0, 2),
    st.none() | st.frozensets(st.sampled_from(["pv", "chp"])),
    st.none() | st.integers(0, 2), st.none() | st.integers(0, 4),
    st.builds(
        Premiums, st.dictionaries(st.sampled_from(["pv", "chp"]), SMALL),
        st.dictionaries(st.integers(0, 4), SMALL), SMALL, SMALL,
    ),
)  # fmt: skip


def every_matching(offers: list[Offer], requests: list[Request]) -> Iterator[tuple[int, int]]:
    """(Σ Wh × surplus, Σ Wh) of every whole-number matching the limits allow."""
    pairs = [
        (o, r)
        for o, offer in enumerate(offers)
        for r, request in enumerate(requests)
        if allowed(offer, request, IN_A_ROW)
    ]
    supply, demand = [offer.wh for offer in offers], [request.wh for request in requests]

    def extended(at: int, total: int, volume: int) -> Iterator[tuple[int, int]]:
        if at == len(pairs):
            yield total, volume
            return
        o, r = pairs[at]
        gain = surplus(offers[o], requests[r], IN_A_ROW.hops(offers[o].zone, requests[r].zone))
        for wh in range(min(supply[o], demand[r]) + 1):
            supply[o] -= wh
            demand[r] -= wh
            yield from extended(at + 1, total + wh * gain, volume + wh)
            supply[o] += wh
            demand[r] += wh

    yield from extended(0, 0, 0)


@settings(max_examples=300)
@given(st.lists(OFFERS, max_size=3), st.lists(REQUESTS, max_size=3))
def test_tiny_books_reach_the_best_of_all_matchings(offers, requests):
    found = worth(offers, requests, match(offers, requests, IN_A_ROW))

    assert found == max(every_matching(offers, requests))


@settings(max_examples=200)
@given(st.lists(OFFERS, max_size=8), st.lists(REQUESTS, max_size=8), st.sampled_from(PriceRule))
def test_every_pairing_respects_both_sides(offers, requests, price_rule):
    pairings = match(offers, requests, IN_A_ROW, price_rule)

    assert pairings == match(offers, requests, IN_A_ROW, price_rule)
    sold, bought = [0] * len(offers), [0] * len(requests)
    for pairing in pairings:
        offer, request = offers[pairing.offer], requests[pairing.request]
        sold[pairing.offer] += pairing.wh
        bought[pairing.request] += pairing.wh
        assert (pairing.seller, pairing.buyer) == (offer.seller, request.buyer)
        assert pairing.seller != pairing.buyer
        assert offer.buyer in (None, pairing.buyer)
        assert request.seller in (None, pairing.seller)
        assert request.sources is None or offer.source in request.sources
        assert request.within is None or offer.zone >= request.within
        price = pairing.price_micro_eur_per_wh
        assert offer.least_micro_eur_per_wh <= price <= request.most_micro_eur_per_wh
        assert pairing.wh > 0
    assert all(wh <= offer.wh for wh, offer in zip(sold, offers, strict=True))
    assert all(wh <= request.wh for wh, request in zip(bought, requests, strict=True))


def test_the_largest_energies_and_worths_stay_exact():
    steep = Premiums(sources={"pv": MOST_PRICE_MICRO_EUR_PER_WH}, per_hop=1)
    offers = [Offer(seller, MOST_WH - seller, seller, "pv", seller) for seller in range(40)]
    requests = [
        Request(100 + buyer, MOST_WH - 3 * buyer, MOST_PRICE_MICRO_EUR_PER_WH, 0, premiums=steep)
        for buyer in range(40)
    ]

    pairings = match(offers, requests, IN_A_ROW)

    # Everyone may trade with everyone: all that is asked for, and what stays unsold is worth least.
    # A hop of distance is worth what the offer costs more, so all offers are worth the same.
    asked = sum(request.wh for request in requests)
    assert worth(offers, requests, pairings) == (asked * 2 * MOST_PRICE_MICRO_EUR_PER_WH, asked)


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("offer", "rule"),
    [
        (replace(ROOF, wh=0), r"offer 1: wh 0 must be an integer in 1\.\."),
        (replace(ROOF, wh=-5), "offer 1: wh -5"),
        (replace(ROOF, wh=MOST_WH + 1), "offer 1: wh 268435456"),
        (replace(ROOF, wh=1.5), r"offer 1: wh 1\.5 must be an integer"),
        (replace(ROOF, wh=float("nan")), "offer 1: wh nan must be an integer"),
        (replace(ROOF, wh=True), "offer 1: wh True must be an integer"),
        (replace(ROOF, least_micro_eur_per_wh=-1), "offer 1: least price -1"),
        (replace(ROOF, least_micro_eur_per_wh=1 << 16), "offer 1: least price 65536"),
    ],
)
def test_bad_offers_are_refused_by_row_and_field(offer, rule):
    with pytest.raises(ListingError, match=rule):
        match([PLANT, offer], [HOME], IN_A_ROW)
    with pytest.raises(ListingError, match=rule):
        rank(HOME, [PLANT, offer], IN_A_ROW)


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (replace(HOME, wh=0), "request 0: wh 0"),
        (replace(HOME, most_micro_eur_per_wh=1 << 16), "request 0: most price 65536"),
        (replace(HOME, premiums=Premiums(sources={"pv": 10**30})), "request 0: premium 1000000"),
        (replace(HOME, premiums=Premiums(sellers={1: -(1 << 16)})), "request 0: premium -65536"),
        (replace(HOME, premiums=Premiums(own_zone=float("inf"))), "request 0: premium inf"),
        (replace(HOME, premiums=Premiums(per_hop=0.5)), r"request 0: premium 0\.5"),
    ],
)
def test_bad_requests_are_refused_by_row_and_field(request_, rule):
    with pytest.raises(ListingError, match=rule):
        match([ROOF], [request_], IN_A_ROW)


def test_a_distance_that_no_premium_was_meant_for_is_refused():
    far = replace(ROOF, zone=HOME.zone + MOST_HOPS + 1)
    with pytest.raises(ListingError, match="distance of zones 257 and 1: hops 256"):
        match([far], [HOME], IN_A_ROW)


def test_hops_are_counted_along_the_tree_of_zones():
    hops = TREE.hops

    assert [hops(3, 3), hops(3, 1), hops(3, 4), hops(1, 2), hops(3, 5)] == [0, 1, 2, 2, 4]
    with pytest.raises(ListingError, match="zone: 6 is not a zone of the grid"):
        hops(6, 1)


def test_a_zone_is_within_itself_and_all_above_it():
    above = {
        zone: [other for other in range(6) if TREE.is_within(zone, other)] for zone in range(6)
    }

    assert above == {0: [0], 1: [0, 1], 2: [0, 2], 3: [0, 1, 3], 4: [0, 1, 4], 5: [0, 2, 5]}
    with pytest.raises(ListingError, match="zone: 6 is not a zone of the grid"):
        TREE.is_within(6, 1)


@pytest.mark.parametrize("parents", [{1: 1}, {1: 2, 2: 1}, {1: 0, 2: 3, 3: 0}, {1: -1}])
def test_zones_that_go_round_are_no_tree(parents):
    with pytest.raises(ListingError, match="comes before"):
        Zones(parents)
