"""The plant: what the points really do in a period, and what the meters and the grid then show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.caps import Caps
from gridbourse.scenario.network import Flow, Network
from gridbourse.scenario.scenario import Scenario


@dataclass(frozen=True)
class Delivery:
    """One delivered period.

    readings_wh: metered net injection, Wh, shape (points,), positive = injected.
    curtailed_wh: what the caps held back, Wh >= 0, shape (points,).
    flow: the grid under exactly these readings.
    """

    readings_wh: NDArray[np.int64]
    curtailed_wh: NDArray[np.int64]
    flow: Flow


@dataclass(frozen=True)
class Plant:
    """Profiles and a grid in the place of the real world."""

    scenario: Scenario
    network: Network

    def deliver(self, period: int, caps: Caps | None = None) -> Delivery:
        """Every point follows its profile as far as its caps allow."""
        wanted_wh = self.scenario.net_wh(period)
        readings_wh = caps.clip(wanted_wh) if caps is not None else wanted_wh
        curtailed_wh = np.abs(wanted_wh - readings_wh)
        return Delivery(readings_wh, curtailed_wh, self.flow_of(period, readings_wh))

    def flow_of(self, period: int, net_wh: NDArray[np.int64]) -> Flow:
        """The grid if these net injections (Wh, shape (points,) or (k, points)) are delivered."""
        injection_w = np.atleast_2d(net_wh / self.scenario.mtu.hours)
        reactive_var = np.broadcast_to(self.scenario.reactive_var(period), injection_w.shape)
        return self.network.run(injection_w, reactive_var)


def energy_gap_wh(readings_wh: NDArray[np.int64], flow: Flow, hours: float) -> float:
    """Metered energy that the grid does not account for, Wh.

    Sum of the readings of all connection points + exchange at the transformer - branch losses; 0
    but for the solver's tolerance when every injection is metered and every reading is true.
    """
    return float(readings_wh.sum() + (flow.exchange_w[0] - flow.losses_w[0]) * hours)
