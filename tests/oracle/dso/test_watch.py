"""The grid oracle goes on after anything that one period, market or book makes it stumble over."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridbourse.chain.node.connect import NetworkError
from gridbourse.chain.node.transactions import Reverted
from gridbourse.errors import GridbourseError
from gridbourse.grid.errors import GridError
from gridbourse.metering.errors import ReadingError
from oracle.common.daemon import Daemon
from oracle.common.errors import JournalError
from oracle.dso.watch import Connected, GridWatch, Task

NOW, FIRST_OPEN, LAST = 10, 13, 15


class Clock:
    def read(self, name: str) -> int:
        return {"currentPeriod": NOW, "nextOpenPeriod": FIRST_OPEN, "lastOpenPeriod": LAST}[name]


class Market:
    clock = Clock()


class Watch(GridWatch):
    """`waits`: raised, once each, when asked what waits in a period; `judges`: when judged."""

    def __init__(self, mapping: Path) -> None:
        self._market = Market()  # type: ignore[assignment]
        self._connected = Connected(Market(), mapping, ["P8"])  # type: ignore[arg-type]
        self.refused = 0
        self._refused, self._done, self._next = set(), set(), None
        self.waits: dict[int, Exception] = {}
        self.judges: dict[int, Exception] = {}
        self.judged: list[int] = []

    def _of_period(self, period: int, gate_closed: bool) -> Iterator[Task]:
        if period in self.waits:
            raise self.waits[period]
        if period not in self.judged:
            yield Task("pool", period, gate_closed, (0,))

    def waits_for(self) -> str:
        return ""

    def _judge(self, task: Task, numbers: Any) -> list[Any]:
        if task.period in self.judges:
            raise self.judges[task.period]
        self.judged.append(task.period)
        return []


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    (tmp_path / "m.csv").write_text("point_id,number\nP8,8\n")
    return Watch(tmp_path / "m.csv")


def run(watch: Watch) -> None:
    while watch.due():
        watch.step()


ERRORS = [
    GridError("the grid has no operating point"),
    Reverted("verdict", "NotCleared", {"period": 12}),
    GridbourseError("transaction failed"),
    KeyError(7),
    ZeroDivisionError("division by zero"),
    ValueError("a book\n2026 INFO all is well"),
    RecursionError("deep"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["waits", "judges"])
def test_one_bad_book_is_one_line_and_the_others_are_judged(
    watch: Watch, caplog: pytest.LogCaptureFixture, where: str, error: Exception
) -> None:
    getattr(watch, where)[12] = error
    run(watch)
    run(watch)
    assert watch.judged == [11, 13, 14, 15]
    (line,) = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert line.startswith("period 12, ")
    assert line.isprintable()
    assert watch.refused == 1


@pytest.mark.parametrize("where", ["waits", "judges"])
def test_a_chain_that_is_away_is_no_fault_of_a_period(watch: Watch, where: str) -> None:
    getattr(watch, where)[12] = NetworkError("no node answers")
    with pytest.raises(NetworkError):
        run(watch)
    getattr(watch, where).clear()
    run(watch)
    assert watch.judged == [11, 12, 13, 14, 15]


@pytest.mark.parametrize(
    "error", [JournalError("disk full"), Reverted("verdict", "MissingRole", {"role": "GRID"})]
)
def test_what_is_of_the_oracle_is_tried_again(watch: Watch, error: Exception) -> None:
    watch.judges[12] = error
    daemon = Daemon([watch])
    daemon.cycle()
    assert watch.judged == [11]
    watch.judges.clear()
    for _ in range(2):
        daemon.cycle()
    assert watch.judged == [11, 12, 13, 14, 15]
    assert watch.refused == 0


def test_a_mapping_that_is_away_is_waited_for(
    watch: Watch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (tmp_path / "m.csv").read_text()
    (tmp_path / "m.csv").unlink()
    daemon = Daemon([watch])
    daemon.cycle()
    assert [r.message for r in caplog.records] == [
        "grid: m.csv: is missing (rule schema) (rests for 1 cycle)"
    ]
    with pytest.raises(ReadingError):
        run(watch)
    (tmp_path / "m.csv").write_text(text)
    for _ in range(2):
        daemon.cycle()
    assert watch.judged == [11, 12, 13, 14, 15]
