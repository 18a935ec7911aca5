"""Orders: their quantity, their price, and that they are the same again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbourse.agents.bidding import Trader, orders
from gridbourse.scenario.scenario import load

RURAL3 = Path(__file__).parents[2] / "scenarios" / "rural3.toml"
PRICE = "price_micro_eur_per_wh"


def scenario_with(**strategy):
    return load(RURAL3, {"strategy": strategy})


@pytest.fixture(scope="module")
def zero_intelligence():
    return scenario_with(truthful_share=0)


def day_of_orders(scenario):
    frames = [orders(scenario, period).assign(period=period) for period in scenario.replayed[::4]]
    book = pd.concat(frames)
    traders = {point_id: Trader.drawn(scenario, point_id) for point_id in scenario.points.index}
    book["valuation"] = [scenario.band.price(traders[p].valuation_tick) for p in book["point_id"]]
    book["cost"] = [scenario.band.price(traders[p].cost_tick) for p in book["point_id"]]
    return book


def test_the_quantity_is_the_forecast_and_zero_stays_away(zero_intelligence):
    period = zero_intelligence.first_period + 44
    book = orders(zero_intelligence, period).set_index("point_id")
    forecast_wh = pd.Series(
        zero_intelligence.forecast_wh(period), index=zero_intelligence.points.index
    )
    signed = book["wh"].where(book["side"] == "offer", -book["wh"])
    pd.testing.assert_series_equal(signed, forecast_wh[forecast_wh != 0], check_names=False)
    assert set(book["side"]) == {"bid", "offer"}


def test_a_zero_forecast_places_no_order(zero_intelligence):
    period = zero_intelligence.first_period
    quiet = load(RURAL3, {"strategy.truthful_share": 0})
    quiet.profiles.load_w.loc[period - 96, "P0005"] = 1.0  # a quarter of a watt-hour
    book = orders(quiet, period)
    assert "P0005" not in set(book["point_id"])
    assert len(book) == len(orders(zero_intelligence, period)) - 1


def test_prices_stay_between_the_limit_and_the_band(zero_intelligence):
    book = day_of_orders(zero_intelligence)
    bids, offers = book[book["side"] == "bid"], book[book["side"] == "offer"]
    assert bids[PRICE].between(80, bids["valuation"]).all()
    assert offers[PRICE].between(offers["cost"], 300).all()


def test_zero_intelligence_draws_anew_and_uniformly(zero_intelligence):
    book = day_of_orders(zero_intelligence)
    bids = book[(book["side"] == "bid") & (book["valuation"] > 150)]
    place = (bids[PRICE] - 80) / (bids["valuation"] - 80)
    assert place.mean() == pytest.approx(0.5, abs=0.03)
    assert np.histogram(place, bins=4, range=(0, 1))[0] / len(place) == pytest.approx(
        0.25, abs=0.05
    )


def test_the_truthful_order_at_valuation_or_cost():
    book = day_of_orders(scenario_with(truthful_share=1))
    limit = book["valuation"].where(book["side"] == "bid", book["cost"])
    assert (book[PRICE] == limit).all()


def test_valuations_spread_over_the_band(zero_intelligence):
    traders = [Trader.drawn(zero_intelligence, f"X{i}") for i in range(2000)]
    for ticks in ([t.valuation_tick for t in traders], [t.cost_tick for t in traders]):
        assert (min(ticks), max(ticks)) == (0, 220)
        assert np.mean(ticks) == pytest.approx(110, abs=5)
    valuations = [t.valuation_tick for t in traders]
    costs = [t.cost_tick for t in traders]
    assert abs(np.corrcoef(valuations, costs)[0, 1]) < 0.1


def test_half_are_truthful():
    scenario = load(RURAL3)
    truthful = [Trader.drawn(scenario, p).truthful for p in scenario.points.index]
    assert 40 <= sum(truthful) <= 78


def test_the_same_seed_orders_the_same_and_another_does_not(zero_intelligence):
    period = zero_intelligence.first_period + 50
    once = orders(zero_intelligence, period)
    pd.testing.assert_frame_equal(once, orders(scenario_with(truthful_share=0), period))
    other = orders(scenario_with(truthful_share=0, seed=2017), period)
    assert (once[PRICE] != other[PRICE]).sum() > 50


def test_a_participants_price_does_not_depend_on_the_others(zero_intelligence):
    period = zero_intelligence.first_period + 50
    fewer = load(RURAL3, {"strategy.truthful_share": 0, "parties.participation": 0.5})
    everybody = orders(zero_intelligence, period).set_index("point_id")
    some = orders(fewer, period).set_index("point_id")
    assert 0 < len(some) < len(everybody)
    pd.testing.assert_frame_equal(some, everybody.loc[some.index])
    assert fewer.points.loc[some.index, "participant"].all()


def test_nobody_taking_part_is_an_empty_book():
    scenario = load(RURAL3, {"parties.participation": 0})
    book = orders(scenario, scenario.first_period)
    assert book.empty
    assert list(book.columns) == ["point_id", "side", "wh", PRICE]
