"""What neighbours list: whose energy, at which price, for whom; and how far zones are apart."""

from collections import Counter
from pathlib import Path

import pytest

from gridbourse.agents.bidding import Trader, orders
from gridbourse.agents.listings import Neighbours
from gridbourse.model.bilateral import Premiums
from gridbourse.scenario.scenario import load
from tests.scenario import miniature
from tests.scenario.test_market_tables import NEIGHBOURS

RURAL3 = Path(__file__).parents[2] / "scenarios" / "rural3.toml"
LIMITS = NEIGHBOURS["premiums"]


def neighbours(path=RURAL3, **rules):
    overrides = {"market.kinds": ["call_auction", "bilateral"], "bilateral": NEIGHBOURS | rules}
    scenario = load(path, overrides)
    numbers = {point: 8 + row for row, point in enumerate(scenario.points.index)}
    zones = {zone: 1 + place for place, zone in enumerate(scenario.zones)}
    return Neighbours(scenario, numbers, zones)


@pytest.fixture(scope="module")
def people():
    return neighbours()


def listings(people, period):
    return people.listings(period, people.scenario.forecast_wh(period))


def noon(people):
    return people.scenario.first_period + 48


def test_everybody_lists_its_forecast_at_the_price_of_its_strategy(people):
    offers, requests = listings(people, noon(people))
    book = orders(people.scenario, noon(people))
    book = book[book["wh"] >= 10]
    number = book["point_id"].map(people.numbers)
    price = book["price_micro_eur_per_wh"]
    ordered = list(zip(book["side"], number, book["wh"], price, strict=True))
    assert [("offer", o.seller, o.wh, o.least_micro_eur_per_wh) for o in offers] == [
        row for row in ordered if row[0] == "offer"
    ]
    assert [("bid", r.buyer, r.wh, r.most_micro_eur_per_wh) for r in requests] == [
        row for row in ordered if row[0] == "bid"
    ]


def test_sources_are_drawn_by_their_shares_once(people):
    drawn = Counter(people.source_of(f"X{i}") for i in range(2000))
    assert drawn["pv"] / 2000 == pytest.approx(0.75, abs=0.03)
    assert set(drawn) == {"pv", "wind"}
    offers, _ = listings(people, noon(people))
    later, _ = listings(people, noon(people) + 4)
    sources = {offer.seller: offer.source for offer in offers}
    assert all(sources.get(offer.seller, offer.source) == offer.source for offer in later)


def test_wishes_are_drawn_between_nothing_and_their_limit(people):
    _, requests = listings(people, noon(people))
    for request in requests:
        wished: Premiums = request.premiums
        assert 0 <= wished.own_zone <= LIMITS["own_zone_micro_eur_per_wh"]
        assert -LIMITS["per_hop_micro_eur_per_wh"] <= wished.per_hop <= 0
        (of_source,), (of_seller,) = wished.sources.values(), wished.sellers.values()
        assert 0 <= of_source <= LIMITS["source_micro_eur_per_wh"]
        assert 0 <= of_seller <= LIMITS["favourite_micro_eur_per_wh"]
        assert request.sources in (None, frozenset(wished.sources))
    assert len({request.premiums.own_zone for request in requests}) == 11
    strict = sum(request.sources is not None for request in requests)
    assert 0.3 < strict / len(requests) < 0.7


def test_favourites_are_sellers_and_not_oneself(people):
    sellers = people.sellers
    assert len(sellers) == 27
    favourites = {point: people.favourite_of(point) for point in people.scenario.points.index}
    assert set(favourites.values()) <= set(sellers)
    assert len(set(favourites.values())) > 20
    assert all(point != favourite for point, favourite in favourites.items())


def test_a_standing_choice_is_one_producer_at_the_producers_one_price():
    people = neighbours(choice="standing")
    numbers, band = people.numbers, people.scenario.band
    point_of = {number: point for point, number in numbers.items()}
    for period in (noon(people), noon(people) + 9):
        offers, requests = listings(people, period)
        for offer in offers:
            cost = Trader.drawn(people.scenario, point_of[offer.seller]).cost_tick
            assert offer.least_micro_eur_per_wh == band.price(cost)
        for request in requests:
            assert request.seller == numbers[people.favourite_of(point_of[request.buyer])]
            assert request.most_micro_eur_per_wh == 300
            assert request.sources is None


def test_hops_between_zones_of_a_tree(tmp_path):
    people = neighbours(miniature.write(tmp_path))
    mv, lv_a, lv_b = (people.zone_numbers[zone] for zone in ("MV", "LV.A", "LV.B"))
    assert people.zones.hops(lv_a, lv_a) == 0
    assert people.zones.hops(lv_a, mv) == people.zones.hops(mv, lv_b) == 1
    assert people.zones.hops(lv_a, lv_b) == people.zones.hops(lv_b, lv_a) == 2
