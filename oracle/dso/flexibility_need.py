"""Need of the DSO for flexibility, from the real power flow; and others' flexibility that the grid bears.

A need says where, which way and how much: the least total movement that brings the scheduled state
inside all limits, found by linear programmes on the linearised grid and confirmed by power flow on
whole watt-hours.  It is told by grid zone, the deepest one that holds every point with a
say in the broken limit, since that is where sellers are looked for.  Sellers are not chosen here:
who is cheap may have less effect than the points the programme moved.  So after a purchase the need is
found again with what was bought, and the DSO buys the rest ([Khajeh2022] §2.4, [Talari-nd] §3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.grid.assessment import Assessment, Kind, Violation, assess, excess_of
from gridbourse.grid.errors import GridError
from gridbourse.grid.redispatch import BACK_OFF_PU, least_moved
from gridbourse.grid.sensitivities import Sensitivities, sensitivities
from gridbourse.model.flexibility.baseline.delivery import Direction
from gridbourse.model.periods import Mtu
from oracle.common.errors import FeedError
from oracle.dso.caps import SAFETY_PU
from oracle.dso.grid_check import GridView
from oracle.dso.zones import Zones

Whole = NDArray[np.int64]
Reals = NDArray[np.float64]

LINEARISATIONS: Final = 16
CURVATURE_PU: Final = 1e-3
"""Less than this beyond a limit is a matter of the last watt-hours."""
RELEVANT: Final = 0.5
"""Points with at least this share of the greatest sensitivity decide in which zone a limit is."""
SHARES: Final = 64
"""In steps of this part of the room a way out of a voltage collapse is looked for."""
STATES: Final = 256
"""Grid states in one batch of power flows."""


@dataclass(frozen=True)
class Room:
    """The most each point can move either way in the period, Wh >= 0, both shape (points,)."""

    up_wh: Whole
    down_wh: Whole


@dataclass(frozen=True)
class Need:
    """Energy that has to move in a zone, or below it, in one period.

    wh: > 0.  violations: the broken limits of the zone, worst first.  sensitivity: point of the
    zone -> pu of the worst of them that a Wh moved in the direction takes off (< 0 adds); empty
    where no limit is left to name, because the grid has no operating point.
    """

    zone: str
    direction: Direction
    wh: int
    violations: tuple[Violation, ...]
    sensitivity: Mapping[str, float] = field(repr=False)


@dataclass(frozen=True)
class Relief:
    """The least movement of a period.

    moved_wh: signed change of net injection, shape (points,).  before: None where the schedule has no
    operating point; after: with the movement.
    """

    before: Assessment | None
    after: Assessment
    moved_wh: Whole
    needs: tuple[Need, ...]

    @property
    def total_wh(self) -> int:
        """All that moves."""
        return int(np.abs(self.moved_wh).sum())

    @property
    def enough(self) -> bool:
        """Whether the movement brings the grid inside its limits: the room was large enough."""
        return self.after.inside


@dataclass(frozen=True)
class SoldLeg:
    """Flexibility of one point that was bought: Wh > 0 in a direction."""

    point: str
    direction: Direction
    wh: int

    def __post_init__(self) -> None:
        if self.wh <= 0:
            raise FeedError(f"leg of {self.point}: {self.wh} Wh must be above 0")


def curtailable(view: GridView, schedule_wh: Whole) -> Room:
    """Every participant's schedule towards nothing: what caps could reach."""
    free = np.array([point in view.numbers for point in view.points])
    wh = np.where(free, schedule_wh, 0)
    return Room(np.maximum(-wh, 0), np.maximum(wh, 0))


def offered(view: GridView, offers: pd.DataFrame) -> Room:
    """Offers: columns point_id, direction ("up" or "down"), wh; several of a point add up.

    Raises FeedError for an unknown point or direction, and for Wh that are no whole number >= 0.
    """
    place = {point: i for i, point in enumerate(view.points)}
    lanes = {"up": np.zeros(len(place), np.int64), "down": np.zeros(len(place), np.int64)}
    columns = offers[["point_id", "direction", "wh"]]
    for row, (point, direction, wh) in enumerate(columns.itertuples(index=False), start=1):
        if point not in place:
            raise FeedError(f"offer {row}: point_id {point!r} is no connection point of this grid")
        if direction not in lanes:
            raise FeedError(f"offer {row}: direction {direction!r} must be up or down")
        if isinstance(wh, bool) or int(wh) != wh or wh < 0:
            raise FeedError(f"offer {row}: wh {wh!r} must be a whole number, not negative")
        lanes[direction][place[point]] += int(wh)
    return Room(lanes["up"], lanes["down"])


def needs(
    view: GridView, zones: Zones, schedule_wh: Whole, reactive_var: Reals, room: Room | None = None
) -> list[Need]:
    """The needs of a scheduled state; none where it is inside all limits.  See `relieve`."""
    return list(relieve(view, zones, schedule_wh, reactive_var, room).needs)


def still_needed(
    view: GridView, zones: Zones, schedule_wh: Whole, reactive_var: Reals, bought: Iterable[SoldLeg],
    room: Room | None = None,
) -> list[Need]:  # fmt: skip
    """Need that is left once the bought legs are delivered; room: what is left beside them."""
    return needs(view, zones, with_legs(view, schedule_wh, bought), reactive_var, room)


def with_legs(view: GridView, schedule_wh: Whole, legs: Iterable[SoldLeg]) -> Whole:
    """The schedule when all of the legs are delivered.  Raises FeedError for an unknown point."""
    return schedule_wh + _moves(view, legs).sum(axis=0)


def relieve(
    view: GridView, zones: Zones, schedule_wh: Whole, reactive_var: Reals, room: Room | None = None
) -> Relief:
    """The least movement inside a room that brings a scheduled state inside the limits.

    schedule_wh: net injections, Wh (+ injects), shape (points,); reactive_var: var; room: None =
    everything curtailable.  Where the room is too small, the movement that breaks the limits
    least.  Raises FeedError for arrays of another shape, GridError where the grid has no operating
    point whatever moves.
    """
    _require_shape(view, schedule_wh=schedule_wh, reactive_var=reactive_var)
    given = curtailable(view, schedule_wh) if room is None else room
    _require_shape(view, up_wh=given.up_wh, down_wh=given.down_wh)
    return _Search(view, zones, schedule_wh, reactive_var, given).relief()


def reject_legs(
    view: GridView, schedule_wh: Whole, reactive_var: Reals, legs: Sequence[SoldLeg]
) -> list[int]:
    """The places of the legs, in merit order, that the grid does not bear; ascending.

    A leg stays when the grid is inside its limits with it and all legs that stay before it; where
    it is outside them without any leg, when it is no further outside.  So a seller that does not
    deliver after all leaves a state that was checked too, if it is the dearest.  Legs stay or go as
    a whole; each state is a full power flow.
    """
    _require_shape(view, schedule_wh=schedule_wh, reactive_var=reactive_var)
    bearable = max(float(_excess(view, schedule_wh[None], reactive_var)[0]), 0.0)
    moves = _moves(view, legs)
    state, rejected, place = schedule_wh, [], 0
    while place < len(legs):
        states = state + np.cumsum(moves[place : place + STATES], axis=0)
        borne = _excess(view, states, reactive_var) <= bearable
        good = len(states) if borne.all() else int(np.argmin(borne))
        state = states[good - 1] if good else state
        place += good
        if good < len(states):
            rejected.append(place)
            place += 1
    return rejected


def _require_shape(view: GridView, **given: Whole | Reals) -> None:
    for name, array in given.items():
        if array.shape != (len(view.points),):
            raise FeedError(f"{name}: {array.shape} must be ({len(view.points)},)")


def _moves(view: GridView, legs: Iterable[SoldLeg]) -> Whole:
    """One row per leg, shape (legs, points)."""
    place = {point: i for i, point in enumerate(view.points)}
    listed = list(legs)
    moves = np.zeros((len(listed), len(place)), dtype=np.int64)
    for row, leg in enumerate(listed):
        if leg.point not in place:
            raise FeedError(f"leg {row}: {leg.point!r} is no connection point of this grid")
        moves[row, place[leg.point]] = leg.direction.value * leg.wh
    return moves


def _excess(view: GridView, states_wh: Whole, reactive_var: Reals) -> Reals:
    """Beyond the worst limit, pu, of states of shape (k, points)."""
    states_w = states_wh / Mtu(view.mtu_seconds).hours
    return excess_of(view.network, states_w, reactive_var, view.limits) + SAFETY_PU


@dataclass(frozen=True)
class _Search:
    view: GridView
    zones: Zones
    schedule_wh: Whole
    reactive_var: Reals
    room: Room

    def relief(self) -> Relief:
        before = self._assess(np.zeros_like(self.schedule_wh))
        if before is not None and before.inside:
            return Relief(before, before, np.zeros_like(self.schedule_wh), ())
        start_wh = self._start(before)
        at = self._linear(start_wh)
        moved_wh = self._least(start_wh, at)
        after = self._assess(moved_wh)
        assert after is not None  # only states with an operating point are kept
        broken = self._assess(start_wh) if before is None else before
        found = _Told(self, at, broken.violations if broken is not None else ())
        return Relief(before, after, moved_wh, tuple(found.needs(moved_wh)))

    @cached_property
    def hours(self) -> float:
        return Mtu(self.view.mtu_seconds).hours

    @cached_property
    def movable(self) -> NDArray[np.int64]:
        return np.flatnonzero((self.room.up_wh > 0) | (self.room.down_wh > 0))

    def _start(self, before: Assessment | None) -> Whole:
        """Nothing moved; where that has no operating point, as much of the room as it takes."""
        if before is not None:
            return np.zeros_like(self.schedule_wh)
        whole = self.room.up_wh - self.room.down_wh
        tried = np.array([whole * share // SHARES for share in range(1, SHARES + 1)])
        solved = np.isfinite(_excess(self.view, self.schedule_wh + tried, self.reactive_var))
        if not solved.any():
            raise GridError("schedule: the grid has no operating point, whatever moves")
        start: Whole = tried[int(np.argmax(solved))]
        return start

    def _linear(self, moved_wh: Whole) -> Sensitivities:
        injection_w = (self.schedule_wh + moved_wh) / self.hours
        everywhere = np.arange(len(self.schedule_wh))
        return sensitivities(self.view.network, injection_w, self.reactive_var, everywhere)

    def _least(self, start_wh: Whole, at: Sensitivities) -> Whole:
        """Linearise, solve, go there and linearise anew, as long as it pays.

        Where the limits curve away from the tangent a step ends outside; from there the next one is so
        much shorter, and better.  What the last ones miss, the programme then stays further inside.
        """
        best_wh, best = start_wh, self._rank(start_wh)
        here_wh, back_off_pu = start_wh, BACK_OFF_PU
        for _ in range(LINEARISATIONS):
            target_wh = self._programme(at, here_wh, back_off_pu)
            found = self._rank(target_wh)
            if not np.isfinite(found[0]):
                target_wh = (here_wh + target_wh) // 2  # beyond collapse: half of the way
                found = self._rank(target_wh)
            if found < best:
                best_wh, best = target_wh, found
            elif found[0] == 0 or not np.isfinite(found[0]) or (target_wh == here_wh).all():
                break
            missed = 0 < found[0] < CURVATURE_PU
            back_off_pu = back_off_pu + found[0] if missed else BACK_OFF_PU
            here_wh, at = target_wh, self._linear(target_wh)
        return best_wh

    def _programme(self, at: Sensitivities, here_wh: Whole, back_off_pu: float) -> Whole:
        on = self.movable
        reach = Sensitivities(at.u_pu, at.loading, at.du_per_w[on], at.dl_per_w[on])
        change_w = least_moved(
            reach,
            here_wh[on] / self.hours,
            self.room.up_wh[on] / self.hours,
            self.room.down_wh[on] / self.hours,
            self.view.limits,
            back_off_pu,
        )
        target_wh = np.zeros_like(here_wh)
        change_wh = change_w * self.hours
        # Away from nothing, so that no Wh is missing; a millionth of one is the solver's.
        rounded = np.sign(change_wh) * np.ceil(np.abs(change_wh) - 1e-6)
        target_wh[on] = rounded.astype(np.int64)
        return np.clip(target_wh, -self.room.down_wh, self.room.up_wh)

    def _rank(self, moved_wh: Whole) -> tuple[float, int]:
        excess = float(
            _excess(self.view, (self.schedule_wh + moved_wh)[None], self.reactive_var)[0]
        )
        return max(excess, 0.0), int(np.abs(moved_wh).sum())

    def _assess(self, moved_wh: Whole) -> Assessment | None:
        injection_w = (self.schedule_wh + moved_wh) / self.hours
        try:
            return assess(self.view.network, injection_w, self.reactive_var, self.view.limits)
        except GridError:
            return None


@dataclass(frozen=True)
class _Told:
    """A movement by zone and direction, with the limits it is for."""

    search: _Search
    at: Sensitivities
    violations: tuple[Violation, ...]

    def needs(self, moved_wh: Whole) -> list[Need]:
        by_zone = self._by_zone()
        sums: dict[tuple[str, Direction], int] = {}
        for i in np.flatnonzero(moved_wh).tolist():
            direction = Direction.UP if moved_wh[i] > 0 else Direction.DOWN
            zone = self._zone_of(self.search.view.points[i], by_zone)
            sums[zone, direction] = sums.get((zone, direction), 0) + abs(int(moved_wh[i]))
        return [
            self._need(zone, direction, wh, by_zone)
            for (zone, direction), wh in sorted(sums.items(), key=lambda item: -item[1])
        ]

    def _by_zone(self) -> dict[str, list[Violation]]:
        """The broken limits, each in the deepest zone that holds who has a say in it."""
        points = self.search.view.points
        found: dict[str, list[Violation]] = {}
        for violation in self.violations:
            say = np.abs(self._towards(violation))
            relevant = np.flatnonzero(say >= RELEVANT * say.max()).tolist()
            zone = self.search.zones.common([points[i] for i in relevant])
            if zone is not None:
                found.setdefault(zone, []).append(violation)
        return found

    def _zone_of(self, point: str, by_zone: Mapping[str, list[Violation]]) -> str:
        """The lowest zone around the point that has a broken limit, else its own."""
        path = self.search.zones.path(self.search.zones.of_point[point])
        return next((zone for zone in path if zone in by_zone), path[0])

    def _need(
        self, zone: str, direction: Direction, wh: int, by_zone: Mapping[str, list[Violation]]
    ) -> Need:
        violations = tuple(by_zone.get(zone, ()))
        sensitivity: dict[str, float] = {}
        if violations:
            relief = -direction.value * self._towards(violations[0]) / self.search.hours
            sensitivity = {
                point: float(relief[i])
                for i, point in enumerate(self.search.view.points)
                if self.search.zones.holds(zone, point)
            }
        return Need(zone, direction, wh, violations, sensitivity)

    def _towards(self, violation: Violation) -> Reals:
        """pu further beyond the limit per W injected at each point."""
        slopes = self.at.dl_per_w if violation.kind == Kind.OVERLOAD else self.at.du_per_w
        sign = -1.0 if violation.kind == Kind.UNDERVOLTAGE else 1.0
        towards: Reals = sign * slopes[:, violation.element]
        return towards
