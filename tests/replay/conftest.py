"""The same sixteen periods on both development chains, once a session."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from web3 import Web3

import scripts
from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.chain.node.connect import session
from scripts import replay
from tests.replay.noon import PERIODS, START, write_scenario
from tests.replay.storage import Storage, storage_of

NETWORKS = ("devnet-child", "embedded")


@dataclass(frozen=True)
class Run:
    """A finished replay: its folder, what it printed, and the storage of its contracts."""

    folder: Path
    said: str
    storage: dict[str, Storage]


def run(network: str, scenario_file: Path, folder: Path) -> Run:
    """The command line of a replay, with a look at the chain before it ends."""
    storage: dict[str, Storage] = {}

    @contextlib.contextmanager
    def watched(name: str) -> Iterator[Web3]:
        with session(name) as w3:
            yield w3
            (draft,) = folder.glob(".unfinished-*/deployment.json")
            contracts = DeploymentRecord.load(draft).contracts
            storage.update({name: storage_of(w3, c.address) for name, c in contracts.items()})

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(scripts, "session", watched)
        patch.setenv("COLUMNS", "120")
        replay.main(
            str(scenario_file), "--network", network, "--out", str(folder),
            "--start", START, "--periods", str(PERIODS),
        )  # fmt: skip
    return Run(folder, said.getvalue(), storage)


@pytest.fixture(scope="session")
def noon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenario file of the sunny noon."""
    return write_scenario(tmp_path_factory.mktemp("scenario"))


@pytest.fixture(scope="session")
def runs(noon: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A finished run by network."""
    base = tmp_path_factory.mktemp("runs")
    return {network: run(network, noon, base / network) for network in NETWORKS}
