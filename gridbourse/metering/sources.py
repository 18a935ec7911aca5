"""Reads metered data from CSV and Parquet files, long or wide, as they come: nothing is judged yet.

long: one reading per row, columns time, point, value.  wide: one period per row, a time column and
one column per metering point.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gridbourse.metering.errors import ReadingError, Refusal, Rule

Unit = Literal["Wh", "kWh", "W", "kW"]

FIRST_ROW: Final = {".csv": 2, ".parquet": 1}
"""What the first reading's row is called, by file ending: a CSV file's header is its line 1."""


@dataclass(frozen=True)
class Columns:
    """How to read a file.

    time: column of times; with a UTC offset each, or local times of ``timezone``.
    point, value: columns of a long file.  Without them the file is wide: every column but ``time``
        is a metering point.
    unit: of the values; power is the mean over the period.  Positive = injects.
    signature: column of the meters' signatures, long files only; see ``signatures``.
    timezone: IANA name that times without offset are in, e.g. ``Europe/Berlin``.
    time_format: as for strptime; None = ISO 8601.
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
        """One column per metering point."""
        return self.point is None and self.value is None


@dataclass(frozen=True)
class Raw:
    """A file's readings, untouched, one per row: row, column, time, point, value, signature.

    row, column: where the value stands in the file; signature is None throughout without a column.
    """

    file: str
    columns: Columns
    readings: pd.DataFrame


def read(path: Path | str, columns: Columns) -> Raw:
    """Reads a file; its ending says what it is.

    Raises ReadingError (rule schema) for a file that cannot be read or lacks a column.
    """
    path = Path(path)
    if (columns.point is None) != (columns.value is None):
        raise _schema(path, "point and value: a long file has both, a wide one neither")
    if columns.wide and columns.signature is not None:
        raise _schema(path, "only a long file has room for signatures", columns.signature)
    table = read_table(path, columns.separator)
    for name in (columns.time, columns.point, columns.value, columns.signature):
        if name is not None and name not in table.columns:
            raise _schema(path, f"column is missing; there are {', '.join(table.columns)}", name)
    return Raw(path.name, columns, _wide(table, columns) if columns.wide else _long(table, columns))


def read_table(path: Path, separator: str = ",") -> pd.DataFrame:
    """A CSV or Parquet file as it stands, indexed by row as refusals name it.

    Raises ReadingError (rule schema) for a file that cannot be read or has a column twice.
    """
    if path.suffix == ".csv":
        return _read_csv(path, separator)
    if path.suffix == ".parquet":
        return _read_parquet(path)
    raise _schema(path, f"ending {path.suffix!r} is neither .csv nor .parquet")


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
    """Row by row, as a meter would have told them."""
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


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    """All text, indexed by line; pandas would rename doubled columns, so the header is ours."""
    try:
        lines = pd.read_csv(
            path,
            sep=separator,
            header=None,
            dtype="string",
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
        )
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise _schema(path, f"cannot be read as CSV ({_line(error)})") from error
    header = lines.iloc[0].fillna("").str.strip().tolist()
    table = lines.iloc[1:].dropna(how="all")
    table.index += FIRST_ROW[".csv"] - 1
    return _named(path, table, header)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _schema(path, f"cannot be read as Parquet ({_line(error)})") from error
    header = list(table.column_names)
    numbered = table.rename_columns([str(i) for i in range(len(header))])
    rows = numbered.to_pandas(ignore_metadata=True)
    rows.index += FIRST_ROW[".parquet"]
    return _named(path, rows, header)


def _named(path: Path, table: pd.DataFrame, header: list[str]) -> pd.DataFrame:
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise _schema(path, "column is there more than once", doubled[0])
    return table.set_axis(header, axis=1)


def _schema(path: Path, reason: str, column: str | None = None) -> ReadingError:
    return ReadingError([Refusal(path.name, None, column, Rule.SCHEMA, reason)])


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
