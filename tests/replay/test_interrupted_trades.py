"""A grid oracle killed at every instant while it judges trades, on the real contracts: one verdict each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gridbourse.chain.bindings import grid_oracle
from gridbourse.chain.bindings.checked_trades import TradeDesk
from gridbourse.chain.deployment.market import AREA, Market, open_market
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet
from gridbourse.deployment.live_market import found_market
from gridbourse.deployment.participants import Membership
from gridbourse.grid.network import Network
from gridbourse.scenario.scenario import Scenario, load
from oracle.common.journal import Journal
from oracle.dso import grid_check as finding
from oracle.dso.feed import GridFeed
from replay.markets.checked_trades import Judging
from replay.markets.order_book import OrderBookVenue
from tests.oracle.fake_chain import DeathClock, Killed, Killing, raise_killed
from tests.replay.markets import market_scenario

KIND = "order_book"


@dataclass
class Traded:
    """An overloaded noon on a chain: the gate is closed, two groups of trades wait for the DSO."""

    rpc_url: str
    record: Path
    scenario: Scenario
    members: Membership
    network: Network

    def market(self) -> Market:
        """As an oracle finds it that has just started."""
        return open_market(connect(self.rpc_url), self.record)

    def judge(self, folder: Path, clock: DeathClock) -> None:
        """What the oracle does after a start: what is left over, every group, what flows besides."""
        market, scenario = self.market(), self.scenario
        mortal = Killing(clock, market.chain, ("send",))
        market.grid.chain = market.order_book.chain = mortal  # type: ignore[assignment]
        period = scenario.first_period
        schedule, reactive = scenario.forecast_wh(period), scenario.forecast_var(period)
        with Journal(folder / "oracle.sqlite") as journal:
            feed = GridFeed(
                market.grid, Killing(clock, journal, ("prepare", "confirm")),  # type: ignore[arg-type]
                self.network, list(scenario.points.index), self.members.number_of,
                scenario.limits, scenario.mtu_seconds, folder / "verdicts",
                markets=[TradeDesk(KIND, market.order_book, market.grid)],
            )  # fmt: skip
            feed.resume()
            market.order_book.seal(market.grid.account, period)
            feed.check_trades(KIND, period, schedule, reactive)
            feed.check_schedule(period, schedule, reactive)

    def on_chain(self) -> dict[str, Any]:
        """Verdicts, caps and what was booked."""
        market, period = self.market(), self.scenario.first_period
        events = {
            name: [
                dict(event["args"])
                for event in market.grid.contract.events[name]().get_logs(from_block=0)
            ]
            for name in ("TradesJudged", "ScheduleCapped")
        }
        return events | {
            "caps": market.grid.caps(period),
            "booked": market.grid.booked_wh(period),
            "done": market.order_book.read("booked", AREA, period),
        }


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traded]:
    folder = tmp_path_factory.mktemp("traded")
    path, overrides = market_scenario(folder, KIND)
    # In one round, so that nothing is judged before the gate closes.
    wanted = {"parties.participation": 0.6, "order_book.rounds": 1}
    scenario = load(path, overrides | wanted)
    with Devnet() as devnet:
        market, members = found_market(connect(devnet.rpc_url), scenario, {})
        market.record.save(folder / "deployment.json")
        venue = OrderBookVenue(Judging(scenario, members, market, None))  # type: ignore[arg-type]
        period = scenario.first_period
        closure = period * scenario.mtu_seconds - scenario.market.gate_closure_s
        market.clock.advance_to(market.keys["operator"], closure - 1)
        venue.trade(period, scenario.forecast_wh(period))
        market.clock.advance_to(market.keys["operator"], closure)
        network = Network.load(scenario.grid_file, scenario.points)
        yield Traded(devnet.rpc_url, folder / "deployment.json", scenario, members, network)


@pytest.fixture
def thinks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same schedule has the same caps; every group of four capped is a page of its own."""
    known: dict[bytes, object] = {}
    search = finding.propose_caps

    def recall(network: object, schedule_wh: Any, *rest: object) -> object:
        key = schedule_wh.tobytes()
        if key not in known:
            known[key] = search(network, schedule_wh, *rest)  # type: ignore[arg-type]
        return known[key]

    monkeypatch.setattr(finding, "propose_caps", recall)
    monkeypatch.setattr(grid_oracle, "CAP_GROUPS_A_CALL", 1)


@pytest.mark.usefixtures("thinks_once")
def test_a_grid_oracle_killed_at_any_instant_judges_each_group_once(
    traded: Traded, tmp_path: Path
) -> None:
    w3 = connect(traded.rpc_url)
    marks = [w3.provider.make_request("evm_snapshot", [])["result"]]

    def again(name: str) -> Path:
        w3.provider.make_request("evm_revert", [marks.pop()])
        marks.append(w3.provider.make_request("evm_snapshot", [])["result"])
        folder = tmp_path / name
        folder.mkdir()
        return folder

    clock = DeathClock(0, raise_killed)
    traded.judge(again("undisturbed"), clock)
    undisturbed = traded.on_chain()
    assert undisturbed["done"]
    assert len(undisturbed["ScheduleCapped"]) > 1, "caps take several transactions"
    assert any(verdict["rejected"] for verdict in undisturbed["TradesJudged"])
    assert undisturbed["booked"]
    cut = 0
    for instant in range(1, clock.instants + 1):
        folder = again(str(instant))
        with pytest.raises(Killed):
            traded.judge(folder, DeathClock(instant, raise_killed))
        cut += 0 < len(traded.on_chain()["ScheduleCapped"]) < len(undisturbed["ScheduleCapped"])
        traded.judge(folder, DeathClock(0, raise_killed))
        assert traded.on_chain() == undisturbed
        with Journal(folder / "oracle.sqlite") as journal:
            assert journal.pending() == []
    assert cut >= 2, "killed between two pages of caps, too"
