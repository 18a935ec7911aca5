"""The gas of every step is what the committed snapshot says: a change of it is meant, or found here."""

import json

import pytest

from benchmarks.gas import SNAPSHOT, snapshot

TOLERANCE = 0.002
"""Signatures differ by a few zero bytes in calldata when a chain's addresses do."""


def test_gas_is_what_the_snapshot_holds() -> None:
    held = json.loads(SNAPSHOT.read_text())
    found = snapshot()
    assert found.keys() == held.keys()
    for step, gas in found.items():
        assert gas == pytest.approx(held[step], rel=TOLERANCE), (
            f"{step}: if this is meant, python -m benchmarks.gas --snapshot"
        )
