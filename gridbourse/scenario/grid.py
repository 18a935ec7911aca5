"""Reads a grid file: a power-grid-model JSON or a pandapower JSON, told apart by what is in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from power_grid_model.errors import PowerGridError
from power_grid_model.utils import json_deserialize
from power_grid_model.validation import validate_input_data

from gridbourse.scenario.errors import GridError, first_line

BRANCHES: Final = ("line", "link", "transformer")
WIRES: Final = ("node", "source", *BRANCHES)

Wires = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Grid:
    """Wires only: what is connected to them are the connection points of a scenario.

    file: where it was read; names what is wrong with it.
    wires: power-grid-model input, component -> rows.
    names: id of a component -> what a person calls it.
    nodes: number of a node in the file (power-grid-model id, pandapower bus index) -> its id.
    node_names: number of a node in the file -> its name there, where it has one.
    frequency_hz: what the lines' capacitance is charged at.
    from_pandapower: whether the file is a pandapower net.
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
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise GridError(f"can not be read ({error.strerror})") from error
    except ValueError as error:
        raise GridError(f"is not JSON ({first_line(error)})") from error
    if isinstance(document, dict) and document.get("_class") == "pandapowerNet":
        # pandapower takes seconds to import, and a power-grid-model file does not need it.
        from gridbourse.scenario import pandapower_grid

        return pandapower_grid.convert(path, pandapower_grid.read(text))
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        return _power_grid_model(path, text, document["data"])
    raise GridError("is neither a power-grid-model input nor a pandapower net")


def _power_grid_model(path: Path, text: str, data: dict[str, list[dict[str, Any]]]) -> Grid:
    try:
        wires = {str(k.value): v for k, v in json_deserialize(text).items()}
    except (ValueError, PowerGridError) as error:
        raise GridError(f"is not a power-grid-model input ({first_line(error)})") from error
    names = {row["id"]: row["name"] for rows in data.values() for row in rows if "name" in row}
    ids = [int(node) for node in wires["node"]["id"]] if "node" in wires else []
    nodes = pd.Series(ids, index=ids, dtype="int64")
    return Grid(path, wires, names, nodes, nodes.map(names).dropna())


def _require_sound(grid: Grid) -> None:
    wires = grid.wires
    others = sorted(name for name, rows in wires.items() if len(rows) and name not in WIRES)
    if others:
        raise GridError(f"{others[0]}: a grid file holds {', '.join(WIRES)} only")
    for component in ("node", "source"):
        if not len(wires.get(component, ())):
            raise GridError(f"{component}: a grid needs at least one")
    for fault in validate_input_data(wires, symmetric=True) or ():
        raise GridError(_first_fault(fault))
    for line in wires.get("line", ()):
        if not np.isfinite(line["i_n"]):  # nothing would ever be above it
            name = grid.names.get(int(line["id"]), line["id"])
            raise GridError(f"line {name}: has no rated current")


def _first_fault(fault: Any) -> str:
    """power-grid-model's own finding, e.g. ``line.from_node: ... (ids 129, 130)``."""
    ids = ", ".join(str(getattr(i, "id", i)) for i in (fault.ids or [])[:5])
    return f"{fault.component!s}.{fault.field!s}: {fault} (ids {ids})"
