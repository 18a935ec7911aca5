"""Loading a scenario, and what is refused."""

import re
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbourse.deployment.live_market import settings_of
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load
from tests.scenario import miniature

RURAL3 = Path(__file__).parents[2] / "scenarios" / "rural3.toml"
DAY = 96


@pytest.fixture(scope="module")
def rural3():
    return load(RURAL3)


def test_the_default_is_a_sunny_sunday(rural3):
    start = rural3.mtu.start(rural3.first_period)
    assert start.isoformat() == "2016-07-24T00:00:00+00:00"
    assert start.isoweekday() == 7
    assert (rural3.periods, len(rural3.points), rural3.pv_factor) == (DAY, 118, 4.0)
    assert rural3.band.ticks == 221
    assert (rural3.profiles.pv_w.max() > 0).sum() == 27


def test_the_sun_shines_by_day_in_utc(rural3):
    """Kassel, 24 July: sunrise 03:35 and dawn 02:54, sunset 19:18 UTC."""
    pv_w = rural3.profiles.pv_w.loc[rural3.replayed].sum(axis=1).to_numpy()
    hours = np.arange(DAY) / 4
    assert pv_w[(hours < 3) | (hours > 19.25)].sum() == 0
    assert (pv_w[(hours >= 6) & (hours < 15)] > 50_000).all()


def test_every_connection_carries_its_peak(rural3):
    peak_w = (rural3.profiles.pv_w - rural3.profiles.load_w).abs().max()
    assert (peak_w <= rural3.points["capacity_w"]).all()
    assert set(rural3.points["zone"]) == set(rural3.zones) == {"LV3.101"}


def test_overrides_take_the_place_of_the_file():
    winter = load(
        RURAL3,
        {
            "season": "winter",
            "start": "2016-01-30T06:00:00+01:00",
            "periods": 4,
            "pv_factor": 1,
            "market.pricing": "pay_as_bid",
            "zones": {"LV3.101": {"local_fee_micro_eur_per_wh": 50}},
        },
    )
    assert winter.mtu.start(winter.first_period).isoformat() == "2016-01-30T05:00:00+00:00"
    assert list(winter.replayed) == [winter.first_period + i for i in range(4)]
    assert winter.market.pricing == "pay_as_bid"
    assert winter.tariff.fees["LV3.101"].local == 50
    assert winter.tariff.fees["LV3.101"].import_ == 95


def test_pv_factor_scales_pv_alone(rural3):
    once = load(RURAL3, {"pv_factor": 1})
    np.testing.assert_array_equal(rural3.profiles.pv_w, 4 * once.profiles.pv_w)
    np.testing.assert_array_equal(rural3.profiles.load_w, once.profiles.load_w)


def test_forecast_is_the_same_quarter_hour_of_the_day_before(rural3):
    noon = rural3.first_period + 48
    profiles = rural3.profiles
    before_w = profiles.pv_w.loc[noon - DAY] - profiles.load_w.loc[noon - DAY]
    np.testing.assert_array_equal(rural3.forecast_wh(noon), np.rint(before_w / 4).astype(int))
    assert (rural3.forecast_wh(noon) != rural3.net_wh(noon)).sum() > 100


def test_outside_of_the_data_there_is_no_answer(rural3):
    last = int(rural3.profiles.periods[-1])
    with pytest.raises(ScenarioError, match="no profile for 2016-07-28T00:00Z"):
        rural3.net_w(last + 1)
    with pytest.raises(ScenarioError, match="no profile for 2016-07-19T00:00Z"):
        rural3.forecast_wh(int(rural3.profiles.periods[0]))


@pytest.mark.parametrize(
    ("day", "quarter_hours", "first"),
    [
        (date(2016, 3, 27), 92, "2016-03-26T23:00"),
        (date(2016, 7, 24), 96, "2016-07-23T22:00"),
        (date(2016, 10, 30), 100, "2016-10-29T22:00"),
    ],
)
def test_a_local_day_has_92_96_or_100_quarter_hours(rural3, day, quarter_hours, first):
    periods = rural3.periods_of_local_day(day)
    assert len(periods) == quarter_hours
    assert f"{rural3.mtu.start(periods[0]):%FT%R}" == first


def test_participation_only_adds_points():
    some, more = (
        load(RURAL3, {"parties.participation": share}).points["participant"] for share in (0.4, 0.7)
    )
    assert 30 < some.sum() < more.sum() < 100
    assert (more | ~some).all()
    assert not load(RURAL3, {"parties.participation": 0}).points["participant"].any()


def test_csv_and_parquet_give_the_same_profiles(tmp_path, rural3):
    table = pd.read_parquet(rural3.folder / "summer.parquet")
    table["start"] = table["start"].dt.strftime("%FT%TZ")
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "summer.csv", index=False)
    for file in ("grid.json", "grid.pandapower.json", "points.csv"):
        (tmp_path / file).symlink_to(rural3.folder / file)
    overrides = {"folder": str(tmp_path), "seasons": {"summer": {"profiles": "summer.csv"}}}
    profiles = load(RURAL3, overrides).profiles
    for quantity in ("load_w", "load_var", "pv_w"):
        pd.testing.assert_frame_equal(
            getattr(profiles, quantity), getattr(rural3.profiles, quantity)
        )


def test_many_zones_with_a_parent(tmp_path):
    scenario = load(miniature.write(tmp_path))
    assert scenario.zones == {"MV": None, "LV.A": "MV", "LV.B": "MV"}
    assert scenario.points["zone"].to_dict() == {"A1": "LV.A", "B1": "LV.B"}
    assert scenario.tariff.fees["LV.B"].export == 10
    assert scenario.net_wh(scenario.first_period).tolist() == [1100, -750]
    assert scenario.forecast_wh(scenario.first_period).tolist() == [1000, -750]
    assert scenario.reactive_var(scenario.first_period).tolist() == [-100.0, -100.0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"colour": "green"}, "colour: is not a key"),
        ({"market": {"speed": 1}}, "market.speed: is not a key"),
        ({"zones.LV.A": {"tax": 1}}, "zones.LV.A.tax: is not a key"),
        ({"name": 5}, "name: must be a text, not 5"),
        ({"name": " "}, "name: must not be empty"),
        ({"periods": 0}, "periods: 0 is not in 1.."),
        (
            {"periods": 97},
            "periods: 97 from 2016-06-02T00:00Z on are more than the 96 that the data",
        ),
        (
            {"periods": 10**15},
            "from 2016-06-02T00:00Z on are more than the 96 that the data of season",
        ),
        ({"periods": True}, "periods: must be a whole number, not True"),
        ({"periods": 1.5}, "periods: must be a whole number, not 1.5"),
        ({"pv_factor": -1}, "pv_factor: -1 is not in 0..inf"),
        ({"pv_factor": float("nan")}, "pv_factor: nan is not in"),
        ({"pv_factor": 9}, "A1 reaches 47600 W at pv_factor 9, above its connection capacity"),
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not an IANA time zone"),
        ({"timezone": "../x"}, "timezone: '../x' is not an IANA time zone"),
        ({"mtu_seconds": 7}, "mtu_seconds: 7 must divide one hour"),
        ({"season": "spring"}, "season: 'spring' is not one of only"),
        ({"start": "2016-06-02T00:00:00"}, "start: 2016-06-02T00:00:00 has no offset from UTC"),
        ({"start": "today"}, "start: 'today' is not a time such as"),
        (
            {"start": "2016-06-02T00:01:00Z"},
            "start: 2016-06-02T00:01Z is not the start of a period",
        ),
        ({"start": "2016-06-01T12:00:00Z"}, "start: 2016-05-31T12:00Z is outside of the data"),
        ({"seasons": {"only": {"profiles": "none.csv"}}}, "none.csv: is missing"),
        (
            {"seasons": {"only": {"profiles": "grid.json"}}},
            "ending '.json' is neither .csv nor .parquet",
        ),
        ({"grid.points": "none.csv"}, "none.csv: is missing"),
        ({"grid.file": "none.json"}, "none.json: is missing"),
        ({"grid.file": "points.csv"}, "points.csv: is not JSON"),
        ({"grid.v_min_pu": 1.2}, "grid.v_min_pu: must be below v_max_pu"),
        ({"market.pricing": "vickrey"}, "market.pricing: 'vickrey' is not one of uniform"),
        ({"market.tick_micro_eur_per_wh": 3}, "220 µEUR/Wh is not a whole number of ticks of 3"),
        (
            {"market.gate_closure_s": 9 * 10**9},
            "market.gate_closure_s: 9000000000 is not in 0..604",
        ),
        ({"market.area": "ä" * 17}, "' is 34 bytes long; a name has 32 at most"),
        ({"zones": {"s" * 33: {"parent": "MV"}}}, f"zones.{'s' * 33}: '{'s' * 33}' is 33 bytes"),
        ({"tariff.retail_micro_eur_per_wh": 336}, "makes 257 ticks; at most 256 are allowed"),
        ({"tariff.retail_micro_eur_per_wh": 65_500}, "plus the highest fee 95 is above 65535"),
        ({"tariff.feed_in_micro_eur_per_wh": 301}, "301 is above the retail price 300"),
        ({"zones": {"MV": {"parent": "HV"}}}, "zones.MV.parent: 'HV' is not a zone"),
        ({"zones": {"MV": {"parent": "LV.A"}}}, "parent: a zone cannot be above itself"),
        ({"zones": 3}, "zones: must be a table of tables, not 3"),
        ({"zones": {"LV.B": 5}}, "zones: must be a table of at least one table"),
        ({"strategy.truthful_share": 1.01}, "strategy.truthful_share: 1.01 is not in 0..1"),
        ({"strategy.seed": -1}, "strategy.seed: -1 is not in 0.."),
        ({"parties.own_share": 0.9}, "own_share and signed_share together are above 1"),
    ],
)
def test_a_bad_field_is_named(tmp_path, overrides, message):
    path = miniature.write(tmp_path)
    with pytest.raises(ScenarioError) as refusal:
        load(path, overrides)
    assert message in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("line", [n for n in miniature.TOML.split("\n") if "=" in n])
def test_every_key_is_needed_but_the_parent(tmp_path, line):
    path = miniature.write(tmp_path, toml=miniature.TOML.replace(line + "\n", "", 1))
    if line.startswith("parent"):
        assert load(path).zones["LV.A"] is None
    else:
        with pytest.raises(ScenarioError, match=rf"{line.split()[0]}: is missing"):
            load(path)


@pytest.mark.parametrize(
    ("former", "wanted", "message"),
    [
        ("pv_factor =", "pv_facter =", "pv_factor: is missing; is 'pv_facter' meant to be it?"),
        ("[market]", "[markets]", "market: is missing; is 'markets' meant to be it?"),
        ("v_min_pu =", "vmin_pu =", "grid.v_min_pu: is missing; is 'vmin_pu' meant to be it?"),
        (
            "[market]",
            "[market]\nkind = []",
            "market.kind: is not a key of a scenario; is 'kinds' m",
        ),
        ("[market]", "[home]\n[market]", "home: is not a key of a scenario; is 'homes' meant?"),
    ],
)
def test_a_mistyped_key_is_named_with_the_one_that_was_meant(tmp_path, former, wanted, message):
    toml = miniature.TOML
    assert former in toml
    with pytest.raises(ScenarioError) as refusal:
        load(miniature.write(tmp_path, toml=toml.replace(former, wanted, 1)))
    assert message in str(refusal.value)


def test_a_scenario_with_a_byte_order_mark(tmp_path):
    path = miniature.write(tmp_path)
    periods = load(path).periods
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path).periods == periods


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("node", 0, 2.5, "line 2: node: '2.5' is not a node id"),
        ("node", 0, "two", "line 2: node: 'two' must be a finite number"),
        ("zone", 1, "LV.C", "line 3: zone: 'LV.C' is not a zone of the scenario"),
        ("capacity_w", 1, 0, "line 3: capacity_w: '0' must be above 0 W"),
        ("capacity_w", 1, 1e12, "line 3: capacity_w: '1000000000000.0' is above 10,000,000 W"),
        ("point_id", 1, "A1", "line 3: point_id: 'A1' is there twice"),
        ("point_id", 0, None, "line 2: point_id: is missing"),
        (
            "flexible_v",
            0,
            "green",
            "flexible_v: is not a column of this file; is 'flexible_w' meant?",
        ),
    ],
)
def test_a_bad_point_is_named(tmp_path, column, row, value, message):
    def edit(table):
        table = table.astype(object)
        table.loc[row, column] = value
        return table

    with pytest.raises(ScenarioError) as refusal:
        load(miniature.write(tmp_path, edit_points=edit))
    assert f"points.csv: {message}" in str(refusal.value)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (
            "start",
            "2016-06-01 00:00:00",
            "line 6: start: '2016-06-01 00:00:00' is no ISO 8601 time",
        ),
        ("start", "2016-06-01T00:99:00Z", "line 6: start: '2016-06-01T00:99:00Z' is no ISO 8601"),
        ("start", "2016-06-01T00:20:00Z", "line 6: start: '2016-06-01T00:20:00Z' is not the start"),
        ("start", "2016-06-01T02:15:00+02:00", "line 6: point_id: 'A1' has two rows"),
        ("point_id", "C1", "line 6: point_id: 'C1' is not a connection point"),
        ("load_w", -1, "line 6: load_w: '-1' must not be negative"),
        ("load_var", "much", "line 6: load_var: 'much' must be a finite number"),
        ("pv_w", None, "line 6: pv_w: nothing must be a finite number"),
    ],
)
def test_a_bad_profile_row_is_named(tmp_path, column, value, message):
    def edit(table):
        table = table.astype(object)
        table.loc[4, column] = value
        return table

    with pytest.raises(ScenarioError) as refusal:
        load(miniature.write(tmp_path, edit_profiles=edit))
    assert message.split(":", 2)[1] in str(refusal.value)
    assert message.split(": ", 2)[2] in str(refusal.value)


def test_a_missing_profile_row_is_named(tmp_path):
    path = miniature.write(tmp_path, edit_profiles=lambda table: table.drop(index=21))
    with pytest.raises(ScenarioError, match="B1 has no row for 2016-06-01T02:30Z"):
        load(path)


def test_a_missing_quarter_hour_is_named(tmp_path):
    path = miniature.write(tmp_path, edit_profiles=lambda table: table.drop(index=[20, 21]))
    with pytest.raises(ScenarioError, match="2016-06-01T02:30Z is outside of the data"):
        load(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.toml", None, "is missing"),
        ("bad.toml", b"name = ", "is not TOML"),
        ("latin.toml", b'name = "\xff"', "is no text in UTF-8"),
    ],
)
def test_a_file_that_is_no_scenario(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(ScenarioError, match=message):
        load(tmp_path / name)


def test_how_silence_and_disputes_are_settled(rural3):
    usual = (rural3.settlement.dispute_window_s, rural3.settlement.silent_permille)
    assert usual == (259_200, 1000)
    given = load(RURAL3, {"settlement": {"dispute_window_s": 0, "silent_permille": 250}})
    assert (given.settlement.dispute_window_s, given.settlement.silent_permille) == (0, 250)
    settings = settings_of(given)
    assert (settings.dispute_window_seconds, settings.silent_permille) == (0, 250)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"silent_permille": 1001}, "settlement.silent_permille: 1001 is not in 0..1000"),
        ({"dispute_window_s": -1}, "settlement.dispute_window_s: -1 is not in 0.."),
        ({"window": 1}, "settlement.window: is not a key"),
    ],
)
def test_a_settlement_that_can_not_be_is_refused(table, message):
    with pytest.raises(ScenarioError, match=re.escape(message)):
        load(RURAL3, {"settlement": table})
