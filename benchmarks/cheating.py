"""Means by which a participant may inflate a baseline before an event, for `benchmarks.baseline_gaming`.

Comfort: in no quarter-hour it moves more than FLEXIBLE of its mean withdrawal of that day, nor more
than it withdraws. Energy that is moved is still used on the same day and costs nothing; energy
that is burnt is bought. It knows the event, the method and its own load beforehand, and does not
change its withdrawal during the event, so everything a method finds beyond that is phantom.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from gridbourse.model.call_auction import ration
from gridbourse.model.flexibility.baseline.compute import Baseline, after, before
from gridbourse.model.flexibility.baseline.days import LocalDay
from gridbourse.model.flexibility.baseline.evidence import Evidence, Ints, Readings
from gridbourse.model.flexibility.baseline.methods import Method, SameDay, Window, XOfY

FLEXIBLE = Fraction(1, 5)


@dataclass(frozen=True)
class Strategy:
    """Additional withdrawal, and the origin of that energy.

    on_days: in the event's hours of the days the baseline is taken from. on_window: in the window of
    the event's own day. moved: taken from other hours of the same day, else bought in addition;
    from_window: on those days first from the window, so that the event's own day looks high.
    """

    name: str
    on_days: bool
    on_window: bool
    moved: bool
    from_window: bool = False


NOTHING = Strategy("nothing: the method's own error", False, False, True)
INFLATIONS = (
    Strategy("move into the event's hours of reference days", True, False, True),
    Strategy("move there out of the window", True, False, True, from_window=True),
    Strategy("move into the window of the day", False, True, True),
    Strategy("move into both", True, True, True, from_window=True),
    Strategy("burn in the event's hours of reference days", True, False, False),
    Strategy("burn in the window of the day", False, True, False),
    Strategy("burn in both", True, True, False),
)


def strategies(method: Method) -> Iterator[Strategy]:
    """Strategies by which a method can be cheated."""
    for strategy in INFLATIONS:
        days = isinstance(method, XOfY) or not strategy.on_days
        if days and (_windows(method) or not (strategy.on_window or strategy.from_window)):
            yield strategy


@dataclass
class Cheat:
    """Participant that cheats on its readings; `net_wh` is what its meter shows, `burnt_wh` its waste.

    flexible: the share of its mean withdrawal it moves or burns in a period.
    """

    evidence: Evidence
    method: Method
    net_wh: Ints
    burnt_wh: int = 0
    flexible: Fraction = FLEXIBLE

    @classmethod
    def of(
        cls, evidence: Evidence, method: Method, strategy: Strategy, honest: Baseline,
        flexible: Fraction = FLEXIBLE,
    ) -> "Cheat":  # fmt: skip
        """Carry a strategy out on the days of the honest baseline."""
        cheat = cls(evidence, method, evidence.readings.wh.copy(), flexible=flexible)
        if strategy.on_window:
            cheat._raise_window(strategy)
        if strategy.on_days:
            for day in evidence.days:
                if day.date in honest.days:
                    cheat._raise_day(day, strategy)
        return cheat

    @property
    def seen(self) -> Evidence:
        """Evidence from the buyer's meter data after the cheat."""
        readings = self.evidence.readings
        return replace(
            self.evidence,
            readings=Readings(readings.first_period, self.net_wh, readings.present),
        )

    def _raise_day(self, day: LocalDay, strategy: Strategy) -> None:
        today = self.evidence.event_day
        aligned = [day.at_the_time_of(period, today) for period in self.evidence.event]
        event = [period for period in aligned if period is not None]
        window = self._places([p for w in _windows(self.method) for p in self._around(event, w)])
        target = self._places(event)
        others = np.setdiff1d(self._places(day.periods), np.union1d(target, window))
        sources = [window, others] if strategy.from_window else [others]
        self._raise(day, target, sources if strategy.moved else None)

    def _raise_window(self, strategy: Strategy) -> None:
        day, event = self.evidence.event_day, list(self.evidence.event)
        periods = [p for window in _windows(self.method) for p in self._around(event, window)]
        target = np.intersect1d(self._places(periods), self._places(day.periods))
        others = np.setdiff1d(self._places(day.periods), np.union1d(target, self._places(event)))
        self._raise(day, target, [others] if strategy.moved else None)

    def _raise(self, day: LocalDay, target: Ints, sources: list[Ints] | None) -> None:
        withdrawn = np.maximum(-self.evidence.readings.wh, 0)
        limit = int(self.flexible * int(withdrawn[self._places(day.periods)].sum())) // len(
            day.periods
        )
        want = np.full(len(target), limit, dtype=np.int64)
        if sources is None:
            self.burnt_wh += int(want.sum())
            self.net_wh[target] -= want
            return
        left = int(want.sum())
        for source in sources:
            room = np.minimum(withdrawn[source], limit)
            taken = min(left, int(room.sum()))
            self.net_wh[source] += _shared(room, taken)
            left -= taken
        self.net_wh[target] -= _shared(want, int(want.sum()) - left)

    def _around(self, event: list[int], window: tuple[Window, bool]) -> range:
        size, later = window
        mtu = self.evidence.mtu
        return after(event[-1], size, mtu) if later else before(event[0], size, mtu)

    def _places(self, periods: list[int] | range) -> Ints:
        """Indices of those periods that are in the readings."""
        places = np.array(periods, dtype=np.int64) - self.evidence.readings.first_period
        return places[(places >= 0) & (places < len(self.net_wh))]


def _windows(method: Method) -> list[tuple[Window, bool]]:
    """Windows that a method uses on the event's own day, and True for those after the event."""
    if isinstance(method, XOfY):
        return [(method.adjustment.window, False)] if method.adjustment else []
    if isinstance(method, SameDay):
        return [(method.before, False)] + ([(method.after, True)] if method.after else [])
    return []


def _shared(room: Ints, taken: int) -> Ints:
    return ration(room, taken, int(room.sum())) if taken else np.zeros_like(room)
