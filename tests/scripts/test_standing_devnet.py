"""A devnet that stays up between commands: deploy, look, settle what is due, deploy again."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gridbourse.chain.connect import connect
from gridbourse.chain.deploy import AREA, Market, open_market
from gridbourse.scenario.scenario import load
from tests.scripts.conftest import Command, assert_refused, environment


@pytest.fixture
def market(record: Path, devnet: str) -> Market:
    return open_market(connect(devnet), record)


def test_the_record_and_the_mapping_are_in_place(record: Path, market: Market) -> None:
    fields = json.loads(record.read_text())
    assert fields["scenario"]["overrides"] == {}
    mapping = record.with_suffix(".participants.csv").read_text().splitlines()
    assert len(mapping) == 1 + 9
    balances = market.house.balances(market.registry.seat_limit())
    assert [balances[n] for n in range(8, 17)] == [1_000_000_000] * 9


def test_status_shows_a_market_without_a_period(command: Command, record: Path) -> None:
    done = command("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Currency held 19,000.00 EUR" in done.stdout
    assert re.search(r"Money sum +0 µEUR", done.stdout)
    assert "python -m scripts.replay --network devnet" in done.stdout


def test_up_twice_is_refused(command: Command, devnet: str) -> None:
    assert_refused(command("devnet", "up"), f"a devnet is already up at {devnet}")


def test_what_is_due_is_settled_and_then_nothing_is(
    command: Command, record: Path, small: Path, market: Market
) -> None:
    """A period traded, judged and metered by script; `settle` books it and settles it."""
    scenario = load(small)
    period, mtu = scenario.first_period, scenario.mtu_seconds
    operator, accounts = market.keys["operator"], market.keys
    points = [row.split(",")[0] for row in
              record.with_suffix(".participants.csv").read_text().splitlines()[1:]]  # fmt: skip
    closure = period * mtu - scenario.market.gate_closure_s
    market.clock.advance_to(operator, closure - 1)
    market.auction.place(accounts[f"participant/{points[0]}"], period, 1, 10, 500)
    market.auction.place(accounts[f"participant/{points[1]}"], period, 0, 30, 400)
    market.clock.advance_to(operator, closure)
    market.auction.clear(operator, AREA, period)
    market.grid.accept(period, 0, market.grid.book_root(period), bytes(32))
    market.clock.advance_to(operator, (period + 1) * mtu)

    refused = command("settle")
    assert refused.returncode == 1, "no readings yet: due, but the contracts do not settle it"
    assert "refused" in refused.stdout
    assert "python -m scripts.settle" in command("status").stdout
    market.meter.submit(period, 1, dict.fromkeys(range(8, 17), 0) | {8: 500, 9: -700})
    settled = command("settle")

    assert (settled.returncode, settled.stderr) == (0, "")
    assert str(period) in settled.stdout
    assert market.settlement.done(AREA, period)
    assert market.house.positions(period, market.auction.groups(AREA)) == {8: (400, 0), 9: (0, 400)}
    balances = market.house.balances(10)
    assert balances[2] == 10_000_000_000 + 300 * 300 - 100 * 80  # retail less feed-in
    assert "Nothing is due." in command("settle").stdout
    shown = command("status").stdout
    assert re.search(rf"{period} +.* booked .* accepted .* yes", shown)
    assert re.search(r"Money sum +0 µEUR", shown)


def test_another_deployment_takes_the_place_of_the_first(
    command: Command, record: Path, small: Path, devnet: str
) -> None:
    first, mapping = json.loads(record.read_text()), record.with_suffix(".participants.csv")
    before = sorted(record.parent.iterdir())

    assert command("deploy", str(small)).returncode == 0

    second = json.loads(record.read_text())
    assert second["genesis_hash"] == first["genesis_hash"]
    assert second["contracts"]["CallAuction"] != first["contracts"]["CallAuction"]
    assert sorted(record.parent.iterdir()) == before
    assert len(mapping.read_text().splitlines()) == 1 + 9
    market = open_market(connect(devnet), record)
    assert market.clock.timestamp() == 0
    assert command("status").returncode == 0


def test_a_replay_runs_on_it_as_well(
    command: Command, record: Path, small: Path, tmp_path: Path
) -> None:
    done = command(
        "replay", str(small), "--network", "devnet", "--out", str(tmp_path),
        "--start", "2016-07-24T10:30Z", "--periods", "1",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads((tmp_path / "summary.json").read_text())
    assert (figures["network"], figures["money_sum_microeur"], figures["energy_gap_wh"]) == (
        "devnet",
        0,
        0,
    )


SCRIPT = """
from gridbourse.chain.connect import connect
from gridbourse.chain.deploy import open_market
from gridbourse.chain.deployments import record_path

market = open_market(connect("devnet"), record_path("devnet"))
print(market.house.read("balanceOf", 8))
market.clock.write(market.keys["operator"], "clock", "advanceTo", 1_600_000_000)
print(market.clock.timestamp())
"""


def test_a_script_calls_any_contract(checkout: Path, record: Path) -> None:
    """What the README tells a user to write."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=checkout, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("1000000000\n1600000000\n", "")


def test_a_devnet_that_started_anew_is_not_the_one_on_record(
    command: Command, record: Path, devnet: str
) -> None:
    port = devnet.rpartition(":")[2]
    assert command("devnet", "down").returncode == 0
    assert command("devnet", "up", "--port", port).returncode == 0
    assert_refused(command("status"), "DeploymentError: genesis hash: the record is of 0x")
    assert_refused(command("settle"), "DeploymentError: genesis hash: the record is of 0x")
