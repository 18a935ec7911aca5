"""All homes of a scenario that have devices to schedule, period by period.

Each home plans at the start of every local day, on what is known then, for `HORIZON_HOURS`; what it
has promised to a market it keeps, unless a request or a cap of the DSO moves it, after which the later
periods are planned anew. Everything follows from the scenario: the same calls give the same answers.
Devices run at unity power factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.agents.home_environment import Surroundings
from gridbourse.agents.household import Household
from gridbourse.model.caps import Caps
from gridbourse.scenario.devices import Devices
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import Scenario
from gridbourse.scheduling.home import Home

Ints = NDArray[np.int64]

OFFER_COLUMNS = ("point_id", "direction", "wh", "cost_micro_eur_per_wh")


class Homes:
    """Homes of a scenario; arrays over all its points, in their order, + injects."""

    def __init__(self, scenario: Scenario, first: int | None = None):
        """first: the period at whose start the devices are as in the scenario; default its first."""
        self.scenario, self.world = scenario, Surroundings(scenario)
        self.first = self.at = scenario.first_period if first is None else first
        self._row = {point: row for row, point in enumerate(scenario.points.index)}
        self._capacity_wh = (scenario.points["capacity_w"] * scenario.mtu.hours).to_numpy(np.int64)
        self._expected = lru_cache(maxsize=4)(self.world.expected_wh)
        self.households = {
            point: self._household(point, devices)
            for point, devices in self.world.rules.devices.items()
        }
        self._planned: dict[int, Ints] = {}

    def planned_wh(self, period: int) -> Ints:
        """Net device energy planned for every point; it no longer changes once read."""
        if period not in self._planned:
            self._planned[period] = self._by_row(
                {point: home.promise(period) for point, home in self.households.items()}
            )
        return self._planned[period].copy()

    def forecast_wh(self, period: int) -> Ints:
        """Expected injection of every point: its forecast and its planned devices, as far as its
        connection carries both."""
        expected = self.scenario.forecast_wh(period) + self.planned_wh(period)
        return self.connections.clip(expected)

    def offers(self, period: int) -> pd.DataFrame:
        """Energy that each home can move in a period, comfort kept then and later: `OFFER_COLUMNS`.

        direction: "up" injects more (or draws less), "down" the reverse.  wh: > 0.
        cost_micro_eur_per_wh: least price at which moving all of it, or any part, costs the home
        nothing, rounded up: losses, wear, and what it buys again or sells less in other periods. Negative
        where the home gains by it. Blocks are not offered: they cannot be moved in part.
        """
        rows = []
        for point, home in self.households.items():
            up, down = home.room(period)
            moves = [wh for wh in (up, -down) if wh]
            for wh, cost in zip(moves, home.cost_of(period, moves), strict=True):
                if math.isfinite(cost):
                    least = math.ceil(cost / abs(wh) - 1e-6)
                    rows.append((point, "up" if wh > 0 else "down", abs(wh), least))
        frame = pd.DataFrame(rows, columns=list(OFFER_COLUMNS))
        return frame.astype({"wh": "int64", "cost_micro_eur_per_wh": "int64"})

    def activate(self, period: int, point_id: str, wh: int) -> None:
        """Make a home inject `wh` more than it planned; its later schedule is planned anew.

        ScenarioError for a home without devices, a delivered period, or more than it can move.
        """
        home = self._home(point_id, period)
        self.planned_wh(period)
        home.move(period, wh)

    def set_points(self, period: int, wanted_wh: Mapping[tuple[str, str], int]) -> None:
        """Apply an aggregator's set-points, net injection by (point_id, storage): they win within comfort.

        ScenarioError where the home steers that device itself, or has already promised the period.
        """
        for (point_id, device), wh in wanted_wh.items():
            if device not in self.world.rules.direct_kinds:
                raise ScenarioError(
                    f"{point_id}: {device}: is steered by its home"
                    f" (homes.control = {self.world.rules.control!r})"
                )
            if period in self._planned:
                raise ScenarioError(f"{point_id}: period {period} is promised already")
            self._home(point_id, period).point(period, device, -wh)

    def row_of(self, point_id: str) -> int:
        """Row of a point in arrays."""
        return self._row[point_id]

    def undisturbed_wh(self, periods: range, members: Mapping[str, Home]) -> Ints:
        """Expected injection of every point without storages that are steered: its profile, and
        the home's own decisions; shape (periods, points)."""
        net = self._expected(periods).copy()
        for point, member in members.items():
            net[:, self._row[point]] = member.base_wh
        return net

    def members(self) -> dict[str, Home]:
        """Homes that an aggregator steers, by point, as `scheduling.portfolio` takes them: from the
        next period to be delivered on, all over the same periods."""
        steered = self.world.rules.direct_kinds
        return {
            point: home.as_member(steered)
            for point, home in self.households.items()
            if set(home.states) & set(steered)
        }

    def deliver(self, period: int, base_wh: Ints | None = None, caps: Caps | None = None) -> Ints:
        """Every home obeys its set-points and its state advances; net device energy of every point.

        base_wh: injection of the points without their devices; default the expected one. Batteries
        that balance compensate the difference. caps: with base_wh, limits that the meters must keep, as far
        as devices can. Both of shape (points,). Periods must come in order, one by one.
        """
        if period != self.at:
            raise ScenarioError(f"homes: period {period} comes where {self.at} should")
        self.planned_wh(period)
        expected = self.scenario.forecast_wh(period)
        base = expected if base_wh is None else base_wh
        within = self.connections if caps is None else caps.tightened(self.connections)
        least, most = -within.import_cap_wh - base, within.export_cap_wh - base
        self.at += 1
        net = {}
        for point, home in self.households.items():
            row = self._row[point]
            beside = int(base[row] - expected[row])
            net[point] = home.deliver(period, int(least[row]), int(most[row]), beside)
        return self._by_row(net)

    @property
    def connections(self) -> Caps:
        """Capacity of every connection, as caps."""
        return Caps(self._capacity_wh, self._capacity_wh)

    def _household(self, point: str, devices: Devices) -> Household:
        row = self._row[point]
        return Household(
            point,
            devices,
            str(self.scenario.points.at[point, "zone"]),
            int(self._capacity_wh[row]),
            self.world,
            lambda periods: self._expected(periods)[:, row],
            self.first,
        )

    def _home(self, point_id: str, period: int) -> Household:
        if point_id not in self.households:
            raise ScenarioError(f"{point_id}: is not a home with devices")
        if period < self.at:
            raise ScenarioError(f"{point_id}: period {period} is delivered")
        return self.households[point_id]

    def _by_row(self, values: Mapping[str, int]) -> Ints:
        net = np.zeros(len(self._row), dtype=np.int64)
        for point, wh in values.items():
            net[self._row[point]] = wh
        return net


def forecast_wh(scenario: Scenario, homes: Homes | None, period: int) -> Ints:
    """Expected injection of every point, its planned devices included."""
    return scenario.forecast_wh(period) if homes is None else homes.forecast_wh(period)
