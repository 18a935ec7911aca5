"""Local days: their periods, the clock time of each, and the days that are alike."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import Enum
from zoneinfo import ZoneInfo

from gridbourse.model.flexibility.baseline.errors import ImpossibleEvidence
from gridbourse.model.periods import Mtu


class DayKind(Enum):
    """Kind of day by how people live. A holiday counts as a Sunday."""

    WORKING = "working"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@dataclass(frozen=True)
class LocalDay:
    """A calendar day where the metering point is: 23, 24 or 25 hours of periods.

    clock: local time at the start of each period, seconds after midnight. An hour is skipped where
    the clock goes forward, and is there twice where it goes back.
    """

    date: date
    kind: DayKind
    periods: range
    clock: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.periods or self.periods.step != 1 or len(self.clock) != len(self.periods):
            raise ImpossibleEvidence(
                f"day {self.date}: {len(self.clock)} clock times for the periods {self.periods}"
            )

    def at_the_time_of(self, period: int, day: "LocalDay") -> int | None:
        """Period of this day when its clock shows what that of `day` shows in `period`.

        None where this day's clock skips that time. Where a time occurs twice, the first belongs
        to the first of `day` and the second to the second; a time `day` has once belongs to the first.
        """
        place = day.periods.index(period)
        time = day.clock[place]
        earlier = day.clock[:place].count(time)
        here = [mine for mine, shown in zip(self.periods, self.clock, strict=True) if shown == time]
        return here[min(earlier, len(here) - 1)] if here else None


def local_day(mtu: Mtu, day: date, timezone: str, holidays: Collection[date] = ()) -> LocalDay:
    """The calendar day of a time zone, such as "Europe/Berlin"."""
    periods = mtu.local_day(day, timezone)
    starts = [mtu.start(period).astimezone(ZoneInfo(timezone)) for period in periods]
    clock = tuple(start.hour * 3600 + start.minute * 60 + start.second for start in starts)
    return LocalDay(day, _kind(day, holidays), periods, clock)


def _kind(day: date, holidays: Collection[date]) -> DayKind:
    if day in holidays or day.weekday() == 6:
        return DayKind.SUNDAY
    return DayKind.SATURDAY if day.weekday() == 5 else DayKind.WORKING
