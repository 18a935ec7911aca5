"""Aggregators steer the devices their contracts give them, by one schedule over a whole portfolio.

The schedule (`gridbourse.model.portfolio`) nets what the members and the aggregator's own assets
exchange, so devices move into the hours in which the portfolio itself has a surplus; the rest is priced
as the supplier does. The grid's limits come in as linear ones around the expected state: the highest and
the lowest voltage and the most loaded branch, each as a power flow finds it, with what one more Wh of
each member does to it. Source: seed 001 §2.3 (direct control), seed 003 §1.2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.home import Home
from gridbourse.model.portfolio import GridLimits, schedule
from gridbourse.scenario.homes import Homes
from gridbourse.scenario.network import Flow, Network
from gridbourse.scenario.portfolios import Portfolios
from gridbourse.scenario.rules import Aggregator
from gridbourse.scenario.scenario import Scenario

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Pick = Callable[[Flow], Floats]

SCHEDULED_HOURS = 4
"""How long set-points stand before all are scheduled anew."""
STEP_W = 1_000.0
"""Of an injection, by which the power flow is differentiated."""
REACHED = 0.01
"""Of the largest effect members have anywhere: where they have less, their devices are no remedy."""
WORTH = 10.0
"""Of a Wh beyond a limit, in highest prices: above any price, far below comfort."""


@dataclass
class Dispatch:
    """Set-points of every aggregator with direct control; `until`: the first period without any."""

    scenario: Scenario
    homes: Homes
    network: Network
    until: int = 0

    def __post_init__(self) -> None:
        self._portfolios = Portfolios(self.scenario)
        points = self.scenario.points.index
        self._row = {str(point): row for row, point in enumerate(points)}

    def steer(self, period: int) -> None:
        """Give set-points for a period, and those after it; before anything of it is promised."""
        if period < self.until:
            return
        self.until = period + SCHEDULED_HOURS * 3600 // self.scenario.mtu_seconds
        members = self.homes.members()
        for one in self.scenario.aggregators:
            mine = [members[point] for point in self._portfolio(one) if point in members]
            if one.control != "indirect" and mine:
                self._point(one, mine, range(period, self.until))

    def _portfolio(self, one: Aggregator) -> list[str]:
        return [point for point, its in self._portfolios.aggregator_of.items() if its is one]

    def _point(self, one: Aggregator, steered: Sequence[Home], periods: range) -> None:
        window = range(self.homes.at, self.homes.at + len(steered[0].base_wh))
        expected = self.homes.world.expected_wh(window)
        named = {home.name for home in steered}
        others = [point for point in (one.point, *self._portfolio(one)) if point not in named]
        everybody = [*steered, *(Home(p, expected[:, self._row[p]]) for p in others)]
        prices = self.homes.world.prices(str(self.scenario.points.at[one.point, "zone"]), window)
        limits = self._limits(everybody, expected, window, WORTH * prices.top)
        plan = schedule(everybody, prices, limits)
        kinds = set(self.homes.world.rules.direct_kinds) & set(one.resources)
        wanted: defaultdict[int, dict[tuple[str, str], int]] = defaultdict(dict)
        for home in steered:
            for kind, path in plan.schedules[home.name].paths.items():
                if kind in kinds:
                    for period in periods:
                        drawn = int(path.drawn_wh[period - window.start])
                        wanted[period][home.name, kind] = -drawn
        for period, set_points in wanted.items():
            self.homes.set_points(period, set_points)

    def _limits(
        self, members: Sequence[Home], expected_wh: Ints, window: range, worth: float
    ) -> GridLimits:
        """Around what everybody is expected to exchange; shape of expected_wh: (periods, points)."""
        hours = self.scenario.mtu.hours
        rows = [self._row[home.name] for home in members]
        base_w = expected_wh / hours
        base_w[:, rows] = np.array([home.base_wh for home in members]).T / hours
        day = 86_400 // self.scenario.mtu_seconds
        ago = [(p - window.start) // day * day + day for p in window]
        reactive = np.array(
            [self.scenario.reactive_var(p - back) for p, back in zip(window, ago, strict=True)]
        )
        probe = Probe(self.network, base_w, reactive, rows, STEP_W * hours)
        bounds = self.scenario.limits
        return GridLimits(
            *_stacked(
                probe.limit("highest voltage", _voltage, 1.0, bounds.v_max_pu),
                probe.limit("lowest voltage", _voltage, -1.0, -bounds.v_min_pu),
                *probe.both_ways("loading", _loading, bounds.loading_max),
            ),
            worth,
        )


Row = tuple[str, Floats, Floats, float]
"""Of one limit: name, value in each period, effect of a Wh of each member, most."""


@dataclass
class Probe:
    """Power flows around expected states, shape (periods, points); rows: the members' points."""

    network: Network
    base_w: Floats
    reactive_var: Floats
    rows: Sequence[int]
    step_wh: float

    def __post_init__(self) -> None:
        self._before = self.network.run(self.base_w, self.reactive_var)
        raised_w = self.base_w.copy()
        raised_w[:, self.rows] += STEP_W
        self._raised = self.network.run(raised_w, self.reactive_var)

    def limit(self, name: str, pick: Pick, sign: float, most: float) -> Row:
        """sign × what is picked, at the place and with the effects it has where it is largest."""
        value = sign * pick(self._before)
        at, place = self._worst(pick, value)
        return _scaled(name, value[:, place], sign * self._effects(pick, at, place), most)

    def both_ways(self, name: str, pick: Pick, most: float) -> tuple[Row, Row]:
        """The same of an amount that injections raise in some periods and lower in others."""
        value = pick(self._before)
        at, place = self._worst(pick, value)
        way = np.where(pick(self._raised)[:, place] >= value[:, place], 1.0, -1.0)
        effects = way[at] * self._effects(pick, at, place)
        fed, drawn = way * value[:, place], -way * value[:, place]
        return (
            _scaled(f"{name}, feeding in", fed, effects, most),
            _scaled(f"{name}, drawing", drawn, -effects, most),
        )

    def _worst(self, pick: Pick, value: Floats) -> tuple[int, int]:
        """Period and place of the largest value, of the places that the members do move."""
        moved = np.abs(pick(self._raised) - pick(self._before)).max(axis=0)
        reached = np.where(moved >= REACHED * moved.max(), value, -np.inf)
        at, place = np.unravel_index(int(reached.argmax()), reached.shape)
        return int(at), int(place)

    def _effects(self, pick: Pick, at: int, place: int) -> Floats:
        """Of one Wh more of each member, shape (members,)."""
        count = len(self.rows)
        moved_w = np.repeat(self.base_w[at : at + 1], count, axis=0)
        moved_w[np.arange(count), self.rows] += STEP_W
        flow = self.network.run(moved_w, np.repeat(self.reactive_var[at : at + 1], count, axis=0))
        return (pick(flow)[:, place] - pick(self._before)[at, place]) / self.step_wh


def _scaled(name: str, value: Floats, effects: Floats, most: float) -> Row:
    """So that the member with the most effect moves the limit by one a Wh."""
    scale = 1 / max(float(np.abs(effects).max()), 1e-12)
    return name, value * scale, effects * scale, most * scale


def _stacked(*limits: Row) -> tuple[list[str], Floats, Floats, Floats]:
    names, values, effects, most = zip(*limits, strict=True)
    return list(names), np.array(values).T, np.array(effects).T, np.array(most)


def _voltage(flow: Flow) -> Floats:
    return flow.u_pu


def _loading(flow: Flow) -> Floats:
    return flow.loading
