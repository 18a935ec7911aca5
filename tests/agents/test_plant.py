"""What is delivered, metered, and seen by the transformer."""

from pathlib import Path

import numpy as np
import pytest

from gridbourse.agents.plant import Plant, energy_gap_wh
from gridbourse.grid.network import Network
from gridbourse.model.caps import NO_CAP, Caps
from gridbourse.scenario.scenario import load

RURAL3 = Path(__file__).parents[2] / "scenarios" / "rural3.toml"


@pytest.fixture(scope="module")
def plant():
    scenario = load(RURAL3)
    return Plant(scenario, Network.load(scenario.grid_file, scenario.points))


def quarter_hours_out_of_limits(scenario):
    plant = Plant(scenario, Network.load(scenario.grid_file, scenario.points))
    limits = scenario.limits
    flows = [plant.deliver(period).flow for period in scenario.replayed]
    overloaded = sum(flow.loading.max() > limits.loading_max for flow in flows)
    outside = sum(
        flow.u_pu.max() > limits.v_max_pu or flow.u_pu.min() < limits.v_min_pu for flow in flows
    )
    return overloaded, outside


def gap_wh(delivery):
    return energy_gap_wh(delivery.readings_wh, delivery.flow, 0.25)


def test_the_demo_day_breaks_limits_at_factor_4_and_none_at_1():
    assert quarter_hours_out_of_limits(load(RURAL3)) == (19, 9)
    assert quarter_hours_out_of_limits(load(RURAL3, {"pv_factor": 1})) == (0, 0)


def test_winter_stays_inside_at_factor_4():
    assert quarter_hours_out_of_limits(load(RURAL3, {"season": "winter"})) == (0, 0)


def test_readings_are_the_profiles_in_watt_hours(plant):
    period = plant.scenario.first_period + 50
    delivery = plant.deliver(period)
    assert delivery.readings_wh.dtype == np.int64
    np.testing.assert_allclose(delivery.readings_wh, plant.scenario.net_w(period) / 4, atol=0.5)
    assert delivery.curtailed_wh.sum() == 0


def test_the_transformer_accounts_for_every_reading(plant):
    gaps = [gap_wh(plant.deliver(period)) for period in plant.scenario.replayed]
    assert max(map(abs, gaps)) < 0.5


def test_a_false_reading_opens_a_gap(plant):
    delivery = plant.deliver(plant.scenario.first_period + 50)
    false = delivery.readings_wh.copy()
    false[7] += 250
    assert energy_gap_wh(false, delivery.flow, 0.25) == pytest.approx(250, abs=0.5)


def test_caps_hold_energy_back_and_ease_the_grid(plant):
    period = plant.scenario.first_period + 48
    free = plant.deliver(period)
    caps = Caps.none(118)
    sellers = free.readings_wh > 2000
    caps.export_cap_wh[sellers] = 2000
    capped = plant.deliver(period, caps)
    assert (capped.readings_wh[sellers] == 2000).all()
    np.testing.assert_array_equal(capped.readings_wh[~sellers], free.readings_wh[~sellers])
    assert capped.curtailed_wh.sum() == free.readings_wh.sum() - capped.readings_wh.sum() > 0
    assert capped.flow.loading.max() < free.flow.loading.max()
    assert capped.flow.exchange_w[0] > free.flow.exchange_w[0]
    assert abs(gap_wh(capped)) < 0.5


def test_import_caps_hold_too(plant):
    period = plant.scenario.first_period
    caps = Caps(np.full(118, NO_CAP), np.full(118, 10))
    assert plant.deliver(period, caps).readings_wh.min() == -10


def test_candidates_are_solved_in_one_batch(plant):
    period = plant.scenario.first_period + 48
    net_wh = plant.scenario.net_wh(period)
    flow = plant.flow_of(period, np.stack([net_wh, np.zeros_like(net_wh)]))
    assert flow.exchange_w.shape == (2,)
    assert flow.exchange_w[0] < 0 < flow.exchange_w[1]
