"""Mapping from metering points to participants, for every oracle and command.

It is kept beside the deployment record, for its owner alone. A deployment writes the rows of its scenario,
onboarding adds and removes its own people: neither changes what the other has written.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbourse.chain.keys.keystores import write_private
from gridbourse.metering.points import NUMBER, POINT, read_numbers
from gridbourse.onboarding.people import People, Status
from gridbourse.tables import read_csv

COLUMNS = (POINT, NUMBER, "account", "zone")
Row = Mapping[Any, object]


def found_mapping(path: Path, rows: Iterable[Row]) -> None:
    """Write the mapping of a new deployment; rows: with COLUMNS, and any further columns."""
    _write(path, list(rows))


def update_mapping(path: Path, people: People) -> None:
    """Enter people into the mapping: members, and former members until they are settled.

    Other rows stay unchanged; rows of erased persons are removed. Raises ReadingError for a mapping that
    cannot be read, since its rows would be lost.
    """
    everyone = people.everyone()
    ours = {person.number for person in everyone if person.number is not None}
    others = [row for row in _rows(path) if int(str(row[NUMBER])) not in ours]
    members = [p for p in everyone if p.status in (Status.REGISTERED, Status.LEFT)]
    added = []
    for person in members:
        application = person.applied()
        values = (application.metering_point, person.number, person.account, application.zone)
        added.append(dict(zip(COLUMNS, values, strict=True)))
    _write(path, [*others, *added])


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    read_numbers(path)  # refuses a file that is no mapping
    table = read_csv(path).fillna("")
    return [dict(zip(table.columns, row, strict=True)) for row in table.to_numpy().tolist()]


def _write(path: Path, rows: Sequence[Row]) -> None:
    columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)])
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_private(path, text.getvalue())
