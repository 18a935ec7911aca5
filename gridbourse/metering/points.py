"""The mapping from metering points to participants, which is kept beside the chain."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gridbourse.metering.errors import ReadingError, Refusal, Rule

POINT, NUMBER = "point_id", "number"
FIRST_ROW = 2


@dataclass(frozen=True)
class Holders:
    """Who is metered at each point: one participant, or several in turn.

    numbers: participant numbers by point. membership: (first period, first period no more) of a
    number; it is asked where a point has had several.
    """

    numbers: Mapping[str, tuple[int, ...]]
    membership: Callable[[int], tuple[int, int]]

    def at(self, point: str, period: int) -> int | None:
        """Whose meter it is in the period; None for nobody's.

        A point that only one participant ever had is its own in every period.  Raises ReadingError
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
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            for column in (POINT, NUMBER):
                if column not in (table.fieldnames or ()):
                    raise KeyError(column)  # also of a file without a row
            rows = [(row[POINT], int(row[NUMBER])) for row in table]
    except KeyError as error:
        reason = "column is missing"
        raise ReadingError(
            [Refusal(path.name, None, error.args[0], Rule.SCHEMA, reason)]
        ) from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        reason = f"cannot be read as a mapping of metering points ({error})"
        raise ReadingError([Refusal(path.name, None, None, Rule.SCHEMA, reason)]) from error
    return _by_point(path, rows)


def _by_point(path: Path, rows: list[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    seen: set[int] = set()
    for row, (point, number) in enumerate(rows, start=FIRST_ROW):
        if number in seen:
            reason = f"participant {number} is there twice"
            raise ReadingError([Refusal(path.name, row, NUMBER, Rule.DUPLICATE, reason)])
        seen.add(number)
        found[point] = (*found.get(point, ()), number)
    return found
