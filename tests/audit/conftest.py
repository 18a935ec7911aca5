"""The small market's folders, run once a session and copied for each test that spoils one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridbourse.audit.check import check
from gridbourse.audit.findings import Difference
from gridbourse.audit.folder import load_run
from gridbourse.scenario.scenario import load
from tests.audit.small_market import run, write_scenario

PRICINGS = ("uniform", "pay_as_bid")
Forge = Callable[[Any], None]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run by pricing."""
    base = tmp_path_factory.mktemp("audit")
    scenario_file = write_scenario(base)
    for pricing in PRICINGS:
        run(scenario_file, base / pricing, pricing)
    return {pricing: base / pricing for pricing in PRICINGS}


@pytest.fixture
def honest(runs: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the uniform-price run that a test may spoil."""
    return shutil.copytree(runs["uniform"], tmp_path / "run")


@pytest.fixture
def forge(honest: Path) -> Callable[[str, Forge], list[Difference]]:
    """Change one file of an honest run and say what the checker finds."""

    def spoil(name: str, change: Forge) -> list[Difference]:
        path = honest / f"{name}.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        given = load_run(honest)
        return check(given, load(given.scenario_file, given.overrides)).findings.differences

    return spoil
