"""A second opinion on a grid state from pandapower, which shares no code with power-grid-model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandapower
import pandas as pd

from gridbourse.scenario.errors import NetworkError
from gridbourse.scenario.network import Array, Flow


class PandapowerNetwork:
    """Answers ``run`` as ``Network`` does: the same order of nodes and branches, within 1e-8.

    The file holds the grid and one static generator per connection point, named by its point_id.
    """

    def __init__(self, path: Path | str, points: pd.DataFrame):
        self._net = pandapower.from_json(str(path))
        if list(self._net.sgen["name"]) != list(points.index):
            raise NetworkError(f"{path}: sgen: must be one per connection point, in their order")

    def run(self, injection_w: Array, reactive_var: Array) -> Flow:
        """Solve ``k`` states one by one; shapes and signs as ``Network.run``."""
        injection_w, reactive_var = np.atleast_2d(injection_w), np.atleast_2d(reactive_var)
        states = [self._solve(p, q) for p, q in zip(injection_w, reactive_var, strict=True)]
        return Flow(
            u_pu=np.stack([state.u_pu for state in states]),
            loading=np.stack([state.loading for state in states]),
            exchange_w=np.array([state.exchange_w for state in states]),
            losses_w=np.array([state.losses_w for state in states]),
        )

    def _solve(self, injection_w: Array, reactive_var: Array) -> Flow:
        """One state, without the leading axis; the pi model is power-grid-model's transformer."""
        net = self._net
        net.sgen["p_mw"], net.sgen["q_mvar"] = injection_w / 1e6, reactive_var / 1e6
        pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9, numba=False)
        return Flow(
            u_pu=net.res_bus["vm_pu"].to_numpy(),
            loading=np.concatenate(
                [net.res_line["loading_percent"] / 100, net.res_trafo["loading_percent"] / 100]
            ),
            exchange_w=net.res_ext_grid["p_mw"].sum() * 1e6,
            losses_w=(net.res_line["pl_mw"].sum() + net.res_trafo["pl_mw"].sum()) * 1e6,
        )
