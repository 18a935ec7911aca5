"""Limits of voltage and loading that a schedule has to keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Voltage band at every node (EN 50160: 0.9 to 1.1 pu); loading 1.0 = rated current."""

    v_min_pu: float
    v_max_pu: float
    loading_max: float
