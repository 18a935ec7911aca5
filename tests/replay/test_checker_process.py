"""A process of its own, given the logs and the scenario, finds what the chain holds, or what is wrong."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from tests.audit.forging import altered, dropped, plus
from tests.replay.conftest import NETWORKS, Run
from tests.replay.noon import PERIODS


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """`python -m scripts.check`, with nothing of the run but its folder."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.check", str(folder)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def verdicts(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """check.json by network."""
    base = tmp_path_factory.mktemp("checked")
    found = {}
    for network in NETWORKS:
        folder = shutil.copytree(runs[network].folder, base / network)
        done = check(folder)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "the chain and the rebuilt market are the same" in done.stdout
        found[network] = json.loads((folder / "check.json").read_text())
    return found


def test_it_finds_the_same_on_both_chains(verdicts: dict[str, dict]) -> None:
    devnet, embedded = (verdicts[network] for network in NETWORKS)
    assert devnet == embedded
    assert devnet["identical"]
    assert devnet["rebuilt"]["periods_settled"] == PERIODS
    assert devnet["rebuilt"]["money_micro_eur"] > 0


def test_it_compared_every_balance_and_position(
    verdicts: dict[str, dict], runs: dict[str, Run]
) -> None:
    state = json.loads((runs["embedded"].folder / "state.json").read_text())
    compared = verdicts["embedded"]["compared"]
    assert compared["balance"] >= len(state["balances"])
    assert compared["position"] >= sum(map(len, state["positions"]["0"].values()))
    assert compared["price"] >= PERIODS


@pytest.mark.parametrize(
    ("forge", "what"),
    [
        (altered("ClearingHouse", "TradesBooked", lambda v: v["payments"].reverse()), "payment"),
        (dropped("MeterOracle", "ReadingsSubmitted", nth=3), "settlement"),
        (altered("CallAuction", "Cleared", plus("priceMicroEurPerWh", 1)), "price"),
    ],
    ids=["payments swapped", "a batch of readings gone", "another price"],
)
def test_a_tampered_log_is_found(
    runs: dict[str, Run], tmp_path: Path, forge: Callable[[dict], None], what: str
) -> None:
    folder = shutil.copytree(runs["embedded"].folder, tmp_path / "run")
    log = json.loads((folder / "logs.json").read_text())
    forge(log)
    (folder / "logs.json").write_text(json.dumps(log))

    done = check(folder)

    assert (done.returncode, done.stderr) == (1, "")
    record = json.loads((folder / "check.json").read_text())
    assert not record["identical"]
    assert what in {difference["what"] for difference in record["differences"]}


def test_a_tampered_balance_is_found(runs: dict[str, Run], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["embedded"].folder, tmp_path / "run")
    state = json.loads((folder / "state.json").read_text())
    state["balances"]["8"] += 1
    (folder / "state.json").write_text(json.dumps(state))

    assert check(folder).returncode == 1
    differences = json.loads((folder / "check.json").read_text())["differences"]
    assert {"balance", "identity"} == {difference["what"] for difference in differences}
