"""Evidence for baselines from what a point used: hourly periods, UTC unless said otherwise."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import numpy as np

from gridbourse.model.flexibility.baseline.days import LocalDay, local_day
from gridbourse.model.flexibility.baseline.evidence import Declaration, Evidence, Readings
from gridbourse.model.periods import Mtu

HOURLY = Mtu(3600)
FRIDAY = date(2016, 7, 29)
Use = int | Sequence[int]


@cache
def hourly_day(day: date, timezone: str = "UTC", holidays: tuple[date, ...] = ()) -> LocalDay:
    """A local day of hourly periods."""
    return local_day(HOURLY, day, timezone, holidays)


def before(day: date, *days: int) -> list[date]:
    """So many days before a day."""
    return [day - timedelta(days=back) for back in days]


def evidence(
    use_wh: Mapping[date, Use],
    hours: range = range(18, 20),
    *,
    on: date = FRIDAY,
    event_days: Sequence[date] = (),
    missing: Sequence[tuple[date, int]] = (),
    holidays: Sequence[date] = (),
    declaration: Declaration | None = None,
    timezone: str = "UTC",
) -> Evidence:
    """An event in some hours (places in the day) of a day; a point that uses so much, Wh an hour.

    Days without a use have no readings; missing: (day, hour) without one.
    """
    first = min([*use_wh, on])
    dates = [first + timedelta(days=i) for i in range((max([*use_wh, on]) - first).days + 1)]
    days = {day: hourly_day(day, timezone, tuple(holidays)) for day in dates}
    start = days[first].periods.start
    wh = np.zeros(days[dates[-1]].periods.stop - start, dtype=np.int64)
    present = np.zeros(len(wh), dtype=np.bool_)
    for day, use in use_wh.items():
        at = slice(days[day].periods.start - start, days[day].periods.stop - start)
        wh[at], present[at] = -np.array(use, dtype=np.int64), True
    for day, hour in missing:
        place = days[day].periods[hour] - start
        wh[place], present[place] = 0, False
    today = days[on].periods
    return Evidence(
        point="P1",
        mtu=HOURLY,
        event=today[hours.start : hours.stop],
        days=tuple(days.values()),
        event_days=frozenset(event_days),
        readings=Readings(start, wh, present),
        declaration=declaration,
    )
