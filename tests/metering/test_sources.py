"""Files come in long or wide, CSV or Parquet, and mean the same."""

from pathlib import Path

import pandas as pd
import pytest

from gridbourse.metering.errors import Rule
from gridbourse.metering.sources import Columns
from tests.metering.meters import FIRST, START, judge, stamp, unreadable, write

WIDE = Columns(point=None, value=None)
WANTED = [("A", FIRST, 100), ("B", FIRST, -200), ("A", FIRST + 1, 101), ("B", FIRST + 1, -201)]
LONG_ROWS = [
    (stamp(0), "A", 100),
    (stamp(0), "B", -200),
    (stamp(1), "A", 101),
    (stamp(1), "B", -201),
]


def rows_of(path: Path, columns: Columns | None = None) -> list[tuple[str, int, int]]:
    readings = judge(path, columns)
    assert readings.refusals == ()
    return list(readings.table.itertuples(index=False, name=None))


def test_long_csv(tmp_path: Path) -> None:
    assert rows_of(write(tmp_path / "m.csv", LONG_ROWS)) == WANTED


def test_wide_csv(tmp_path: Path) -> None:
    rows = [(stamp(0), 100, -200), (stamp(1), 101, -201)]
    assert rows_of(write(tmp_path / "m.csv", rows, "time,A,B"), WIDE) == WANTED


@pytest.mark.parametrize("resolution", ["ms", "ns"])
def test_parquet_with_utc_times(tmp_path: Path, resolution: str) -> None:
    frame = pd.DataFrame(LONG_ROWS, columns=["when", "meter", "net"])
    frame["when"] = pd.to_datetime(frame["when"]).astype(f"datetime64[{resolution}, UTC]")
    frame.to_parquet(tmp_path / "m.parquet", index=False)
    columns = Columns(time="when", point="meter", value="net")
    assert rows_of(tmp_path / "m.parquet", columns) == WANTED


def test_wide_parquet_with_local_times(tmp_path: Path) -> None:
    times = pd.date_range(START, periods=2, freq="15min").tz_convert("Europe/Berlin")
    frame = pd.DataFrame({"time": times.tz_localize(None), "A": [100, 101], "B": [-200, -201]})
    frame.to_parquet(tmp_path / "m.parquet", index=False)
    columns = Columns(point=None, value=None, timezone="Europe/Berlin")
    assert rows_of(tmp_path / "m.parquet", columns) == WANTED


@pytest.mark.parametrize(("unit", "factor"), [("Wh", 1.0), ("kWh", 1e-3), ("W", 4.0), ("kW", 4e-3)])
def test_units(tmp_path: Path, unit: str, factor: float) -> None:
    rows = [(time, point, wh * factor) for time, point, wh in LONG_ROWS]
    assert rows_of(write(tmp_path / "m.csv", rows), Columns(unit=unit)) == WANTED  # type: ignore[arg-type]


def test_power_is_rounded_to_the_nearest_watt_hour(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [(stamp(0), "A", 403), (stamp(1), "A", -401)])
    assert [wh for _, _, wh in rows_of(path, Columns(unit="W"))] == [101, -100]


def test_german_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [["01.07.2016 12:00;A;100"]], "Zeit;Zähler;Wh")
    columns = Columns(
        time="Zeit",
        point="Zähler",
        value="Wh",
        timezone="Europe/Berlin",
        time_format="%d.%m.%Y %H:%M",
        separator=";",
    )
    assert rows_of(path, columns) == WANTED[:1]


def test_decimal_comma(tmp_path: Path) -> None:
    columns = Columns(unit="kWh", separator=";", decimal=",")
    rows = [[f"{stamp(0)};A;0,1"], [f"{stamp(1)};A;1.000,5"], [f"{stamp(1)};A;0.101"]]
    readings = judge(write(tmp_path / "m.csv", rows, "time;point;wh"), columns)
    assert list(readings.table.itertuples(index=False, name=None)) == WANTED[:1]
    assert [(r.rule, r.row) for r in readings.refusals] == [(Rule.NUMBER, 3), (Rule.NUMBER, 4)]


def test_times_that_mark_the_end_of_a_period(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", [(stamp(1), "A", 100)])
    assert rows_of(path, Columns(marks="end")) == WANTED[:1]


def test_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"\ufefftime,point,wh\n\n{stamp(0)},A,100\n\n", encoding="utf-8")
    assert rows_of(path) == WANTED[:1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no header"),
        ("time,point,wh\n", "has no reading"),
        ("# of June\n\n", "has no header"),
        ('time,point,wh\n1,"A,3\n', "is not CSV"),
        ("time,point\n", "column is missing"),
        ("time,point,wh,wh\n", "more than once"),
        ("time,point,wh\n1,2,3,4\n", "has 4 fields under 3 columns"),
    ],
)
def test_files_that_are_not_what_the_mapping_says(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    refusal = unreadable(path)
    assert refusal.rule == Rule.SCHEMA
    assert reason in refusal.reason


def test_missing_file_foreign_file_and_unknown_ending(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_text("no parquet")
    (tmp_path / "m.csv").write_bytes(b"time,point,wh\n\xff\xfe,A,1\n")
    for name, reason in [
        ("none.csv", "is missing"),
        ("m.parquet", "cannot be read as Parquet"),
        ("m.csv", "is no text in UTF-8"),
        ("m.xlsx", "neither .csv nor .parquet"),
    ]:
        assert reason in unreadable(tmp_path / name).reason


def test_mapping_that_contradicts_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", LONG_ROWS)
    assert "a wide one neither" in unreadable(path, Columns(point=None)).reason
    signed = Columns(point=None, value=None, signature="wh")
    assert unreadable(path, signed).column == "wh"
