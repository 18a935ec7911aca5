"""Baselines in exact arithmetic: rational until the end, then rounded so that the sum of the event holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import accumulate, pairwise
from math import floor

import numpy as np

from gridbourse.model.flexibility.baseline.days import LocalDay
from gridbourse.model.flexibility.baseline.errors import (
    ImpossibleMethod,
    LateDeclaration,
    MissingDeclaration,
    OppositeSigns,
    TooFewDays,
)
from gridbourse.model.flexibility.baseline.evidence import Evidence, Ints
from gridbourse.model.flexibility.baseline.methods import (
    Adjustment,
    Declared,
    Fit,
    Method,
    SameDay,
    Window,
    XOfY,
)
from gridbourse.model.periods import Mtu


@dataclass(frozen=True, eq=False)
class Baseline:
    """Expected behaviour of the point without the event: Wh of each period of the event, + injects.

    days: the days it was taken from, newest first; none for same-day and declared methods.
    """

    periods: range
    wh: Ints
    days: tuple[date, ...]


@dataclass(frozen=True, eq=False)
class _Reference:
    """Reference day: Wh in the event's hours and in the adjustment's window."""

    date: date
    event_wh: Ints
    window_wh: Ints

    @property
    def use_wh(self) -> int:
        return -int(self.event_wh.sum())


def baseline(method: Method, evidence: Evidence) -> Baseline:
    """The baseline of an event by a method.

    Raises TooFewDays, MissingReading, MissingDeclaration, LateDeclaration, OppositeSigns,
    ImpossibleMethod.
    """
    if isinstance(method, XOfY):
        return _x_of_y(method, evidence)
    if isinstance(method, SameDay):
        return _same_day(method, evidence)
    return _declared(method, evidence)


def rounded(exact: Sequence[Fraction]) -> Ints:
    """Whole Wh whose running sums are the exact ones, rounded to the nearest, halves up.

    The sum of an event is thus never more than half a Wh off, and each period less than one.
    """
    sums = [floor(total + Fraction(1, 2)) for total in accumulate(exact)]
    whole = [now - last for last, now in pairwise([0, *sums])]
    return np.array(whole, dtype=np.int64)


def before(first_period: int, window: Window, mtu: Mtu) -> range:
    """Periods of a window before an event that begins with a period."""
    stop = first_period - _periods(window.gap_seconds, mtu)
    return range(stop - _periods(window.seconds, mtu), stop)


def after(last_period: int, window: Window, mtu: Mtu) -> range:
    """Periods of a window after an event that ends with a period."""
    start = last_period + 1 + _periods(window.gap_seconds, mtu)
    return range(start, start + _periods(window.seconds, mtu))


def _x_of_y(method: XOfY, evidence: Evidence) -> Baseline:
    choice = method.choice(evidence.event_day.kind)
    newest = _without_low_use(list(_references(method, evidence)), choice.of, method.low_use)
    if len(newest) < choice.least:
        raise TooFewDays(
            f"{evidence.point} on {evidence.event_day.date}: {method.name} needs {choice.least} "
            f"eligible days of the {method.lookback_days} before, there are {len(newest)}"
        )
    highest = sorted(newest, key=lambda day: -day.use_wh)[: choice.highest]
    exact = _mean([day.event_wh for day in highest])
    if method.adjustment is not None:
        window = _mean([day.window_wh for day in highest])
        exact = _adjusted(exact, sum(window, Fraction(0)), method.adjustment, evidence)
    return Baseline(evidence.event, rounded(exact), tuple(day.date for day in highest))


def _references(method: XOfY, evidence: Evidence) -> Iterator[_Reference]:
    """Eligible days, newest first."""
    today = evidence.event_day
    oldest = today.date - timedelta(days=method.lookback_days)
    kinds = method.choice(today.kind).kinds
    for day in reversed(evidence.days):
        alike = day.kind in kinds and day.date not in evidence.event_days
        if oldest <= day.date < today.date and alike:
            reference = _reference(method, evidence, day)
            if reference is not None:
                yield reference


def _reference(method: XOfY, evidence: Evidence, day: LocalDay) -> _Reference | None:
    """Readings of a day at the event's times; None where one is missing or the clock skips it."""
    aligned = [day.at_the_time_of(period, evidence.event_day) for period in evidence.event]
    periods = tuple(period for period in aligned if period is not None)
    if len(periods) < len(aligned):
        return None
    event_wh = evidence.readings.of(periods)
    window_wh: Ints | None = np.zeros(0, dtype=np.int64)
    if method.adjustment is not None:
        window = before(periods[0], method.adjustment.window, evidence.mtu)
        window_wh = evidence.readings.of(window)
    if event_wh is None or window_wh is None:
        return None
    return _Reference(day.date, event_wh, window_wh)


def _without_low_use(
    references: list[_Reference], of: int, low_use: Fraction | None
) -> list[_Reference]:
    """The newest days, where the lowest is dropped as long as it used too little of their mean."""
    newest, older = references[:of], references[of:]
    while low_use is not None and newest:
        total = sum(day.use_wh for day in newest)
        lowest = min(newest, key=lambda day: day.use_wh)
        if total <= 0 or lowest.use_wh * len(newest) >= low_use * total:
            break
        newest.remove(lowest)
        newest += older[:1]
        older = older[1:]
    return newest


def _mean(days: list[Ints]) -> list[Fraction]:
    return [Fraction(int(wh), len(days)) for wh in np.sum(days, axis=0)]


def _adjusted(
    exact: list[Fraction], usual_wh: Fraction, adjustment: Adjustment, evidence: Evidence
) -> list[Fraction]:
    """Baseline fitted to the window before the event, in which `usual_wh` was to be expected."""
    window = before(evidence.event[0], adjustment.window, evidence.mtu)
    metered_wh = int(evidence.require(window, "same-day adjustment").sum())
    if adjustment.fit is Fit.SCALE:
        if usual_wh:
            _require_one_sign(exact, usual_wh, metered_wh, evidence)
        change = metered_wh / usual_wh - 1 if usual_wh else Fraction(0)
        if adjustment.cap is not None:
            change = max(-adjustment.cap, min(change, adjustment.cap))
        return [wh * (1 + change) for wh in exact]
    shift = (metered_wh - usual_wh) / len(window)
    if adjustment.cap is not None:
        most = adjustment.cap * abs(sum(exact, Fraction(0))) / len(exact)
        shift = max(-most, min(shift, most))
    return [wh + shift for wh in exact]


def _require_one_sign(
    exact: list[Fraction], usual_wh: Fraction, metered_wh: int, evidence: Evidence
) -> None:
    """OppositeSigns where a ratio would compare withdrawing with injecting, or scale one by the other."""
    sums = {
        "usually, in the window of the adjustment": usual_wh,
        "on the day, in that window": Fraction(metered_wh),
        "usually, in the hours of the event": sum(exact, Fraction(0)),
    }
    if min(sums.values()) < 0 < max(sums.values()):
        told = ", ".join(f"{float(wh):+g} Wh {when}" for when, wh in sums.items())
        raise OppositeSigns(
            f"{evidence.point} on {evidence.event_day.date}: net injection of {told}:"
            " a ratio of these says nothing"
        )


def _same_day(method: SameDay, evidence: Evidence) -> Baseline:
    windows = [before(evidence.event[0], method.before, evidence.mtu)]
    if method.after is not None:
        windows.append(after(evidence.event[-1], method.after, evidence.mtu))
    metered = np.concatenate([evidence.require(window, method.name) for window in windows])
    level = Fraction(int(metered.sum()), len(metered))
    return Baseline(evidence.event, rounded([level] * len(evidence.event)), ())


def _declared(method: Declared, evidence: Evidence) -> Baseline:
    event, declaration = evidence.event, evidence.declaration
    if declaration is None:
        raise MissingDeclaration(f"{evidence.point}: {method.name}: nothing is declared")
    declared = range(declaration.first_period, declaration.first_period + len(declaration.wh))
    for period in event:
        if period not in declared:
            raise MissingDeclaration(
                f"{evidence.point}: {method.name}: period {period} is not declared"
            )
    deadline = event[0] * evidence.mtu.seconds - method.lead_seconds
    if declaration.made_at_unix > deadline:
        raise LateDeclaration(
            f"{evidence.point}: {method.name}: declared at {declaration.made_at_unix}, "
            f"the deadline was {deadline}"
        )
    place = event[0] - declaration.first_period
    return Baseline(event, declaration.wh[place : place + len(event)].copy(), ())


def _periods(seconds: int, mtu: Mtu) -> int:
    periods, rest = divmod(seconds, mtu.seconds)
    if rest:
        raise ImpossibleMethod(f"window: {seconds} s are not whole periods of {mtu.seconds} s")
    return periods
