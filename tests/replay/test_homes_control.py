"""The aggregator keeps its area's grid inside its limits, confirmed by power flows of what is delivered."""

import pytest

from gridbourse.agents.plant import Plant
from gridbourse.grid.network import Network
from gridbourse.scenario.scenario import load
from replay.portfolio_control import Aggregator
from tests.scenario import miniature
from tests.scenario.test_devices import EV, HEAT, HOMES

LOADING = 0.10
"""Of a 100 kVA transformer: B1's own 3 kW, its vehicle's 8 and its heat pump's 3 do not fit at once."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return miniature.write(tmp_path_factory.mktemp("steering"))


def delivered(path, control, **homes):
    """Worst loading of the night, the plant, and the aggregator that steered it."""
    warm = HEAT | {"low_c": 30, "high_c": 33, "start_c": 31}
    table = HOMES | {"heat_pump": warm, "control": control} | homes
    scenario = load(path, {"homes": table, "grid.loading_max": LOADING})
    network = Network.load(scenario.grid_file, scenario.points)
    plant = Plant.of(scenario, network)
    aggregator = Aggregator(plant.homes, network)
    worst = 0.0
    for period in range(scenario.first_period, scenario.first_period + 24):
        aggregator.steer(period)
        worst = max(worst, float(plant.deliver(period).flow.loading.max()))
    return worst, plant, aggregator


def test_the_grid_is_relieved_and_nobody_is_left_cold_or_short(path):
    alone, _, idle = delivered(path, "indirect")
    together, plant, aggregator = delivered(path, "direct")
    assert idle.portfolios == {}
    assert alone > LOADING * 1.2
    assert together <= LOADING * 1.005
    assert all(portfolio.over == {} for portfolio in aggregator.portfolios.values())
    for home in plant.homes.households.values():
        assert all(not done.off_wh for done in home.done)
    car = plant.homes.households["B1"]
    assert sum(done.drawn_wh["ev"] for done in car.done) >= EV["trip_wh"]


def test_it_decides_once_a_local_day(path):
    _, plant, aggregator = delivered(path, "mixed", direct_kinds=["ev"])
    assert list(aggregator.portfolios) == [plant.homes.first]
    assert set(aggregator.portfolios[plant.homes.first].schedules) == {"B1"}
