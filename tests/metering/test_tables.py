"""Tables: one reader for every file, so that text stays text, rows have their place and columns a name."""

import logging
import os
from pathlib import Path

import pandas as pd
import pytest

from gridbourse import tables
from gridbourse.files import FileError, read_bytes, read_toml
from gridbourse.metering.corrections import Known, read_corrections
from gridbourse.metering.points import read_numbers
from gridbourse.metering.sources import Columns, read
from gridbourse.model.periods import Mtu
from gridbourse.scenario.data import read_points, read_profiles
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.outdoor import read_outdoor
from gridbourse.tables import TableError, read_csv, require_columns
from gridbourse.text import meant, one_line
from tests.metering.meters import MTU, judge, refused

NO_NODES = pd.Series([], dtype=object)


def test_the_place_of_a_row_is_the_line_it_begins_in(tmp_path: Path) -> None:
    """Byte-order mark, comment, blank lines, line ends of three kinds, a cell of three lines."""
    path = tmp_path / "t.csv"
    text = '\ufeff# of June\n\na,b\r\n1,"x\ny\nz"\n\n2,3\r4,5\n'
    path.write_bytes(text.encode())
    table = read_csv(path)
    assert list(table.index) == [4, 8, 9]
    assert list(table["a"]) == ["1", "2", "4"]
    assert table["b"][4] == "x\ny\nz"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", None, "has no header"),
        ("#a,b\n", None, "has no header"),
        ("a,b\n1,2\n1,2,3\n", 3, "has 3 fields under 2 columns"),
        ('a,b\n1,"2\n3,4\n', 2, "is not CSV"),
        ('a,b\n1,"2"x\n', 2, "is not CSV"),
        ("a,a\n1,2\n", None, "more than once"),
        ("a,b\n1,\0\n", None, "byte 6 is NUL"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, place: int | None, reason: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=reason) as caught:
        read_csv(path)
    assert caught.value.place == place


def test_fields_that_are_empty_at_the_end_are_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b;;\n1;2;;\n3\n")
    table = read_csv(path, ";")
    assert list(table.columns) == ["a", "b"]
    assert table["b"].isna().tolist() == [False, True]


WORDS = ("NA", "null", "NaN", "None", "nan", "n/a", "NULL", "-", "true", "1e5", "007")


def test_no_word_means_missing_in_any_table(tmp_path: Path) -> None:
    """Points, mapping, profiles, readings, corrections: a point may be called as it likes."""
    rows = [f"{word},{at},{word},1000" for at, word in enumerate(WORDS)]
    points = tmp_path / "points.csv"
    points.write_text("\n".join(["point_id,node,zone,capacity_w", *rows]))
    found = read_points(points, WORDS, NO_NODES)
    assert list(found.index) == list(found["zone"]) == list(WORDS)

    mapping = tmp_path / "mapping.csv"
    rows = [f"{word},{at}" for at, word in enumerate(WORDS)]
    mapping.write_text("\n".join(["point_id,number", *rows]))
    numbers = read_numbers(mapping)
    assert numbers == {word: (at,) for at, word in enumerate(WORDS)}

    profiles = tmp_path / "profiles.csv"
    rows = [f"2016-07-01T10:00Z,{word},1,0,2" for word in WORDS]
    profiles.write_text("\n".join(["start,point_id,load_w,load_var,pv_w", *rows]))
    assert list(read_profiles(profiles, found, MTU, 1.0).load_w.columns) == list(WORDS)

    readings = tmp_path / "readings.csv"
    rows = [f"2016-07-01T10:00Z,{word},7" for word in WORDS]
    readings.write_text("\n".join(["time,point,wh", *rows]))
    assert list(read(readings, Columns()).readings["point"]) == list(WORDS)

    corrections = tmp_path / "corrections.csv"
    rows = [f"{word},5,7" for word in WORDS]
    corrections.write_text("\n".join(["point,period,wh", *rows]))
    known = Known(numbers, dict.fromkeys(range(len(WORDS)), 9), lambda n, p: True, Mtu(900))
    assert read_corrections(corrections, known).readings == {5: dict.fromkeys(range(len(WORDS)), 7)}


EXTRA = {
    "points": ("point_id,node,zone,capacity_w,colour\nA,1,Z,9,red\n", "points.csv"),
    "mapping": ("point_id,number,colour\nA,1,red\n", "mapping.csv"),
    "profiles": (
        "start,point_id,load_w,load_var,pv_w,colour\n2016-07-01T10:00Z,A,1,0,2,red\n", "p.csv",
    ),
    "readings": ("time,point,wh,colour\n2016-07-01T10:00Z,A,7,red\n", "readings.csv"),
    "outdoor": ("start,celsius,colour\n2016-07-01T10:00Z,7,red\n", "outdoor.csv"),
    "corrections": ("point,period,wh,colour\nA,5,7,red\n", "corrections.csv"),
}  # fmt: skip


@pytest.mark.parametrize("what", EXTRA)
def test_a_column_nobody_asked_for_is_named_and_left_unread(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    tables._say_unused.cache_clear()
    text, name = EXTRA[what]
    path = tmp_path / name
    path.write_text(text)
    known = Known({"A": (1,)}, {1: 9}, lambda n, p: True, MTU)
    points = pd.DataFrame({"capacity_w": [99.0]}, index=["A"])
    readers = {
        "points": lambda: read_points(path, ["Z"], NO_NODES),
        "mapping": lambda: read_numbers(path),
        "profiles": lambda: read_profiles(path, points, MTU, 1.0),
        "readings": lambda: read(path, Columns()),
        "outdoor": lambda: read_outdoor(path),
        "corrections": lambda: read_corrections(path, known),
    }
    with caplog.at_level(logging.WARNING):
        readers[what]()
    assert [r.message for r in caplog.records] == [f"{name}: not used: column 'colour'"]


def test_a_mistyped_column_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(TableError, match="capacity_w: column is missing; is 'capacty_w' meant"):
        require_columns(path, ["point_id", "capacty_w"], ["point_id", "capacity_w"])
    with pytest.raises(TableError, match=r"node_nam: is not a column .* is 'node_name' meant\?"):
        require_columns(path, ["point_id", "node_nam"], ["point_id"], ["node_name"])
    with pytest.raises(TableError, match="wh: column is missing; there are time, other"):
        require_columns(path, ["time", "other"], ["wh"])
    assert meant("Kapazitaet", ["capacity_w", "zone"]) is None


@pytest.mark.parametrize("ending", [".csv", ".CSV", ".Csv", ".parquet", ".Parquet", ".PARQUET"])
def test_an_ending_may_be_in_capitals(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"readings{ending}"
    frame = pd.DataFrame({"time": ["2016-07-01T10:00Z"], "point": ["A"], "wh": [7]})
    (frame.to_csv if "c" in ending.lower()[:2] else frame.to_parquet)(path, index=False)
    assert list(read(path, Columns()).readings["value"].astype(int)) == [7]


def test_a_row_of_parquet_is_called_row(tmp_path: Path) -> None:
    rows = {"time": ["2016-07-01T10:00Z", "never"], "point": ["A", "A"], "wh": [1, 2]}
    pd.DataFrame(rows).to_parquet(tmp_path / "m.parquet", index=False)
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    said = {}
    for path in (tmp_path / "m.parquet", tmp_path / "m.csv"):
        (refusal,) = judge(path).refusals
        said[path.suffix] = str(refusal)
    assert "m.parquet, row 2, column time" in said[".parquet"]
    assert "m.csv, line 3, column time" in said[".csv"]


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Path]:
    """What else may lie where a file should."""
    paths = {
        name: tmp_path / f"{name}.csv"
        for name in ("pipe", "loop", "dangling", "folder", "missing", "device", "nul")
    }
    os.mkfifo(paths["pipe"])
    paths["loop"].symlink_to(paths["loop"])
    paths["dangling"].symlink_to(tmp_path / "nowhere")
    paths["folder"].mkdir()
    paths["device"].symlink_to("/dev/zero")
    paths["nul"].write_bytes(b"time,point,wh\n\0\0\0")
    return paths


SAID = {
    "pipe": "is a named pipe, no file",
    "loop": "is a link that leads back to itself",
    "dangling": "is a link to nothing",
    "folder": "is a folder, no file",
    "missing": "is missing",
    "device": "is a device, no file",
    "nul": "is no text: byte 14 is NUL",
}


@pytest.mark.parametrize("what", SAID)
def test_whatever_lies_at_a_path_holds_nobody_up(odd: dict[str, Path], what: str) -> None:
    with pytest.raises(TableError, match=SAID[what]):
        read_csv(odd[what])
    with pytest.raises(ScenarioError, match=SAID[what]):
        read_points(odd[what], (), NO_NODES)
    if what != "nul":
        with pytest.raises(FileError, match=SAID[what]):
            read_bytes(odd[what])


def test_a_file_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read all, so the refusal is played."""

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gridbourse.files.os.open", refuse)
    with pytest.raises(FileError, match=r"cannot be read \(Permission denied\)"):
        read_bytes(tmp_path / "t.csv")


def test_toml_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "x"\n')
    assert read_toml(path) == {"name": "x"}
    path.write_bytes(b"name = \n")
    with pytest.raises(FileError, match=r"is not TOML \(Invalid value \(at line 1"):
        read_toml(path)


def test_one_line_is_one_line() -> None:
    forged = "a.csv\n2026-01-01 INFO all is well\x1b[2K\u2028\u202e\r\udcff.csv"
    said = one_line(forged)
    assert said.isprintable()
    assert said == ("a.csv\\n2026-01-01 INFO all is well\\x1b[2K\\u2028\\u202e\\r\\udcff.csv")
    assert one_line("12 µEUR, 5 % über 3 °C") == "12 µEUR, 5 % über 3 °C"


def test_a_stray_reading_of_another_century_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("time,point,wh\n2016-07-01T10:00Z,A,1\n9998-07-01T10:00Z,A,1\n")
    assert len(refused(path)) == 1
