"""A scenario small enough to read: two zones below one busbar, one point in each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

TOML = """
name = "miniature"
description = "two zones, two points, two days"
folder = "data"
timezone = "Europe/Berlin"
mtu_seconds = 900
season = "only"
periods = 96
pv_factor = 1.0
[seasons.only]
profiles = "profiles.csv"
start = 2016-06-02T00:00:00Z
[grid]
file = "grid.json"
points = "points.csv"
v_min_pu = 0.9
v_max_pu = 1.1
loading_max = 1.0
[market]
area = "miniature"
pricing = "uniform"
tick_micro_eur_per_wh = 1
max_rounds = 3
gate_closure_s = 300
[tariff]
retail_micro_eur_per_wh = 300
feed_in_micro_eur_per_wh = 80
[zones."MV"]
import_fee_micro_eur_per_wh = 95
local_fee_micro_eur_per_wh = 60
export_fee_micro_eur_per_wh = 0
[zones."LV.A"]
parent = "MV"
import_fee_micro_eur_per_wh = 95
local_fee_micro_eur_per_wh = 40
export_fee_micro_eur_per_wh = 0
[zones."LV.B"]
parent = "MV"
import_fee_micro_eur_per_wh = 95
local_fee_micro_eur_per_wh = 45
export_fee_micro_eur_per_wh = 10
[strategy]
truthful_share = 0.5
seed = 7
[parties]
participation = 1.0
deposit_micro_eur = 200000000
supplier_deposit_micro_eur = 10000000000
signed_share = 0.2
own_share = 0.1
"""

Grid = dict[str, Any]


def grid() -> Grid:
    """20 kV busbar 1, transformers to 2 and 3, a line from 3 to 4."""
    nodes = [{"id": 1, "u_rated": 2e4}] + [{"id": i, "u_rated": 400.0} for i in (2, 3, 4)]
    transformer = {
        "from_node": 1, "from_status": 1, "to_status": 1, "u1": 2e4, "u2": 400.0, "sn": 1e5,
        "uk": 0.04, "pk": 1500.0, "i0": 0.003, "p0": 200.0, "winding_from": 2, "winding_to": 1,
        "clock": 5, "tap_side": 0, "tap_pos": 0, "tap_min": -2, "tap_max": 2, "tap_size": 500.0,
    }  # fmt: skip
    line = {
        "id": 20, "name": "cable to the farm", "from_node": 3, "to_node": 4, "from_status": 1,
        "to_status": 1, "r1": 0.05, "x1": 0.02, "c1": 0.0, "tan1": 0.0, "i_n": 100.0,
    }  # fmt: skip
    data = {
        "node": nodes,
        "source": [{"id": 10, "node": 1, "status": 1, "u_ref": 1.0, "sk": 1e14}],
        "line": [line],
        "transformer": [
            transformer | {"id": 30, "to_node": 2},
            transformer | {"id": 31, "to_node": 3},
        ],
    }
    return {"version": "1.0", "type": "input", "is_batch": False, "attributes": {}, "data": data}


def points() -> pd.DataFrame:
    """One point with PV in LV.A, one without in LV.B."""
    rows = [("A1", 2, "LV.A", 40_000), ("B1", 4, "LV.B", 20_000)]
    return pd.DataFrame(rows, columns=["point_id", "node", "zone", "capacity_w"])


def profiles() -> pd.DataFrame:
    """Two days; A1 exports 4,000 W on the first and 4,400 W on the second, B1 imports."""
    starts = pd.date_range("2016-06-01T00:00Z", periods=192, freq="15min")
    rows = [
        (start.strftime("%FT%TZ"), point_id, load_w, 100, pv_w)
        for start in starts
        for point_id, load_w, pv_w in (("A1", 1000, 5000 + 400 * (start.day - 1)), ("B1", 3000, 0))
    ]
    return pd.DataFrame(rows, columns=["start", "point_id", "load_w", "load_var", "pv_w"])


def write(
    folder: Path,
    toml: str = TOML,
    edit_grid: Callable[[Grid], object] = lambda grid: None,
    edit_points: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
    edit_profiles: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> Path:
    """Write the scenario's files, each changed as asked; returns the TOML file."""
    data = folder / "data"
    data.mkdir()
    wires = grid()
    edit_grid(wires)
    (data / "grid.json").write_text(json.dumps(wires))
    edit_points(points()).to_csv(data / "points.csv", index=False)
    edit_profiles(profiles()).to_csv(data / "profiles.csv", index=False)
    path = folder / "miniature.toml"
    path.write_text(toml)
    return path
