"""Caps: the most energy a metering point may inject or withdraw in one delivery period."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_CAP = (1 << 28) - 1
"""A cap of this many Wh means none; it is the largest value of the 28-bit lane on-chain."""


@dataclass(frozen=True)
class Caps:
    """Caps of one delivery period.

    export_cap_wh, import_cap_wh: int64, shape (points,), Wh in one period, both non-negative.
    """

    export_cap_wh: NDArray[np.int64]
    import_cap_wh: NDArray[np.int64]

    @classmethod
    def none(cls, points: int) -> "Caps":
        """No cap anywhere."""
        free = np.full(points, NO_CAP, dtype=np.int64)
        return cls(free, free.copy())

    def clip(self, net_wh: NDArray[np.int64]) -> NDArray[np.int64]:
        """Net injections (Wh, positive = injects) brought inside the caps."""
        return np.clip(net_wh, -self.import_cap_wh, self.export_cap_wh)

    def tightened(self, other: "Caps") -> "Caps":
        """Both caps at once: caps only fall."""
        return Caps(
            np.minimum(self.export_cap_wh, other.export_cap_wh),
            np.minimum(self.import_cap_wh, other.import_cap_wh),
        )

    @property
    def binding(self) -> NDArray[np.bool_]:
        """Mask of the points that carry a cap, shape (points,)."""
        return (self.export_cap_wh < NO_CAP) | (self.import_cap_wh < NO_CAP)
