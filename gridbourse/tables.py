"""Tables in files, CSV and Parquet: read in one way everywhere, each row with its place in the file.

CSV: UTF-8 with or without byte-order mark, every cell text without the blanks around it, an empty
one missing; no word means "missing", so that a zone may be called NA.  Blank lines are left out, and
lines that begin with # above the header.  A row's place is the line of the file it begins in;
in a Parquet file it is the row's number, the first being 1.

Unused columns are treated alike in all files: they are not read, and one line of the log
names them; one whose name is nearly that of a possible column that is missing is refused.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gridbourse.errors import GridbourseError
from gridbourse.files import FileError, read_bytes, read_text
from gridbourse.text import meant, one_line

log = logging.getLogger(__name__)

CSV: Final = ".csv"
PARQUET: Final = ".parquet"


class TableError(GridbourseError):
    """Table that cannot be used: `place` of a row, `column` and `reason`, as far as they are known."""

    def __init__(
        self, path: Path, reason: str, column: str | None = None, place: int | None = None
    ) -> None:
        self.path, self.reason, self.column, self.place = path, reason, column, place
        parts = [str(path)]
        if place is not None:
            parts.append(f"{place_word(path.name)} {place}")
        if column is not None:
            parts.append(column)
        super().__init__(one_line(": ".join([*parts, reason])))


def kind(path: Path) -> str | None:
    """CSV or PARQUET by the ending of the name, in capitals or not; None for another."""
    ending = path.suffix.lower()
    return ending if ending in (CSV, PARQUET) else None


def place_word(file: str) -> str:
    """Word for a row's place: the line of a CSV file, the row of a Parquet file."""
    return "row" if kind(Path(file)) == PARQUET else "line"


def read_table(path: Path, separator: str = ",") -> pd.DataFrame:
    """A file of either kind, indexed by place; TableError for one that cannot be read."""
    if kind(path) == CSV:
        return read_csv(path, separator)
    if kind(path) == PARQUET:
        return read_parquet(path)
    raise TableError(path, f"ending {path.suffix!r} is neither {CSV} nor {PARQUET}")


def read_csv(path: Path, separator: str = ",") -> pd.DataFrame:
    """Columns of dtype string, indexed by the line each row begins in."""
    rows = csv_rows(path, separator)
    _, header = next(rows)
    cells: list[list[str | None]] = [[] for _ in header]
    lines: list[int] = []
    for line, row in rows:
        if any(row[len(header) :]):
            reason = f"has {len(row)} fields under {len(header)} columns"
            raise TableError(path, reason, place=line)
        lines.append(line)
        for at, column in enumerate(cells):
            column.append((row[at] or None) if at < len(row) else None)
    columns = [pd.array(column, dtype="string") for column in cells]
    table = pd.DataFrame(dict(enumerate(columns)), index=pd.Index(lines, dtype="int64"))
    return table.set_axis(header, axis=1)


def read_parquet(path: Path) -> pd.DataFrame:
    """Columns as they are typed, indexed by the number of the row."""
    try:
        table = pq.read_table(pa.BufferReader(read_bytes(path)))
    except FileError as error:
        raise TableError(path, error.reason) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(path, f"cannot be read as Parquet ({_first_line(error)})") from error
    header = [str(name) for name in table.column_names]
    _require_once(path, header)
    rows = table.to_pandas(ignore_metadata=True)
    rows.index = pd.RangeIndex(1, len(rows) + 1)
    return rows


def require_columns(
    path: Path, header: Sequence[str], needed: Collection[str], optional: Collection[str] = ()
) -> None:
    """TableError for a missing column, or a name close to one; one log line for unused columns."""
    extra = [name for name in header if name not in (*needed, *optional)]
    for name in needed:
        if name not in header:
            near = meant(name, extra)
            hint = f"is {near!r} meant to be it?" if near else f"there are {', '.join(header)}"
            raise TableError(path, f"column is missing; {hint}", name)
    for name in extra:
        near = meant(name, [each for each in optional if each not in header])
        if near is not None:
            raise TableError(path, f"is not a column of this file; is {near!r} meant?", name)
    if extra:
        _say_unused(path.name, tuple(extra))


@lru_cache(maxsize=1024)
def _say_unused(file: str, extra: tuple[str, ...]) -> None:
    """Log unused columns once, however often a mapping is read again."""
    log.warning("%s", one_line(f"{file}: not used: column {', '.join(map(repr, extra))}"))


def csv_rows(path: Path, separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    """(line it begins in, cells) of the header, which is there, and of every row that is not blank."""
    separator = "\t" if separator == r"\t" else separator
    if len(separator) != 1 or separator in '"\r\n':
        raise TableError(path, f"separator {separator!r} is not one character")
    try:
        text = io.StringIO(read_text(path), newline="")
    except FileError as error:
        raise TableError(path, error.reason) from error
    reader = csv.reader(text, delimiter=separator, skipinitialspace=True, strict=True)
    begins, above = 1, True
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells) and not (above and cells[0].startswith("#")):
                yield begins, _header(path, cells) if above else cells
                above = False
            begins = reader.line_num + 1
    except csv.Error as error:
        raise TableError(path, f"is not CSV ({error})", place=begins) from error
    if above:
        raise TableError(path, "has no header")


def _header(path: Path, cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    _require_once(path, cells)
    return cells


def _require_once(path: Path, header: list[str]) -> None:
    for at, name in enumerate(header):
        if name in header[:at]:
            raise TableError(path, "column is there more than once", name)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
