"""Plant: the real behaviour of the points in a period, and the readings and grid state that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbourse.agents.homes import Homes
from gridbourse.grid.network import Flow, Network
from gridbourse.model.caps import Caps
from gridbourse.scenario.scenario import Scenario


@dataclass(frozen=True)
class Delivery:
    """One delivered period.

    readings_wh: metered net injection, Wh, shape (points,), positive = injected.
    curtailed_wh: energy that the caps held back, Wh >= 0, shape (points,).
    uncurtailed_wh: injection of the points had there been no caps and no curtailment sold,
    with their devices as they ran, shape (points,).
    devices_wh: part of the readings injected by homes' scheduled devices, shape (points,).
    flow: the grid under exactly these readings.
    """

    readings_wh: NDArray[np.int64]
    curtailed_wh: NDArray[np.int64]
    uncurtailed_wh: NDArray[np.int64]
    devices_wh: NDArray[np.int64]
    flow: Flow


@dataclass(frozen=True)
class Plant:
    """Profiles, homes with devices, and a grid in place of the real world."""

    scenario: Scenario
    network: Network
    homes: Homes | None = None

    @classmethod
    def of(cls, scenario: Scenario, network: Network) -> Plant:
        """Plant with the homes of the scenario."""
        return cls(scenario, network, Homes(scenario) if scenario.homes is not None else None)

    def deliver(self, period: int, caps: Caps | None = None, sold: Caps | None = None) -> Delivery:
        """Deliver a period: points follow their profiles, devices their set-points, as far as caps allow.

        sold: limits that points have sold to keep, which are not caps: their energy does not count as
        held back. Devices give way first; the rest above a cap is held back. With homes each period is
        delivered once, in order.
        """
        base_wh = self.scenario.net_wh(period)
        devices_wh = np.zeros_like(base_wh)
        if self.homes is not None:
            caps = self.homes.connections.tightened(caps or self.homes.connections)
            devices_wh = self.homes.deliver(period, base_wh, caps)
        uncurtailed_wh = base_wh + devices_wh
        wanted_wh = uncurtailed_wh if sold is None else sold.clip(uncurtailed_wh)
        readings_wh = caps.clip(wanted_wh) if caps is not None else wanted_wh
        curtailed_wh = np.abs(wanted_wh - readings_wh)
        flow = self.flow_of(period, readings_wh)
        return Delivery(readings_wh, curtailed_wh, uncurtailed_wh, devices_wh, flow)

    def flow_of(self, period: int, net_wh: NDArray[np.int64]) -> Flow:
        """The grid if these net injections (Wh, shape (points,) or (k, points)) are delivered."""
        return self._flow(net_wh, self.scenario.reactive_var(period))

    def expected_flow(self, period: int, net_wh: NDArray[np.int64]) -> Flow:
        """Grid expected before delivery, with these net injections scheduled."""
        return self._flow(net_wh, self.scenario.forecast_var(period))

    def _flow(self, net_wh: NDArray[np.int64], reactive_var: NDArray[np.float64]) -> Flow:
        injection_w = np.atleast_2d(net_wh / self.scenario.mtu.hours)
        return self.network.run(injection_w, np.broadcast_to(reactive_var, injection_w.shape))


def energy_gap_wh(readings_wh: NDArray[np.int64], flow: Flow, hours: float) -> float:
    """Metered energy that the grid does not account for, Wh.

    Sum of the readings of all connection points + exchange at the transformer - branch losses; 0
    except the solver's tolerance when every injection is metered and every reading is true.
    """
    return float(readings_wh.sum() + (flow.exchange_w[0] - flow.losses_w[0]) * hours)
