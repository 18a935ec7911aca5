"""One home through time: plans a day ahead, promises, is moved, follows its set-points, plans again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from gridbourse.agents.home_environment import Surroundings
from gridbourse.scenario.devices import Devices
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scheduling.home import Home, HomePrices, Schedule, manage, moved
from gridbourse.scheduling.storage import Storage, Viable, allowed

Ints = NDArray[np.int64]

HORIZON_HOURS = 36
"""Horizon of a plan, a day and a half: the local day it is for, and the night after it."""
DRIFT = 0.05
"""Share of its span by which balancing may move a battery before a new plan is made."""
_WORTH_TOLERANCE = 1e-3
"""µEUR/Wh"""


@dataclass(frozen=True, eq=False)
class Plan:
    """Schedule for the periods from `first` on."""

    first: int
    home: Home
    prices: HomePrices
    viable: Mapping[str, Viable]
    schedule: Schedule


@dataclass(frozen=True)
class Done:
    """Operation of a home's devices in a period: drawn Wh by device, comfort missed by storage."""

    drawn_wh: Mapping[str, int]
    off_wh: Mapping[str, float]


class Household:
    """Home; `at`: the next period to be delivered. `expected`: its expected injection without its
    devices, for a range of periods. Energies are net injections, + injects, unless they are drawn."""

    def __init__(
        self,
        point_id: str,
        devices: Devices,
        zone: str,
        capacity_wh: int,
        world: Surroundings,
        expected: Callable[[range], Ints],
        at: int,
    ):
        self.point_id, self.devices, self.at = point_id, devices, at
        self.states = world.start_states(devices)
        self.began_with = dict(self.states)
        self.done: list[Done] = []
        self._zone, self._capacity_wh, self._world, self._expected = (
            zone,
            capacity_wh,
            world,
            expected,
        )
        self._began, self._promised_until = at, at
        self._set: dict[int, dict[str, int]] = {}
        self._loads: dict[int, int] = {}
        self._begun: dict[tuple[str, date], int] = {}
        self._planned_day: date | None = None
        self._plan: Plan | None = None
        self._drifted = False

    def promise(self, period: int) -> int:
        """Net device energy planned for a period; the plan keeps it from now on."""
        plan = self._current(period)
        for each in range(self._promised_until, period + 1):
            self._keep(plan, each)
        self._promised_until = max(self._promised_until, period + 1)
        return -sum(self._set[period].values()) - self._loads.get(period, 0)

    def room(self, period: int) -> tuple[int, int]:
        """Wh that the home could inject more (up) and less (down) than planned, every comfort kept."""
        plan = self._fresh(period)
        k = period - plan.first
        up = down = 0
        for storage in plan.home.storages:
            least, most, drawn = self._between(plan, storage, k)
            up, down = up + max(drawn - least, 0), down + max(most - drawn, 0)
        net = int(plan.schedule.net_wh[k])
        return min(up, max(self._capacity_wh - net, 0)), min(down, max(self._capacity_wh + net, 0))

    def cost_of(self, period: int, moves_wh: list[int]) -> list[float]:
        """Cost of moving by each of these, µEUR; see `scheduling.home.moved`."""
        return [cost for cost, _ in self._moved(period, moves_wh)]

    def move(self, period: int, wh: int) -> None:
        """Inject `wh` more than planned in the period; later periods are planned anew.

        ScenarioError beyond what `room` says.
        """
        up, down = self.room(period)
        if not -down <= wh <= up:
            raise ScenarioError(
                f"{self.point_id}: cannot move {wh} Wh in period {period}: from {-down} to {up} Wh"
            )
        ((_, drawn),) = self._moved(period, [wh])
        plan = self._current(period)
        k = period - plan.first
        bounds = {s.name: self._between(plan, s, k) for s in plan.home.storages}
        total = sum(now for _, _, now in bounds.values()) - wh
        chosen = {
            name: min(max(round(drawn[name]), least), most)
            for name, (least, most, _) in bounds.items()
        }
        limits = {name: (least, most) for name, (least, most, _) in bounds.items()}
        self.promise(period)
        self._set[period] = towards(chosen, limits, total)
        self._plan = None

    def point(self, period: int, device: str, drawn_wh: int) -> None:
        """Apply a set-point from outside; it holds within comfort, and moves what was promised, too."""
        if device not in self.states:
            raise ScenarioError(f"{self.point_id}: {device}: the home has no such storage")
        if period < self.at:
            raise ScenarioError(f"{self.point_id}: period {period} is delivered")
        self._set.setdefault(period, {})[device] = drawn_wh
        self._plan = None

    def deliver(self, period: int, least_wh: int, most_wh: int, beside_wh: int = 0) -> int:
        """Follow the set-points, as far as the net device energy may lie in least..most; the state
        advances. Where it must, a home moves within comfort first, then as far as physically possible.

        beside_wh: injection of the home beyond what it expected; see `_balanced`.
        """
        if period != self.at:
            raise ScenarioError(f"{self.point_id}: period {period} comes before {self.at}")
        self.promise(period)
        plan = self._current(period)
        k, load = period - plan.first, self._loads.get(period, 0)
        storages = list(plan.home.storages)
        drawn = {s.name: int(plan.schedule.paths[s.name].drawn_wh[k]) for s in storages}
        physical = self._physical(plan, k)
        drawn = {
            name: min(max(wh, physical[name][0]), physical[name][1]) for name, wh in drawn.items()
        }
        drawn = self._balanced(plan, k, drawn, beside_wh)
        target = min(max(sum(drawn.values()), -most_wh - load), -least_wh - load)
        for reach in (self._comfortable(plan, k), physical):
            drawn = towards(drawn, reach, target)
        off = {s.name: s.off_wh(k, self.states[s.name], drawn[s.name]) for s in storages}
        loads = {"shiftable": load} if self.devices.shiftables else {}
        self.done.append(Done(drawn | loads, {name: wh for name, wh in off.items() if wh}))
        self._advance(plan, k, drawn)
        return -sum(drawn.values()) - load

    def _balanced(
        self, plan: Plan, k: int, drawn: dict[str, int], beside_wh: int
    ) -> dict[str, int]:
        """Let a battery compensate the forecast error, so that the meter shows what was promised, where
        the energy is worth no less in it than on the market: its worth is the plan's dual. A battery that an
        aggregator steers follows its set-points."""
        battery = self.devices.battery
        steered = "battery" in self._world.rules.direct_kinds
        if battery is None or steered or not battery.balances or not beside_wh:
            return drawn
        storage = next(s for s in plan.home.storages if s.name == "battery")
        worth = float(plan.schedule.worth_micro_eur_per_wh["battery"][k]) + _WORTH_TOLERANCE
        if beside_wh > 0:
            pays = worth * float(storage.gain[k]) >= plan.prices.sell_micro_eur_per_wh[k]
        else:
            given = (worth - 2 * _WORTH_TOLERANCE) * storage.drain + storage.wear_micro_eur_per_wh
            pays = given <= plan.prices.buy_micro_eur_per_wh[k]
        if not pays:
            return drawn
        reach = {"battery": allowed(storage, plan.viable["battery"], k, self.states["battery"])}
        return towards(drawn, reach, sum(drawn.values()) + beside_wh)

    def _advance(self, plan: Plan, k: int, drawn: Mapping[str, int]) -> None:
        for storage in plan.home.storages:
            self.states[storage.name] = storage.step(
                k, self.states[storage.name], drawn[storage.name]
            )
            path = plan.schedule.paths[storage.name]
            if drawn[storage.name] != path.drawn_wh[k]:
                drift = abs(self.states[storage.name] - float(path.state_wh[k]))
                self._drifted = True
                if storage.kind != "battery" or drift > DRIFT * float(np.ptp(self._span(storage))):
                    self._plan = None
        self._set.pop(self.at, None)
        self.at += 1

    @staticmethod
    def _span(storage: Storage) -> tuple[float, float]:
        return float(storage.low_wh[0]), float(storage.high_wh[0])

    def as_member(self, steered: Collection[str]) -> Home:
        """Home as its aggregator plans it, from the next period to be delivered on.

        Devices not steered are as the home plans them itself: shiftable loads as they run, storages at
        their set-points.
        """
        self._plan = None
        plan = self._current(self.at)
        paths, home = plan.schedule.paths, plan.home
        drawn = plan.schedule.drawn_wh
        targets = dict(home.targets_wh)
        for name, path in paths.items():
            if name not in steered:
                targets[name] = path.drawn_wh.astype(np.float64)
        base = plan.schedule.net_wh + drawn
        return replace(home, base_wh=base, blocks=(), targets_wh=targets)

    def _fresh(self, period: int) -> Plan:
        """Plan from the exact present states, to the Wh."""
        if self._drifted:
            self._plan = None
        return self._current(period)

    def _current(self, period: int) -> Plan:
        """Present plan, made anew for a new local day, or after a change."""
        day = self._world.local_date(period)
        plan = self._plan
        beyond = plan is not None and period - plan.first >= len(plan.home.base_wh)
        if plan is None or beyond or (self._planned_day is not None and day > self._planned_day):
            plan = self._plan = self._made()
            self._drifted = False
            self._planned_day = max(day, self._planned_day or day)
        return plan

    def _made(self) -> Plan:
        world = self._world
        count = HORIZON_HOURS * 3600 // world.scenario.mtu_seconds
        periods = range(self.at, self.at + count)
        storages = world.storages(self.devices, self.states, self._zone, periods)
        prices = world.prices(self._zone, periods)
        base = self._expected(periods) - np.array([self._loads.get(p, 0) for p in periods])
        blocks, self._open = [], {}
        for key, run in world.runs(self.devices.shiftables, periods).items():
            block = world.block(key, run, self.at, self._promised_until)
            if key not in self._begun and run[1] >= self._began and block is not None:
                blocks.append(block)
                self._open[block.name] = (key, run[0])
        targets = {}
        for name in self.states:
            row = np.array(
                [self._set.get(p, {}).get(name, np.nan) for p in periods], dtype=np.float64
            )
            if not np.isnan(row).all():
                targets[name] = row
        home = Home(
            self.point_id,
            base,
            storages,
            blocks,
            self._capacity_wh,
            self._capacity_wh,
            targets,
            world.day,
        )
        viable = {storage.name: Viable.of(storage) for storage in storages}
        return Plan(self.at, home, prices, viable, manage(home, prices))

    def _keep(self, plan: Plan, period: int) -> None:
        """Promise a period: its set-points and the loads that begin in it stay."""
        k = period - plan.first
        self._set[period] = {name: int(p.drawn_wh[k]) for name, p in plan.schedule.paths.items()}
        for name, start in plan.schedule.starts.items():
            key, energy = self._open[name]
            if start == k and key not in self._begun:
                self._begun[key] = period
                for at, wh in enumerate(energy.tolist()):
                    self._loads[period + at] = self._loads.get(period + at, 0) + wh

    def _moved(self, period: int, moves_wh: list[int]) -> list[tuple[float, dict[str, float]]]:
        """Cost and drawn energy by storage of each move; loads run as planned."""
        plan = self._current(period)
        k = period - plan.first
        drawn = plan.schedule.drawn_wh
        kept = {}
        for name, path in plan.schedule.paths.items():
            row = plan.home.targets_wh.get(name, np.full(len(drawn), np.nan)).copy()
            row[k] = np.nan
            row[:k] = path.drawn_wh[:k]
            kept[name] = row
        home = Home(
            self.point_id, plan.schedule.net_wh + drawn, plan.home.storages, (),
            self._capacity_wh, self._capacity_wh, kept, plan.home.day,
        )  # fmt: skip
        return moved(home, plan.prices, k, int(plan.schedule.net_wh[k]), moves_wh)

    def _between(self, plan: Plan, storage: Storage, k: int) -> tuple[int, int, int]:
        """(least, most, planned) Wh drawn with comfort kept."""
        path = plan.schedule.paths[storage.name]
        before = storage.state_wh if k == 0 else float(path.state_wh[k - 1])
        least, most = allowed(storage, plan.viable[storage.name], k, before)
        drawn = int(path.drawn_wh[k])
        return min(least, drawn), max(most, drawn), drawn

    def _comfortable(self, plan: Plan, k: int) -> dict[str, tuple[int, int]]:
        return {
            s.name: allowed(s, plan.viable[s.name], k, self.states[s.name])
            for s in plan.home.storages
        }

    def _physical(self, plan: Plan, k: int) -> dict[str, tuple[int, int]]:
        return {s.name: s.physical(k, self.states[s.name]) for s in plan.home.storages}


def towards(
    drawn: Mapping[str, int], reach: Mapping[str, tuple[int, int]], target: int
) -> dict[str, int]:
    """Move the sum towards the target, one device after the other, each within its reach."""
    found, gap = dict(drawn), target - sum(drawn.values())
    for name, (least, most) in reach.items():
        room = max(most - found[name], 0) if gap > 0 else min(least - found[name], 0)
        step = min(gap, room) if gap > 0 else max(gap, room)
        found[name] += step
        gap -= step
    return found
