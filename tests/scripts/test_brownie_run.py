"""`brownie run`: the same scripts, and scripts of a user's own, on the devnet that stands."""

import subprocess
from pathlib import Path

import pytest

from gridbourse.chain.deployment.market import open_market
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.connect import connect
from tests.scripts.conftest import environment

CALLS = """
import json

from brownie import ClearingHouse, MarketClock, accounts

from gridbourse.chain.accounts import DEVELOPMENT_SECRET, Keyring


def main():
    at = json.load(open("deployments/devnet.json"))["contracts"]
    house = ClearingHouse.at(at["ClearingHouse"]["address"])
    print("balance", house.balanceOf(8), "sum", house.moneySum(100))
    operator = accounts.add(Keyring(DEVELOPMENT_SECRET)["operator"].key)
    clock = MarketClock.at(at["MarketClock"]["address"])
    clock.advanceTo(1_469_354_400, {"from": operator})
    print("clock", clock.timestamp())
"""


@pytest.fixture(scope="module")
def brownie_on(checkout: Path, devnet: str, tmp_path_factory: pytest.TempPathFactory):
    """`brownie run … --network anvil`, which finds the standing devnet where it looks for its anvil."""
    config = checkout / "brownie-config.yaml"
    port = devnet.rpartition(":")[2]
    assert config.read_text().count("port: 8546") == 1
    config.write_text(config.read_text().replace("port: 8546", f"port: {port}"))
    home = tmp_path_factory.mktemp("home")  # brownie keeps its lists of networks there

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        script, *rest = arguments
        return subprocess.run(
            [CHECKOUT / ".venv" / "bin" / "brownie", "run", script, "main", "--network", "anvil", *rest],
            cwd=checkout, env=environment(HOME=str(home)), capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_a_script_of_ours(brownie_on, record: Path) -> None:
    done = brownie_on("status")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Attached to local RPC client" in done.stdout
    assert "Money sum     0 µEUR" in done.stdout


def test_options_behind_two_dashes(brownie_on, record: Path) -> None:
    done = brownie_on("status", "--", "--network", "embedded")
    assert done.returncode == 1
    assert "network embedded ends with its command" in done.stdout


def test_a_script_of_a_users_own(brownie_on, checkout: Path, record: Path, devnet: str) -> None:
    """Reads, and writes that last: brownie must not take the devnet back when it goes."""
    (checkout / "scripts" / "call.py").write_text(CALLS)

    done = brownie_on("call")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "balance 1000000000 sum 0" in done.stdout
    assert "clock 1469354400" in done.stdout
    assert open_market(connect(devnet), record).clock.timestamp() == 1_469_354_400


def test_a_script_named_as_a_package_of_ours(brownie_on, record: Path, tmp_path: Path) -> None:
    """`scripts/oracle.py` imports the package `oracle`, not itself."""
    done = brownie_on("oracle", "--", "meter", str(tmp_path), "--once")
    assert done.returncode == 0, done.stdout + done.stderr
