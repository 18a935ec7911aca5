"""Evidence of a baseline, out of the readings this oracle has accepted.

Evidence holds no more than its method looks at: the event's day and the window around the event, or the
days of the lookback there are readings of.  A participant is named by its number: the evidence is
published.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from gridbourse.model.flexibility.baseline.days import LocalDay, local_day
from gridbourse.model.flexibility.baseline.evidence import Evidence, Readings
from gridbourse.model.flexibility.baseline.methods import Method, SameDay, XOfY
from gridbourse.model.periods import Mtu
from oracle.common.journal import Journal
from oracle.meter.feed import FEED as METERS
from oracle.meter.feed import standing


class History(Protocol):
    """Readings that were accepted."""

    def readings(self, period: int) -> Mapping[int, int]:
        """Participant number -> net Wh of the period (+ injects), as it stands."""


@dataclass(frozen=True)
class JournalHistory:
    """The readings the meter feed of the same process has sent, or is about to."""

    journal: Journal

    def readings(self, period: int) -> Mapping[int, int]:
        """As the journal has it."""
        return standing(self.journal.entries(METERS, period))


@dataclass(frozen=True)
class Calendar:
    """Calendar of the meters' place: the local day of a period, and its kind of day."""

    mtu: Mtu
    timezone: str
    holidays: Collection[date] = ()

    def day_of(self, period: int) -> LocalDay:
        """The local day a period lies in."""
        return self.day(self.mtu.start(period).astimezone(ZoneInfo(self.timezone)).date())

    def day(self, day: date) -> LocalDay:
        """A local day."""
        return local_day(self.mtu, day, self.timezone, self.holidays)


@dataclass
class EvidenceBuilder:
    """Evidence of participants, each period's readings looked up once."""

    history: History
    calendar: Calendar
    _readings: dict[int, Mapping[int, int]] = field(default_factory=dict)

    def evidence(
        self, number: int, period: int, method: Method, activated: Iterable[int]
    ) -> Evidence:
        """Of one period's activation of a participant.

        activated: the periods it is known to have been activated in.  Those right before this one are
        one event with it: what was metered in them is no baseline.
        """
        known = frozenset(activated)
        today = self.calendar.day_of(period)
        first = period
        while first - 1 in known and first - 1 in today.periods:
            first -= 1
        days, span = [today], today.periods
        if isinstance(method, XOfY):
            days, span = self._days(number, method, today), range(0, 0)
        event = range(first, period + 1)
        if isinstance(method, SameDay):
            span = self._around(event, method)
        if isinstance(method, XOfY):
            margin = 0 if method.adjustment is None else _reach(method, self.calendar.mtu)
            span = range(days[0].periods.start - margin, period + 1)
        event_days = frozenset(self.calendar.day_of(each).date for each in known if each != period)
        return Evidence(
            point=f"participant {number}",
            mtu=self.calendar.mtu,
            event=event,
            days=tuple(days),
            event_days=frozenset(day for day in event_days if day in {d.date for d in days}),
            readings=self._of(number, span),
        )

    def forget(self) -> None:
        """Looks everything up anew from now on: readings come in, and are corrected."""
        self._readings.clear()

    def has_reading(self, number: int, period: int) -> bool:
        """Whether a reading of the period is there."""
        return number in self._at(period)

    def _days(self, number: int, method: XOfY, today: LocalDay) -> list[LocalDay]:
        """The days of the lookback, from the first the participant has a reading of."""
        back = range(method.lookback_days, 0, -1)
        days = [self.calendar.day(today.date - timedelta(days=days)) for days in back]
        while days and not any(self.has_reading(number, period) for period in days[0].periods):
            days.pop(0)
        return [*days, today]

    def _around(self, event: range, method: SameDay) -> range:
        seconds = self.calendar.mtu.seconds
        start = event.start - (method.before.seconds + method.before.gap_seconds) // seconds
        after = 0
        if method.after is not None:
            after = (method.after.seconds + method.after.gap_seconds) // seconds
        return range(start, event.stop + after)

    def _of(self, number: int, periods: range) -> Readings:
        found = [self._at(period).get(number) for period in periods]
        wh = np.array([0 if each is None else each for each in found], dtype=np.int64)
        present = np.array([each is not None for each in found], dtype=np.bool_)
        return Readings(periods.start, wh, present)

    def _at(self, period: int) -> Mapping[int, int]:
        if period not in self._readings:
            self._readings[period] = self.history.readings(period)
        return self._readings[period]


def _reach(method: XOfY, mtu: Mtu) -> int:
    """Periods the adjustment's window reaches before an event, which may begin a day."""
    if method.adjustment is None:
        return 0
    window = method.adjustment.window
    return (window.seconds + window.gap_seconds) // mtu.seconds
