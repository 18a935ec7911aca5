"""A scenario from scratch: a user's grid, readings and rules, from files to the settled market."""

import json

import numpy as np
import pandas as pd
import pytest

from gridbourse.report.record import RunRecord
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load
from scripts import check, replay
from tests.scenario import own_area


def test_from_a_users_files_to_settled_accounts(tmp_path):
    path, out = own_area.write(tmp_path), tmp_path / "out"
    replay.main(str(path), "--network", "devnet-child", "--out", str(out))
    figures = json.loads((out / "summary.json").read_text())
    assert (figures["money_sum_microeur"], figures["energy_gap_wh"]) == (0, 0)
    assert (figures["periods"], figures["participants"], figures["readings"]) == (4, 4, 16)
    # By the forecast of the day before, workshop and barn offer 4,100 Wh a period, house and flat
    # bid for 500; on the day the house takes 50 more, which the supplier has to bring.
    assert figures["matched_wh"] == 4 * 500
    assert figures["verdicts"] == {"accepted": 4, "capped": 0, "fallback": 0}
    people = RunRecord.load(out / "record").participants
    assert people.loc["house", ["local_bought_wh", "imported_wh"]].tolist() == [4 * 200, 4 * 250]
    assert check.main(str(out)) == 0


def test_the_day_of_25_hours_is_there_in_whole(tmp_path):
    scenario = load(own_area.write(tmp_path))
    held = scenario.profiles.periods
    assert len(held) == 96 + 100
    assert f"{scenario.mtu.start(int(held[0])):%FT%R}" == "2016-10-28T22:00"
    assert len(scenario.periods_of_local_day(own_area.FIRST.date())) == 96
    workshop = scenario.profiles.pv_w["workshop"]
    lit = held[workshop > 0]
    assert f"{scenario.mtu.start(int(lit[0])):%FT%R}" == "2016-10-29T10:00"
    assert f"{scenario.mtu.start(int(lit[-1])):%FT%R}" == "2016-10-30T13:45"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("north end", "north pole", "line 3: node_name: 'north pole' is not the name of a node"),
        ("node_name", "pandapower_bus", "node, node_name: one of these columns must be"),
        ("_name", "", "line 2: node: 'north middle' must be a finite number"),
    ],
)
def test_a_place_that_is_not_in_the_grid_is_named(tmp_path, old, new, message):
    path = own_area.write(tmp_path)
    points = tmp_path / "points.csv"
    points.write_text(points.read_text().replace(old, new))
    with pytest.raises(ScenarioError) as refusal:
        load(path)
    assert f"points.csv: {message}" in str(refusal.value)


@pytest.mark.parametrize("layout", ["%Q", "%d.%m.%"])
def test_a_time_format_that_is_none_is_named(tmp_path, layout):
    path = own_area.write(tmp_path)
    path.write_text(path.read_text().replace("%d.%m.%Y %H:%M", layout))
    with pytest.raises(
        ScenarioError, match=r"area\.toml: columns\.time_format: .* not as for strp"
    ):
        load(path)


def test_a_name_of_two_nodes_says_nothing(tmp_path):
    path = own_area.write(tmp_path)
    net = tmp_path / "net.json"
    net.write_text(net.read_text().replace("north busbar", "north end"))
    with pytest.raises(
        ScenarioError, match="line 3: node_name: 'north end' is the name of several"
    ):
        load(path)


def test_points_by_bus_index_are_the_same_points(tmp_path):
    path = own_area.write(tmp_path)
    by_name = load(path)
    points = pd.read_csv(tmp_path / "points.csv").assign(node_name=[21, 22, 31, 32])
    points.rename(columns={"node_name": "node"}).to_csv(tmp_path / "points.csv", index=False)
    by_number = load(path)
    pd.testing.assert_frame_equal(by_name.points, by_number.points)
    assert by_name.points["node"].tolist() == [21, 22, 31, 32]
    assert np.array_equal(by_name.net_wh(by_name.first_period), [-250, 4250, -125, -300])
