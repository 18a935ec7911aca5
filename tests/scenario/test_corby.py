"""The Corby preset holds what the table of its pilot says, and runs from orders to settlement."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbourse.agents.plant import Plant, energy_gap_wh
from gridbourse.grid.network import Network
from gridbourse.grid.pandapower_check import PandapowerNetwork
from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import load
from scripts import balance, check, replay

CORBY = Path(__file__).parents[2] / "scenarios" / "corby.toml"
DATA = CORBY.with_suffix("")
BUSINESSES_WH = {
    "food plant": 4_000_000_000,
    "manufacturer": 45_000_000,
    "business centre": 300_000_000,
    "council depot": 65_000_000,
}


@pytest.fixture(scope="module")
def corby():
    return load(CORBY)


@pytest.fixture(scope="module")
def members():
    """points.csv, with the year's Wh of load and PV."""
    points = pd.read_csv(DATA / "points.csv").set_index("point_id")
    sums = pd.read_csv(DATA / "year.csv").groupby("point_id")[["load_wh", "pv_wh"]].sum()
    return points.join(sums)


def test_the_businesses_use_what_the_table_says_to_the_watt_hour(members):
    by_name = members.set_index("member")
    assert by_name["load_wh"][list(BUSINESSES_WH)].to_dict() == BUSINESSES_WH
    assert 40e6 <= by_name["pv_wh"]["food plant"] <= 45e6
    rated_w = by_name["rated_pv_w"][["manufacturer", "business centre", "council depot"]]
    assert rated_w.tolist() == [8_000, 50_000, 30_000]
    kinds = by_name["flexible_kind"][list(BUSINESSES_WH)].tolist()
    assert kinds == ["chiller", "HVAC", "electric heaters", "air conditioning"]
    assert by_name["flexible_w"]["food plant"] == 600_000


def test_the_homes_are_thirty_with_the_least_the_most_and_the_mean_of_the_table(members):
    homes = members[members["member"].str.contains("home")]
    with_pv, control = (homes[homes["member"].str.startswith(name)] for name in ("PV", "control"))
    assert (len(with_pv), len(control)) == (20, 10)
    for some in (with_pv, control):
        assert (some["load_wh"].min(), some["load_wh"].max()) == (1_100_000, 8_000_000)
        assert some["load_wh"].mean() == 2_500_000
    assert (with_pv["rated_pv_w"] == 12 * 250).all()
    assert with_pv["flexible_kind"].isin(["freezer", "water heater"]).all()
    assert (control[["rated_pv_w", "pv_wh", "flexible_w"]] == 0).all(axis=None)


def test_there_are_four_charging_points_and_nobody_else(members):
    assert (members["flexible_kind"] == "EV charging").sum() == 4
    assert len(members) == 4 + 30 + 4


def test_the_suns_yield_is_of_a_place_in_the_midlands(members):
    """Between 750 and 1,000 kWh a year from each kWp."""
    plants = members[members["pv_wh"] > 0]
    per_kwp = plants["pv_wh"] / plants["rated_pv_w"]
    assert per_kwp.drop("C01").between(750, 1_000).all()


@pytest.mark.parametrize(("season", "month"), [("summer", 7), ("winter", 1)])
def test_the_weeks_are_of_the_year(season, month, members):
    """A week is about a quarter of its month, and no half-hour is beyond the year's peak."""
    scenario = load(CORBY, {"season": season})
    months = pd.read_csv(DATA / "year.csv").query("month == @month").set_index("point_id")
    week = scenario.profiles.load_w.iloc[48:] * scenario.mtu.hours
    assert len(week) == 7 * 48
    share = week.sum().sum() / months["load_wh"].sum()
    assert share == pytest.approx(7 / 31, rel=0.05)
    assert (week.max() / scenario.mtu.hours <= members["peak_load_w"]).all()


def test_it_is_half_hourly_and_its_days_are_british(corby):
    assert (corby.mtu_seconds, corby.periods) == (1800, 48)
    day = pd.Timestamp(2019, 7, 21).date()
    assert corby.replayed == corby.periods_of_local_day(day)


def test_pandapower_finds_the_same_state_and_the_limits_hold(corby):
    network = Network.load(corby.grid_file, corby.points)
    plant = Plant(corby, network)
    deliveries = [plant.deliver(period) for period in corby.replayed]
    gaps = [energy_gap_wh(d.readings_wh, d.flow, corby.mtu.hours) for d in deliveries]
    assert max(map(abs, gaps)) < 0.5
    limits = corby.limits
    assert min(d.flow.u_pu.min() for d in deliveries) > limits.v_min_pu
    assert max(d.flow.u_pu.max() for d in deliveries) < limits.v_max_pu
    assert max(d.flow.loading.max() for d in deliveries) < limits.loading_max
    period = corby.first_period + 24
    injection_w, var = corby.net_w(period), corby.reactive_var(period)
    theirs = PandapowerNetwork(corby.pandapower_file, corby.points).run(injection_w, var)
    ours = network.run(injection_w, var)
    np.testing.assert_allclose(ours.u_pu, theirs.u_pu, atol=1e-8)
    np.testing.assert_allclose(ours.loading, theirs.loading, atol=1e-7)


def test_alone_it_is_below_the_minimum_bid_and_with_partners_it_is_not(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    balance.main(str(DATA / "balancing"))
    out = capsys.readouterr().out
    assert "refused: 735,500 W is below the 1,000,000 W of demand turn-up" in out
    assert "of 547,750 Wh delivered; left out, too small: school (0.040 MW)" in out
    assert "not taken: asks more than the market pays" in out
    assert "refused: pools the areas GB and SEM" in out
    assert "aggregator" in out


def test_eight_periods_from_orders_to_the_checkers_word(tmp_path):
    with contextlib.redirect_stdout(io.StringIO()):
        replay.main(
            str(CORBY), "--network", "devnet-child", "--out", str(tmp_path / "out"),
            "--start", "2019-07-21T09:00Z", "--periods", "8",
        )  # fmt: skip
        check.main(str(tmp_path / "out"))
    record = RunRecord.load(tmp_path / "out" / "record")
    checked = json.loads((tmp_path / "out" / "check.json").read_text())
    assert (record.money_sum_micro_eur, record.energy_gap_wh) == (0, 0)
    assert record.periods["matched_wh"].sum() > 0
    assert checked["identical"], checked["differences"]
    assert checked["rebuilt"]["periods_settled"] == 8
