"""Profiles from a user's own meter data: any column names, by the scenario's table ``[columns]``.

Meters measure the net energy of a connection, so most users have that, as one
column or as two registers, import and export.  Production and consumption behind the meter are
then unknown: a net surplus counts as production and a net shortage as consumption.  Where both were
metered they are read as ``load`` and ``pv``, and only then can the PV be scaled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.metering.sources import Columns, read
from gridbourse.metering.validation import Meters, validate
from gridbourse.model.periods import Mtu
from gridbourse.scenario.data import Profiles, require_capacity

POWER_FACTOR: Final = 0.95
"""Power factor, inductive, of all consumption: residential loads of the European low-voltage benchmark
network of CIGRE Task Force C6.04.02 (Technical Brochure 575, 2014), as in pandapower's
``create_cigre_network_lv``."""
BOTH_WAYS: Final = ("net", "reactive")
GROSS: Final = ("load", "pv")


@dataclass(frozen=True)
class ReadingColumns:
    """Layout of a scenario's profile files.

    file: times, points, unit and numbers; its ``value`` is none of the quantities yet.
    quantities: quantity -> its column, None for the net energy of a wide file.  Either net, or
        import and export, or load and pv; reactive may come with each, in the same unit (Wh means
        varh), consumption of an inductive load positive.
    consumption_positive: True where a positive net value was taken from the grid.
    power_factor: of consumption, inductive, where there is no reactive; feeding in has 1.
    """

    file: Columns
    quantities: Mapping[str, str | None]
    consumption_positive: bool
    power_factor: float

    @property
    def gross(self) -> bool:
        """True where production and consumption are known separately."""
        return GROSS[0] in self.quantities


def read_readings(
    path: Path, columns: ReadingColumns, points: pd.DataFrame, mtu: Mtu, pv_factor: float
) -> Profiles:
    """Profiles of every point of ``points``, for every period in the file.

    Raises ReadingError naming file, row, column and rule: see ``metering.validation``; and also
    for a point that is not in the file at all.
    """
    wh = {name: _read(path, columns, name, points, mtu) for name in columns.quantities}
    if columns.gross:
        load_wh, pv_wh = wh["load"], wh["pv"]
    else:
        net_wh = wh["net"] if "net" in wh else wh["export"] - wh["import"]
        if columns.consumption_positive:
            net_wh = -net_wh
        load_wh, pv_wh = (-net_wh).clip(lower=0), net_wh.clip(lower=0)
    lag = math.tan(math.acos(columns.power_factor))
    profiles = Profiles(
        load_w=load_wh / mtu.hours,
        load_var=wh.get("reactive", load_wh * lag) / mtu.hours,
        pv_w=pv_wh / mtu.hours * pv_factor,
    )
    require_capacity(path, profiles, points, pv_factor)
    return profiles


def _read(
    path: Path, columns: ReadingColumns, quantity: str, points: pd.DataFrame, mtu: Mtu
) -> pd.DataFrame:
    """Wh of one quantity, rounded only after scaling; rows = period, columns = point."""
    others = [name for name in columns.quantities.values() if name is not None]
    raw = read(path, replace(columns.file, value=columns.quantities[quantity]), others)
    capacity_w = points["capacity_w"]
    if quantity in GROSS:  # behind the meter: the connection carries only their difference
        capacity_w = pd.Series(math.inf, index=points.index)
    meters = Meters({str(point): float(w) for point, w in capacity_w.items()})
    found = validate(raw, meters, mtu, one_way=quantity not in BOTH_WAYS)
    table = found.table.assign(wh=found.exact_wh)
    absent = points.index[~points.index.isin(table["point"])]
    if len(absent):
        column = absent[0] if raw.columns.wide else raw.columns.point
        reason = f"there is no reading of {absent[0]}"
        raise ReadingError([Refusal(raw.file, None, column, Rule.GAP, reason)])
    wide = table.pivot(index="period", columns="point", values="wh")
    return wide.reindex(columns=points.index).astype("float64")
