"""The table [homes]: who has what, and everything in it that is refused by name."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gridbourse.agents.home_environment import Surroundings
from gridbourse.model.periods import Mtu
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.outdoor import Climate, read_outdoor
from gridbourse.scenario.scenario import load
from tests.scenario import miniature
from tests.scenario.test_scenario import RURAL3

BATTERY = {
    "points": ["A1"],
    "capacity_wh": 8000,
    "power_w": 4000,
    "round_trip": 0.81,
    "wear_micro_eur_per_wh": 30,
}
EV = {
    "points": ["B1"],
    "battery_wh": 40000,
    "charger_w": 8000,
    "arrival": "17:30",
    "departure": "07:00",
    "trip_wh": 8000,
    "needed_wh": 30000,
}
HEAT = {
    "points": ["B1"],
    "loss_w_per_k": 150,
    "capacity_wh_per_k": 8000,
    "cop": 3,
    "power_w": 3000,
    "low_c": 20,
    "high_c": 22,
}
WASH = {"points": ["A1"], "power_w": 900, "minutes": 50, "earliest": "08:00", "latest": "20:00"}
HOMES = {
    "latitude": 51.0,
    "battery": BATTERY,
    "ev": EV,
    "heat_pump": HEAT,
    "shiftable": {"washing": WASH},
}


@pytest.fixture
def path(tmp_path):
    return miniature.write(tmp_path)


def with_homes(path, **changes):
    return load(path, {"homes": {k: v for k, v in (HOMES | changes).items() if v is not None}})


def test_devices_are_read(path):
    rules = with_homes(path).homes
    assert list(rules.devices) == ["A1", "B1"]
    assert rules.devices["A1"].battery.capacity_wh == 8000
    assert rules.devices["A1"].shiftables[0].earliest == 480
    assert rules.devices["B1"].ev.departure == 420
    assert rules.devices["B1"].ev.start_wh == 22000
    assert rules.devices["B1"].heat_pump.building.cop == 3
    assert (rules.control, rules.direct_kinds) == ("indirect", ())
    assert rules.buy_micro_eur_per_wh.tolist() == [300] * 24


def test_without_the_table_there_are_no_homes(path):
    assert load(path).homes is None


def test_owners_are_drawn_by_the_seed_and_a_larger_share_only_adds():
    def owners(share, **more):
        battery = {k: v for k, v in BATTERY.items() if k != "points"} | {"share": share, **more}
        scenario = load(RURAL3, {"homes": {"latitude": 51.0, "battery": battery}})
        return scenario, {p: d.battery.capacity_wh for p, d in scenario.homes.devices.items()}

    scenario, some = owners(0.3, spread=0.2)
    _, more = owners(0.6, spread=0.2)
    assert 20 < len(some) < 50
    assert some.items() <= more.items()
    assert 6400 <= min(some.values()) < max(some.values()) <= 9600
    _, sunny = owners(1.0, only_pv=True)
    assert set(sunny) == set(scenario.points.index[scenario.profiles.pv_w.gt(0).any()])


def test_the_last_period_of_a_run_may_be_in_part(path):
    world = Surroundings(with_homes(path))
    (load_,) = world.rules.devices["A1"].shiftables
    assert world.load_wh(load_).tolist() == [225, 225, 225, 75]


def test_a_vehicle_is_there_only_for_whole_periods(path):
    world = Surroundings(with_homes(path))
    day = pd.Timestamp("2016-06-02").date()
    periods = range(world.period_of(day, 0), world.period_of(day, 0) + 96)
    home = world.at_home(17 * 60 + 40, 7 * 60 + 5, periods)
    assert home[: 7 * 4].all()
    assert not home[7 * 4 : 17 * 4 + 3].any()
    assert home[17 * 4 + 3 :].all()


def clock(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


@pytest.mark.parametrize("day", ["2016-03-27", "2016-06-15", "2016-10-30"])
@pytest.mark.parametrize(
    ("arrival", "departure"),
    [
        ("17:30", "02:30"),
        ("17:30", "01:30"),
        ("17:30", "02:00"),
        ("17:30", "03:00"),
        ("17:30", "02:45"),
        ("02:30", "22:00"),
        ("02:10", "02:00"),
        ("02:50", "02:10"),
        ("03:00", "02:30"),
        ("02:00", "02:30"),
        ("00:00", "23:45"),
        ("12:00", "00:00"),
        ("02:31", "02:30"),
        ("06:05", "06:00"),
    ],
)
def test_a_vehicle_leaves_once_a_day_however_long_the_day_is(path, day, arrival, departure):
    """Days of 23, 24 and 25 hours in Berlin: three days have three trips, each between these times."""
    scenario = replace(with_homes(path), timezone="Europe/Berlin")
    world = Surroundings(scenario)
    days = pd.date_range(pd.Timestamp(day) - pd.Timedelta(days=1), periods=3).date
    hours = sum(len(scenario.mtu.local_day(each, "Europe/Berlin")) for each in days) / 4
    assert hours == {"2016-03-27": 71, "2016-06-15": 72, "2016-10-30": 73}[day]
    comes, goes = clock(arrival), clock(departure)
    first = world.period_of(days[0], goes) - 1
    end = world.period_of(days[2] + pd.Timedelta(days=1), goes)
    home = world.at_home(comes, goes, range(first, end))
    left = np.flatnonzero(home[:-1] & ~home[1:]) + 1 + first
    assert left.tolist() == [world.period_of(each, goes) for each in days]


@pytest.mark.parametrize(("departure", "away_hours"), [("02:30", 16), ("01:30", 17)])
def test_on_the_day_of_25_hours_it_is_away_once(path, departure, away_hours):
    """From the first 02:30 to 17:30 are 16 hours that day, and one trip's energy."""
    world = Surroundings(replace(with_homes(path), timezone="Europe/Berlin"))
    periods = world.scenario.mtu.local_day(pd.Timestamp("2016-10-30").date(), "Europe/Berlin")
    home = world.at_home(clock("17:30"), clock(departure), periods)
    assert (~home).sum() == away_hours * 4
    assert (np.diff(home.astype(int)) == -1).sum() == 1


def test_what_is_expected_was_known_before(path):
    """Beyond 24 hours the last whole day is repeated, never one that has not been."""
    scenario = with_homes(path)
    first = scenario.first_period
    expected = Surroundings(scenario).expected_wh(range(first, first + 144))
    for k in (0, 95, 96, 143):
        known = scenario.net_wh(first - 96 + k % 96)
        np.testing.assert_array_equal(expected[k], known)


def test_prices_are_those_of_the_local_hour_and_the_zone(path):
    buy = list(range(200, 224))
    scenario = with_homes(path, buy_micro_eur_per_wh=buy)
    world = Surroundings(scenario)
    seen = world.prices("LV.B", range(scenario.first_period, scenario.first_period + 5))
    assert seen.buy_micro_eur_per_wh.tolist() == [297, 297, 297, 297, 298]  # 02:00 in Berlin
    assert seen.sell_micro_eur_per_wh.tolist() == [70] * 5


def test_the_stated_climate():
    mtu = Mtu(3600)
    hours = range(
        mtu.period_at(pd.Timestamp("2016-01-01T00:00Z")),
        mtu.period_at(pd.Timestamp("2017-01-01T00:00Z")),
    )
    north = Climate(51.0, None).outdoor_c(hours, mtu, "UTC")
    south = Climate(-51.0, None).outdoor_c(hours, mtu, "UTC")
    assert north.mean() == pytest.approx(27 - 0.35 * 51, abs=0.1)
    assert north[14 * 24 + 3] == pytest.approx(27 - 0.55 * 51 - 4)
    assert north[14 * 24 + 15] == pytest.approx(27 - 0.55 * 51 + 4)
    assert np.argmin(south) // 24 + 1 in range(195, 202)


def test_a_temperature_holds_until_the_next(tmp_path):
    file = tmp_path / "outdoor.csv"
    file.write_text("start,celsius\n2016-06-02T00:00:00Z,5.5\n2016-06-02T01:00:00Z,-3\n")
    mtu = Mtu(900)
    first = mtu.period_at(pd.Timestamp("2016-06-02T00:30Z"))
    assert read_outdoor(file).outdoor_c(range(first, first + 4), mtu, "UTC").tolist() == [
        5.5,
        5.5,
        -3,
        -3,
    ]
    with pytest.raises(ScenarioError, match="has no temperature for 2016-06-01T23:45Z"):
        read_outdoor(file).outdoor_c(range(first - 3, first), mtu, "UTC")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("start,warmth\n", "celsius: column is missing; there are start, warmth"),
        ("start,celsius\n", "has no row"),
        ("start,celsius\n2016-06-02,5\n", "line 2: start: '2016-06-02' is no ISO 8601 time"),
        ("start,celsius\n2016-06-02T00:00Z,x\n", "line 2: celsius: 'x' is not a temperature"),
        (
            "start,celsius\n2016-06-02T01:00Z,5\n2016-06-02T00:00Z,5\n",
            "line 3: start: '2016-06-02T00:00Z' is not after the row before",
        ),
    ],
)
def test_a_bad_temperature_file_is_refused(tmp_path, text, words):
    file = tmp_path / "outdoor.csv"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=words):
        read_outdoor(file)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latitude": None}, "homes.latitude: either latitude or outdoor must be there"),
        ({"outdoor": "o.csv"}, "homes.latitude: either latitude or outdoor must be there"),
        ({"latitude": None, "outdoor": "o.csv"}, "o.csv: is missing"),
        ({"control": "remote"}, "homes.control: 'remote' is not one of indirect, direct, mixed"),
        ({"control": "mixed"}, "homes.direct_kinds: is missing"),
        ({"direct_kinds": ["ev"]}, "homes.direct_kinds: is of control = 'mixed', not of 'indirect'"),
        ({"control": "mixed", "direct_kinds": ["fridge"]}, "homes.direct_kinds: 'fridge' is not one of"),
        ({"battery": BATTERY | {"share": 0.5}}, "homes.battery.share: either share or points"),
        ({"battery": BATTERY | {"points": ["A2"]}}, "homes.battery.points: 'A2' is not one of A1, B1"),
        ({"battery": BATTERY | {"round_trip": 1.1}}, "homes.battery.round_trip: 1.1 is not in 0.1..1"),
        ({"battery": BATTERY | {"power_w": 40001}}, "homes.battery.power_w: 40001 W of A1 is above its"),
        ({"battery": BATTERY | {"low_share": 1.0}}, "homes.battery.low_share: 1 must be below"),
        ({"battery": BATTERY | {"start_share": 0.05}}, "homes.battery.start_share: 0.05 is not in 0.1..1"),
        ({"battery": BATTERY | {"colour": "red"}}, "homes.battery.colour: is not a key"),
        ({"battery": BATTERY | {"balances": 1}}, "homes.battery.balances: must be true or false"),
        ({"ev": EV | {"arrival": "7"}}, "homes.ev.arrival: '7' is not a time of day such as 07:30"),
        ({"ev": EV | {"arrival": "24:00"}}, "homes.ev.arrival: '24:00' is not a time of day"),
        ({"ev": EV | {"arrival": "07:00"}}, "homes.ev.departure: must not be the arrival"),
        ({"ev": EV | {"trip_wh": 50000}}, "homes.ev.trip_wh: 50000 is not in 1..40000"),
        ({"ev": EV | {"needed_wh": 7000}}, "homes.ev.needed_wh: 7000 is not in 8000..40000"),
        ({"ev": EV | {"vehicle_to_grid": True}}, "homes.ev.wear_micro_eur_per_wh: is missing"),
        ({"heat_pump": HEAT | {"low_c": 22}}, "homes.heat_pump.low_c: 22 must be below high_c 22"),
        ({"heat_pump": HEAT | {"cop": 0.5}}, "homes.heat_pump.cop: 0.5 is not in 1..20"),
        ({"shiftable": {"ev": WASH}}, "homes.shiftable.ev: is the name of a storage"),
        ({"buy_micro_eur_per_wh": [300] * 23}, "homes.buy_micro_eur_per_wh: has 23 values, not 24"),
        ({"buy_micro_eur_per_wh": [0.5] * 24}, r"homes.buy_micro_eur_per_wh\[0\]: must be a whole number"),
        ({"sell_micro_eur_per_wh": [9] * 24}, "homes.sell_micro_eur_per_wh: less the export fee of LV.B"),
        (
            {"sell_micro_eur_per_wh": [80] * 23 + [400]},
            "homes.sell_micro_eur_per_wh: hour 23: is above the buy price in MV",
        ),
        (
            {"battery": None, "ev": None, "heat_pump": None, "shiftable": None},
            "homes: no home has a device",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_by_name(path, changes, words):
    with pytest.raises(ScenarioError, match=words):
        with_homes(path, **changes)
