"""Meters of a replay: each signs its reading, the metering system drops a file a period, and the
oracle's own path reads it: source, validation, feed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.chain.keys.accounts import Keys
from gridbourse.deployment.participants import Membership
from gridbourse.metering.signatures import sign_reading
from gridbourse.metering.sources import Columns, read
from gridbourse.metering.validation import Meters, validate
from gridbourse.scenario.scenario import Scenario

COLUMNS = Columns(time="time", point="point", value="wh", unit="Wh", signature="signature")


@dataclass
class MeterDrop:
    """Folder with one CSV file a period, readings of the participants' meters."""

    folder: Path
    scenario: Scenario
    members: Membership
    keys: Keys

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        points = self.members.table.index
        self.meters = Meters(
            capacity_w=dict(self.scenario.points.loc[points, "capacity_w"]),
            addresses={p: self.keys[meter_name(p)].address for p in points},
        )

    def collect(self, period: int, readings_wh: NDArray[np.int64]) -> dict[int, int]:
        """Net Wh by participant number, after a file was written, read back and found valid."""
        path = self._drop(period, readings_wh)
        good = validate(
            read(path, COLUMNS), self.meters, self.scenario.mtu, range(period, period + 1)
        )
        number_of = self.members.number_of
        return good.by_period(lambda point, _: number_of.get(point)).get(period, {})

    def _drop(self, period: int, readings_wh: NDArray[np.int64]) -> Path:
        start = self.scenario.mtu.start(period)
        rows = [
            (f"{start:%Y-%m-%dT%H:%M:%SZ}", point, wh, self._sign(point, period, wh))
            for point, wh in zip(
                self.members.table.index,
                readings_wh[self.members.table["at"]].tolist(),
                strict=True,
            )
        ]
        path = self.folder / f"{start:%Y%m%dT%H%MZ}.csv"
        columns = [COLUMNS.time, COLUMNS.point, COLUMNS.value, COLUMNS.signature]
        pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
        return path

    def _sign(self, point: str, period: int, wh: int) -> str:
        return sign_reading(self.keys[meter_name(point)].key, point, period, wh)


def meter_name(point_id: str) -> str:
    """Name of a meter's key in the keyring."""
    return f"meter/{point_id}"
