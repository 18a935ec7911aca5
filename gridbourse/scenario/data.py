"""A scenario's data files: connection points (CSV) and profiles as gridbourse writes them.

Profiles in a form of the user's own: see ``readings``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.model.periods import Mtu
from gridbourse.scenario.errors import ScenarioError, first_line

POINT_COLUMNS: Final = ("point_id", "zone", "capacity_w")
NODE_COLUMNS: Final = ("node", "node_name")
"""A file has the one or the other."""
POINT_NOTES: Final = (
    "pandapower_bus", "peak_load_w", "rated_pv_w", "member", "flexible_w", "flexible_kind",
)  # fmt: skip
"""Columns that may be there for the reader; no replay depends on them, `balancing` reads flexible_w."""
QUANTITIES: Final = ("load_w", "load_var", "pv_w")
MAX_NODE: Final = 2**31 - 1
MAX_CAPACITY_W: Final = 10_000_000
"""As applications are judged; in an hour, the longest period, it is below the chain's 2^28 Wh."""
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
        """The periods there is data for, ascending."""
        return self.load_w.index

    def net_w(self, period: int) -> NDArray[np.float64]:
        """pv - load of every point, W, positive = injects."""
        return self.pv_w.loc[period].to_numpy() - self.load_w.loc[period].to_numpy()

    def producers(self, before: int) -> pd.Series:
        """Which points have produced in any period before this one; index point_id."""
        return self.pv_w.loc[self.periods < before].gt(0).any()


def read_points(path: Path, zones: Collection[str], node_names: pd.Series) -> pd.DataFrame:
    """Connection points: index point_id, columns node, zone, capacity_w.

    The file has the node's number in the grid file (``node``) or its name (``node_name``).
    node_names: number -> name, of the nodes that have one.
    Raises ScenarioError naming file, row (1 = first below the header), column and rule.
    """
    table = _read(
        path, lambda: pd.read_csv(path, dtype={"point_id": str, "zone": str, "node_name": str})
    )
    _require_columns(path, table, POINT_COLUMNS, (*NODE_COLUMNS, *POINT_NOTES))
    if ("node" in table) == ("node_name" in table):
        raise ScenarioError(f"{path}: node, node_name: one of these columns must be there")
    if table.empty:
        raise ScenarioError(f"{path}: has no connection point")
    _require(path, table, "point_id", table["point_id"].notna(), "is missing")
    _require(path, table, "point_id", ~table["point_id"].duplicated(), "is there twice")
    if "node_name" in table:
        table = _with_numbers(path, table, node_names)
    table = _numeric(path, table, "node", "capacity_w")
    whole = (table["node"] % 1 == 0) & table["node"].between(0, MAX_NODE)
    _require(path, table, "node", whole, "is not a node id")
    _require(path, table, "capacity_w", table["capacity_w"] > 0, "must be above 0 W")
    most = f"is above {MAX_CAPACITY_W:,} W: more than a low-voltage connection has"
    _require(path, table, "capacity_w", table["capacity_w"] <= MAX_CAPACITY_W, most)
    _require(path, table, "zone", table["zone"].isin(zones), "is not a zone of the scenario")
    table = table.astype({"node": "int64", "capacity_w": "float64"})
    return table.set_index("point_id")[["node", "zone", "capacity_w"]]


def _with_numbers(path: Path, table: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """With a column node, by name; a name that two nodes have says nothing."""
    given = table["node_name"]
    _require(path, table, "node_name", given.isin(names), "is not the name of a node in the grid")
    several = names[names.duplicated()]
    _require(path, table, "node_name", ~given.isin(several), "is the name of several nodes")
    return table.assign(node=given.map(pd.Series(names.index, index=names).loc[given.unique()]))


def read_profiles(path: Path, points: pd.DataFrame, mtu: Mtu, pv_factor: float) -> Profiles:
    """Long table ``start, point_id, load_w, load_var, pv_w`` with one row per period and point.

    start: UTC, beginning of the period; text in a CSV file must end in Z or an offset.
    Points keep the order of ``points``.  Raises ScenarioError naming file, column and rule.
    """
    table = _read_table(path)
    _require_columns(path, table, PROFILE_COLUMNS, ())
    seconds = _unix_seconds(path, table)
    _require(path, table, "start", seconds % mtu.seconds == 0, "is not the start of a period")
    known = table["point_id"].isin(points.index)
    _require(path, table, "point_id", known, "is not a connection point")
    table = _numeric(path, table, *QUANTITIES)
    for quantity in ("load_w", "pv_w"):
        _require(path, table, quantity, table[quantity] >= 0, "must not be negative")
    table = table.assign(period=seconds // mtu.seconds)
    twice = table.duplicated(["period", "point_id"])
    _require(path, table, "point_id", ~twice, "has two rows for one period")
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
    """Rows = period, columns = point, NaN where the file has no row."""
    wide = table.pivot(index="period", columns="point_id", values=quantity)
    return wide.reindex(columns=points).astype("float64")


def require_capacity(
    path: Path, profiles: Profiles, points: pd.DataFrame, pv_factor: float
) -> None:
    """ScenarioError where a point exchanges more than its connection carries."""
    peak_w = (profiles.pv_w - profiles.load_w).abs().max()
    over = peak_w > points["capacity_w"]
    if over.any():
        worst = over.idxmax()
        raise ScenarioError(
            f"{path}: {worst} reaches {peak_w[worst]:.0f} W at pv_factor {pv_factor:g},"
            f" above its connection capacity of {points.at[worst, 'capacity_w']:.0f} W"
        )


def _read_table(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return _read(path, lambda: pd.read_parquet(path))
    if path.suffix == ".csv":
        return _read(path, lambda: pd.read_csv(path, dtype={"point_id": str, "start": str}))
    raise ScenarioError(f"{path}: profiles are .parquet or .csv")


def _read(path: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    try:
        return read()
    except FileNotFoundError:
        raise ScenarioError(f"{path}: is missing") from None
    except (OSError, ValueError) as error:  # pyarrow's and the CSV parser's errors are of these
        raise ScenarioError(f"{path}: can not be read ({first_line(error)})") from error


def _unix_seconds(path: Path, table: pd.DataFrame) -> pd.Series:
    start = table["start"]
    if not isinstance(start.dtype, pd.DatetimeTZDtype):
        start = start.astype(str)
        offset = start.str.fullmatch(r".+T[0-9:.]+(Z|[+-]\d\d:?\d\d)")
        _require(path, table, "start", offset, "is no ISO 8601 time with Z or an offset")
        start = pd.to_datetime(start, utc=True, format="ISO8601", errors="coerce")
    _require(path, table, "start", start.notna(), "is no ISO 8601 time with Z or an offset")
    return start.dt.tz_convert("UTC").dt.as_unit("s").astype("int64")


def _require_columns(
    path: Path, table: pd.DataFrame, needed: Collection[str], allowed: Collection[str]
) -> None:
    for column in needed:
        if column not in table:
            raise ScenarioError(f"{path}: {column}: this column is missing")
    for column in table.columns:
        if column not in (*needed, *allowed):
            raise ScenarioError(f"{path}: {column}: is not a column of this file")


def _numeric(path: Path, table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce")
        _require(path, table, column, np.isfinite(values), "must be a finite number")
        table = table.assign(**{column: values})
    return table


def _require(path: Path, table: pd.DataFrame, column: str, holds: pd.Series, rule: str) -> None:
    if not holds.all():
        row = int(np.argmin(holds.to_numpy(dtype=bool)))
        value = table[column].iloc[row]
        shown = repr(value) if isinstance(value, str) else str(value)
        raise ScenarioError(f"{path}: row {row + 1}: {column}: {shown} {rule}")
