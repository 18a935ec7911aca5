"""Inputs of a baseline: readings, the days they fall on, the event, a declared schedule."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.flexibility.baseline.days import LocalDay
from gridbourse.model.flexibility.baseline.errors import ImpossibleEvidence, MissingReading
from gridbourse.model.periods import Mtu

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Readings:
    """Net readings of one metering point from `first_period` onwards, Wh, positive = injects.

    wh, present: shape (periods,); a missing reading has `present` False and 0 Wh.
    """

    first_period: int
    wh: Ints
    present: Bools

    def __post_init__(self) -> None:
        if self.wh.ndim != 1 or self.wh.shape != self.present.shape:
            raise ImpossibleEvidence(
                f"readings: wh {self.wh.shape} and present {self.present.shape} differ in shape"
            )
        _require_whole("readings", self.wh)
        if self.wh[~self.present].any():
            raise ImpossibleEvidence("readings: wh must be 0 where not present")

    @classmethod
    def complete(cls, first_period: int, wh: Ints) -> "Readings":
        """Readings with no gap."""
        return cls(first_period, wh, np.ones(len(wh), dtype=np.bool_))

    def of(self, periods: tuple[int, ...] | range) -> Ints | None:
        """The readings of some periods, Wh; None where one of them is missing."""
        places = np.array(periods, dtype=np.int64) - self.first_period
        if not places.size or places.min() < 0 or places.max() >= len(self.wh):
            return None
        return self.wh[places] if self.present[places].all() else None


@dataclass(frozen=True, eq=False)
class Declaration:
    """Schedule that a participant declared for its point: Wh from `first_period` onwards, + injects."""

    made_at_unix: int
    first_period: int
    wh: Ints

    def __post_init__(self) -> None:
        _require_whole("declaration", self.wh)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All inputs of the baseline of one metering point in one event.

    event: the periods of the activation, in one local day. days: that day and the ones before, by
    date. event_days: days on which this point was activated; they say nothing about its habits.
    """

    point: str
    mtu: Mtu
    event: range
    days: tuple[LocalDay, ...]
    event_days: frozenset[date]
    readings: Readings
    declaration: Declaration | None = None

    def __post_init__(self) -> None:
        dates = [day.date for day in self.days]
        if dates != sorted(set(dates)):
            raise ImpossibleEvidence(f"{self.point}: days must be in order, each once")
        if not self.event or self.event.step != 1:
            raise ImpossibleEvidence(f"{self.point}: event {self.event} must be a run of periods")
        _ = self.event_day

    @cached_property
    def event_day(self) -> LocalDay:
        """The day of the event; ImpossibleEvidence where it lies in none, or in two."""
        for day in self.days:
            if self.event[0] in day.periods and self.event[-1] in day.periods:
                return day
        raise ImpossibleEvidence(
            f"{self.point}: event {self.event} does not lie in one of the days given"
        )

    def require(self, periods: range, rule: str) -> Ints:
        """Readings around the event, Wh; MissingReading where one is missing."""
        found = self.readings.of(periods)
        if found is None:
            raise MissingReading(
                f"{self.point} on {self.event_day.date}: {rule} needs the readings of all periods "
                f"{periods.start}..{periods.stop - 1}"
            )
        return found


def _require_whole(name: str, wh: Ints) -> None:
    if not np.issubdtype(wh.dtype, np.integer):
        raise ImpossibleEvidence(f"{name}: wh must be whole numbers, not {wh.dtype}")
