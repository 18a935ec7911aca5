"""A file of corrections: what meters were found to have got wrong, judged row by row."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.model.periods import Mtu

FIRST_ROW = 2
WHO, WHEN, WH = ("participant", "point"), ("period", "time"), "wh"


@dataclass(frozen=True)
class Known:
    """What a correction may be about.

    numbers: participant numbers by metering point, several of who took over from another.
    capacity_wh: what a connection can carry in one
    period, by participant number. is_settled: of (participant number, period).
    """

    numbers: Mapping[str, Sequence[int]]
    capacity_wh: Mapping[int, int]
    is_settled: Callable[[int, int], bool]
    mtu: Mtu


@dataclass
class Corrections:
    """Good rows, Wh (+ injects) by period and participant number; refusals in the order of rows."""

    readings: dict[int, dict[int, int]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)


class _Bad(Exception):
    def __init__(self, column: str, rule: Rule, reason: str) -> None:
        self.column, self.rule, self.reason = column, rule, reason


def read_corrections(path: Path, known: Known) -> Corrections:
    """CSV with the columns participant or point, period or time (ISO 8601 with UTC offset), and wh.

    ReadingError for a file that cannot be read or lacks a column. Of rows that correct the same
    reading all but the first are refused.
    """
    who, when, rows = _open(path)
    found = Corrections()
    for line, row in rows:
        try:
            number, period, wh = _judge(row, who, when, known)
            of_period = found.readings.setdefault(period, {})
            if number in of_period:
                raise _Bad(who, Rule.DUPLICATE, f"{row[who]!r} is corrected twice in the period")
            of_period[number] = wh
        except _Bad as bad:
            found.refusals.append(Refusal(path.name, line, bad.column, bad.rule, bad.reason))
    found.readings = {period: rows for period, rows in found.readings.items() if rows}
    return found


def _open(path: Path) -> tuple[str, str, list[tuple[int, dict[str, str]]]]:
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig")), skipinitialspace=True)
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        rows = [
            (reader.line_num, {k: (v or "").strip() for k, v in row.items() if k is not None})
            for row in reader
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = f"cannot be read as CSV ({error})"
        raise ReadingError([Refusal(path.name, None, None, Rule.SCHEMA, reason)]) from error
    columns = [next((n for n in names if n in header), None) for names in (WHO, WHEN, (WH,))]
    for names, column in zip((WHO, WHEN, (WH,)), columns, strict=True):
        if column is None:
            reason = f"column is missing; there are {', '.join(header) or 'none'}"
            raise ReadingError([Refusal(path.name, None, " or ".join(names), Rule.SCHEMA, reason)])
    return str(columns[0]), str(columns[1]), rows


def _judge(row: dict[str, str], who: str, when: str, known: Known) -> tuple[int, int, int]:
    numbers = known.numbers.get(row[who], ()) if who == "point" else (_whole(row, who),)
    numbers = [number for number in numbers if number in known.capacity_wh]
    if not numbers:
        raise _Bad(who, Rule.METER, f"{row[who]!r} is not known")
    period = _period(row[when], known.mtu) if when == "time" else _whole(row, when)
    settled = [number for number in numbers if known.is_settled(number, period)]
    if not settled:
        raise _Bad(when, Rule.EXPECTED, f"{row[when]!r} is not settled for {row[who]!r}")
    if len(settled) > 1:
        raise _Bad(who, Rule.METER, f"{row[who]!r} is of participants {settled}: name the number")
    number = settled[0]
    wh, limit = _whole(row, WH), known.capacity_wh[number]
    if abs(wh) > limit:
        raise _Bad(WH, Rule.RANGE, f"{wh} Wh is more than the {limit} Wh of the connection")
    return number, period, wh


def _whole(row: dict[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise _Bad(column, Rule.NUMBER, f"{row[column]!r} is not a whole number") from None


def _period(text: str, mtu: Mtu) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Bad("time", Rule.TIME, f"{text!r} is no ISO 8601 time") from None
    if moment.tzinfo is None:
        raise _Bad("time", Rule.TIME, f"{text!r} has no UTC offset")
    period = mtu.period_at(moment)
    if mtu.start(period) != moment:
        raise _Bad("time", Rule.GRID, f"{text!r} is not the start of a delivery period")
    return period
