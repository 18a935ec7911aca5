"""Independent check of a grid state by pandapower, which shares no code with power-grid-model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandapower
import pandas as pd

from gridbourse.grid import pandapower_net as pandapower_grid
from gridbourse.grid.errors import GridError
from gridbourse.grid.network import Array, Flow


class PandapowerNetwork:
    """Network solved by pandapower; ``run`` has the same order of nodes and branches, within 1e-8.

    Every connection point is a static generator, at the bus whose index is the point's ``node``;
    the file's own appliances are taken off.
    """

    def __init__(self, path: Path | str, points: pd.DataFrame):
        self._net = net = pandapower_grid.read(Path(path).read_text(encoding="utf-8"))
        self._nodes = pandapower_grid.representatives(net).unique()
        for point_id, bus in points["node"].items():
            if bus not in net.bus.index:
                raise GridError(f"{path}: point {point_id}: bus {bus} is not in the net")
            pandapower.create_sgen(net, bus, p_mw=0.0, name=point_id)

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
        nodes = net.res_bus.loc[self._nodes]
        percent = pd.concat([net.res_line["loading_percent"], net.res_trafo["loading_percent"]])
        return Flow(
            u_pu=nodes["vm_pu"].dropna().to_numpy(),
            loading=percent.fillna(0).to_numpy() / 100,
            exchange_w=net.res_ext_grid["p_mw"].sum() * 1e6,
            losses_w=(net.res_line["pl_mw"].sum() + net.res_trafo["pl_mw"].sum()) * 1e6,
        )
