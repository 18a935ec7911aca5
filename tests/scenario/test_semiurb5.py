"""The committed scenario in the form a user's own data have."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbourse.agents.plant import Plant, energy_gap_wh
from gridbourse.grid.network import Network
from gridbourse.grid.pandapower_check import PandapowerNetwork
from gridbourse.scenario.scenario import load

SEMIURB5 = Path(__file__).parents[2] / "scenarios" / "semiurb5.toml"


@pytest.fixture(scope="module")
def semiurb5():
    return load(SEMIURB5)


@pytest.fixture(scope="module")
def network(semiurb5):
    return Network.load(semiurb5.grid_file, semiurb5.points)


def test_pandapower_finds_the_same_state_of_its_own_file(semiurb5, network):
    assert semiurb5.pandapower_file == semiurb5.grid_file
    periods = [semiurb5.first_period + hours * 4 for hours in (0, 3, 6, 11, 18)]
    injection_w = np.array([semiurb5.net_w(period) for period in periods])
    reactive_var = np.array([semiurb5.reactive_var(period) for period in periods])
    ours = network.run(injection_w, reactive_var)
    second_opinion = PandapowerNetwork(semiurb5.pandapower_file, semiurb5.points)
    theirs = second_opinion.run(injection_w, reactive_var)
    np.testing.assert_allclose(ours.u_pu, theirs.u_pu, atol=1e-8)
    np.testing.assert_allclose(ours.loading, theirs.loading, atol=1e-7)
    np.testing.assert_allclose(ours.exchange_w, theirs.exchange_w, atol=0.01)
    np.testing.assert_allclose(ours.losses_w, theirs.losses_w, atol=0.01)


def test_the_readings_are_those_of_the_file(semiurb5):
    """00:15 at +02:00 ends the quarter-hour that begins at 22:00 UTC."""
    table = pd.read_parquet(semiurb5.folder / "summer.parquet")
    assert list(table.columns) == ["Zeitpunkt", "Zählpunkt", "Saldo_kWh"]
    stamp = semiurb5.mtu.start(semiurb5.first_period + 1).timestamp()
    local = pd.Timestamp(stamp, unit="s", tz="Europe/Berlin").isoformat()
    assert local == "2016-07-24T10:15:00+02:00"
    of_period = table[table["Zeitpunkt"] == local].set_index("Zählpunkt")["Saldo_kWh"]
    net_wh = semiurb5.net_wh(semiurb5.first_period)
    np.testing.assert_allclose(net_wh / 1000, -of_period[semiurb5.points.index])
    assert (net_wh > 0).sum() == 14


def test_every_reading_is_accounted_for_and_inside_the_limits(semiurb5, network):
    plant = Plant(semiurb5, network)
    deliveries = [plant.deliver(period) for period in semiurb5.replayed]
    hours = semiurb5.mtu.hours
    gaps = [energy_gap_wh(d.readings_wh, d.flow, hours) for d in deliveries]
    assert max(map(abs, gaps)) < 0.5
    assert max(delivery.flow.loading.max() for delivery in deliveries) < 0.2


def test_the_clock_goes_back_and_no_quarter_hour_is_lost(semiurb5):
    autumn = load(SEMIURB5, {"season": "autumn", "periods": 100})
    day = pd.Timestamp(2016, 10, 30).date()
    assert autumn.replayed == autumn.periods_of_local_day(day)
    held = autumn.profiles.periods
    assert len(held) == held[-1] - held[0] + 1 == 8 * 96
    # The forecast is 24 hours old in UTC; after the change that is another hour on the wall clock.
    np.testing.assert_array_equal(
        autumn.forecast_wh(autumn.first_period + 50), autumn.net_wh(autumn.first_period - 46)
    )
