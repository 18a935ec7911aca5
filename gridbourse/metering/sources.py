"""Reads metered data from CSV and Parquet files, long or wide, unchanged: nothing is judged yet.

long: one reading per row, columns time, point, value.  wide: one period per row, a time column and
one column per metering point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from gridbourse import tables
from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.tables import TableError

Unit = Literal["Wh", "kWh", "W", "kW"]


@dataclass(frozen=True)
class Columns:
    """Layout of a file.

    time: column of times; with a UTC offset each, or local times of ``timezone``.
    point, value: columns of a long file.  Without them the file is wide: every column but ``time``
        is a metering point.
    unit: of the values; power is the mean over the period.  Positive = injects.
    signature: column of the meters' signatures, long files only; see ``signatures``.
    timezone: IANA name that times without offset are in, e.g. ``Europe/Berlin``.
    time_format: as for strptime; None = ISO 8601.  See ``gridbourse.times``.
    marks: which end of its period a time is, as meters differ in that.
    separator: between the fields of a CSV file; decimal: before the fraction of a number in text.
    """

    time: str = "time"
    point: str | None = "point"
    value: str | None = "wh"
    unit: Unit = "Wh"
    signature: str | None = None
    timezone: str | None = None
    time_format: str | None = None
    marks: Literal["start", "end"] = "start"
    separator: str = ","
    decimal: Literal[".", ","] = "."

    @property
    def wide(self) -> bool:
        """True where there is one column per metering point."""
        return self.point is None and self.value is None


@dataclass(frozen=True)
class Raw:
    """Readings of a file, unchanged, one per row: row, column, time, point, value, signature.

    row, column: place of the value in the file; signature is None throughout without a column.
    """

    file: str
    columns: Columns
    readings: pd.DataFrame


def read(path: Path | str, columns: Columns, others: Sequence[str] = ()) -> Raw:
    """Reads a file; its ending names the format.  others: columns that another module reads.

    Raises ReadingError (rule schema) for a file that cannot be read, lacks a column or has no row.
    """
    path = Path(path)
    if (columns.point is None) != (columns.value is None):
        raise _schema(path, "point and value: a long file has both, a wide one neither")
    if columns.wide and columns.signature is not None:
        raise _schema(path, "only a long file has room for signatures", columns.signature)
    needed = [columns.time, columns.point, columns.value, columns.signature]
    table = read_table(path, [name for name in needed if name is not None], columns, others)
    if table.empty:
        raise _schema(path, "has no reading")
    return Raw(path.name, columns, _wide(table, columns) if columns.wide else _long(table, columns))


def read_table(
    path: Path,
    needed: Sequence[str],
    columns: Columns | None = None,
    optional: Sequence[str] = (),
) -> pd.DataFrame:
    """Columns of a file, unchanged, indexed by row as refusals name it.

    Of a wide file every column is used.  Raises ReadingError (rule schema) for a file that cannot
    be read, lacks a column or has one twice.
    """
    try:
        table = tables.read_table(path, columns.separator if columns else ",")
        wide = columns is not None and columns.wide
        others = table.columns if wide else optional
        tables.require_columns(path, list(table.columns), needed, others)
    except TableError as error:
        raise ReadingError.of(error) from error
    return table


def _long(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    signature = None if columns.signature is None else table[columns.signature]
    return pd.DataFrame(
        {
            "row": table.index,
            "column": columns.value,
            "time": table[columns.time],
            "point": table[columns.point].astype("string"),
            "value": table[columns.value],
            "signature": signature,
        }
    ).reset_index(drop=True)


def _wide(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Long form of a wide table, row by row."""
    points = [name for name in table.columns if name != columns.time]
    long = (
        table.rename_axis("row")
        .reset_index()
        .melt(["row", columns.time], points, var_name="point", value_name="value")
        .sort_values("row", kind="stable", ignore_index=True)
    )
    return pd.DataFrame(
        {
            "row": long["row"],
            "column": long["point"],
            "time": long[columns.time],
            "point": long["point"].astype("string"),
            "value": long["value"],
            "signature": None,
        }
    )


def _schema(path: Path, reason: str, column: str | None = None) -> ReadingError:
    return ReadingError([Refusal(path.name, None, column, Rule.SCHEMA, reason)])
