"""Who comes by when, and with what."""

from pathlib import Path

import numpy as np
import pytest

from gridbourse.agents.bidding import Trader, orders
from gridbourse.agents.quotes import visits
from gridbourse.model.order_book import Kind
from gridbourse.scenario.scenario import load

RURAL3 = Path(__file__).parents[2] / "scenarios" / "rural3.toml"
MIN_WH = 10
BOOK = {
    "market.kinds": ["call_auction", "order_book"],
    "order_book": {
        "min_wh": MIN_WH,
        "max_fills": 8,
        "max_open": 4,
        "rounds": 3,
        "revised_share": 0.5,
        "withdrawn_share": 0.1,
        "immediate_share": 0.2,
        "fill_or_kill_share": 0.1,
    },
}


@pytest.fixture(scope="module")
def scenario():
    return load(RURAL3, BOOK)


def noon(scenario):
    return scenario.first_period + 48


def round_of(scenario, round_, later=0):
    period = noon(scenario) + later
    return list(visits(scenario, period, round_, scenario.forecast_wh(period)))


def test_in_the_first_round_everybody_places_its_order_of_the_auction(scenario):
    book = orders(scenario, noon(scenario)).set_index("point_id")
    came = {visit.point_id: visit for visit in round_of(scenario, 0)}
    assert set(came) == set(book.index[book["wh"] >= MIN_WH])
    assert len(came) < len(book), "who expects less than the least order stays away"
    for point_id, visit in came.items():
        order = book.loc[point_id]
        assert (visit.side, visit.wh) == (order["side"], order["wh"])
        assert scenario.band.price(visit.tick) == order["price_micro_eur_per_wh"]
        assert visit.step == "place"


def test_every_round_and_period_has_its_own_order_of_arrival(scenario):
    names = [[visit.point_id for visit in round_of(scenario, r)] for r in range(3)]
    assert sorted(names[0]) == sorted(names[1]) == sorted(names[2])
    assert names[0] != names[1] != names[2]
    assert names[0] != sorted(names[0])
    other = [v.point_id for v in round_of(scenario, 0, later=1)]
    assert other != names[0]


def test_the_same_seed_comes_by_the_same(scenario):
    assert round_of(scenario, 1) == round_of(load(RURAL3, BOOK), 1)
    assert round_of(scenario, 1) != round_of(load(RURAL3, BOOK | {"strategy.seed": 1}), 1)


def test_the_truthful_keep_their_price_and_others_draw_anew_within_their_limit(scenario):
    first, later = ({v.point_id: v for v in round_of(scenario, r)} for r in (0, 2))
    moved = 0
    for point_id, visit in later.items():
        trader = Trader.drawn(scenario, point_id)
        limit = trader.valuation_tick if visit.side == "bid" else trader.cost_tick
        if trader.truthful:
            assert visit.tick == first[point_id].tick == limit
            assert visit.step != "replace"
        else:
            assert visit.tick <= limit if visit.side == "bid" else visit.tick >= limit
            moved += visit.tick != first[point_id].tick
    assert moved > 20


def test_the_shares_of_who_withdraws_and_who_revises(scenario):
    later = [visit for r in range(1, 15) for visit in round_of(scenario, r)]
    withdrawn = np.mean([visit.step == "withdraw" for visit in later])
    assert withdrawn == pytest.approx(0.1, abs=0.03)
    zero = [v for v in later if not Trader.drawn(scenario, v.point_id).truthful]
    assert np.mean([v.step == "replace" for v in zero]) == pytest.approx(0.45, abs=0.05)


def test_the_shares_of_orders_that_never_rest(scenario):
    kinds = [visit.kind for r in range(15) for visit in round_of(scenario, r)]
    for kind, share in ((Kind.IMMEDIATE_OR_CANCEL, 0.2), (Kind.FILL_OR_KILL, 0.1)):
        assert np.mean([each is kind for each in kinds]) == pytest.approx(share, abs=0.03)
    only_limits = load(
        RURAL3, BOOK | {"order_book.immediate_share": 0, "order_book.fill_or_kill_share": 0}
    )
    assert {visit.kind for visit in round_of(only_limits, 0)} == {Kind.LIMIT}
