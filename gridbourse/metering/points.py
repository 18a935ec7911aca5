"""The mapping from metering points to participants, which is kept beside the chain."""

import csv
from pathlib import Path

from gridbourse.metering.errors import ReadingError, Refusal, Rule

POINT, NUMBER = "point_id", "number"


def read_numbers(path: Path) -> dict[str, int]:
    """Participant number by metering point, of a CSV with the columns point_id and number.

    Raises ReadingError for a file that cannot be read, lacks a column, or has text for a number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row[POINT]: int(row[NUMBER]) for row in csv.DictReader(file)}
    except KeyError as error:
        reason = "column is missing"
        raise ReadingError(
            [Refusal(path.name, None, error.args[0], Rule.SCHEMA, reason)]
        ) from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        reason = f"cannot be read as a mapping of metering points ({error})"
        raise ReadingError([Refusal(path.name, None, None, Rule.SCHEMA, reason)]) from error
