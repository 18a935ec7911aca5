"""A scenario's data files: connection points (CSV) and profiles as gridbourse writes them.

Profiles in the user's own format: see ``readings``.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.model.periods import Mtu
from gridbourse.scenario.errors import ScenarioError
from gridbourse.tables import TableError, place_word, read_table, require_columns
from gridbourse.text import one_line
from gridbourse.times import parse_utc

POINT_COLUMNS: Final = ("point_id", "zone", "capacity_w")
NODE_COLUMNS: Final = ("node", "node_name")
"""Alternative columns: a file has one of them."""
POINT_NOTES: Final = (
    "pandapower_bus", "peak_load_w", "rated_pv_w", "member", "flexible_w", "flexible_kind",
)  # fmt: skip
"""Optional columns for the reader; no replay depends on them, `balancing` reads flexible_w."""
QUANTITIES: Final = ("load_w", "load_var", "pv_w")
MAX_NODE: Final = 2**31 - 1
MAX_CAPACITY_W: Final = 10_000_000
"""Limit for applications too; in an hour, the longest period, it is below the chain's 2^28 Wh."""
PROFILE_COLUMNS: Final = ("start", "point_id", *QUANTITIES)


@dataclass(frozen=True, eq=False)
class Profiles:
    """Mean power per delivery period; each frame: index = period, columns = point_id.

    load_w, load_var: W and var consumed, pv_w: W produced, already scaled by the PV factor.
    """

    load_w: pd.DataFrame
    load_var: pd.DataFrame
    pv_w: pd.DataFrame

    @property
    def periods(self) -> pd.Index:
        """Periods with data, ascending."""
        return self.load_w.index

    def net_w(self, period: int) -> NDArray[np.float64]:
        """pv - load of every point, W, positive = injects."""
        return self.pv_w.loc[period].to_numpy() - self.load_w.loc[period].to_numpy()

    def producers(self, before: int) -> pd.Series:
        """Mask of the points that produced in any period before this one; index point_id."""
        return self.pv_w.loc[self.periods < before].gt(0).any()


def read_points(path: Path, zones: Collection[str], node_names: pd.Series) -> pd.DataFrame:
    """Connection points: index point_id, columns node, zone, capacity_w.

    The file has the node's number in the grid file (``node``) or its name (``node_name``).
    node_names: number -> name, of the nodes that have one.
    Raises ScenarioError naming file, line, column and rule.
    """
    table = read_rows(path, POINT_COLUMNS, (*NODE_COLUMNS, *POINT_NOTES))
    if ("node" in table) == ("node_name" in table):
        raise ScenarioError(f"{path}: node, node_name: one of these columns must be there")
    if table.empty:
        raise ScenarioError(f"{path}: has no connection point")
    require(path, table, "point_id", table["point_id"].notna(), "is missing")
    require(path, table, "point_id", ~table["point_id"].duplicated(), "is there twice")
    if "node_name" in table:
        table = _with_numbers(path, table, node_names)
    rows, table = table, _numeric(path, table, "node", "capacity_w")
    whole = (table["node"] % 1 == 0) & table["node"].between(0, MAX_NODE)
    require(path, rows, "node", whole, "is not a node id")
    require(path, rows, "capacity_w", table["capacity_w"] > 0, "must be above 0 W")
    most = f"is above {MAX_CAPACITY_W:,} W: more than a low-voltage connection has"
    require(path, rows, "capacity_w", table["capacity_w"] <= MAX_CAPACITY_W, most)
    require(path, table, "zone", table["zone"].isin(zones), "is not a zone of the scenario")
    table = table.astype({"point_id": object, "zone": object})
    table = table.astype({"node": "int64", "capacity_w": "float64"})
    return table.set_index("point_id")[["node", "zone", "capacity_w"]]


def _with_numbers(path: Path, table: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """Table with a column node, from the names; a name shared by two nodes is refused."""
    given = table["node_name"]
    require(path, table, "node_name", given.isin(names), "is not the name of a node in the grid")
    several = names[names.duplicated()]
    require(path, table, "node_name", ~given.isin(several), "is the name of several nodes")
    return table.assign(node=given.map(pd.Series(names.index, index=names).loc[given.unique()]))


def read_profiles(path: Path, points: pd.DataFrame, mtu: Mtu, pv_factor: float) -> Profiles:
    """Long table ``start, point_id, load_w, load_var, pv_w`` with one row per period and point.

    start: beginning of the period; text must end in Z or an offset from UTC.
    Points keep the order of ``points``.  Raises ScenarioError naming file, column and rule.
    """
    table = read_rows(path, PROFILE_COLUMNS)
    if table.empty:
        raise ScenarioError(f"{path}: has no row")
    seconds = utc_times(path, table, "start").astype("int64") // 1_000_000
    require(path, table, "start", seconds % mtu.seconds == 0, "is not the start of a period")
    table = table.astype({"point_id": object})
    known = table["point_id"].isin(points.index)
    require(path, table, "point_id", known, "is not a connection point")
    rows, table = table, _numeric(path, table, *QUANTITIES)
    for quantity in ("load_w", "pv_w"):
        require(path, rows, quantity, table[quantity] >= 0, "must not be negative")
    table = table.assign(period=seconds // mtu.seconds)
    twice = table.duplicated(["period", "point_id"])
    require(path, table, "point_id", ~twice, "has two rows for one period")
    frames = {quantity: _wide(table, quantity, points.index) for quantity in QUANTITIES}
    missing = frames["load_w"].isna()
    if missing.to_numpy().any():
        period = missing.any(axis=1).idxmax()
        point_id = missing.loc[period].idxmax()
        raise ScenarioError(f"{path}: {point_id} has no row for {mtu.start(int(period)):%FT%RZ}")
    profiles = Profiles(
        load_w=frames["load_w"],
        load_var=frames["load_var"],
        pv_w=frames["pv_w"] * pv_factor,
    )
    require_capacity(path, profiles, points, pv_factor)
    return profiles


def _wide(table: pd.DataFrame, quantity: str, points: pd.Index) -> pd.DataFrame:
    """Wide table: rows = period, columns = point, NaN where the file has no row."""
    wide = table.pivot(index="period", columns="point_id", values=quantity)
    return wide.reindex(columns=points).astype("float64")


def require_capacity(
    path: Path, profiles: Profiles, points: pd.DataFrame, pv_factor: float
) -> None:
    """ScenarioError where a point exchanges more than its connection's capacity."""
    peak_w = (profiles.pv_w - profiles.load_w).abs().max()
    over = peak_w > points["capacity_w"]
    if over.any():
        worst = over.idxmax()
        raise ScenarioError(
            f"{path}: {worst} reaches {peak_w[worst]:.0f} W at pv_factor {pv_factor:g},"
            f" above its connection capacity of {points.at[worst, 'capacity_w']:.0f} W"
        )


def read_rows(path: Path, needed: Collection[str], optional: Collection[str] = ()) -> pd.DataFrame:
    """CSV or Parquet file indexed by place; its faults from ``gridbourse.tables`` as ScenarioError."""
    try:
        table = read_table(path)
        require_columns(path, list(table.columns), needed, optional)
    except TableError as error:
        raise ScenarioError(str(error)) from error
    return table


def utc_times(path: Path, table: pd.DataFrame, column: str) -> pd.Series:
    """Column of times as UTC, datetime64[us]; ScenarioError for one without an offset, or before 1970."""
    times = table[column]
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        utc = times.dt.tz_convert("UTC").dt.as_unit("us")
    else:
        text = times.astype("string")
        moments = {each: parse_utc(each) for each in text.dropna().unique()}
        found = [moments.get(each) for each in text.fillna("")]
        naive = [None if moment is None else moment.replace(tzinfo=None) for moment in found]
        values = np.array(naive, dtype="datetime64[us]")
        utc = pd.Series(values, index=table.index).dt.tz_localize("UTC")
    require(path, table, column, utc.notna(), "is no ISO 8601 time with Z or an offset")
    require(path, table, column, utc.astype("int64") >= 0, "lies before 1970, where no period is")
    return utc


def _numeric(path: Path, table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce").astype("float64")
        require(path, table, column, values.abs() < math.inf, "must be a finite number")
        table = table.assign(**{column: values})
    return table


def require(path: Path, table: pd.DataFrame, column: str, holds: pd.Series, rule: str) -> None:
    """ScenarioError with file, place, column and rule of the first row that does not hold."""
    good = holds.to_numpy(dtype=bool, na_value=False)
    if good.all():
        return
    at = int(np.argmin(good))
    value = table[column].iloc[at]
    shown = f"{value!r} " if isinstance(value, str) else f"{value} "
    if pd.isna(value):
        shown = "" if rule == "is missing" else "nothing "
    place = f"{place_word(path.name)} {table.index[at]}"
    raise ScenarioError(one_line(f"{path}: {place}: {column}: {shown}{rule}"))
