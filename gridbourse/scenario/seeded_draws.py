"""Seeded draws that do not depend on which others are made or in what order."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str, point_id: str, period: int = 0) -> np.random.Generator:
    """Separate generator for one purpose, point and period."""
    return np.random.default_rng([seed, _number(purpose), _number(point_id), period])


def share(wanted: float, seed: int, purpose: str, point_id: str) -> bool:
    """True where the point is of the share ``wanted``; a larger share only adds points."""
    return bool(generator(seed, purpose, point_id).random() < wanted)


def _number(text: str) -> int:
    return zlib.crc32(text.encode())
