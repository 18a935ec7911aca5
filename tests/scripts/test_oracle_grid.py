"""`scripts.oracle grid`: what waits for the DSO on a live chain is judged once, whatever is in its way."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from web3.types import RPCEndpoint

from gridbourse.chain.deployment.market import FIRST_AREA, Market, open_market
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet
from gridbourse.deployment.live_market import found_market
from gridbourse.deployment.participants import Membership
from gridbourse.metering.errors import ReadingError
from gridbourse.scenario.rules import OtcContract
from gridbourse.scenario.scenario import Scenario, load
from oracle.common.errors import FeedError
from replay.markets.call_auction import CallAuctionVenue
from replay.markets.checked_trades import Judging
from replay.markets.order_book import OrderBookVenue
from replay.markets.over_the_counter import OverTheCounterVenue
from scripts import oracle
from tests.guard import GUARD_S
from tests.replay.noon import START, write_scenario
from tests.scripts.conftest import Command, assert_refused, environment

NOON = 38
"""Periods from the season's start to an overloaded transformer, where not every trade has room."""
Once = Callable[..., int]


# --- order book and private deals, on a devnet that stands ---------------------------------------


@dataclass
class Hall:
    """Elecbay on the checkout's devnet: what two neighbouring periods have traded waits for the DSO."""

    url: str
    record: Path
    file: Path
    scenario: Scenario
    period: int

    def market(self) -> Market:
        return open_market(connect(self.url), self.record)

    def rpc(self, method: str, *arguments: object) -> Any:
        return connect(self.url).provider.make_request(RPCEndpoint(method), arguments)["result"]

    def pending(self) -> int:
        """Transactions sent and not yet in a block."""
        return int(self.rpc("txpool_status")["pending"], 16)

    def verdicts(self) -> list[tuple[Any, ...]]:
        """(market, period, group, rejected) as the chain tells of them, in order."""
        judged = self.market().grid.contract.events["TradesJudged"]().get_logs(from_block=0)
        return [
            tuple(event["args"][name] for name in ("market", "period", "group", "rejected"))
            for event in judged
        ]

    def on_chain(self) -> dict[str, Any]:
        """Verdicts, caps in force, what was booked, whether all is judged."""
        market, period = self.market(), self.period
        capped = market.grid.contract.events["ScheduleCapped"]().get_logs(from_block=0)
        return {
            "verdicts": sorted(self.verdicts()),
            "capped alone": len(capped),
            "caps": market.grid.caps(period),
            "booked": market.grid.booked_wh(period),
            "done": [trades.read("booked", FIRST_AREA, period) for trades in market.trade_markets],
        }


@pytest.fixture(scope="module")
def hall(command: Command, checkout: Path, devnet: str) -> Hall:
    file = checkout / "scenarios" / "elecbay.toml"
    deployed = command("deploy", str(file))
    assert (deployed.returncode, deployed.stderr) == (0, "")
    record = checkout / "deployments" / "devnet.json"
    market, whole = open_market(connect(devnet), record), load(file)
    scenario = replace(
        whole,
        tables={
            "order_book": replace(whole.book_rules, rounds=1),
            "over_the_counter": (OtcContract("P0080", "P0083", NOON, 2, 150, 140),),
        },
    )
    table = pd.read_csv(record.with_suffix(".participants.csv"), index_col=0)
    judging = Judging(scenario, Membership(table), market, None)  # type: ignore[arg-type]
    period = scenario.first_period + NOON
    closure = period * scenario.mtu_seconds - scenario.market.gate_closure_s
    market.clock.advance_to(market.keys["operator"], closure - 1)
    deals, book = OverTheCounterVenue(judging), OrderBookVenue(judging)
    for each in (period, period + 1):
        wanted_wh = scenario.forecast_wh(each)
        book.trade(each, wanted_wh - deals.trade(each, wanted_wh))
    market.clock.advance_to(market.keys["operator"], closure)
    return Hall(devnet, record, file, scenario, period)


@pytest.fixture
def traded(hall: Hall) -> Iterator[Hall]:
    mark = hall.rpc("evm_snapshot")
    yield hall
    hall.rpc("evm_revert", mark)


@pytest.fixture
def once(
    hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Once:
    """`scripts.oracle grid SCENARIO --once`, in this process; every call is another start."""
    for module in ("scripts", "scripts.oracle"):
        monkeypatch.setattr(f"{module}.record_path", lambda network: hall.record)

    def run(*options: str, scenario: Path = hall.file) -> int:
        caplog.clear()
        files = ("--journal", str(tmp_path / "j.sqlite"), "--verdicts", str(tmp_path / "reports"))
        with caplog.at_level(logging.INFO):
            return oracle.main(
                "grid", str(scenario), "--once", *files, *options, web3=connect(hall.url)
            )

    return run


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "ERROR"]


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + GUARD_S
    while not what():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_everything_that_waits_is_judged_and_then_nothing_is(
    traded: Hall, once: Once, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert once() == 0

    found = traded.on_chain()
    assert found["done"] == [True, True]
    assert any(rejected for *_, rejected in found["verdicts"])
    assert found["booked"]
    market, later = traded.market(), traded.period + 1
    book, deals = market.order_book.progress(later), market.over_the_counter.progress(later)
    assert book.in_open_group > 0
    assert (book.sealed, deals.judged) == (0, 1), "while its gate is open, full groups only"
    reports = list((tmp_path / "reports").glob("*.json"))
    assert len(reports) >= len(found["verdicts"])
    assert "rejected" in caplog.text
    told = "\n".join(caplog.messages)
    assert f"contract {market.grid.address}, signs as {market.grid.account.address}" in told
    assert "order_book" in told.partition("judges ")[2].partition("\n")[0]
    block = connect(traded.url).eth.block_number
    assert once() == 0
    assert connect(traded.url).eth.block_number == block


def test_killed_and_started_again_each_group_has_one_verdict(
    checkout: Path, traded: Hall, once: Once
) -> None:
    mark = traded.rpc("evm_snapshot")
    assert once() == 0
    undisturbed = traded.on_chain()
    traded.rpc("evm_revert", mark)
    assert traded.verdicts() == []

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.oracle", "grid", str(traded.file)],
            cwd=checkout, env=environment(), text=True, stderr=subprocess.PIPE,
        )  # fmt: skip

    traded.rpc(
        "evm_setAutomine", False
    )  # block by block, so that the kill falls between two verdicts
    process = start()
    while not traded.verdicts():
        wait_for(lambda: traded.pending() > 0, process)
        traded.rpc("evm_mine")
    wait_for(lambda: traded.pending() > 0, process)
    process.kill()
    process.communicate()
    assert len(traded.verdicts()) < len(undisturbed["verdicts"]), "it was killed in the middle"
    traded.rpc("evm_setAutomine", True)
    traded.rpc("evm_mine")  # sent, and by nobody noted
    process = start()
    wait_for(lambda: traded.on_chain() == undisturbed, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=GUARD_S)

    assert process.returncode == 0
    assert "SIGTERM: stopping" in said
    groups = [verdict[:3] for verdict in traded.verdicts()]
    assert len(set(groups)) == len(groups)


def test_who_is_not_in_the_mapping_keeps_its_trades_unjudged_and_nobody_elses(
    traded: Hall, once: Once, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = traded.record.with_suffix(".participants.csv").read_text().splitlines()
    mine = tmp_path / "mapping.csv"
    mine.write_text("\n".join(row for row in rows if not row.startswith("P0083,")))
    assert once("--participants", str(mine)) == 1
    told = [line.split(": ")[0] for line in refusals(caplog)]
    here, later = (f"period {period}" for period in (traded.period, traded.period + 1))
    assert {f"{here}, order_book", f"{here}, over_the_counter"} <= set(told)
    assert set(told) <= {
        f"{p}, {m}" for p in (here, later) for m in ("order_book", "over_the_counter")
    }
    assert len(told) == len(set(told))
    assert caplog.text.count("has no connection point") == len(told)
    assert not traded.market().over_the_counter.read("booked", FIRST_AREA, traded.period)

    mine.write_text("\n".join([*rows, "street,900"]))
    assert once("--participants", str(mine)) == 0, "who is elsewhere is in nobody's way"
    assert caplog.text.count("participant of street: is no connection point of this grid") == 1
    assert once() == 0
    assert traded.on_chain()["done"] == [True, True]


def test_a_period_nobody_has_a_forecast_of_is_a_line(
    traded: Hall, once: Once, caplog: pytest.LogCaptureFixture
) -> None:
    market, scenario = traded.market(), traded.scenario
    beyond = int(scenario.profiles.periods[-1]) + 100
    market.clock.advance_to(
        market.keys["operator"], beyond * scenario.mtu_seconds - scenario.market.gate_closure_s
    )
    assert once() == 1
    (line,) = refusals(caplog)
    assert line.startswith(f"period {beyond}, schedule: elecbay: no profile for ")


def test_bad_input_ends_it_before_anything_is_sent(
    traded: Hall, once: Once, tmp_path: Path, command: Command
) -> None:
    block = connect(traded.url).eth.block_number
    (tmp_path / "m.csv").write_text("point,number\nP0083,8\n")
    with pytest.raises(ReadingError, match=r"m\.csv.*point_id"):
        once("--participants", str(tmp_path / "m.csv"))
    half_hours = traded.file.with_name("piclo.toml")
    with pytest.raises(FeedError, match="piclo: mtu_seconds 1800, the market on record has 900"):
        once(scenario=half_hours)
    assert_refused(command("oracle", "grid", "nowhere.toml", "--once"), "nowhere.toml: is missing")
    assert connect(traded.url).eth.block_number == block


# --- a pool ------------------------------------------------------------------------------------


def test_a_pools_book_is_judged_round_by_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An overloaded noon: capped, cleared again under the caps, accepted."""
    file = write_scenario(tmp_path, 0.6)
    file.write_text(f"start = {START.replace('Z', ':00Z')}\n{file.read_text()}")
    scenario = load(file)
    record = tmp_path / "here.json"
    for module in ("scripts", "scripts.oracle"):
        monkeypatch.setattr(f"{module}.record_path", lambda network: record)
    with Devnet() as devnet:
        w3 = connect(devnet.rpc_url)
        market, members = found_market(w3, scenario, {})
        market.record.save(record)
        members.table.to_csv(record.with_suffix(".participants.csv"))
        venue = CallAuctionVenue(Judging(scenario, members, market, None))  # type: ignore[arg-type]
        period = scenario.first_period
        closure = period * scenario.mtu_seconds - scenario.market.gate_closure_s
        market.clock.advance_to(market.keys["operator"], closure - 1)
        venue.trade(period, scenario.forecast_wh(period))
        market.clock.advance_to(market.keys["operator"], closure)

        def judge() -> int:
            """The block number behind it."""
            assert oracle.main("grid", str(file), "--once", web3=connect(devnet.rpc_url)) == 0
            return w3.eth.block_number

        before = w3.eth.block_number
        assert judge() == before, "nothing is cleared yet"
        venue.clear(period)
        judge()
        assert market.grid.caps(period)
        assert market.auction.phase(FIRST_AREA, period) == "open"
        venue.clear(period)
        accepted = judge()
        assert market.grid.judged(period, 1)
        assert market.auction.phase(FIRST_AREA, period) == "cleared"
        assert judge() == accepted
