"""A devnet that stays up between commands: deploy, look, settle what is due, deploy again."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from web3.types import RPCEndpoint

from gridbourse.chain.deployment.market import FIRST_AREA, Market, open_market
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.node.connect import connect
from gridbourse.chain.operations.market_state import due
from gridbourse.scenario.scenario import load
from tests.scripts.conftest import Command, assert_refused, environment

READINGS = dict.fromkeys(range(8, 17), 0) | {8: 500, 9: -700}
"""Of the nine; by contract 8 sells 400 Wh to 9."""


def mapping(record: Path) -> dict[str, int]:
    """Participant number by point."""
    rows = record.with_suffix(".participants.csv").read_text().splitlines()[1:]
    return {row.split(",")[0]: int(row.split(",")[1]) for row in rows}


def trade(market: Market, small: Path, record: Path, later: int) -> int:
    """The first two trade in a period, which is cleared; the period."""
    scenario, accounts = load(small), market.keys
    period = scenario.first_period + later
    closure = period * scenario.mtu_seconds - scenario.market.gate_closure_s
    first, second, *_ = mapping(record)
    market.clock.advance_to(accounts["operator"], closure - 1)
    market.auction.place(accounts[f"participant/{first}"], period, OFFER, 10, 500)
    market.auction.place(accounts[f"participant/{second}"], period, BID, 30, 400)
    market.clock.advance_to(accounts["operator"], closure)
    market.auction.clear(accounts["operator"], FIRST_AREA, period)
    return period


def capacity_wh(small: Path, point: str) -> int:
    """What the connection of a point can carry in a period."""
    scenario = load(small)
    return int(scenario.points["capacity_w"][point] * scenario.mtu.hours)


def deliver(market: Market, period: int) -> None:
    """The period is over; nothing flowed in the one before it, which nobody touched."""
    market.clock.advance_to(market.keys["operator"], (period + 1) * market.clock.read("mtuSeconds"))
    if period - 1 in due(market):
        market.meter.submit(period - 1, 1, dict.fromkeys(READINGS, 0))


def wait_for_a_day(market: Market) -> None:
    """Longer than the window of readings, in block time."""
    provider = market.chain.w3.provider
    for method, arguments in (("evm_increaseTime", [86_401]), ("evm_mine", [])):
        provider.make_request(RPCEndpoint(method), arguments)


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


def test_a_campaign_opens_and_stays_on_record(command: Command, record: Path) -> None:
    first, second, *_ = mapping(record)
    opened = command(
        "crowdsale", "open", "roof", "--point", first, "--goal", "100", "--profit-share", "500"
    )
    assert (opened.returncode, opened.stderr) == (0, "")
    assert "-m scripts.crowdsale fund roof EUR --by WHO" in opened.stdout
    funded = command("crowdsale", "fund", "roof", "40", "--by", second, "--pay-in", "bank 1")
    assert (funded.returncode, funded.stderr) == (0, "")
    assert "EquityCampaign/roof" in json.loads(record.read_text())["contracts"]
    shown = command("crowdsale", "status", "roof").stdout
    assert "40 of 100 EUR" in shown
    assert second in shown
    nobody = command("crowdsale", "fund", "roof", "1", "--by", "nobody")
    assert_refused(
        nobody, "CrowdsaleError: 'nobody' is neither a metering point of this deployment"
    )


def test_what_is_due_is_settled_and_then_nothing_is(
    command: Command, record: Path, small: Path, market: Market
) -> None:
    """A period traded, judged and metered by script; `settle` books it and settles it."""
    period = trade(market, small, record, 0)
    market.grid.accept(period, 0, market.grid.book_root(period), bytes(32))
    deliver(market, period)

    refused = command("settle")
    assert refused.returncode == 1, "no readings yet: due, but the contracts do not settle it"
    assert "refused" in refused.stdout
    assert "python -m scripts.settle" in command("status").stdout
    market.meter.submit(period, 1, READINGS)
    settled = command("settle")

    assert (settled.returncode, settled.stderr) == (0, "")
    assert str(period) in settled.stdout
    assert market.settlement.done(FIRST_AREA, period)
    assert market.house.positions(FIRST_AREA, period, market.auction.groups(FIRST_AREA)) == {
        8: (400, 0),
        9: (0, 400),
    }
    balances = market.house.balances(10)
    assert balances[2] == 10_000_000_000 + 300 * 300 - 100 * 80  # retail less feed-in
    assert "Nothing is due." in command("settle").stdout
    shown = command("status").stdout
    assert re.search(rf"{period} +.* booked .* accepted .* yes", shown)
    assert re.search(r"Money sum +0 µEUR", shown)


def test_a_verdict_that_never_comes_costs_the_trades_and_nothing_else(
    command: Command, record: Path, small: Path, market: Market
) -> None:
    """None does once delivery has begun: `settle` lets the book expire, and what was held is free again."""
    limit = market.registry.seat_limit()
    period, before = trade(market, small, record, 2), market.house.balances(limit)
    deliver(market, period)
    market.meter.submit(period, 1, dict.fromkeys(READINGS, 0) | {8: 500})

    assert market.auction.phase(FIRST_AREA, period) == "cleared"
    assert market.auction.read("verdictWindowSeconds") >= 3_600, "block time is not waited for"
    settled = command("settle")

    assert (settled.returncode, settled.stderr) == (0, "")
    assert market.settlement.done(FIRST_AREA, period)
    assert market.house.positions(FIRST_AREA, period, market.auction.groups(FIRST_AREA)) == {}
    after = market.house.balances(limit)
    held = 400 * (300 + 95)
    assert after[8] - before[8] == 500 * 80, "all it injected is the supplier's"
    assert after[9] - before[9] == held
    assert market.house.money_sum(limit) == 0


def test_readings_that_never_come_are_awaited_estimated_and_corrected_when_they_do(
    command: Command, record: Path, small: Path, market: Market, tmp_path: Path
) -> None:
    """`settle` begins the reading window and settles when it has passed; `oracle meter` corrects."""
    period = trade(market, small, record, 4)
    market.grid.accept(period, 0, market.grid.book_root(period), bytes(32))
    deliver(market, period)
    early = {number: wh for number, wh in READINGS.items() if number != 9}
    points = {number: point for point, number in mapping(record).items()}

    def bring(readings: dict[int, int]) -> None:
        start = f"{load(small).mtu.start(period):%Y-%m-%dT%H:%MZ}"
        rows = "".join(f"{start},{points[number]},{wh}\n" for number, wh in readings.items())
        (tmp_path / f"{len(readings)}.csv").write_text(f"time,point,wh\n{rows}")
        done = command("oracle", "meter", str(tmp_path), "--once")
        assert done.returncode == 0, done.stderr

    bring(early)
    first = command("settle")
    assert first.returncode == 1
    assert "ReadingMissing" in first.stdout
    assert "from now on awaited" in re.sub(r"[│\s]+", " ", first.stdout)
    again = command("settle")
    assert again.returncode == 1
    assert "from now on awaited" not in re.sub(r"[│\s]+", " ", again.stdout)
    wait_for_a_day(market)
    before = market.house.read("balanceOf", 9)
    assert command("settle").returncode == 0
    assert market.settlement.done(FIRST_AREA, period)
    drawn = capacity_wh(small, points[9])  # all its connection can: far more than it bought
    contract = 400 * (300 + 95) - 400 * (80 + 10) - 400 * 40  # held, less price and local fee
    estimated = contract - (drawn - 400) * (300 + 95)
    assert market.house.read("balanceOf", 9) - before == estimated

    bring({9: READINGS[9]})
    assert market.house.read("balanceOf", 9) - before == contract - 300 * (300 + 95)
    assert "Nothing is due." in command("settle").stdout


def kept(folder: Path) -> list[Path]:
    """Files of deployments, but for the event index, which a new deployment begins anew."""
    return sorted(path for path in folder.iterdir() if ".index." not in path.name)


def test_another_deployment_takes_the_place_of_the_first(
    command: Command, record: Path, small: Path, devnet: str
) -> None:
    first, mapping = json.loads(record.read_text()), record.with_suffix(".participants.csv")
    before = kept(record.parent)

    refused = command("deploy", str(small))
    assert_refused(refused, "--overwrite puts another in its place")
    assert json.loads(record.read_text()) == first
    assert command("deploy", str(small), "--overwrite").returncode == 0

    second = json.loads(record.read_text())
    assert second["genesis_hash"] == first["genesis_hash"]
    assert second["contracts"]["CallAuction"] != first["contracts"]["CallAuction"]
    assert kept(record.parent) == before
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
from gridbourse.chain.node.connect import connect
from gridbourse.chain.deployment.market import open_market
from gridbourse.chain.deployment.record import record_path

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
