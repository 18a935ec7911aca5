"""File of corrections of meter readings, judged row by row."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.model.periods import Mtu
from gridbourse.tables import TableError, read_csv, require_columns
from gridbourse.times import as_utc, parse_iso

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
WHO, WHEN, WH = ("participant", "point"), ("period", "time"), "wh"


@dataclass(frozen=True)
class Known:
    """Readings that a correction may be about.

    numbers: participant numbers by metering point, several where one took over from another.
    capacity_wh: most that a connection can carry in one
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
        table = read_csv(path)
        header = list(table.columns)
        who, when = (next((n for n in names if n in header), names[0]) for names in (WHO, WHEN))
        require_columns(path, header, (who, when, WH), (*WHO, *WHEN))
    except TableError as error:
        if error.column in (WHO[0], WHEN[0]):
            error.column = " or ".join(WHO if error.column == WHO[0] else WHEN)
        raise ReadingError.of(error) from error
    cells = table[[who, when, WH]].fillna("").astype(str)
    rows = [dict(zip(cells.columns, row, strict=True)) for row in cells.to_numpy().tolist()]
    return who, when, list(zip(table.index.tolist(), rows, strict=True))


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
    if not _WHOLE.fullmatch(row[column]):
        raise _Bad(column, Rule.NUMBER, f"{row[column]!r} is not a whole number")
    return int(row[column])


def _period(text: str, mtu: Mtu) -> int:
    moment = parse_iso(text)
    if moment is None:
        raise _Bad("time", Rule.TIME, f"{text!r} is no ISO 8601 time")
    if moment.tzinfo is None:
        raise _Bad("time", Rule.TIME, f"{text!r} has no UTC offset")
    if (utc := as_utc(moment)) is None or utc.timestamp() < 0:
        raise _Bad("time", Rule.TIME, f"{text!r} lies before 1970, where no period is")
    period = mtu.period_at(utc)
    if mtu.start(period) != utc:
        raise _Bad("time", Rule.GRID, f"{text!r} is not the start of a delivery period")
    return period
