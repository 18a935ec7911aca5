"""A folder may hold anything: nothing in it ends the oracle, forges its log or keeps others waiting."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gridbourse.chain.node.connect import NetworkError
from gridbourse.chain.node.transactions import Reverted, TooLarge
from gridbourse.errors import GridbourseError
from gridbourse.metering.sources import Columns
from gridbourse.model.periods import Mtu
from oracle.common.daemon import Daemon
from oracle.common.errors import FeedError, OracleError
from oracle.common.journal import Journal
from oracle.meter.feed import MeterFeed
from oracle.meter.folder import KnownPoints, MeterFolder
from tests.oracle.fake_chain import MeterChain

MTU = Mtu(900)
PERIOD = 1_640_000
CAPACITY_WH = 2_500
GOOD = {8: 800, 9: -900, 10: 1000}


class Registry:
    """Participants 8 to 10; participant 10 has the smaller connection of a point it took over."""

    def read(self, function: str, number: int) -> Any:
        if number not in GOOD:
            raise Reverted(function, "UnknownParticipant", {"participant": number})
        if function == "profileOf":
            return (0, 0, CAPACITY_WH if number != 10 else 1_000, 0, 1)
        return (0, PERIOD) if number == 9 else (0, 2**32 - 1)


class Chain(MeterChain):
    """Refuses what `refuse` raises for; counts what is sent."""

    refuse: Callable[[Mapping[int, int]], None] = staticmethod(lambda readings: None)
    sent = 0

    def submit(self, period: int, version: int, readings: Mapping[int, int]) -> str:
        self.sent += 1
        self.refuse(readings)
        return super().submit(period, version, readings)


class Street:
    """A folder, its mapping and an oracle that watches it."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path, self.journal = path / "readings", journal
        self.path.mkdir()
        self.mapping = path / "participants.csv"
        self.map({"P8": [8], "P9": [9], "P10": [10]})
        self.chain = Chain(path / "chain.json")
        self.now = PERIOD + 10
        self.start()

    def start(self, skip_refused: bool = False) -> None:
        points = KnownPoints(Registry(), self.mapping, MTU)  # type: ignore[arg-type]
        feed = MeterFeed(self.chain, self.journal, capacity_wh=points.capacity_wh)
        self.folder = MeterFolder(
            self.path, Columns(), points, feed, lambda: self.now, skip_refused
        )

    def map(self, numbers: Mapping[str, list[int]]) -> None:
        rows = [f"{point},{n}" for point, turns in numbers.items() for n in turns]
        self.mapping.write_text("\n".join(["point_id,number", *rows]))

    def put(self, name: str, readings: Mapping[str, object], period: int = PERIOD) -> Path:
        rows = [f"{MTU.start(period):%Y-%m-%dT%H:%MZ},{p},{wh}" for p, wh in readings.items()]
        (self.path / name).write_text("\n".join(["time,point,wh", *rows]))
        return self.path / name

    def put_good(self, name: str = "z-good.csv") -> None:
        self.put(name, {f"P{n}": wh for n, wh in GOOD.items()})

    def run(self) -> None:
        while self.folder.due():
            self.folder.step()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield Street(tmp_path, journal)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[str]]:
    caplog.set_level(logging.INFO)
    return lambda level: [r.message for r in caplog.records if r.levelname == level]


Said = Callable[[str], list[str]]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def bytes_of(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


ROWS = b"time,point,wh\n"
NOW = f"{MTU.start(PERIOD):%Y-%m-%dT%H:%MZ}".encode()
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "named pipe": (pipe, "is a named pipe, no file"),
    "link to itself": (loop, "is a link that leads back to itself"),
    "dangling link": (lambda path: path.symlink_to(path.parent / "gone"), "is a link to nothing"),
    "folder": (lambda path: path.mkdir(), "is a folder, no file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, no file"),
    "NUL bytes": (bytes_of(ROWS + NOW + b",P8,1\n\0\0\0\0"), "is no text: byte"),
    "empty": (bytes_of(b""), "has no header"),
    "header only": (bytes_of(ROWS), "has no reading"),
    "binary": (bytes_of(bytes(range(1, 256))), "is no text in UTF-8"),
    "other columns": (bytes_of(b"tme,point,wh\n1,2,3\n"), "is 'tme' meant to be it?"),
    "open quote": (bytes_of(ROWS + b'"' + NOW), "line 2: is not CSV"),
    "clock reset": (bytes_of(ROWS + b"1969-12-31T23:00Z,P8,-6\n"), "line 2, column time"),
    "year 3000": (bytes_of(ROWS + b"3000-01-01T00:00Z,P8,-6\n"), "is too far ahead"),
    "year 9999": (bytes_of(ROWS + b"9999-12-31T23:59Z,P8,-6\n"), "line 2, column time"),
    "a link at night": (bytes_of(ROWS + NOW + b",P8,9e999\n"), "is not a finite number"),
    "beyond capacity": (bytes_of(ROWS + NOW + b",P8,2501\n"), "more than the 2,500 Wh"),
    "beyond its own": (bytes_of(ROWS + NOW + b",P10,1001\n"), "more than the 1,000 Wh"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("skip_refused", [False, True])
def test_what_can_not_be_read_is_one_line_and_the_others_go_in(
    street: Street, said: Said, what: str, skip_refused: bool
) -> None:
    make, reason = BAD[what]
    make(street.path / "a-bad.csv")
    street.put_good()
    street.start(skip_refused)
    street.run()
    (line,) = said("ERROR")
    assert line.startswith("a-bad.csv")
    assert reason in line
    assert street.chain.holds(PERIOD) == GOOD
    assert street.folder.refused == 1
    street.run()  # and is left alone from then on
    assert len(said("ERROR")) == 1


def test_a_file_that_was_bad_is_read_once_it_is_another(street: Street) -> None:
    pipe(street.path / "a.csv")
    street.run()
    (street.path / "a.csv").unlink()
    street.put_good("a.csv")
    street.run()
    assert street.chain.holds(PERIOD) == GOOD


def test_a_reader_that_stumbles_costs_one_file(
    street: Street, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oracle.meter import folder as meter_folder

    real = meter_folder.read

    def stumble(path: Path, columns: Columns) -> object:
        if path.name == "a.csv":
            raise ZeroDivisionError("half a file")
        return real(path, columns)

    monkeypatch.setattr(meter_folder, "read", stumble)
    street.put_good("a.csv")
    street.put_good("b.csv")
    street.run()
    assert said("ERROR") == [
        "a.csv: cannot be judged (ZeroDivisionError: half a file) (rule schema)"
    ]
    assert street.chain.holds(PERIOD) == GOOD


@pytest.mark.parametrize("name", ["READINGS.CSV", "x.Csv", "y.cSV"])
def test_an_ending_in_capitals_is_taken(street: Street, name: str) -> None:
    street.put_good(name)
    street.run()
    assert street.chain.holds(PERIOD) == GOOD


def test_what_is_ignored_is_named_in_one_line(street: Street, said: Said) -> None:
    for name in ("a.csv.gz", "b.xlsx", "c.txt", "d", "e.csv.part"):
        (street.path / name).write_text("?")
    (street.path / ".draft.csv").write_text("half")
    street.run()
    street.run()
    assert said("WARNING") == [
        "ignored, neither .csv nor .parquet: a.csv.gz, b.xlsx, c.txt and 2 more"
    ]
    assert street.folder.refused == 0


def test_a_name_forges_no_line_of_the_log(street: Street, said: Said) -> None:
    forged = "\n2026-01-01 INFO well\x1b[2K\u202e"
    street.put(f"a{forged}.csv", {'"street\nINFO"': 1})
    street.put_good(f"b{forged}.csv")
    (street.path / f"c{forged}.txt").write_text("?")
    street.run()
    lines = [*said("ERROR"), *said("INFO"), *said("WARNING")]
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines), lines
    assert "\\n2026-01-01 INFO well\\x1b[2K\\u202e.csv" in lines[0]


def test_twenty_thousand_unknown_rows_are_one_line(street: Street, said: Said) -> None:
    rows = "".join(f"{NOW.decode()},S{i},1\n" for i in range(20_000))
    (street.path / "a.csv").write_text(f"{ROWS.decode()}{rows}{NOW.decode()},P8,7000\n")
    street.run()
    assert said("ERROR") == [
        "a.csv, line 2, column point: 'S0' is not a known metering point (rule meter);"
        " and 19,999 more by the rule meter, lines 2 to 20001",
        "a.csv, line 20002, column wh: 7,000 Wh is more than the 2,500 Wh the connection of P8"
        " carries (rule range)",
    ]
    assert street.folder.refused == 20_001


def test_a_folder_or_mapping_that_is_away_is_waited_for(street: Street, said: Said) -> None:
    """Unmounted, or a mapping that is being written: the oracle rests, and goes on afterwards."""
    street.put_good()
    daemon = Daemon([street.folder])
    away, there = street.path.with_name("away"), street.path
    there.rename(away)
    daemon.cycle()
    assert said("ERROR") == [f"meters: {there}: is missing (rests for 1 cycle)"]
    away.rename(there)
    mapping = street.mapping.read_text()
    street.mapping.unlink()
    for _ in range(2):
        daemon.cycle()
    assert said("ERROR")[1:] == [
        "meters: participants.csv: is missing (rule schema) (rests for 2 cycles)"
    ]
    street.mapping.write_text(mapping)
    for _ in range(3):
        daemon.cycle()
    assert street.chain.holds(PERIOD) == GOOD
    there.rename(away)
    with pytest.raises(OracleError, match="is missing"):
        street.folder.due()


def test_a_number_the_market_never_gave_costs_its_point_alone(street: Street, said: Said) -> None:
    street.map({"P8": [8], "P9": [9], "P10": [10], "P77": [77]})
    street.put_good()
    street.put("a.csv", {"P77": 1})
    street.run()
    assert street.chain.holds(PERIOD) == GOOD
    (stranger, unknown) = said("ERROR")
    assert stranger.startswith("participants.csv: participant 77: profileOf refused: Unknown")
    assert "'P77' is not a known metering point" in unknown


def test_readings_of_the_future_wait_with_a_line(street: Street, said: Said) -> None:
    street.put("soon.csv", {"P8": 1, "P9": 2}, street.now + 4)
    street.run()
    until = f"{MTU.start(street.now + 5):%Y-%m-%dT%H:%MZ}"
    assert said("INFO") == [
        f"soon.csv: 2 readings of periods that are not over wait, the last until {until}"
    ]
    street.now += 5
    street.run()
    assert street.chain.version(street.now - 1) == 1


# --- what the chain refuses ---------------------------------------------------------------------


def test_a_batch_that_does_not_fit_is_sent_in_parts(street: Street, said: Said) -> None:
    def refuse(readings: Mapping[int, int]) -> None:
        if len(readings) > 1:
            raise TooLarge("readings: 300000 gas are not enough for the transaction")

    street.chain.refuse = refuse
    street.put_good()
    street.run()
    assert street.chain.holds(PERIOD) == GOOD
    assert street.chain.version(PERIOD) == 3
    assert street.folder.refused == 0
    assert said("WARNING")[0].startswith(
        f"z-good.csv, period {PERIOD}: 3 readings are sent in two parts: readings: 300000 gas"
    )
    assert street.journal.pending() == []


def test_a_reading_that_fits_nowhere_is_set_aside(street: Street, said: Said) -> None:
    def refuse(readings: Mapping[int, int]) -> None:
        raise TooLarge("no gas is enough")

    street.chain.refuse = refuse
    street.put_good()
    street.put("other.csv", {"P8": 5}, PERIOD + 1)
    street.run()
    assert len(said("ERROR")) == 4
    assert street.journal.pending() == []
    street.chain.refuse = lambda readings: None
    street.put("another.csv", {"P8": 6}, PERIOD + 2)
    street.run()
    assert street.chain.holds(PERIOD + 2) == {8: 6}


def test_the_reading_the_chain_names_is_set_aside_and_the_others_go(
    street: Street, said: Said
) -> None:
    def refuse(readings: Mapping[int, int]) -> None:
        if 9 in readings:
            raise Reverted("readings", "UnknownMeter", {"participant": 9})

    street.chain.refuse = refuse
    street.put_good()
    street.run()
    assert street.chain.holds(PERIOD) == {8: GOOD[8], 10: GOOD[10]}
    assert said("ERROR") == [
        f"z-good.csv, period {PERIOD}: readings refused: UnknownMeter(participant=9)"
    ]


def test_a_period_the_chain_refuses_is_refused_once(street: Street, said: Said) -> None:
    def refuse(readings: Mapping[int, int]) -> None:
        raise Reverted("readings", "RingSlotBusy", {"slot": 4})

    street.chain.refuse = refuse
    street.put_good()
    street.run()
    assert len(said("ERROR")) == street.chain.sent == 1
    assert street.journal.pending() == []


def test_what_an_interrupted_run_left_and_the_chain_refuses_goes_in_without_the_bad_one(
    street: Street, said: Said
) -> None:
    """The file is in an archive since: the journal alone has its readings."""

    def away(readings: Mapping[int, int]) -> None:
        raise NetworkError("no node answers")

    def refuse(readings: Mapping[int, int]) -> None:
        if 9 in readings:
            raise Reverted("readings", "UnknownMeter", {"participant": 9})

    street.chain.refuse = away
    street.put_good()
    with pytest.raises(NetworkError):
        street.run()
    (street.path / "z-good.csv").unlink()
    street.chain.refuse = refuse
    street.start()
    street.run()
    assert street.chain.holds(PERIOD) == {8: GOOD[8], 10: GOOD[10]}
    assert said("ERROR")[0].startswith(f"journal, period {PERIOD}: readings refused: UnknownMeter")


def test_any_other_refusal_costs_one_batch(street: Street, said: Said) -> None:
    def refuse(readings: Mapping[int, int]) -> None:
        if len(readings) == 3:
            raise GridbourseError("readings refused: for a reason nobody foresaw")

    street.chain.refuse = refuse
    street.put_good("a.csv")
    street.put("b.csv", {"P8": 5}, PERIOD + 1)
    street.run()
    assert street.chain.holds(PERIOD + 1) == {8: 5}
    assert said("ERROR") == [
        f"a.csv, period {PERIOD}: readings refused: for a reason nobody foresaw"
    ]


def test_the_feed_itself_sends_nothing_beyond_a_connection(street: Street) -> None:
    feed = MeterFeed(street.chain, street.journal, capacity_wh=lambda number: CAPACITY_WH)
    for send in (feed.push, feed.correct):
        for wh in (CAPACITY_WH + 1, -CAPACITY_WH - 1, 268_000_000):
            with pytest.raises(FeedError, match=f"participant 8: {wh:,} Wh is more than the 2,500"):
                send(PERIOD, {8: wh, 9: 1})
    assert street.chain.sent == 0
    feed.push(PERIOD, {8: CAPACITY_WH, 9: -CAPACITY_WH})
    assert street.chain.holds(PERIOD) == {8: CAPACITY_WH, 9: -CAPACITY_WH}
