"""Sensitivities of voltages and loadings to one more watt at a point, by perturbed power flows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gridbourse.grid.network import Network

Array = NDArray[np.float64]

STEP_W: Final = 100.0
"""Small beside any plant, and a thousand times the solver's noise."""


@dataclass(frozen=True)
class Sensitivities:
    """Grid around one state, linear in the injections of m points.

    u_pu (nodes,), loading (branches,): the state.  du_per_w (m, nodes), dl_per_w (m, branches):
    change for one more watt injected at each point.
    """

    u_pu: Array
    loading: Array
    du_per_w: Array
    dl_per_w: Array


def sensitivities(
    network: Network, injection_w: Array, reactive_var: Array, points: NDArray[np.int64]
) -> Sensitivities:
    """Perturbs one point after the other in a single batch.

    injection_w, reactive_var: shape (all points,), W and var; points: shape (m,), those to perturb.
    """
    states = np.tile(injection_w, (len(points) + 1, 1))
    states[np.arange(1, len(points) + 1), points] += STEP_W
    flow = network.run(states, np.broadcast_to(reactive_var, states.shape))
    return Sensitivities(
        flow.u_pu[0],
        flow.loading[0],
        (flow.u_pu[1:] - flow.u_pu[0]) / STEP_W,
        (flow.loading[1:] - flow.loading[0]) / STEP_W,
    )
