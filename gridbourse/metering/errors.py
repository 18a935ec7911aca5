"""Errors in metered data: the rule, the file, the row, the column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gridbourse.errors import GridbourseError
from gridbourse.tables import TableError, place_word
from gridbourse.text import one_line


class Rule(StrEnum):
    """Rule for a meter reading; the value is the word that a refusal names."""

    SCHEMA = "schema"  # the file has the columns the mapping names
    TIME = "time"  # a moment, with a UTC offset or in the stated timezone
    DST = "daylight-saving"  # a local time that exists, and of two equal ones both are there
    GRID = "grid"  # on the start of a delivery period
    EXPECTED = "expected"  # inside the periods asked for
    NUMBER = "number"  # a finite number
    SIGN = "sign"  # a register that counts one way only is not negative
    METER = "meter"  # a known metering point
    RANGE = "range"  # not beyond what the connection can carry
    DUPLICATE = "duplicate"  # one reading per metering point and period
    SIGNATURE = "signature"  # signed by the meter of that point
    GAP = "gap"  # no period without a reading
    WORD = "word"  # one of the words the column may hold
    SAME = "same"  # equal to the rows it belongs with


@dataclass(frozen=True)
class Refusal:
    """One fault in one file.

    row: the line of a CSV file the row begins in, the number of a Parquet file's row (the first is
        1); None for a fault in no row in particular, such as a gap.
    """

    file: str
    row: int | None
    column: str | None
    rule: Rule
    reason: str

    def __str__(self) -> str:
        place = [self.file]
        if self.row is not None:
            place.append(f"{place_word(self.file)} {self.row}")
        if self.column is not None:
            place.append(f"column {self.column}")
        return one_line(f"{', '.join(place)}: {self.reason} (rule {self.rule})")


class ReadingError(GridbourseError):
    """Metered data that break a rule; `refusals` holds every one found."""

    def __init__(self, refusals: Sequence[Refusal], listed: int = 5):
        """listed: number of refusals that the one-line message spells out."""
        self.refusals = tuple(refusals)
        message = "; ".join(map(str, self.refusals[:listed]))
        if (more := len(self.refusals) - listed) > 0:
            message += f"; and {more} more"
        super().__init__(message)

    @classmethod
    def of(cls, error: TableError) -> ReadingError:
        """Error of a table that cannot be used."""
        return cls([Refusal(error.path.name, error.place, error.column, Rule.SCHEMA, error.reason)])

    @property
    def first(self) -> Refusal:
        """Refusal with which the message begins."""
        return self.refusals[0]
