"""Homes without a manager, for comparison: nothing looks ahead and nothing sees a price.

A vehicle charges at full power from its arrival until it has what it needs. A thermostat holds the
lower edge of the same comfort band, which is the least heat that keeps it. A shiftable load runs as
soon as it may. A battery follows its factory setting: it takes the surplus behind its meter
and gives it back when there is a shortage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gridbourse.agents.home_environment import Surroundings
from gridbourse.agents.household import Done
from gridbourse.scenario.devices import Devices
from gridbourse.scheduling.storage import Storage

Ints = NDArray[np.int64]


class Unmanaged:
    """Devices of one home over the periods given in advance."""

    def __init__(self, devices: Devices, zone: str, world: Surroundings, periods: range):
        self.states = world.start_states(devices)
        self.storages = world.storages(devices, self.states, zone, periods)
        self._needed = devices.ev.needed_wh if devices.ev is not None else 0.0
        self._loads = _at_once(devices, world, periods)
        self._shifts = bool(devices.shiftables)

    def follow(self, base_wh: Ints) -> tuple[Ints, list[Done]]:
        """Net device energy in each period when the home injects `base_wh` without its devices."""
        done = [self._period(k, int(base)) for k, base in enumerate(base_wh)]
        return np.array([-sum(one.drawn_wh.values()) for one in done], dtype=np.int64), done

    def _period(self, k: int, base_wh: int) -> Done:
        drawn: dict[str, int] = {"shiftable": int(self._loads[k])} if self._shifts else {}
        off = {}
        # The battery comes last: it sees what all the others leave.
        for storage in sorted(self.storages, key=lambda one: one.kind == "battery"):
            state = self.states[storage.name]
            surplus = base_wh - sum(drawn.values())
            wh = self._draws(storage, k, state, surplus)
            drawn[storage.name] = wh
            if missed := storage.off_wh(k, state, wh):
                off[storage.name] = missed
            self.states[storage.name] = storage.step(k, state, wh)
        return Done(drawn, off)

    def _draws(self, storage: Storage, k: int, state_wh: float, surplus_wh: int) -> int:
        if storage.kind == "battery":
            least, most = storage.physical(k, state_wh)
            return min(max(surplus_wh, least), most)
        goal = self._needed if storage.kind == "ev" else float(storage.low_wh[k])
        least, _ = storage.drawn_between(k, state_wh, goal, goal)
        return max(least, 0)


def _at_once(devices: Devices, world: Surroundings, periods: range) -> Ints:
    """Load in Wh with every run of a shiftable load at its earliest start."""
    loads = np.zeros(len(periods), dtype=np.int64)
    ends = range(periods.start, periods.stop + world.day)
    for energy, first, _ in world.runs(devices.shiftables, ends).values():
        for at, wh in enumerate(energy.tolist(), first - periods.start):
            if first >= periods.start and at < len(loads):
                loads[at] += wh
    return loads


def missed_wh(done: Sequence[Done]) -> float:
    """Comfort missed over all periods and storages, Wh of state."""
    return sum(abs(wh) for one in done for wh in one.off_wh.values())
