"""The small market's folders, run once a session and copied for each test that spoils one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridbourse.audit.check import check
from gridbourse.audit.core.findings import Difference
from gridbourse.audit.run_folder import Run, load_run, logs_of
from gridbourse.scenario.scenario import Scenario, load
from tests.audit.mixed_market import MixedMarket, run_book_alone, run_every_market, without_pool
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


@pytest.fixture(scope="session")
def every_market(tmp_path_factory: pytest.TempPathFactory) -> tuple[MixedMarket, Path]:
    """A finished run of a deployment with every market, its chain and its folder."""
    base = tmp_path_factory.mktemp("mixed")
    return run_every_market(write_scenario(base), base / "run"), base / "run"


@pytest.fixture(scope="session")
def book_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[MixedMarket, Path]:
    """The same of a deployment that has an order book and no pool."""
    base = tmp_path_factory.mktemp("alone")
    return run_book_alone(without_pool(write_scenario(base)), base / "run"), base / "run"


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
        return check(given, [load(given.scenario_file, given.overrides)]).findings.differences

    return spoil


@pytest.fixture(scope="session")
def mixed_run(every_market: tuple[MixedMarket, Path]) -> tuple[Run, Scenario]:
    """The run with every market, read."""
    given = load_run(every_market[1])
    return given, load(given.scenario_file, given.overrides)


@pytest.fixture
def mixed_logs(every_market: tuple[MixedMarket, Path]) -> dict[str, Any]:
    """Its logs.json, for a test to spoil."""
    return json.loads((every_market[1] / "logs.json").read_text())


@pytest.fixture
def differences(mixed_run: tuple[Run, Scenario]) -> Callable[[dict[str, Any]], list[Difference]]:
    """What the checker finds when the run has other logs."""
    given, scenario = mixed_run

    def find(content: dict[str, Any]) -> list[Difference]:
        other = replace(given, logs=logs_of(content["logs"]))
        return check(other, [scenario]).findings.differences

    return find
