"""The grid as a function: injections of the connection points in, state of the grid out.

Array in, array out: ``k`` grid states are solved in one batch by power-grid-model (Newton-Raphson,
balanced three-phase).  The grid file holds wires only; every connection point gets exactly one
constant-power appliance, so what flows is what the points inject and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from power_grid_model import LoadGenType, PowerGridModel, initialize_array
from power_grid_model.errors import PowerGridError
from power_grid_model.utils import json_deserialize
from power_grid_model.validation import validate_input_data

from gridbourse.scenario.errors import NetworkError, first_line

Array = NDArray[np.float64]

BRANCHES: Final = ("line", "link", "transformer")
WIRES: Final = ("node", "source", *BRANCHES)
ERROR_TOLERANCE_PU: Final = 1e-10
"""Newton-Raphson stops at this voltage step: an energy gap far below a watt-hour."""


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
        """The one state ``k``, still with a leading axis of length 1."""
        one = slice(k, k + 1)
        return Flow(self.u_pu[one], self.loading[one], self.exchange_w[one], self.losses_w[one])


class Network:
    """A grid with one appliance per connection point.

    node_names, branch_names: what a person calls them, in the order of Flow's columns.
    point_nodes: shape (points,), the column of ``Flow.u_pu`` each connection point is at.
    """

    def __init__(self, wires: dict[str, NDArray[Any]], names: dict[int, str], nodes: pd.Series):
        """wires: power-grid-model input without appliances; nodes: point_id -> node id."""
        position = {int(node): i for i, node in enumerate(wires["node"]["id"])}
        for point_id, node in nodes.items():
            if node not in position:
                raise NetworkError(f"point {point_id}: node {node} is not in the grid")
        self._branches = [name for name in BRANCHES if len(wires.get(name, ()))]
        self._rated_a = [_rated_a(name, wires[name]) for name in self._branches]
        self._nodes = len(position)
        self.point_nodes = np.array([position[node] for node in nodes], dtype=np.int64)
        self.node_names = [_name(names, "node", int(i)) for i in wires["node"]["id"]]
        self.branch_names = [
            _name(names, branch, int(i)) for branch in self._branches for i in wires[branch]["id"]
        ]
        self._appliances = _appliances(wires, nodes.to_numpy(dtype=np.int64))
        self._model = PowerGridModel({**wires, "sym_gen": self._appliances})

    @classmethod
    def load(cls, path: Path | str, points: pd.DataFrame) -> Network:
        """Read a power-grid-model JSON file of nodes, sources and branches.

        points: index point_id, column ``node``.  A component may carry a ``name``.
        Raises NetworkError for a file that is no such grid, an appliance in it (energy that no
        meter would see), or a point whose node it does not have.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            document = json.loads(text)
            if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
                raise ValueError("no table of components under data")
            wires = {str(k.value): v for k, v in json_deserialize(text).items()}
        except OSError as error:
            raise NetworkError(f"{path}: can not be read ({error.strerror})") from error
        except (ValueError, PowerGridError) as error:
            reason = first_line(error)
            raise NetworkError(f"{path}: is not a power-grid-model input ({reason})") from error
        names = _names(document["data"])
        if others := sorted(
            name for name, rows in wires.items() if len(rows) and name not in WIRES
        ):
            raise NetworkError(f"{path}: {others[0]}: a grid file holds {', '.join(WIRES)} only")
        for component in ("node", "source"):
            if not len(wires.get(component, ())):
                raise NetworkError(f"{path}: {component}: a grid needs at least one")
        for fault in validate_input_data(wires, symmetric=True) or ():
            raise NetworkError(f"{path}: {_first_fault(fault)}")
        try:
            return cls(wires, names, points["node"])
        except NetworkError as error:
            raise NetworkError(f"{path}: {error}") from error

    def run(self, injection_w: Array, reactive_var: Array) -> Flow:
        """Solve ``k`` states.

        injection_w, reactive_var: shape (k, points) or (points,), W and var, positive = injects.
        Raises NetworkError where no operating point exists (voltage collapse).
        """
        injection_w, reactive_var = np.atleast_2d(injection_w), np.atleast_2d(reactive_var)
        points = len(self._appliances)
        if injection_w.shape != reactive_var.shape or injection_w.shape[1] != points:
            raise NetworkError(
                f"injection_w {injection_w.shape}, reactive_var {reactive_var.shape}:"
                f" both must be (k, {points})"
            )
        if not (np.isfinite(injection_w).all() and np.isfinite(reactive_var).all()):
            raise NetworkError("injection_w, reactive_var: must be finite")
        states = initialize_array("update", "sym_gen", injection_w.shape)
        states["id"] = self._appliances["id"]
        states["p_specified"], states["q_specified"] = injection_w, reactive_var
        try:
            solved = self._model.calculate_power_flow(
                update_data={"sym_gen": states},
                error_tolerance=ERROR_TOLERANCE_PU,
                output_component_types=["node", "source", *self._branches],
            )
        except PowerGridError as error:
            raise NetworkError(f"no power flow solution ({first_line(error)})") from error
        out: dict[str, NDArray[Any]] = {component.value: rows for component, rows in solved.items()}
        branches = self._branches
        amperes = [np.stack([out[b]["i_from"], out[b]["i_to"]]) for b in branches]
        loading = [(a / rated).max(axis=0) for a, rated in zip(amperes, self._rated_a, strict=True)]
        return Flow(
            u_pu=np.ascontiguousarray(out["node"]["u_pu"]),
            loading=np.concatenate(loading, axis=1),
            exchange_w=out["source"]["p"].sum(axis=1),
            losses_w=np.add.reduce(
                [(out[b]["p_from"] + out[b]["p_to"]).sum(axis=1) for b in branches]
            ),
        )


def _appliances(wires: dict[str, NDArray[Any]], nodes: NDArray[np.int64]) -> NDArray[Any]:
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


def _names(data: dict[str, list[dict[str, Any]]]) -> dict[int, str]:
    return {row["id"]: row["name"] for rows in data.values() for row in rows if "name" in row}


def _name(names: dict[int, str], component: str, number: int) -> str:
    return names.get(number, f"{component} {number}")


def _first_fault(fault: Any) -> str:
    """power-grid-model's own finding, e.g. ``line.from_node: ... (ids 129, 130)``."""
    ids = ", ".join(str(getattr(i, "id", i)) for i in (fault.ids or [])[:5])
    return f"{fault.component!s}.{fault.field!s}: {fault} (ids {ids})"
