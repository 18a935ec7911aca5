"""A pandapower net as wires for power-grid-model, or a refusal; never silently another grid.

power-grid-model-io's PandaPowerConverter does the arithmetic.  Around it this module

- removes what the connection points stand for: loads, static generators, storages, motors (the
  converter refuses storages, and makes three loads of each load);
- refuses what has no counterpart (voltage-controlled generators, shunts, three-winding
  transformers ...) and transformer data that the two programs read differently, above all a tap
  position without ``tap_changer_type``, which pandapower 3 ignores and the converter does not;
- makes one node of buses behind closed switches, as pandapower does; the links the converter makes
  of them conduct so well that rounding shows;
- makes the upstream sources as stiff as pandapower's external grids, whatever their short-circuit
  power.

``tests/grid/test_pandapower_net.py`` holds the result against pandapower itself.
"""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandapower
import pandas as pd
from pandapower import topology
from pandapower.toolbox import pp_elements
from power_grid_model_io.converters import PandaPowerConverter

from gridbourse.grid.errors import GridError, first_line
from gridbourse.grid.readers import SAME_VOLTAGE, Grid, Wires

APPLIANCES: Final = ("load", "sgen", "storage", "motor", "asymmetric_load", "asymmetric_sgen")
WIRES: Final = ("bus", "line", "trafo", "switch", "ext_grid")
ENDS: Final = (
    ("line", "from_bus"),
    ("line", "to_bus"),
    ("trafo", "hv_bus"),
    ("trafo", "lv_bus"),
    ("switch", "bus"),
    ("ext_grid", "bus"),
)
"""Columns of bus indices."""
SIZES: Final = (
    ("bus", "vn_kv"),
    ("line", "length_km"),
    ("trafo", "sn_mva"),
    ("trafo", "vn_hv_kv"),
    ("trafo", "vn_lv_kv"),
)
NUMBERS: Final = (
    ("line", "r_ohm_per_km", 0.0),
    ("line", "x_ohm_per_km", None),
    ("line", "c_nf_per_km", 0.0),
    ("line", "g_us_per_km", 0.0),
    ("line", "df", 0.0),
    ("line", "parallel", 1.0),
    ("trafo", "vk_percent", 0.0),
    ("trafo", "vkr_percent", 0.0),
    ("trafo", "pfe_kw", 0.0),
    ("trafo", "i0_percent", 0.0),
    ("trafo", "shift_degree", None),
    ("trafo", "parallel", 1.0),
    ("ext_grid", "vm_pu", 0.0),
    ("ext_grid", "va_degree", None),
)
"""Columns of finite numbers, and the least value of each."""
MAY_LACK: Final = (
    ("line", "g_us_per_km"),
    ("line", "df"),
    ("trafo", "shift_degree"),
    ("ext_grid", "va_degree"),
)
"""Columns of these that may be empty where the usual value holds."""
NO_WIRE: Final = ("measurement",)
STIFF_SOURCE_VA: Final = 1e14
TAP_CHANGERS: Final = ("Ratio", "Symmetrical")
"""Tap changers that are the same in pandapower as long as a step turns no phase."""


def read(text: str) -> Any:
    """Net in a pandapower JSON text, without its appliances.

    pandapower imports the classes that such a text names: only for files from a trusted source.
    """
    try:
        net = pandapower.from_json_string(text, convert=True)
        for table in APPLIANCES:
            net[table] = net[table].iloc[:0]
    except Exception as error:  # whatever pandapower stumbles over is a fault of the file
        raise GridError(f"is not a pandapower net ({first_line(error)})") from error
    return net


def convert(path: Path, net: Any) -> Grid:
    """Grid of a net that ``read`` found in the file ``path``.

    Node numbers are bus indices.  Raises GridError naming table, element and rule.
    """
    _require_wires_only(net)
    _require_sizes(net)
    _require_numbers(net)
    _require_plain_transformers(net)
    converter = PandaPowerConverter(system_frequency=net.f_hz, log_level=logging.ERROR)
    nodes_of = representatives(net)
    _require_same_voltage(net, nodes_of)
    _require_one_voltage_of_sources(net, nodes_of)
    named = net.bus["name"].notna() & (net.bus["name"] != "")
    names = net.bus.loc[named, "name"].astype(str)
    _fuse(net, nodes_of)
    # A branch ends at a bus out of service: pandapower leaves a line there open.
    on = net.bus["in_service"].astype(bool)
    net.trafo["in_service"] &= _at(net.trafo, "hv_bus", on) & _at(net.trafo, "lv_bus", on)
    try:
        with warnings.catch_warnings(action="ignore"):  # "tan1 is uninitialised": see below
            data, _ = converter.load_input_data(net, make_extra_info=False)
    except Exception as error:  # KeyError, NotImplementedError and others of the converter
        raise GridError(f"cannot be converted ({first_line(error)})") from error
    wires: Wires = {str(getattr(k, "value", k)): rows for k, rows in data.items() if len(rows)}
    if "line" in wires:
        _mend_lines(net, wires, on)
    wires["source"]["sk"] = STIFF_SOURCE_VA
    ids = pd.Series(wires["node"]["id"].astype("int64"), index=net.bus.index)
    return Grid(
        path,
        wires,
        _names(net, wires),
        nodes=nodes_of.map(ids),
        node_names=names,
        frequency_hz=float(net.f_hz),
        from_pandapower=True,
    )


def representatives(net: Any) -> pd.Series:
    """Bus index -> first of the buses that closed switches join to one node with it."""
    first = pd.Series(net.bus.index, index=net.bus.index)
    order = {bus: i for i, bus in enumerate(net.bus.index)}
    switches = topology.create_nxgraph(net, include_lines=False, include_trafos=False)
    for node in topology.connected_components(switches):
        first[list(node)] = min(node, key=order.__getitem__)
    return first


def _fuse(net: Any, nodes_of: pd.Series) -> None:
    """Put every branch, switch and source at the first bus of its node; drop the other buses."""
    net.switch = net.switch[net.switch["et"] != "b"]
    for table, end in ENDS:
        net[table][end] = net[table][end].map(nodes_of)
    net.bus = net.bus.loc[nodes_of.unique()]


def _require_wires_only(net: Any) -> None:
    for table in sorted(pp_elements(bus=False) - {*WIRES, *APPLIANCES, *NO_WIRE}):
        rows = net.get(table)
        if rows is not None and len(rows):
            raise GridError(
                f"{table}: a grid is made of {', '.join(WIRES)}"
                f" ({', '.join(APPLIANCES)} are taken off)"
            )
    for table in ("bus", "ext_grid"):
        if net[table].empty:
            raise GridError(f"{table}: a grid needs at least one")
    for table, end in ENDS:
        known = net[table][end].isin(net.bus.index)
        _require(net, table, known, end, "is not the index of a bus")
    between = net.switch["et"] == "b"
    there = ~between | net.switch["element"].isin(net.bus.index)
    _require(net, "switch", there, "element", "is not the index of a bus")
    if "z_ohm" in net.switch:
        free = ~between | ~(net.switch["z_ohm"].fillna(0) > 0)
        _require(net, "switch", free, "z_ohm", "a switch between buses cannot have a resistance")


def _require_sizes(net: Any) -> None:
    """Refuse sizes that are not finite numbers above zero: they would fail far from here, or not at all."""
    for table, column in SIZES:
        values = pd.to_numeric(net[table][column], errors="coerce")
        holds = np.isfinite(values) & (values > 0)
        _require(net, table, holds, column, "must be a finite number above 0")


def _require_numbers(net: Any) -> None:
    """Refuse values not finite, or with a sign that pandapower and the converter read differently."""
    for table, column, least in NUMBERS:
        if column not in net[table]:
            continue
        values = pd.to_numeric(net[table][column], errors="coerce")
        if (table, column) in MAY_LACK:
            values = values.fillna(0.0)
        finite = pd.Series(np.isfinite(values), index=net[table].index)
        _require(net, table, finite, column, "must be a finite number")
        if least is not None:
            _require(net, table, values >= least, column, f"must be {least:g} or more")


def _require_same_voltage(net: Any, nodes_of: pd.Series) -> None:
    """Refuse lines and closed switches that join buses of different rated voltages."""
    rated = net.bus["vn_kv"].astype(float)
    of_node = nodes_of.map(rated)
    other = ~np.isclose(rated, of_node, rtol=SAME_VOLTAGE)
    if other.any():
        bus = rated.index[int(np.argmax(other))]
        raise GridError(
            f"switch: joins bus {nodes_of[bus]} of {of_node[bus]:g} kV and bus {bus} of"
            f" {rated[bus]:g} kV: a transformer is needed"
        )
    for index, line in net.line.iterrows():
        ends = [int(line[end]) for end in ("from_bus", "to_bus")]
        low, high = sorted(float(rated[end]) for end in ends)
        if not math.isclose(low, high, rel_tol=SAME_VOLTAGE):
            told = " and ".join(f"bus {end} of {rated[end]:g} kV" for end in ends)
            name = f" ({line['name']})" if isinstance(line.get("name"), str) else ""
            raise GridError(f"line {index}{name}: joins {told}: a transformer is needed")


def _require_one_voltage_of_sources(net: Any, nodes_of: pd.Series) -> None:
    """Refuse external grids that hold one node at two voltages, as pandapower does."""
    sources = net.ext_grid[net.ext_grid["in_service"].astype(bool)]
    node = sources["bus"].map(nodes_of)
    for column in ("vm_pu", "va_degree"):
        values = sources.get(column, pd.Series(0.0, index=sources.index)).fillna(0.0)
        first = values.groupby(node).transform("first")
        same = pd.Series(np.isclose(values, first), index=sources.index)
        _require(net, "ext_grid", same, column, "another external grid holds this bus elsewhere")


def _require_plain_transformers(net: Any) -> None:
    """Refuse transformers that pandapower and the converter read differently."""
    trafo = net.trafo

    def column(name: str, empty: Any) -> pd.Series:
        values = trafo.get(name, pd.Series(empty, index=trafo.index))
        return values.where(values.notna(), empty)

    moved = column("tap_pos", 0).astype(float) != column("tap_neutral", 0).astype(float)
    rules = [
        (
            ~moved | column("tap_changer_type", "").isin(TAP_CHANGERS),
            "tap_changer_type",
            "with this pandapower 3 ignores or turns the tap position, which is not tap_neutral:"
            f" write {' or '.join(TAP_CHANGERS)}, or move the tap to tap_neutral",
        ),
        (~moved | column("tap_side", "").isin(["hv", "lv"]), "tap_side", "must be hv or lv"),
        (~moved | column("tap_neutral", np.nan).notna(), "tap_neutral", "is missing"),
        (~moved | column("tap_step_percent", np.nan).notna(), "tap_step_percent", "is missing"),
        (column("tap_pos", 0).astype(float) % 1 == 0, "tap_pos", "must be a whole number"),
        (
            ~moved | column("tap_step_degree", 0).astype(float).eq(0),
            "tap_step_degree",
            "must be 0: a tap that turns the phase is not supported",
        ),
        (
            ~column("tap_dependency_table", False).astype(bool),
            "tap_dependency_table",
            "an impedance that depends on the tap is not supported",
        ),
        (
            column("tap2_pos", 0).astype(float) == column("tap2_neutral", 0).astype(float),
            "tap2_pos",
            "a second tap changer is not supported",
        ),
        (
            column("shift_degree", 0).astype(float) % 30 == 0,
            "shift_degree",
            "must be a multiple of 30",
        ),
        (column("df", 1).astype(float) == 1, "df", "must be 1: state the rated power that counts"),
    ]
    for holds, name, rule in rules:
        _require(net, "trafo", holds, name, rule)


def _mend_lines(net: Any, wires: Wires, on: pd.Series) -> None:
    """Set open ends at buses out of service, and the loss angle of lines without capacitance."""
    lines = wires["line"]
    lines["from_status"] &= _at(net.line, "from_bus", on).to_numpy(dtype=np.int8)
    lines["to_status"] &= _at(net.line, "to_bus", on).to_numpy(dtype=np.int8)
    bare = lines["c1"] == 0
    if "g_us_per_km" in net.line:
        lossless = ~bare | (net.line["g_us_per_km"].fillna(0) == 0).to_numpy()
        _require(
            net, "line", pd.Series(lossless, net.line.index), "g_us_per_km", "needs c_nf_per_km"
        )
    lines["tan1"][bare] = 0.0  # the converter leaves these undefined


def _at(table: pd.DataFrame, end: str, on: pd.Series) -> pd.Series:
    return table[end].map(on)


def _names(net: Any, wires: Wires) -> dict[int, str]:
    """Names of components by id; the converter keeps the order of every table."""
    tables = {
        "node": ("bus", net.bus),
        "line": ("line", net.line),
        "transformer": ("trafo", net.trafo),
    }
    names = {}
    for component, (table, rows) in tables.items():
        for number, (index, name) in zip(
            wires[component]["id"] if component in wires else (), rows["name"].items(), strict=True
        ):
            names[int(number)] = str(name) if pd.notna(name) and name else f"{table} {index}"
    return names


def _require(net: Any, table: str, holds: pd.Series, column: str, rule: str) -> None:
    if not holds.all():
        index = holds.index[int(np.argmin(holds.to_numpy(dtype=bool)))]
        value = net[table].at[index, column] if column in net[table] else "empty"
        raise GridError(f"{table} {index}: {column}: {value}: {rule}")
