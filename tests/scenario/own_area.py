"""An area as its operator has it: a pandapower net, a CSV file of meter readings, one TOML file."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandapower as pp
import pandas as pd

from tests.grid import small_net

TOML = """
name = "two feeders"
description = "a net of two feeders, four meters, two days"
folder = "."
timezone = "Europe/Berlin"
mtu_seconds = 900
season = "october"
periods = 4
pv_factor = 1
[seasons.october]
profiles = "meters.csv"
start = 2016-10-30T10:00:00Z
[columns]
time = "bis"
time_format = "%d.%m.%Y %H:%M"
timezone = "Europe/Berlin"
marks = "end"
point = "Zähler"
import = "Bezug kWh"
export = "Einspeisung kWh"
unit = "kWh"
separator = ";"
decimal = ","
[grid]
file = "net.json"
points = "points.csv"
v_min_pu = 0.9
v_max_pu = 1.1
loading_max = 1.0
[market]
area = "two feeders"
pricing = "uniform"
tick_micro_eur_per_wh = 2
max_rounds = 2
gate_closure_s = 900
[tariff]
retail_micro_eur_per_wh = 320
feed_in_micro_eur_per_wh = 60
[zones.station]
import_fee_micro_eur_per_wh = 90
local_fee_micro_eur_per_wh = 60
export_fee_micro_eur_per_wh = 0
[zones.north]
parent = "station"
import_fee_micro_eur_per_wh = 90
local_fee_micro_eur_per_wh = 40
export_fee_micro_eur_per_wh = 0
[zones.south]
parent = "station"
import_fee_micro_eur_per_wh = 95
local_fee_micro_eur_per_wh = 45
export_fee_micro_eur_per_wh = 5
[strategy]
truthful_share = 1
seed = 3
[parties]
participation = 1
deposit_micro_eur = 50_000_000
supplier_deposit_micro_eur = 500_000_000
signed_share = 0.5
own_share = 0.25
"""

POINTS = """point_id,node_name,zone,capacity_w
house,north middle,north,17250
workshop,north end,north,43650
barn,south middle,south,43650
flat,south end,south,11040
"""

FIRST = pd.Timestamp("2016-10-29T00:00", tz="Europe/Berlin")
QUARTER = pd.Timedelta(minutes=15)


def readings() -> pd.DataFrame:
    """Columns utc (start), meter, taken, fed (kWh): two local days, the second of 25 hours.

    The workshop feeds in by day, more on the second day; the barn does so on the first alone.
    """
    rows = []
    end = FIRST + pd.DateOffset(days=2)
    for start in pd.date_range(FIRST, end, freq="15min", inclusive="left"):
        sun = 10 <= start.tz_convert("UTC").hour < 14
        later = start.day == 30
        rows += [
            (start, "house", 0.25 if later else 0.2, 0.0),
            (start, "workshop", 0.0 if sun else 0.5, (4.25 if later else 4.0) if sun else 0.0),
            (start, "barn", 0.0 if sun and not later else 0.125, 0.1 if sun and not later else 0.0),
            (start, "flat", 0.4, 0.1),
        ]
    return pd.DataFrame(rows, columns=["start", "meter", "taken", "fed"])


@functools.cache
def _net() -> str:
    return str(pp.to_json(small_net.net()))


def write(
    folder: Path,
    toml: str = TOML,
    edit_lines: Callable[[list[str]], Any] = lambda lines: None,
) -> Path:
    """Write all four files; ``edit_lines`` may change those of the readings, the header first."""
    (folder / "net.json").write_text(_net())
    (folder / "points.csv").write_text(POINTS)
    lines = ["bis;Zähler;Bezug kWh;Einspeisung kWh"]
    for row in readings().itertuples():
        numbers = (f"{kwh:.3f}".replace(".", ",") for kwh in (row.taken, row.fed))
        lines.append(";".join([f"{row.start + QUARTER:%d.%m.%Y %H:%M}", row.meter, *numbers]))
    edit_lines(lines)
    (folder / "meters.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = folder / "area.toml"
    path.write_text(toml, encoding="utf-8")
    return path
