"""Temperature outdoors: from a file, or a stated approximation by latitude and date.

The approximation: a yearly mean of 27 °C at the equator less 0.35 K for each degree of latitude; a
yearly swing of ±0.2 K for each degree, coldest on 15 January in the north and on 16 July in the south;
a daily swing of ±4 K, coldest at 03:00, warmest at 15:00 local time. At 51° it gives 9.2 °C in the
mean, −1.0 °C in January and 19.4 °C in July: about the long-term means of Kassel (Deutscher
Wetterdienst, 1991-2020: 9.7, 1.2 and 18.8 °C). It has no weather: for that, give a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.model.periods import Mtu
from gridbourse.scenario.data import read_rows, require, utc_times
from gridbourse.scenario.errors import ScenarioError

Floats = NDArray[np.float64]

EQUATOR_C: Final = 27.0
PER_DEGREE_K: Final = 0.35
YEARLY_PER_DEGREE_K: Final = 0.2
DAILY_K: Final = 4.0
COLDEST_DAY: Final = 15
COLDEST_HOUR: Final = 3.0
YEAR_DAYS: Final = 365.25


@dataclass(frozen=True, eq=False)
class Climate:
    """latitude: ° north, for the approximation. measured: index UTC start, °C; each value holds until
    the next."""

    latitude: float
    measured: pd.Series | None

    def outdoor_c(self, periods: range, mtu: Mtu, timezone: str) -> Floats:
        """Temperature in each period, °C; ScenarioError where the file has none."""
        starts = pd.to_datetime(np.asarray(periods) * mtu.seconds, unit="s", utc=True)
        if self.measured is None:
            return self._by_season(starts.tz_convert(timezone))
        if starts[0] < self.measured.index[0]:
            raise ScenarioError(f"{self.measured.name}: has no temperature for {starts[0]:%FT%RZ}")
        at = np.searchsorted(self.measured.index, starts, side="right") - 1
        return self.measured.to_numpy()[at]

    def _by_season(self, local: pd.DatetimeIndex) -> Floats:
        degrees = abs(self.latitude)
        coldest = COLDEST_DAY + (0 if self.latitude >= 0 else YEAR_DAYS / 2)
        year = np.cos(2 * np.pi * (local.dayofyear.to_numpy() - coldest) / YEAR_DAYS)
        hour = local.hour.to_numpy() + local.minute.to_numpy() / 60
        day = np.cos(2 * np.pi * (hour - COLDEST_HOUR) / 24)
        mean = EQUATOR_C - PER_DEGREE_K * degrees
        return np.asarray(mean - YEARLY_PER_DEGREE_K * degrees * year - DAILY_K * day)


def read_outdoor(path: Path) -> Climate:
    """A CSV file with the columns start (ISO 8601 with its offset) and celsius, ascending."""
    table = read_rows(path, ("start", "celsius"))
    if table.empty:
        raise ScenarioError(f"{path}: has no row")
    start = utc_times(path, table, "start")
    after = start.astype("int64").diff().fillna(1) > 0
    require(path, table, "start", after, "is not after the row before")
    celsius = pd.to_numeric(table["celsius"], errors="coerce").astype("float64")
    require(path, table, "celsius", celsius.between(-60, 60), "is not a temperature in -60..60 °C")
    return Climate(
        0.0,
        pd.Series(
            celsius.to_numpy(dtype=np.float64), index=pd.DatetimeIndex(start), name=str(path)
        ),
    )
