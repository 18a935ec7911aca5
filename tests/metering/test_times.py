"""Every reader of times reads the same times, and says of the others what is wrong with them."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from gridbourse.metering.corrections import Known, read_corrections
from gridbourse.metering.errors import Rule
from gridbourse.metering.sources import Columns
from gridbourse.model.periods import Mtu
from gridbourse.scenario.data import read_profiles
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.flexibility import _read_calls
from gridbourse.scenario.outdoor import read_outdoor
from gridbourse.times import parse_iso, parser
from tests.metering.meters import judge, write

NOON = datetime(2016, 10, 25, 12, tzinfo=UTC)
MTU = Mtu(900)
TIMES = [
    "2016-10-25T12:00:00Z", "2016-10-25T12:00Z", "2016-10-25T12Z", "2016-10-25 12:00Z",
    "20161025T120000Z", "20161025T1200Z", "2016-10-25T1200Z", "20161025T12Z",
    "2016-10-25T14:00+02:00", "20161025T1400+0200", "2016-10-25T14:00+02", "2016-10-25 14:00 +02:00",
    "2016-10-25t12:00z", "2016-10-25T12:00:00.000Z", "2016-10-25T12:00:00,0Z", "2016/10/25 12:00Z",
    "2016-10-25T07:30-04:30",
]  # fmt: skip
WITHOUT = ["2016-10-25T12:00", "20161025T1200", "2016-10-25", "20161025"]
NO_TIMES = ["yesterday", "2016-10-25T12:60Z", "2016-13-25T12:00Z", "12:00", "", "2016-10", "0"]
EARLY = ["1969-12-31T23:00Z", "1970-01-01T00:00+02:00", "0001-01-01T00:00Z"]


def moments(path: Path, text: str) -> dict[str, object]:
    """What each reader makes of a time: the moment, or the words of its refusal."""
    found: dict[str, object] = {}

    def note(reader: str, read: object) -> None:
        try:
            found[reader] = read()  # type: ignore[operator]
        except ScenarioError as error:
            found[reader] = str(error)

    readings = judge(write(path / "m.csv", [(f'"{text}"', "A", 1)]))
    found["readings"] = (
        MTU.start(int(readings.table["period"][0]))
        if len(readings.table)
        else str(readings.refusals[0])
    )
    (path / "c.csv").write_text(f'point,time,wh\nA,"{text}",1\n')
    corrected = read_corrections(path / "c.csv", Known({"A": (1,)}, {1: 9}, lambda n, p: True, MTU))
    found["corrections"] = (
        MTU.start(next(iter(corrected.readings)))
        if corrected.readings
        else str(corrected.refusals[0])
    )
    (path / "p.csv").write_text(f'start,point_id,load_w,load_var,pv_w\n"{text}",A,1,0,0\n')
    points = pd.DataFrame({"capacity_w": [99.0]}, index=["A"])
    note(
        "profiles",
        lambda: MTU.start(int(read_profiles(path / "p.csv", points, MTU, 1.0).periods[0])),
    )
    (path / "o.csv").write_text(f'start,celsius\n"{text}",5\n')
    note("outdoor", lambda: read_outdoor(path / "o.csv").measured.index[0].to_pydatetime())  # type: ignore[union-attr]
    (path / "k.csv").write_text(
        f'time,direction,wh,ceiling_micro_eur_per_wh\n"{text}",up,100,200\n'
    )
    note("calls", lambda: _read_calls(path / "k.csv")[0]["time"].to_pydatetime())
    note("scenario", lambda: Fields("s.toml", {"start": text}).moment("start").astimezone(UTC))
    return found


@pytest.mark.parametrize("text", TIMES)
def test_every_reader_reads_it(tmp_path: Path, text: str) -> None:
    found = moments(tmp_path, text)
    assert found == dict.fromkeys(found, NOON)


@pytest.mark.parametrize("text", WITHOUT)
def test_every_reader_asks_for_the_offset(tmp_path: Path, text: str) -> None:
    for reader, said in moments(tmp_path, text).items():
        assert "offset" in str(said), reader


@pytest.mark.parametrize("text", NO_TIMES)
def test_every_reader_refuses_what_is_no_time(tmp_path: Path, text: str) -> None:
    for reader, said in moments(tmp_path, text).items():
        assert "time" in str(said), reader


@pytest.mark.parametrize("text", EARLY)
def test_every_reader_refuses_a_time_before_the_first_period(tmp_path: Path, text: str) -> None:
    for reader, said in moments(tmp_path, text).items():
        assert "lies before 1970, where no period is" in str(said), reader


def test_a_clock_that_was_reset_is_refused_row_by_row(tmp_path: Path) -> None:
    """1970-01-01T00:00 in Berlin, and with Z where times mark the end of a period."""
    path = tmp_path / "m.csv"
    path.write_text("time,point,wh\n1970-01-01T00:00,A,-6\n2016-07-01T12:00,A,1\n")
    found = judge(path, Columns(timezone="Europe/Berlin"))
    (refusal,) = found.refusals
    assert (refusal.row, refusal.rule) == (2, Rule.TIME)
    assert "has the meter's clock been reset?" in refusal.reason
    assert list(found.table["wh"]) == [1]

    path.write_text("time,point,wh\n1970-01-01T00:00Z,A,-6\n")
    (refusal,) = judge(path, Columns(marks="end")).refusals
    assert "has the meter's clock been reset?" in refusal.reason
    assert judge(path).refusals == ()  # the first period there is


@pytest.mark.parametrize(("text", "seconds"), [("9999-12-31T23:59Z", 60), ("2107-01-01T00:00Z", 1)])
def test_a_time_beyond_all_periods_is_refused(tmp_path: Path, text: str, seconds: int) -> None:
    path = write(tmp_path / "m.csv", [(text, "A", 0)])
    refusals = judge(path, mtu=Mtu(seconds)).refusals
    assert "lies beyond the last period" in str(refusals[0])


LAYOUT = "%d.%m.%Y %H:%M %Z"


@pytest.mark.parametrize("zone", ["UTC", "GMT", "Z"])
def test_a_zone_that_is_the_same_everywhere_is_read(tmp_path: Path, zone: str) -> None:
    path = write(tmp_path / "m.csv", [(f"25.10.2016 12:00 {zone}", "A", 1)])
    found = judge(path, Columns(time_format=LAYOUT))
    assert MTU.start(int(found.table["period"][0])) == NOON


@pytest.mark.parametrize("zone", ["CEST", "EST", "MESZ", "+02:00", ""])
def test_a_zone_that_is_not_is_refused_with_the_reason(tmp_path: Path, zone: str) -> None:
    path = write(tmp_path / "m.csv", [(f"25.10.2016 12:00 {zone}", "A", 1)])
    (refusal,) = judge(path, Columns(time_format=LAYOUT)).refusals
    assert refusal.rule == Rule.TIME
    assert "is not a time as '%d.%m.%Y %H:%M %Z' has it" in refusal.reason
    assert "of names of time zones UTC, GMT, Z alone are read" in refusal.reason


def test_a_layout_with_an_offset(tmp_path: Path) -> None:
    for text in ("25.10.2016 14:00 +0200", "25.10.2016 14:00 +02:00", "25.10.2016 12:00 Z"):
        path = write(tmp_path / "m.csv", [(text, "A", 1)])
        found = judge(path, Columns(time_format="%d.%m.%Y %H:%M %z"))
        assert MTU.start(int(found.table["period"][0])) == NOON


def test_local_and_utc_times_in_one_file(tmp_path: Path) -> None:
    rows = [("2016-10-25T12:00Z", "A", 1), ("25/10/2016", "A", 1), ("2016-10-25T14:15", "A", 2)]
    found = judge(write(tmp_path / "m.csv", rows), Columns(timezone="Europe/Berlin"))
    assert list(found.table["wh"]) == [1, 2]
    assert [r.row for r in found.refusals] == [3]


def test_a_day_may_end_at_24_hours() -> None:
    assert parse_iso("2016-12-31T24:00Z") == datetime(2017, 1, 1, tzinfo=UTC)
    assert parse_iso("2016-12-31T24:01Z") is None
    assert parse_iso("9999-12-31T24:00Z") is None


@pytest.mark.parametrize("layout", ["%q", "%d %", "day"])
def test_what_is_no_layout_is_refused(layout: str) -> None:
    with pytest.raises(ValueError, match=r"bad directive|stray|no directive"):
        parser(layout)
