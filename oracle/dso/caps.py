"""Caps that bring a schedule inside the limits of the grid at little curtailed energy.

Several ways to curtail are tried, and each is judged by a real power flow on the whole watt-hours
it would post.  The one that curtails least wins:

everybody to zero   all points that may be capped stop; what the others are measured against
proportional        one factor on all schedules
ceiling             one cap for all ("shaving"); whoever is below it keeps its schedule
linear programme    from the best of these, least curtailed energy on the linearised grid, step by
                    step, linearised anew after each

The first three are tried on exports, on imports and on both.  Reactive power stays as scheduled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gridbourse.grid.assessment import excess_of
from gridbourse.grid.errors import GridError
from gridbourse.grid.limits import Limits
from gridbourse.grid.network import Network
from gridbourse.grid.redispatch import least_curtailed
from gridbourse.grid.sensitivities import sensitivities
from gridbourse.model.caps import NO_CAP, Caps
from gridbourse.model.periods import Mtu

Whole = NDArray[np.int64]

SAFETY_PU: Final = 1e-6
"""Caps leave this much room, so that another solver, with its own rounding, agrees."""
PROBES: Final = 16
FACTOR_STEPS: Final = 1 << 16
STEPS: Final = (1.0, 0.5, 0.25, 0.125)
LINEARISATIONS: Final = 12
EVERYBODY: Final = "everybody to zero"
_ROUNDING_WH: Final = 1e-6


@dataclass(frozen=True)
class Candidate:
    """One way to curtail.

    excess_pu: beyond the worst limit; kept_wh: what stays of the schedule, shape (points,).
    """

    method: str
    curtailed_wh: int
    excess_pu: float
    kept_wh: Whole = field(repr=False, compare=False)

    @property
    def feasible(self) -> bool:
        """Inside all limits, by power flow on whole watt-hours."""
        return self.excess_pu <= 0


@dataclass(frozen=True)
class CapProposal:
    """Caps for one period, and how they came about.

    curtailed_wh: what the caps take off the schedule.  feasible: False where no candidate keeps the
    limits; the caps then break them as little as any candidate.
    """

    caps: Caps
    curtailed_wh: int
    method: str
    feasible: bool
    candidates: tuple[Candidate, ...]

    @property
    def everybody_wh(self) -> int | None:
        """Least energy that stopping everybody would curtail; None if even that does not do."""
        stops = [c for c in self.candidates if c.method.startswith(EVERYBODY) and c.feasible]
        return min((c.curtailed_wh for c in stops), default=None)


def propose_caps(
    network: Network,
    schedule_wh: Whole,
    reactive_var: NDArray[np.float64],
    limits: Limits,
    mtu_seconds: int,
    cappable: NDArray[np.bool_] | None = None,
) -> CapProposal:
    """Caps for a schedule of net injections, Wh in a period of ``mtu_seconds``, shape (points,).

    cappable: which points may be capped; None = all.  Only a point whose schedule exceeds its cap
    gets one.  Raises GridError where the grid has no operating point whatever is curtailed.
    """
    free = np.ones(len(schedule_wh), dtype=bool) if cappable is None else cappable
    search = _Search(network, schedule_wh, reactive_var, limits, Mtu(mtu_seconds).hours, free)
    candidates = list(search.simple_candidates())
    candidates.append(search.linear_programme(candidates))
    best = min(candidates, key=_rank)
    if not np.isfinite(best.excess_pu):
        raise GridError("schedule: the grid has no operating point, whatever is curtailed")
    return CapProposal(
        _caps(schedule_wh, best.kept_wh),
        best.curtailed_wh,
        best.method,
        best.feasible,
        tuple(candidates),
    )


def _rank(candidate: Candidate) -> tuple[float, int]:
    return max(candidate.excess_pu, 0.0), candidate.curtailed_wh


def _caps(schedule_wh: Whole, kept_wh: Whole) -> Caps:
    def lane(capped: NDArray[np.bool_]) -> Whole:
        return np.where(capped, np.abs(kept_wh), NO_CAP).astype(np.int64)

    return Caps(lane(schedule_wh > kept_wh), lane(schedule_wh < kept_wh))


@dataclass(frozen=True)
class _Search:
    network: Network
    schedule_wh: Whole
    reactive_var: NDArray[np.float64]
    limits: Limits
    hours: float
    cappable: NDArray[np.bool_]

    def simple_candidates(self) -> Iterator[Candidate]:
        """Nothing, then stop, factor and ceiling on each side that has energy to curtail."""
        yield self._judge("nothing", self.schedule_wh)
        exporting = self.cappable & (self.schedule_wh > 0)
        importing = self.cappable & (self.schedule_wh < 0)
        sides = {"exports": exporting, "imports": importing}
        if exporting.any() and importing.any():
            sides["exports and imports"] = exporting | importing
        for side, on in sides.items():
            if not on.any():
                continue
            most_wh = int(np.abs(self.schedule_wh[on]).max())
            factor = self._largest(partial(self._scaled, on), FACTOR_STEPS)
            ceiling = self._largest(partial(self._shaved, on), most_wh)
            yield self._judge(f"{EVERYBODY} ({side})", self._shaved(on, 0))
            yield self._judge(f"proportional ({side})", factor)
            yield self._judge(f"ceiling ({side})", ceiling)

    def linear_programme(self, known: Sequence[Candidate]) -> Candidate:
        """Improves on the best candidate: linearise there, solve, step, as long as it pays."""
        points = np.flatnonzero(self.cappable & (self.schedule_wh != 0))
        scheduled_w = self.schedule_wh[points] / self.hours
        safest = min(known, key=lambda candidate: candidate.excess_pu)
        best = replace(min(known, key=_rank), method="linear programme")
        if not (len(points) and np.isfinite(best.excess_pu)):
            return best
        for _ in range(LINEARISATIONS):
            here_w = best.kept_wh / self.hours
            at = sensitivities(self.network, here_w, self.reactive_var, points)
            kept_w = least_curtailed(at, here_w[points], scheduled_w, self.limits)
            target_wh = self.schedule_wh.copy()
            target_wh[points] = np.trunc(kept_w * self.hours + np.sign(kept_w) * _ROUNDING_WH)
            found = self._step(best, target_wh, safest)
            if _rank(found) >= _rank(best):
                break
            best = found
        return best

    def _step(self, best: Candidate, target_wh: Whole, safest: Candidate) -> Candidate:
        """To the linear optimum, where the real grid lets us.

        Where it does not, the limits curve away from the tangent: go a part of the way along it,
        then back towards the safest candidate until they are kept.  Short steps lose less by that,
        long ones win more, so several are tried.
        """
        target = self._judge(best.method, target_wh)
        if target.feasible or not best.feasible:
            return target
        tried = []
        for share in STEPS:
            reached_wh = self._between(best.kept_wh, target_wh, int(share * FACTOR_STEPS))
            back = partial(self._between, safest.kept_wh, reached_wh)
            tried.append(self._judge(best.method, self._largest(back, FACTOR_STEPS)))
        return min(tried, key=_rank)

    def _between(self, here_wh: Whole, there_wh: Whole, knob: int) -> Whole:
        """On the way from here (knob 0) to there (knob FACTOR_STEPS)."""
        return here_wh + (there_wh - here_wh) * knob // FACTOR_STEPS

    def _scaled(self, on: NDArray[np.bool_], knob: int) -> Whole:
        """The schedule, with the points `on` at knob / FACTOR_STEPS of theirs, cut to whole Wh."""
        scaled = np.abs(self.schedule_wh) * knob // FACTOR_STEPS
        return np.where(on, np.sign(self.schedule_wh) * scaled, self.schedule_wh)

    def _shaved(self, on: NDArray[np.bool_], knob: int) -> Whole:
        """The schedule, with the points `on` at no more than knob Wh."""
        return np.where(on, np.clip(self.schedule_wh, -knob, knob), self.schedule_wh)

    def _largest(self, kept_wh: Callable[[int], Whole], top: int) -> Whole:
        """What the largest knob below ``top`` that is inside the limits keeps; knob 0 if none is.

        Bisection, but with as many probes at once as one batch of power flows solves cheaply; they
        also find the way where it is too little and too much that break limits.
        """
        low, high = 0, top
        while high - low > 1:
            knobs = np.unique(np.linspace(low, high, PROBES + 2, dtype=np.int64))[1:-1]
            inside = np.flatnonzero(self._excess_pu([kept_wh(int(k)) for k in knobs]) <= 0)
            if len(inside) == 0:
                high = int(knobs[0])
                continue
            low = int(knobs[inside[-1]])
            high = int(knobs[inside[-1] + 1]) if inside[-1] + 1 < len(knobs) else high
        return kept_wh(low)

    def _judge(self, method: str, kept_wh: Whole) -> Candidate:
        curtailed_wh = int(np.abs(self.schedule_wh - kept_wh).sum())
        return Candidate(method, curtailed_wh, float(self._excess_pu([kept_wh])[0]), kept_wh)

    def _excess_pu(self, kept_wh: Sequence[Whole]) -> NDArray[np.float64]:
        """Beyond the worst limit, pu, per state; infinite where there is no operating point."""
        states_w = np.stack(kept_wh) / self.hours
        return excess_of(self.network, states_w, self.reactive_var, self.limits) + SAFETY_PU
