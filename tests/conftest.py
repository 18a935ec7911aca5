"""What every suite shares, brownie's as well: no test depends on how fast the machine is."""

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, settings

# On top of the profile that is current: under brownie that is brownie's own.
settings.register_profile(
    "gridbourse", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
)
settings.load_profile("gridbourse")

LONG_RUNS = ("runs", "every_market")
"""Fixtures of a folder that take a minute and are shared by its files."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, a process has whole files, and all those that share a long run."""
    files = defaultdict(list)
    for item in items:
        files[item.path].append(item)
    for path, there in files.items():
        shared = {name for item in there for name in getattr(item, "fixturenames", ())}
        group = path.parent if shared.intersection(LONG_RUNS) else path
        for item in there:
            item.add_marker(pytest.mark.xdist_group("/".join(group.parts[-2:])))
