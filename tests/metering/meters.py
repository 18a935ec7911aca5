"""Small metered files and the metering points they are of."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.metering.sources import Columns, read
from gridbourse.metering.validation import Meters, Readings, validate
from gridbourse.model.periods import Mtu

MTU = Mtu(900)
METERS = Meters({"A": 10_000.0, "B": 40_000.0})  # 2,500 Wh and 10,000 Wh in a quarter-hour
START = datetime.fromisoformat("2016-07-01T10:00:00+00:00")
FIRST = MTU.period_at(START)
BERLIN = Columns(timezone="Europe/Berlin")


def stamp(step: int) -> str:
    """Start of the step-th quarter-hour, as a file has it."""
    return (START + timedelta(seconds=900 * step)).isoformat()


def write(path: Path, rows: Iterable[Iterable[Any]], header: str = "time,point,wh") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def judge(path: Path, columns: Columns | None = None, **how: Any) -> Readings:
    """Good readings and refusals of a file, without raising for its rows."""
    options = {"meters": METERS, "mtu": MTU, "strict": False, **how}
    return validate(read(path, columns or Columns()), **options)


def refused(
    path: Path, columns: Columns | None = None, **how: Any
) -> list[tuple[Rule, int | None]]:
    """(rule, row) of every refusal."""
    return [(r.rule, r.row) for r in judge(path, columns, **how).refusals]


def unreadable(path: Path, columns: Columns | None = None) -> Refusal:
    """The refusal of a file that cannot even be read."""
    try:
        read(path, columns or Columns())
    except ReadingError as error:
        return error.first
    raise AssertionError(f"{path} was read")


def local_day(day: str) -> pd.DatetimeIndex:
    """Every quarter-hour of a Berlin calendar day, as naive local times in order of occurrence."""
    midnight = pd.Timestamp(day, tz="Europe/Berlin")
    end = midnight + pd.DateOffset(days=1)
    return pd.date_range(midnight, end, freq="15min", inclusive="left").tz_localize(None)
