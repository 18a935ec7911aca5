"""What a false schedule earns under the flexibility market's own rules: nothing, expected over the lot."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import flexibility_gaming
from gridbourse.model.flexibility.baseline.delivery import Direction
from gridbourse.model.flexibility.baseline.methods import METER_BEFORE_METER_AFTER
from gridbourse.model.flexibility.baseline.schedule import LotTerms, UntruthfulTerms, lot_micro_eur
from gridbourse.model.settlement import Prices
from gridbourse.scenario.scenario import load

UP, DOWN = Direction.UP, Direction.DOWN
energy = st.integers(-5_000, 5_000)


@st.composite
def markets(draw):
    """(terms, prices) under which the rules hold; everything at its edge now and then."""
    feed_in = draw(st.integers(0, 200))
    retail = feed_in + draw(st.integers(0, 300))
    import_fee = draw(st.integers(0, 150))
    prices = Prices(
        retail, feed_in, import_fee, draw(st.integers(0, import_fee)),
        draw(st.integers(0, feed_in)),
    )  # fmt: skip
    price = draw(st.integers(0, 600))
    terms = LotTerms(
        draw(st.sampled_from([UP, DOWN])),
        price,
        price + draw(st.integers(0, 100)),
        draw(st.integers(1, 250)),
        retail + import_fee + draw(st.integers(0, 20)),
    )
    terms.require_truthful(prices)
    return terms, prices


@settings(max_examples=600)
@given(markets(), energy, energy, energy, st.integers(0, 8_000))
def test_who_can_do_nothing_earns_nothing_by_a_false_schedule(market, truth, position, lie, offer):
    """Any schedule, any offer: the bond, which caps every penalty, is below it as often as above."""
    terms, prices = market
    nothing = lot_micro_eur(terms, prices, position, truth, 0, truth, truth)
    assert lot_micro_eur(terms, prices, position, truth + lie, offer, truth, truth) <= nothing


@settings(max_examples=400)
@given(markets(), energy, energy, energy, st.integers(0, 4_000), st.integers(0, 8_000))
def test_who_can_do_something_earns_most_by_the_true_schedule(
    market, truth, position, lie, able, offer
):
    """It does the same if called either way; upwards the price is worth the energy it gives away."""
    terms, prices = market
    if terms.direction is UP:
        dear = terms.price_micro_eur_per_wh + prices.retail + int(prices.import_fee)
        terms = replace(terms, price_micro_eur_per_wh=dear, ceiling_micro_eur_per_wh=dear)
    called = truth + terms.direction.value * able
    honest = lot_micro_eur(terms, prices, position, truth, able, called, truth)
    assert lot_micro_eur(terms, prices, position, truth + lie, offer, called, truth) <= honest


PRICES = Prices(retail=300, feed_in=80, import_fee=95, local_fee=40, export_fee=0)
USED = -1_000
"""Withdraws 1,000 Wh, contracted or not, whatever happens."""


def gain(
    terms: LotTerms, lie: int, offer: int | None = None, share: Fraction | None = None
) -> float:
    """Of a schedule false by so much in the direction offered, over none."""
    schedule = USED - terms.direction.value * lie
    offered = lie if offer is None else offer
    false = lot_micro_eur(terms, PRICES, 0, schedule, offered, USED, USED, share)
    return float(false - lot_micro_eur(terms, PRICES, 0, USED, 0, USED, USED))


def test_the_lie_by_hand():
    """f = 1, so called half the time; given energy is worth retail + import fee - local fee = 355."""
    up = LotTerms(UP, 100, 100, 100, 0)
    assert gain(up, 10) == (10 * (100 - 395) - 10 * 100) / 2
    down = LotTerms(DOWN, 100, 100, 100, 395)
    assert gain(down, 10) == (10 * (100 + 355) - 10 * (100 + 395)) / 2


def test_the_bond_caps_what_a_lie_costs_and_what_it_pays_with():
    up = LotTerms(UP, 100, 100, 100, 0)
    assert up.bond_micro_eur(10) == 1_000
    assert up.reward_micro_eur(0, 10**9, 10) == -1_000
    assert gain(up, 500, offer=10) == (10 * (100 - 395) - 1_000 - 1_000) / 2


def test_every_part_of_the_rules_is_needed():
    """Energy for nothing, a bond at one's own price, a call that is certain: each would pay."""
    without_compensation = LotTerms(DOWN, 0, 0, 100, 0)
    assert gain(without_compensation, 10) == 10 * 355 / 2
    small_bond = LotTerms(UP, 900, 1, 100, 0)
    assert gain(small_bond, 10) > 0 > gain(replace(small_bond, ceiling_micro_eur_per_wh=900), 10)
    fair = LotTerms(UP, 900, 900, 100, 0)
    assert gain(fair, 10, share=Fraction(9, 10)) > 0 > gain(fair, 10)


@pytest.mark.parametrize(
    ("change", "prices", "reason"),
    [
        ({"ceiling_micro_eur_per_wh": 99}, PRICES, "bond: measured by 99 µEUR/Wh, below the price"),
        ({"compensation_micro_eur_per_wh": 394}, PRICES, "394 µEUR/Wh downwards is below the 395"),
        ({}, replace(PRICES, export_fee=81), "feed-in: 80 µEUR/Wh is below the export fee 81"),
    ],
)
def test_terms_under_which_a_lie_could_pay_are_refused(change, prices, reason):
    terms = replace(LotTerms(DOWN, 100, 100, 100, 395), **change)
    with pytest.raises(UntruthfulTerms, match=reason):
        terms.require_truthful(prices)


def test_on_measured_profiles_no_lie_gains_and_without_the_rules_some_would():
    """The benchmark on a few households: best lies over amounts, offers, directions and prices."""
    scenario = load("scenarios/semiurb5.toml", {"season": "summer"})
    some = list(islice(flexibility_gaming.points(scenario, date(2016, 7, 27)), 3))
    prices = flexibility_gaming.tariff_of(scenario)

    def gained(rules: flexibility_gaming.Rules, direction: Direction) -> int:
        figures = flexibility_gaming.declared(some, prices, rules, direction)
        return sum(each["gain_micro_eur"] for each in figures.values())

    as_they_are, *without = flexibility_gaming.RULES
    assert gained(as_they_are, UP) == gained(as_they_are, DOWN) == 0
    assert all(gained(rules, UP) + gained(rules, DOWN) > 0 for rules in without)


def test_inflating_a_baseline_from_readings_pays_and_is_measured():
    scenario = load("scenarios/semiurb5.toml", {"season": "summer"})
    evidence = [each for each, _ in islice(
        flexibility_gaming.points(scenario, date(2016, 7, 27)), 3)]  # fmt: skip
    prices = flexibility_gaming.tariff_of(scenario)
    figures = flexibility_gaming.computed(METER_BEFORE_METER_AFTER, evidence, prices)
    gains = [figures[f"at_{price}"]["gain_micro_eur"] for price in flexibility_gaming.PRICES]
    assert 0 < gains[0] < gains[1]
