"""Assessment of a grid state: the limits it breaks, where, and by how much.

Voltage: EN 50160 asks that 95 % of a week's 10-minute means lie within 10 % of the nominal voltage.
A verdict covers one delivery period at a time, so the band has to hold in every period; that is
the stricter rule, and leaves the 5 % to what no schedule foresees.  Thermal: rated current.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gridbourse.grid.errors import GridError
from gridbourse.grid.limits import Limits
from gridbourse.grid.network import Flow, Network

Array = NDArray[np.float64]


class Kind(StrEnum):
    """Kind of limit that is broken."""

    UNDERVOLTAGE = "undervoltage"
    OVERVOLTAGE = "overvoltage"
    OVERLOAD = "overload"


@dataclass(frozen=True)
class Violation:
    """One broken limit.  value, limit, over: pu of rated voltage or current, over > 0.

    element: position in the Flow's node or branch columns; name: its name in the grid file.
    """

    kind: Kind
    element: int
    name: str
    value: float
    limit: float
    over: float

    def __str__(self) -> str:
        if self.kind == Kind.OVERLOAD:
            return f"{self.name} at {self.value:.1%} (limit {self.limit:.0%})".replace("%", " %")
        side = "above" if self.kind == Kind.OVERVOLTAGE else "below"
        return (
            f"{self.name} at {self.value:.4f} pu ({side} the limit of {self.limit:.3f} pu"
            f" by {self.over:.4f})"
        )


@dataclass(frozen=True)
class Assessment:
    """Grid state compared with its limits; violations worst first, loading 1.0 = rated."""

    u_min_pu: float
    u_max_pu: float
    loading_max: float
    violations: tuple[Violation, ...]

    @property
    def inside(self) -> bool:
        """True where no limit is broken."""
        return not self.violations


def assess(network: Network, injection_w: Array, reactive_var: Array, limits: Limits) -> Assessment:
    """Solves one state, injections of shape (points,), W and var (+ injects), and judges it.

    Raises GridError where the grid has no operating point.
    """
    return assess_flow(network, network.run(injection_w, reactive_var), limits)


def assess_flow(network: Network, flow: Flow, limits: Limits) -> Assessment:
    """Judges the first state of a flow."""
    u, loading = flow.u_pu[0], flow.loading[0]
    violations = [
        Violation(kind, i, names[i], float(values[i]), limit, float(sign * (values[i] - limit)))
        for kind, names, values, limit, sign in (
            (Kind.UNDERVOLTAGE, network.node_names, u, limits.v_min_pu, -1.0),
            (Kind.OVERVOLTAGE, network.node_names, u, limits.v_max_pu, 1.0),
            (Kind.OVERLOAD, network.branch_names, loading, limits.loading_max, 1.0),
        )
        for i in np.flatnonzero(sign * (values - limit) > 0).tolist()
    ]
    violations.sort(key=lambda violation: -violation.over)
    worst = float(loading.max()) if len(loading) else 0.0
    return Assessment(float(u.min()), float(u.max()), worst, tuple(violations))


def excess_pu(flow: Flow, limits: Limits) -> Array:
    """Distance of each state of a flow beyond its worst limit, pu, shape (k,); <= 0 is inside."""
    parts = [limits.v_min_pu - flow.u_pu, flow.u_pu - limits.v_max_pu]
    return np.concatenate([*parts, flow.loading - limits.loading_max], axis=1).max(axis=1)


def excess_of(network: Network, states_w: Array, reactive_var: Array, limits: Limits) -> Array:
    """`excess_pu` of states of shape (k, points), W; infinite where there is no operating point."""
    try:
        return excess_pu(
            network.run(states_w, np.broadcast_to(reactive_var, states_w.shape)), limits
        )
    except GridError:
        if len(states_w) == 1:
            return np.array([np.inf])
        single = [excess_of(network, state[None], reactive_var, limits) for state in states_w]
        return np.concatenate(single)
