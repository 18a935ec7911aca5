"""Aggregators steer their members' devices: theirs alone, cheaper together, within the grid's limits."""

from dataclasses import replace

import numpy as np
import pytest

from gridbourse.agents.homes import Homes
from gridbourse.agents.portfolios import Portfolios
from gridbourse.grid.network import Network
from gridbourse.scenario.scenario import Scenario, load
from replay.portfolio_control import aggregators
from tests.agents.test_portfolios import NOON, PRESET

HOURS = 4
"""Looked at from the start on."""


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load(PRESET, NOON)


@pytest.fixture(scope="module")
def network(scenario: Scenario) -> Network:
    return Network.load(scenario.grid_file, scenario.points)


@pytest.fixture(scope="module")
def steered(scenario: Scenario, network: Network) -> Homes:
    """The homes once their aggregators have given set-points."""
    homes = Homes(scenario)
    steer(homes, network, scenario.first_period)
    return homes


def window(scenario: Scenario) -> range:
    count = HOURS * 3600 // scenario.mtu_seconds
    return range(scenario.first_period, scenario.first_period + count)


def steer(homes: Homes, network: Network, period: int) -> None:
    for one in aggregators(homes, network):
        one.steer(period)


def planned(homes: Homes, periods: range) -> np.ndarray:
    """Net energy planned of devices, shape (periods, points)."""
    return np.array([homes.planned_wh(period) for period in periods])


def test_members_move_and_nobody_else_does(scenario: Scenario, steered: Homes) -> None:
    alone, periods = Homes(scenario), window(scenario)
    moved = (planned(steered, periods) != planned(alone, periods)).any(axis=0)
    mine = {*Portfolios(scenario).aggregator_of, *(one.point for one in scenario.aggregators)}
    assert set(scenario.points.index[moved]) <= mine
    assert moved.any()


def test_together_a_portfolio_pays_less_than_each_alone(network: Network) -> None:
    """What the works and its members exchange, an afternoon and evening, with set-points and without.

    What is left in the storages at the end is counted at the retail price, against the schedule.
    """
    day = load(PRESET, {"start": "2016-07-24T12:00Z", "periods": 32})
    works = next(one for one in day.aggregators if one.name == "works")
    members = [p for p, one in Portfolios(day).aggregator_of.items() if one is works]
    portfolio = [works.point, *members]
    rows = [day.points.index.get_loc(point) for point in portfolio]

    def cost(steered: bool) -> float:
        homes = Homes(day)
        steering = aggregators(homes, network) if steered else []
        exchanged = []
        for period in day.replayed:
            for one in steering:
                one.steer(period)
            homes.planned_wh(period)
            exchanged.append((day.net_wh(period) + homes.deliver(period))[rows].sum())
        prices = homes.world.prices(day.points.at[works.point, "zone"], day.replayed)
        left = sum(
            sum(homes.households[p].states.values()) for p in portfolio if p in homes.households
        )
        return prices.cost_micro_eur(np.array(exchanged)) - left * prices.top

    assert cost(steered=True) < cost(steered=False) - 500_000


def test_indirect_control_gives_no_set_points(scenario: Scenario, network: Network) -> None:
    aggregators = tuple(replace(one, control="indirect") for one in scenario.aggregators)
    other = replace(scenario, aggregators=aggregators)
    homes = Homes(other)
    steer(homes, network, other.first_period)
    periods = window(scenario)
    assert (planned(homes, periods) == planned(Homes(scenario), periods)).all()


def test_a_contract_without_a_resource_leaves_it_to_the_home(
    scenario: Scenario, network: Network
) -> None:
    """Batteries are not in the contracts: their homes plan as they would alone."""
    aggregators = tuple(replace(one, resources=("ev",)) for one in scenario.aggregators)
    other = replace(scenario, aggregators=aggregators)
    homes, alone, periods = Homes(other), Homes(scenario), window(scenario)
    steer(homes, network, other.first_period)
    assert homes.world.rules is not None
    devices = homes.world.rules.devices
    only_battery = [p for p, d in devices.items() if d.battery and not d.ev]
    rows = [scenario.points.index.get_loc(point) for point in only_battery]
    assert rows
    assert (planned(homes, periods)[:, rows] == planned(alone, periods)[:, rows]).all()


def test_set_points_keep_the_grid_limits_a_power_flow_finds(network: Network) -> None:
    """Batteries that fill up early leave no room at noon; under a limit they keep it."""
    morning = load(PRESET, NOON | {"start": "2016-07-24T08:00Z"})
    tight = replace(morning, limits=replace(morning.limits, loading_max=0.55))
    periods = window(morning)
    loads = []
    for one in (morning, tight):
        homes = Homes(one)
        steer(homes, network, one.first_period)
        net_w = (homes.world.expected_wh(periods) + planned(homes, periods)) / one.mtu.hours
        loads.append(network.run(net_w, np.zeros_like(net_w)).loading.max())
    assert loads[0] > 0.6
    assert loads[1] <= 0.55
