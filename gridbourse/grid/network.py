"""Grid as a function: injections of the connection points in, state of the grid out.

Array in, array out: ``k`` grid states are solved in one batch by power-grid-model (Newton-Raphson,
balanced three-phase).  The grid file holds wires only; every connection point gets exactly one
constant-power appliance, so the flow is the injection of the points and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from power_grid_model import (
    CalculationMethod,
    ComponentType,
    LoadGenType,
    PowerGridModel,
    initialize_array,
)
from power_grid_model.errors import PowerGridError

from gridbourse.grid.errors import GridError, first_line
from gridbourse.grid.readers import BRANCHES, Grid, Wires, read_grid

Array = NDArray[np.float64]

ERROR_TOLERANCE_PU: Final = 1e-10
"""Voltage step at which Newton-Raphson stops: an energy gap far below a watt-hour."""
LINK_TOLERANCE_PU: Final = 1e-6
"""The same in a grid with links: they conduct so well that rounding alone moves a voltage by 1e-8,
and a step below 1e-6 is followed by one below that."""


@dataclass(frozen=True)
class Flow:
    """``k`` solved grid states.

    u_pu: voltage, shape (k, nodes), per unit of the node's rated voltage.
    loading: shape (k, branches), 1.0 = rated current.
    exchange_w: shape (k,), W from the upstream source into the grid (positive = import).
    losses_w: shape (k,), W that the branches turn into heat, summed branch by branch; it is *not*
        derived from the balance, so exchange + injections = losses is a check and not a definition.
    """

    u_pu: Array
    loading: Array
    exchange_w: Array
    losses_w: Array

    def state(self, k: int) -> Flow:
        """State ``k`` alone, still with a leading axis of length 1."""
        one = slice(k, k + 1)
        return Flow(self.u_pu[one], self.loading[one], self.exchange_w[one], self.losses_w[one])


class Network:
    """Grid with one appliance per connection point.

    Nodes that no source reaches (open switches, buses out of service) are left out of every result.
    node_names, branch_names: names in the grid file, in the order of Flow's columns.
    point_nodes: shape (points,), the column of ``Flow.u_pu`` of each connection point.
    """

    def __init__(self, grid: Grid, numbers: pd.Series):
        """numbers: point_id -> number of its node in the grid file.

        Raises GridError for a node the grid does not have, or that no source reaches.
        """
        wires, names = grid.wires, grid.names
        ids = [_node_of(grid, str(point), number) for point, number in numbers.items()]
        self._branches = [name for name in BRANCHES if len(wires.get(name, ()))]
        self._rated_a = [_rated_a(name, wires[name]) for name in self._branches]
        self._tolerance_pu = LINK_TOLERANCE_PU if "link" in self._branches else ERROR_TOLERANCE_PU
        self._appliances = _appliances(wires, np.array(ids, dtype=np.int64))
        self._model = PowerGridModel(
            {**wires, "sym_gen": self._appliances}, system_frequency=grid.frequency_hz
        )
        self._live = self._energized(grid)
        live = [int(node) for node in wires["node"]["id"][self._live]]
        position = {node: i for i, node in enumerate(live)}
        for point, node in zip(numbers.index, ids, strict=True):
            if node not in position:
                name = _name(names, "node", node)
                raise GridError(f"{grid.file}: point {point}: {name} is cut off from every source")
        self.point_nodes = np.array([position[node] for node in ids], dtype=np.int64)
        self.node_names = [_name(names, "node", node) for node in live]
        self.branch_names = [
            _name(names, branch, int(i)) for branch in self._branches for i in wires[branch]["id"]
        ]

    @classmethod
    def load(cls, path: Path | str, points: pd.DataFrame) -> Network:
        """Read a grid file, see ``read_grid``.

        points: index point_id, column ``node``, the number of its node in the file.
        """
        return cls(read_grid(path), points["node"])

    def _energized(self, grid: Grid) -> NDArray[np.bool_]:
        """Mask of the nodes that have a way to a source."""
        try:
            solved = self._model.calculate_power_flow(
                calculation_method=CalculationMethod.linear, output_component_types=["node"]
            )
        except PowerGridError as error:
            reason = f"no power flow solution ({first_line(error)})"
            raise GridError(f"{grid.file}: {reason}") from error
        return np.asarray(solved[ComponentType.node]["energized"], dtype=bool)

    def run(self, injection_w: Array, reactive_var: Array) -> Flow:
        """Solve ``k`` states.

        injection_w, reactive_var: shape (k, points) or (points,), W and var, positive = injects.
        Raises GridError where no operating point exists (voltage collapse).
        """
        injection_w, reactive_var = np.atleast_2d(injection_w), np.atleast_2d(reactive_var)
        points = len(self._appliances)
        if injection_w.shape != reactive_var.shape or injection_w.shape[1] != points:
            raise GridError(
                f"injection_w {injection_w.shape}, reactive_var {reactive_var.shape}:"
                f" both must be (k, {points})"
            )
        if not (np.isfinite(injection_w).all() and np.isfinite(reactive_var).all()):
            raise GridError("injection_w, reactive_var: must be finite")
        states = initialize_array("update", "sym_gen", injection_w.shape)
        states["id"] = self._appliances["id"]
        states["p_specified"], states["q_specified"] = injection_w, reactive_var
        try:
            solved = self._model.calculate_power_flow(
                update_data={"sym_gen": states},
                error_tolerance=self._tolerance_pu,
                output_component_types=["node", "source", *self._branches],
            )
        except PowerGridError as error:
            raise GridError(f"no power flow solution ({first_line(error)})") from error
        out: dict[str, NDArray[Any]] = {component.value: rows for component, rows in solved.items()}
        branches = self._branches
        amperes = [np.stack([out[b]["i_from"], out[b]["i_to"]]) for b in branches]
        loading = [(a / rated).max(axis=0) for a, rated in zip(amperes, self._rated_a, strict=True)]
        return Flow(
            u_pu=np.ascontiguousarray(out["node"]["u_pu"][:, self._live]),
            loading=np.concatenate(loading, axis=1),
            exchange_w=out["source"]["p"].sum(axis=1),
            losses_w=np.add.reduce(
                [(out[b]["p_from"] + out[b]["p_to"]).sum(axis=1) for b in branches]
            ),
        )


def _node_of(grid: Grid, point: str, number: int) -> int:
    if number not in grid.nodes.index:
        raise GridError(f"{grid.file}: point {point}: node {number} is not in the grid")
    return int(grid.nodes[number])


def _appliances(wires: Wires, nodes: NDArray[np.int64]) -> NDArray[Any]:
    """One constant-power appliance per point, numbered after the highest id of the grid."""
    first = 1 + max(int(rows["id"].max()) for rows in wires.values() if len(rows))
    appliances = initialize_array("input", "sym_gen", len(nodes))
    appliances["id"] = np.arange(first, first + len(nodes))
    appliances["node"] = nodes
    appliances["status"] = 1
    appliances["type"] = LoadGenType.const_power
    appliances["p_specified"] = appliances["q_specified"] = 0.0
    return appliances


def _rated_a(branch: str, rows: NDArray[Any]) -> Array:
    """Rated current of both ends, shape (2, 1, branches), A.

    A transformer's rating is a current too (IEC 60076-1: rated power at rated voltage on either
    side), so that its loading means the same at any voltage; a link has none.
    """
    if branch == "line":
        ends = [rows["i_n"], rows["i_n"]]
    elif branch == "transformer":
        ends = [rows["sn"] / (np.sqrt(3) * rows[u]) for u in ("u1", "u2")]
    else:
        ends = [np.full(len(rows), np.inf)] * 2
    return np.stack(ends)[:, np.newaxis, :]


def _name(names: dict[int, str], component: str, number: int) -> str:
    return names.get(number, f"{component} {number}")
