"""Cut a small scenario out of a SimBench grid: grid, connection points and some weeks of profiles.

    python scenarios/extract_simbench.py 1-LV-rural3--2-sw scenarios/rural3 \\
        --week summer=2016-07-21 --week winter=2016-01-25
    python scenarios/extract_simbench.py 1-LV-semiurb5--1-sw scenarios/semiurb5 --as-metered \\
        --week summer=2016-07-21 --week autumn=2016-10-24

needs the extra ``extract`` (simbench 1.6.1, whose wheel holds all grids).  The first form writes
gridbourse's own files, which need neither simbench nor, at run time, pandapower.  ``--as-metered``
writes what a grid operator has at hand: a complete pandapower net, and the net energy
of smart meters under other column names, in local time.

Time: SimBench labels its 35,136 rows with German wall-clock time.  The labels jump over 02:00 on
27 March 2016 and count it twice on 30 October, and the profiles follow them, so row i is the
quarter-hour that begins at 2015-12-31 23:00 UTC + 15 min x i.  The script checks every label.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import simbench
from pandapower import topology
from power_grid_model.utils import json_serialize
from power_grid_model_io.converters import PandaPowerConverter

from gridbourse.grid.network import Network

FUSES_A = (63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250)
"""Rated currents of gG fuse links, IEC 60269, from the smallest three-phase house connection up."""
HEADROOM = 1.25
STIFF_SOURCE_VA = 1e14
"""Short-circuit power of the upstream source: as stiff as pandapower's external grid."""
PV_FACTOR = 4
"""Connections are sized so that PV plants of this many times their size still fit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("code", help="SimBench code, e.g. 1-LV-rural3--2-sw")
    parser.add_argument("folder", type=Path, help="where the extract goes")
    parser.add_argument(
        "--week",
        action="append",
        required=True,
        metavar="NAME=YYYY-MM-DD",
        help="first day (UTC) of seven; the day before, which the forecast needs, comes along",
    )
    parser.add_argument(
        "--as-metered", action="store_true", help="a pandapower net and net readings in local time"
    )
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    net = simbench.get_simbench_net(arguments.code)
    # simbench 1.6.1 leaves this empty, and pandapower >= 3 then ignores the tap positions of the
    # data set without a word (e2nIEE/simbench issue 69): 2.5 % of voltage in rural3.
    net.trafo["tap_changer_type"] = "Ratio"
    load_w, load_var, pv_w = year_of_profiles(net)
    points = connection_points(net, load_w, load_var, pv_w)
    net_w, net_var = (pv_w - load_w).to_numpy(), -load_var.to_numpy()
    if arguments.as_metered:
        write_net(net, arguments.folder / "grid.json")
        by_name = points.assign(node_name=net.bus.name[points.node].to_numpy())
        by_name = by_name[["node_name", "zone", "capacity_w"]]
        by_name.to_csv(arguments.folder / "points.csv", lineterminator="\n")
    else:
        write_grid(net, arguments.folder)
        points.to_csv(arguments.folder / "points.csv", lineterminator="\n")
    check(net, points, net_w, net_var, arguments.folder)

    for week in arguments.week:
        name, _, first = week.partition("=")
        start = pd.Timestamp(date.fromisoformat(first), tz="UTC")
        inside = (load_w.index >= start - pd.Timedelta(days=1)) & (
            load_w.index < start + pd.Timedelta(days=7)
        )
        path = arguments.folder / f"{name}.parquet"
        if arguments.as_metered:
            table = readings((pv_w - load_w)[inside], points)
        else:
            frames = {"load_w": load_w, "load_var": load_var, "pv_w": pv_w}
            table = profiles({key: frame[inside] for key, frame in frames.items()}, points)
        table.to_parquet(path, index=False, compression="zstd", store_schema=False)
        print(f"{path}: {len(table)} rows, {path.stat().st_size} bytes")


def year_of_profiles(net: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(load_w, load_var, pv_w): rows = UTC starts, columns = buses with a load or a plant."""
    starts = pd.date_range("2015-12-31 23:00", periods=35136, freq="15min", tz="UTC", name="start")
    labels = starts.tz_convert("Europe/Berlin").strftime("%d.%m.%Y %H:%M")
    for kind in ("load", "renewables"):
        if not (net.profiles[kind]["time"].to_numpy() == labels).all():
            raise SystemExit(f"profiles of {kind}: the time labels are not German wall-clock time")
    if (net.storage.p_mw > 0).any():
        raise SystemExit("storage: only storages that idle can be left out")
    buses = sorted(set(net.load.bus) | set(net.sgen.bus))

    def by_bus(
        table: pd.DataFrame, column: str, profiles: pd.DataFrame, ending: str
    ) -> pd.DataFrame:
        power = np.zeros((len(starts), len(buses)))
        for row in table[table.in_service].itertuples():
            rated = getattr(row, column) * row.scaling * 1e6
            power[:, buses.index(row.bus)] += rated * profiles[row.profile + ending].to_numpy()
        return pd.DataFrame(power, index=starts, columns=buses)

    return (
        by_bus(net.load, "p_mw", net.profiles["load"], "_pload"),
        by_bus(net.load, "q_mvar", net.profiles["load"], "_qload"),
        by_bus(net.sgen, "p_mw", net.profiles["renewables"], ""),
    )


def connection_points(
    net: Any, load_w: pd.DataFrame, load_var: pd.DataFrame, pv_w: pd.DataFrame
) -> pd.DataFrame:
    """One row per bus with a load or a plant, under a pseudonym.

    Connection capacity: the smallest fuse whose rating at 400 V three-phase (at the bus's voltage)
    covers 1.25 x the greater of the year's apparent-power peak and 4 x the rated PV.
    """
    buses = list(load_w.columns)
    rated_pv_w = (net.sgen.sn_mva * net.sgen.scaling * 1e6).groupby(net.sgen.bus).sum()
    rated_pv_w = rated_pv_w.reindex(buses, fill_value=0.0)
    peak_va = np.hypot(load_w, load_var).max()
    needed_w = HEADROOM * np.maximum(peak_va, PV_FACTOR * rated_pv_w)
    ratings_w = np.sqrt(3) * 1e3 * net.bus.vn_kv[buses].to_numpy()[:, None] * np.array(FUSES_A)
    fits = ratings_w >= needed_w.to_numpy()[:, None]
    if not fits.any(axis=1).all():
        raise SystemExit(f"bus {buses[int(np.argmin(fits.any(axis=1)))]}: no fuse is large enough")
    zones = zone_of_bus(net)
    return pd.DataFrame(
        {
            "node": buses,
            "pandapower_bus": buses,
            "zone": [zones[bus] for bus in buses],
            "capacity_w": ratings_w[np.arange(len(buses)), fits.argmax(axis=1)].astype(int),
            "peak_load_w": load_w.max().round().astype(int).to_numpy(),
            "rated_pv_w": rated_pv_w.round().astype(int).to_numpy(),
        },
        index=pd.Index([f"P{i:04d}" for i in range(1, len(buses) + 1)], name="point_id"),
    )


def zone_of_bus(net: Any) -> dict[int, str]:
    """Grid zone of every bus: the area fed by one transformer, named as SimBench names that subnet.

    Prints each zone with its parent, which the scenario's TOML file has to state.
    """
    feeds = {trafo.lv_bus: net.bus.subnet[trafo.lv_bus] for trafo in net.trafo.itertuples()}
    zone = {}
    for island in topology.connected_components(topology.create_nxgraph(net, include_trafos=False)):
        name = next((feeds[bus] for bus in sorted(island) if bus in feeds), "upstream")
        zone |= dict.fromkeys(island, name)
    for trafo in net.trafo.itertuples():
        print(f"zone {zone[trafo.lv_bus]} behind {trafo.name}, parent {zone[trafo.hv_bus]}")
    return zone


def write_grid(net: Any, folder: Path) -> None:
    """Write the wires for power-grid-model, and the same for pandapower."""
    wires = pp.pandapowerNet(net)
    for table in ("load", "sgen", "storage"):
        wires[table] = wires[table].iloc[:0]
    write_net(wires, folder / "grid.pandapower.json")
    data, _ = PandaPowerConverter().load_input_data(wires)
    document = json.loads(json_serialize({k: rows for k, rows in data.items() if len(rows)}))
    for component, table in {
        "node": "bus",
        "line": "line",
        "transformer": "trafo",
    }.items():
        rows = document["data"].get(component, [])
        for row, name in zip(rows, wires[table].name, strict=True):
            row["name"] = name
    for row in document["data"]["source"]:
        row["sk"] = STIFF_SOURCE_VA
    lines = ",\n".join(
        f'"{component}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        for component, rows in document.pop("data").items()
    )
    head = json.dumps(document)[:-1]
    (folder / "grid.json").write_text(f'{head}, "data": {{\n{lines}\n}}}}\n', encoding="utf-8")


def write_net(net: Any, path: Path) -> None:
    """Write a pandapower net unchanged, without its year of profiles."""
    net = pp.pandapowerNet(net)
    net.pop("profiles")
    net.pop("loadcases")
    for name, table in net.items():  # simbench's order of columns changes from run to run
        if isinstance(table, pd.DataFrame) and not name.startswith("_"):
            net[name] = table[sorted(table.columns)]
    pp.to_json(net, str(path))


def profiles(frames: dict[str, pd.DataFrame], points: pd.DataFrame) -> pd.DataFrame:
    """Long table, sorted by point and time: start (UTC), point_id, load_w, load_var, pv_w.

    Whole watts: half a watt is an eighth of a watt-hour in 15 minutes, less than a meter shows.
    """
    columns = {}
    for key, frame in frames.items():
        named = frame.set_axis(points.index, axis=1).round().astype("int32")
        columns[key] = named.T.stack()
    table = pd.DataFrame(columns).reset_index()
    table["start"] = table["start"].astype("datetime64[s, UTC]")
    return table[["start", "point_id", "load_w", "load_var", "pv_w"]]


def readings(net_w: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Data of a meter operator: net consumption in kWh, stamped at the quarter-hour's end.

    Sorted by time; whole watt-hours.  Times are German local time with their offset, as text.
    """
    wh = (-net_w / 4).round().astype("int64").set_axis(points.index, axis=1)
    local = (wh.index + pd.Timedelta(minutes=15)).tz_convert("Europe/Berlin")
    stamps = pd.Index([stamp.isoformat() for stamp in local], name="Zeitpunkt")
    kwh = wh.set_axis(stamps).stack() / 1000
    return kwh.rename_axis(["Zeitpunkt", "Zählpunkt"]).rename("Saldo_kWh").reset_index()


def check(
    net: Any, points: pd.DataFrame, net_w: np.ndarray, net_var: np.ndarray, folder: Path
) -> None:
    """Compare the extract's power flow with pandapower's on the grid as SimBench ships it."""
    rows = np.random.default_rng(2016).choice(len(net_w), 12, replace=False)
    flow = Network.load(folder / "grid.json", points).run(net_w[rows], net_var[rows])
    worst = 0.0
    for k, row in enumerate(rows):
        set_hour(net, row)
        pp.runpp(net, trafo_model="pi", tolerance_mva=1e-9, numba=False)
        worst = max(worst, float(np.abs(net.res_bus.vm_pu.to_numpy() - flow.u_pu[k]).max()))
    print(f"largest voltage difference to the original grid over {len(rows)} hours: {worst:.1e} pu")
    if worst > 1e-8:
        raise SystemExit("the extract does not behave like the original grid")


def set_hour(net: Any, row: int) -> None:
    """Put row ``row`` of the profiles on the original grid; its storages idle."""
    if "rated" not in net:
        net.rated = {
            "load": net.load[["p_mw", "q_mvar"]].copy(),
            "sgen": net.sgen[["p_mw"]].copy(),
        }
    loads, plants = net.profiles["load"].iloc[row], net.profiles["renewables"].iloc[row]
    net.load.p_mw = net.rated["load"].p_mw * factors(loads, net.load.profile, "_pload")
    net.load.q_mvar = net.rated["load"].q_mvar * factors(loads, net.load.profile, "_qload")
    net.sgen.p_mw = net.rated["sgen"].p_mw * factors(plants, net.sgen.profile, "")
    net.storage.p_mw = 0.0


def factors(profiles: pd.Series, names: Iterable[str], ending: str) -> np.ndarray:
    return profiles[[name + ending for name in names]].to_numpy(dtype=float)


if __name__ == "__main__":
    main()
