"""What every suite shares, brownie's as well: no test depends on how fast the machine is."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# On top of the profile that is current: under brownie that is brownie's own.
settings.register_profile(
    "gridbourse", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
)
settings.load_profile("gridbourse")

OPEN = Path(__file__).with_name("open_failures.txt")
"""Tests known to fail, a node id (or the beginning of one) a line. It has to become empty."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A failure that is on the list is shown as such and does not end the run; it runs all the same."""
    known = tuple(
        line.split("  #")[0].strip() for line in OPEN.read_text().splitlines() if line.strip()
    )
    for item in items:
        if known and item.nodeid.startswith(known):
            item.add_marker(
                pytest.mark.xfail(reason="open: see tests/open_failures.txt", strict=False)
            )
