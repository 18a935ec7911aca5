"""A user's own readings as profiles, and what is wrong with them by file, row, column and rule."""

import math

import numpy as np
import pandas as pd
import pytest

from gridbourse.grid.readers import read_grid
from gridbourse.metering.errors import ReadingError, Rule
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load
from tests.scenario import own_area

REGISTERS = 'import = "Bezug kWh"\nexport = "Einspeisung kWh"\n'
LAG = math.tan(math.acos(0.95))


@pytest.fixture(autouse=True, scope="module")
def grid(tmp_path_factory):
    """The same for every scenario here, and pandapower takes long to read it."""
    folder = tmp_path_factory.mktemp("grid")
    own_area.write(folder)
    found = read_grid(folder / "net.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gridbourse.scenario.scenario.read_grid", lambda path: found)
        yield


def with_columns(lines, toml=own_area.TOML):
    """The TOML with other lines in place of the two registers."""
    assert REGISTERS in toml
    return toml.replace(REGISTERS, lines)


def first_w(scenario):
    """(load, reactive load, pv) of the points in the first period replayed."""
    profiles, period = scenario.profiles, scenario.first_period
    frames = profiles.load_w, profiles.load_var, profiles.pv_w
    return [frame.loc[period].to_dict() for frame in frames]


def test_two_registers_become_net_surplus_and_net_shortage(tmp_path):
    load_w, load_var, pv_w = first_w(load(own_area.write(tmp_path)))
    assert load_w == {"house": 1000, "workshop": 0, "barn": 500, "flat": 1200}  # 1600 - 400
    assert pv_w == {"house": 0, "workshop": 17_000, "barn": 0, "flat": 0}
    assert load_var["house"] == pytest.approx(1000 * LAG)
    assert load_var["workshop"] == 0


@pytest.mark.parametrize(("positive", "sign"), [("consumes", 1), ("injects", -1)])
def test_one_net_column_of_either_sign_and_power_for_energy(tmp_path, positive, sign):
    def net(lines):
        lines[0] = "bis;Zähler;Saldo"
        for i, row in enumerate(own_area.readings().itertuples(), start=1):
            time, meter, *_ = lines[i].split(";")
            kw = f"{sign * 4 * (row.taken - row.fed):.3f}".replace(".", ",")
            lines[i] = f"{time};{meter};{kw}"

    toml = with_columns(f'net = "Saldo"\npositive = "{positive}"\npower_factor = 1\n')
    toml = toml.replace('unit = "kWh"', 'unit = "kW"')
    load_w, load_var, pv_w = first_w(load(own_area.write(tmp_path, toml, net)))
    assert load_w == {"house": 1000, "workshop": 0, "barn": 500, "flat": 1200}
    assert pv_w["workshop"] == 17_000
    assert set(load_var.values()) == {0}


def test_load_and_pv_side_by_side_with_reactive(tmp_path):
    def gross(lines):
        lines[0] = lines[0] + ";Blind"
        lines[1:] = [line + ";-0,025" for line in lines[1:]]

    toml = with_columns('load = "Bezug kWh"\npv = "Einspeisung kWh"\nreactive = "Blind"\n')
    path = own_area.write(tmp_path, toml, gross)
    load_w, load_var, pv_w = first_w(load(path, {"pv_factor": 1.5}))
    assert load_w["flat"] == 1600
    assert pv_w == {"house": 0, "workshop": 1.5 * 17_000, "barn": 0, "flat": 1.5 * 400}
    assert set(load_var.values()) == {-100}


def test_wide_file_in_parquet(tmp_path):
    path = own_area.write(tmp_path)
    narrow = load(path)
    table = own_area.readings()
    table["net"] = table["fed"] - table["taken"]
    wide = table.pivot(index="start", columns="meter", values="net").reset_index()
    wide.to_parquet(tmp_path / "meters.parquet", index=False)
    columns = {"time": "start", "marks": "start", "unit": "kWh", "positive": "injects"}
    toml = own_area.TOML.replace("meters.csv", "meters.parquet")
    head, rest = toml.split("[columns]")
    written = "".join(f'{key} = "{value}"\n' for key, value in columns.items())
    path.write_text(f"{head}[columns]\n{written}[grid]{rest.split('[grid]')[1]}")
    profiles = load(path).profiles
    # What two registers of one quarter-hour net to, and so what is known, is the same.
    for frame in ("load_w", "load_var", "pv_w"):
        pd.testing.assert_frame_equal(
            getattr(profiles, frame), getattr(narrow.profiles, frame), check_names=False
        )


def _replace(row, old, new):
    def edit(lines):
        assert old in lines[row], lines[row]
        lines[row] = lines[row].replace(old, new)

    return edit


@pytest.mark.parametrize(
    ("edit", "rule", "row", "message"),
    [
        (
            _replace(0, "Bezug kWh", "Bezug"),
            Rule.SCHEMA,
            None,
            "Bezug kWh: column is missing",
        ),
        (_replace(5, "0,200", "o,2"), Rule.NUMBER, 6, "'o,2' is not a finite number"),
        (_replace(5, "0,200", "0.200"), Rule.NUMBER, 6, "is not a finite number"),
        (_replace(5, "0,200", ""), Rule.NUMBER, 6, "nothing is not a finite number"),
        (_replace(5, "0,200", "-0,200"), Rule.SIGN, 6, "must not be negative"),
        (_replace(5, "0,200", "9,200"), Rule.RANGE, 6, "9,200 Wh is more than the 4,312 Wh the"),
        (_replace(5, "house", "hous"), Rule.METER, 6, "'hous' is not a known metering point"),
        (_replace(5, "00:30", "00:31"), Rule.GRID, 6, "not on the start of a period of 900 s"),
        (_replace(5, "29.10.2016", "2016-10-29"), Rule.TIME, 6, "is not a time"),
        (_replace(5, "29.10.2016 00:30", "27.03.2016 02:30"), Rule.DST, 6, "is skipped when"),
        (lambda lines: lines.pop(5), Rule.GAP, None, "no reading of house from 2016-10-28T22:15Z"),
        (lambda lines: lines.insert(5, lines[5]), Rule.DUPLICATE, 7, "is there twice"),
        (
            lambda lines: lines.__setitem__(slice(None), [x for x in lines if ";barn;" not in x]),
            Rule.GAP,
            None,
            "there is no reading of barn",
        ),
        (lambda lines: lines.__delitem__(slice(1, None)), Rule.SCHEMA, None, "has no reading"),
    ],
)
def test_what_is_wrong_with_a_reading_is_named(tmp_path, edit, rule, row, message):
    with pytest.raises(ReadingError) as caught:
        load(own_area.write(tmp_path, edit_lines=edit))
    first = caught.value.first
    assert (first.file, first.rule, first.row) == ("meters.csv", rule, row)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_hour_that_happens_twice_must_be_there_twice(tmp_path):
    def forget_the_second(lines):
        ends = "30.10.2016 02:30;"
        second = [i for i, line in enumerate(lines) if line.startswith(ends)][4:]
        assert len(second) == 4
        for i in reversed(second):
            del lines[i]

    with pytest.raises(ReadingError, match="happens twice when the clock goes back in Europe/Berl"):
        load(own_area.write(tmp_path, edit_lines=forget_the_second))


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (with_columns(""), "columns.net: name the columns of net, of import and export, or of"),
        (with_columns('import = "Bezug kWh"\n'), "columns.net: name the columns of net"),
        (with_columns(REGISTERS + 'net = "Bezug kWh"\n'), "columns.net: name the columns of net"),
        (with_columns('net = "Bezug kWh"\n'), "columns.positive: is missing"),
        (with_columns(REGISTERS + 'positive = "injects"\n'), "columns.positive: is not a key"),
        (
            with_columns(REGISTERS + 'reactive = "Blind"\npower_factor = 0.9\n'),
            "columns.power_factor: is not a key of a scenario",
        ),
        (with_columns(REGISTERS + "power_factor = 1.1\n"), "columns.power_factor: 1.1 is not in"),
        (own_area.TOML.replace('point = "Zähler"\n', ""), "columns.import: without the key point"),
        (own_area.TOML.replace('marks = "end"\n', ""), "columns.marks: is missing"),
        (own_area.TOML.replace('"kWh"', '"MWh"'), "columns.unit: 'MWh' is not one of Wh, kWh, W"),
        (own_area.TOML.replace("pv_factor = 1", "pv_factor = 2"), "pv_factor: 2 must be 1: net"),
        (
            own_area.TOML.replace('timezone = "Europe/Berlin"\nmarks', 'timezone = "CEST"\nmarks'),
            "columns.timezone: 'CEST' is not an IANA time zone",
        ),
    ],
)
def test_a_mapping_that_says_nothing_clear_is_refused(tmp_path, toml, message):
    with pytest.raises(ScenarioError) as refusal:
        load(own_area.write(tmp_path, toml))
    assert message in str(refusal.value)


@pytest.mark.parametrize("factor", [1, 4, 8])
def test_readings_are_scaled_before_they_are_rounded(tmp_path, factor):
    """Half a Wh lost at the meter would be 4 Wh at eight times the PV, in every period."""

    def finer(lines):
        for i, row in enumerate(own_area.readings().itertuples(), start=1):
            known = row.fed if row.meter == "flat" else 0.0  # the others' connections carry no more
            fed, taken = (f"{kwh:.3f}".replace(".", ",") for kwh in (known, row.taken))
            time, meter, *_ = lines[i].split(";")
            lines[i] = f"{time};{meter};{taken}3;{fed}49"  # 0.3 and 0.49 Wh more

    toml = with_columns('load = "Bezug kWh"\npv = "Einspeisung kWh"\n')
    scenario = load(own_area.write(tmp_path, toml, finer), {"pv_factor": factor})
    (flat,) = np.flatnonzero(scenario.points.index == "flat")
    found = scenario.net_wh(scenario.first_period)[flat]
    assert found == round(factor * 100.49 - 400.3)
