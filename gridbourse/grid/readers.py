"""Reads a grid file: a power-grid-model JSON or a pandapower JSON, told apart by its content."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from power_grid_model.errors import PowerGridError
from power_grid_model.utils import json_deserialize
from power_grid_model.validation import validate_input_data

from gridbourse.files import FileError, parse_json, read_text
from gridbourse.grid.errors import GridError, first_line

BRANCHES: Final = ("line", "link", "transformer")
WIRES: Final = ("node", "source", *BRANCHES)
NO_INPUT: Final = "is not a power-grid-model input"
SAME_VOLTAGE: Final = 1e-6

Wires = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Grid:
    """Wires only: the connection points of a scenario are connected to them.

    file: its path, for messages about its faults.
    wires: power-grid-model input, component -> rows.
    names: id of a component -> its name in the file.
    nodes: number of a node in the file (power-grid-model id, pandapower bus index) -> its id.
    node_names: number of a node in the file -> its name there, where it has one.
    frequency_hz: at which the lines' capacitance is charged.
    from_pandapower: True where the file is a pandapower net.
    """

    file: Path
    wires: Wires
    names: dict[int, str]
    nodes: pd.Series
    node_names: pd.Series
    frequency_hz: float = 50.0
    from_pandapower: bool = False


def read_grid(path: Path | str) -> Grid:
    """Read a grid file.

    power-grid-model: nodes, sources and branches only, a component may carry a ``name``; an
    appliance in it is energy that no meter would see, and refused.  pandapower: see
    ``pandapower_grid``.  Raises GridError naming file, component and rule.
    """
    path = Path(path)
    try:
        grid = _read(path)
        _require_sound(grid)
    except GridError as error:
        raise GridError(f"{path}: {error}") from error
    return grid


def _read(path: Path) -> Grid:
    try:
        text = read_text(path)
        document = parse_json(text)
    except FileError as error:
        raise GridError(error.reason) from error
    except ValueError as error:
        raise GridError(f"is not JSON ({first_line(error)})") from error
    if isinstance(document, dict) and document.get("_class") == "pandapowerNet":
        # pandapower takes seconds to import, and a power-grid-model file does not need it.
        from gridbourse.grid import pandapower_net as pandapower_grid

        return pandapower_grid.convert(path, pandapower_grid.read(text))
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        return _power_grid_model(path, text, document)
    raise GridError("is neither a power-grid-model input nor a pandapower net")


def _power_grid_model(path: Path, text: str, document: dict[str, Any]) -> Grid:
    data = document["data"]
    _require_input(document, data)
    try:
        wires = {str(k.value): v for k, v in json_deserialize(text).items()}
    except (ValueError, KeyError, TypeError, PowerGridError) as error:
        raise GridError(f"{NO_INPUT} ({first_line(error)})") from error
    rows = [row for rows in data.values() for row in rows if isinstance(row, dict)]
    names = {int(row["id"]): str(row["name"]) for row in rows if "name" in row}
    ids = [int(node) for node in wires["node"]["id"]] if "node" in wires else []
    nodes = pd.Series(ids, index=ids, dtype="int64")
    return Grid(path, wires, names, nodes, nodes.map(names).dropna())


def _require_input(document: dict[str, Any], data: dict[str, Any]) -> None:
    """Refuse results, updates and batches, and rows that no other rule would name."""
    said = {"type": document.get("type", "input"), "is_batch": document.get("is_batch", False)}
    for key, wanted in (("type", "input"), ("is_batch", False)):
        if said[key] != wanted:
            raise GridError(f"{NO_INPUT}: {key} is {said[key]!r}")
    for component, rows in data.items():
        if not isinstance(rows, list):
            raise GridError(f"{NO_INPUT}: {component} is no list of rows")
        for number, row in enumerate(rows):
            if isinstance(row, dict) and not _is_id(row.get("id")):
                name = f" ({row['name']})" if "name" in row else ""
                raise GridError(f"{NO_INPUT}: {component}, row {number}{name}: has no id")


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _require_sound(grid: Grid) -> None:
    wires = grid.wires
    others = sorted(name for name, rows in wires.items() if len(rows) and name not in WIRES)
    if others:
        raise GridError(f"{others[0]}: a grid file holds {', '.join(WIRES)} only")
    for component in ("node", "source"):
        if not len(wires.get(component, ())):
            raise GridError(f"{component}: a grid needs at least one")
    try:
        faults = validate_input_data(wires, symmetric=True) or ()
    except (KeyError, ValueError, TypeError, PowerGridError) as error:
        raise GridError(f"cannot be judged ({first_line(error)})") from error
    for fault in faults:
        raise GridError(_first_fault(fault))
    _require_same_voltage(grid)
    _require_one_voltage_of_sources(grid)
    for line in wires.get("line", ()):
        if not np.isfinite(line["i_n"]):  # nothing would ever be above it
            name = grid.names.get(int(line["id"]), line["id"])
            raise GridError(f"line {name}: has no rated current")


def _require_same_voltage(grid: Grid) -> None:
    """Refuse branches other than transformers that join nodes of different rated voltages."""
    nodes = grid.wires["node"]
    rated = dict(zip(nodes["id"].tolist(), nodes["u_rated"].tolist(), strict=True))
    for component in ("line", "link"):
        for row in grid.wires.get(component, ()):
            ends = [int(row["from_node"]), int(row["to_node"])]
            if not math.isclose(*(rated[end] for end in ends), rel_tol=SAME_VOLTAGE):
                name = grid.names.get(int(row["id"]), str(row["id"]))
                told = " and ".join(
                    f"{grid.names.get(end, f'node {end}')} of {rated[end]:g} V" for end in ends
                )
                raise GridError(f"{component} {name}: joins {told}: a transformer is needed")


def _require_one_voltage_of_sources(grid: Grid) -> None:
    """Refuse sources that hold one node at two voltages."""
    held: dict[int, tuple[float, float]] = {}
    for row in grid.wires["source"]:
        if not row["status"]:
            continue
        node = int(row["node"])
        angle = float(row["u_ref_angle"])
        voltage = float(row["u_ref"]), 0.0 if math.isnan(angle) else angle
        if not all(map(math.isfinite, voltage)):
            raise GridError(f"source {row['id']}: u_ref: {voltage[0]:g} is no voltage")
        if held.setdefault(node, voltage) != voltage:
            name = grid.names.get(node, f"node {node}")
            raise GridError(
                f"source {row['id']}: u_ref: {voltage[0]:g} pu at {name}, which another source"
                f" holds at {held[node][0]:g} pu"
            )


def _first_fault(fault: Any) -> str:
    """First fault that power-grid-model found, e.g. ``line.from_node: ... (ids 129, 130)``."""
    ids = ", ".join(str(getattr(i, "id", i)) for i in (fault.ids or [])[:5])
    return f"{fault.component!s}.{fault.field!s}: {fault} (ids {ids})"
