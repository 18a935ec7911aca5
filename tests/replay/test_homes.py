"""Homes with devices in a replay: from their plan over the market to the meter and the report."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import load
from scripts import check, replay
from tests.replay.noon import write_scenario

PERIODS = 8
HOMES = """
[homes]
latitude = 51.0
control = "mixed"
direct_kinds = ["battery", "ev"]
[homes.battery]
share = 0.7
only_pv = true
capacity_wh = 8_000
power_w = 4_000
round_trip = 0.9
wear_micro_eur_per_wh = 30
spread = 0.3
[homes.ev]
share = 0.1
battery_wh = 50_000
charger_w = 11_000
arrival = "11:00"
departure = "19:00"
trip_wh = 8_000
needed_wh = 30_000
spread_minutes = 30
[homes.heat_pump]
share = 0.1
loss_w_per_k = 150
capacity_wh_per_k = 8_000
cop = 3.2
power_w = 3_000
low_c = 26
high_c = 29
start_c = 26
[homes.shiftable.washing]
share = 0.2
power_w = 900
minutes = 90
earliest = "12:00"
latest = "16:00"
"""


@pytest.fixture(scope="module")
def scenario_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_scenario(tmp_path_factory.mktemp("scenario"))
    path.write_text(path.read_text() + HOMES)
    return path


@pytest.fixture(scope="module")
def out(scenario_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with contextlib.redirect_stdout(io.StringIO()):
        replay.main(
            str(scenario_file), "--network", "devnet-child", "--out", str(folder),
            "--start", "2016-07-24T10:00Z", "--periods", str(PERIODS),
        )  # fmt: skip
        check.main(str(folder))
    return folder


@pytest.fixture(scope="module")
def record(out: Path) -> RunRecord:
    return RunRecord.load(out / "record")


def test_it_adds_up_and_the_checker_finds_no_difference(out: Path, record: RunRecord) -> None:
    checked = json.loads((out / "check.json").read_text())
    assert checked["identical"], checked["differences"]
    assert checked["rebuilt"]["periods_settled"] == PERIODS
    assert (record.money_sum_micro_eur, record.energy_gap_wh) == (0, 0)


def test_what_homes_order_is_their_forecast_and_their_plan(
    scenario_file: Path, record: RunRecord
) -> None:
    """A participant without devices orders its forecast, one with devices something else somewhere."""
    scenario = load(scenario_file, {"start": "2016-07-24T10:00Z", "periods": PERIODS})
    assert scenario.homes is not None
    orders = record.orders
    signed = orders["wh"].where(orders["side"] == "offer", -orders["wh"])
    net = signed.groupby([orders["period"], orders["point_id"]]).sum()
    differs = dict.fromkeys(record.participants.index, False)
    for period in scenario.replayed:
        forecast = pd.Series(scenario.forecast_wh(period), scenario.points.index)
        for point in differs:
            differs[point] |= int(net.get((period, point), 0)) != int(forecast[point])
    assert not any(differs[point] for point in differs if point not in scenario.homes.devices)
    assert sum(differs[point] for point in differs if point in scenario.homes.devices) > 3


def test_meters_show_what_devices_did(scenario_file: Path, record: RunRecord) -> None:
    """Of all homes together the readings are profile and devices, less what was held back."""
    scenario = load(scenario_file, {"start": "2016-07-24T10:00Z", "periods": PERIODS})
    assert scenario.homes is not None
    homes = record.homes
    assert list(homes.index) == list(scenario.homes.devices)
    drawn = homes[[f"{kind}_managed_wh" for kind in ("battery", "ev", "heat_pump", "shiftable")]]
    assert (drawn.sum() != 0).all()
    people = record.participants.join(homes, how="inner")
    rows = [scenario.points.index.get_loc(point) for point in people.index]
    base = np.sum([scenario.net_wh(period)[rows] for period in scenario.replayed], axis=0)
    metered = people["exported_wh"] - people["imported_wh"]
    beside = (base - drawn.loc[people.index].sum(axis=1) - metered).abs()
    assert (beside <= people["curtailed_wh"]).all()
    assert (beside == 0).sum() > len(people) // 2


def test_the_report_compares_them_with_no_manager(out: Path, record: RunRecord) -> None:
    page = (out / "report.html").read_text("utf-8")
    assert "With a home energy manager and without" in page
    figures = json.loads((out / "summary.json").read_text())["homes"]
    assert figures["homes"] == len(record.homes)
    assert figures["managed"]["cost_micro_eur"] == record.homes["cost_managed_micro_eur"].sum()
    assert figures["better"] + figures["worse"] <= figures["homes"]
    assert 0 <= figures["managed"]["self_consumption"] <= 1
