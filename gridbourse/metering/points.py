"""Mapping from metering points to participants, which is kept beside the chain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.tables import TableError, read_csv, require_columns

POINT, NUMBER = "point_id", "number"
NOTES = ("account", "at", "zone")
"""Optional columns, used elsewhere."""


@dataclass(frozen=True)
class Holders:
    """Participants metered at each point: one, or several in turn.

    numbers: participant numbers by point. membership: (first period, first period after) of a
    number; it is read where a point has had several.
    """

    numbers: Mapping[str, tuple[int, ...]]
    membership: Callable[[int], tuple[int, int]]

    def at(self, point: str, period: int) -> int | None:
        """Participant whose meter it is in the period; None for nobody's.

        A point that only one participant ever had is that participant's in every period.  Raises ReadingError
        where two are members: one meter would be settled for both.
        """
        numbers = self.numbers.get(point, ())
        if len(numbers) > 1:
            numbers = tuple(n for n in numbers if self._is_member(n, period))
        if len(numbers) > 1:
            both = " and ".join(map(str, numbers))
            reason = f"{point!r} is of participants {both} in period {period}"
            raise ReadingError([Refusal("participants", None, POINT, Rule.METER, reason)])
        return next(iter(numbers), None)

    def _is_member(self, number: int, period: int) -> bool:
        first, end = self.membership(number)
        return first <= period < end


def read_numbers(path: Path) -> dict[str, tuple[int, ...]]:
    """Participant numbers by metering point, of a CSV with the columns point_id and number.

    A point has several where one participant took over from another, in the order of the file.
    Raises ReadingError for a file that cannot be read, lacks a column, has text for a number, or
    has a number twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    seen: set[int] = set()
    for row, point, text in _rows(path):
        number = _number(path, row, text)
        if number in seen:
            reason = f"participant {number} is there twice"
            raise ReadingError([Refusal(path.name, row, NUMBER, Rule.DUPLICATE, reason)])
        seen.add(number)
        found[point] = (*found.get(point, ()), number)
    return found


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """(place, point, number as text) of every row."""
    try:
        table = read_csv(path)
        require_columns(path, list(table.columns), (POINT, NUMBER), NOTES)
    except TableError as error:
        raise ReadingError.of(error) from error
    found = []
    for row, point, number in table[[POINT, NUMBER]].itertuples(name=None):
        for column, cell in ((POINT, point), (NUMBER, number)):
            if pd.isna(cell):
                raise ReadingError(
                    [Refusal(path.name, row, column, Rule.SCHEMA, "nothing is there")]
                )
        found.append((int(row), str(point), str(number)))
    return found


def _number(path: Path, row: int, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        reason = f"{text!r} is not a participant's number"
        raise ReadingError([Refusal(path.name, row, NUMBER, Rule.NUMBER, reason)])
    return int(text)
