"""One replay from scenario file to record: deploy, register, walk the periods, account, check."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from web3 import Web3

from gridbourse.agents.plant import Plant
from gridbourse.chain.bindings.flexibility_trades import FlexibilityDesk
from gridbourse.chain.deployment.market import Market
from gridbourse.deployment.live_market import LiveArea, desks, found_areas
from gridbourse.deployment.participants import Membership
from gridbourse.grid.network import Network
from gridbourse.market_kinds import REPLAY, by_turn, part
from gridbourse.report.record import RunRecord
from gridbourse.report.terminal import over_periods
from gridbourse.scenario.scenario import Scenario
from oracle.common.journal import Journal
from oracle.dso.feed import FLEXIBILITY, GridFeed
from oracle.dso.grid_check import GridView
from oracle.meter.feed import MeterFeed
from oracle.verifier.chain_port import ChainVerification
from oracle.verifier.evidence import Calendar, JournalHistory
from oracle.verifier.feed import FlexibilityFeed
from replay import audit_files, crowdsale, curtailment
from replay.accounting import Accounts, require_equal
from replay.crowdsale import CampaignRun
from replay.crowdsale_record import campaign_record
from replay.flexibility import FlexibilityMarket
from replay.flexibility_delivery import FlexibleDelivery
from replay.markets.checked_trades import Judging
from replay.markets.market import Venue
from replay.metering import MeterDrop
from replay.period_walk import Walk, in_step
from replay.portfolio_control import aggregators
from replay.record import record_of


@dataclass(frozen=True)
class Replay:
    """Result of a replay."""

    record: RunRecord
    walk: Walk


@dataclass(frozen=True)
class AreaRun:
    """One area of a replay under way; everything it alone leaves is below `folder`."""

    live: LiveArea
    folder: Path
    walk: Walk
    accounts: Accounts
    campaign: CampaignRun | None

    def add(self, period: int) -> None:
        """Take a settled period into the accounts."""
        self.accounts.add(self.walk.results[period])

    def finish(self) -> None:
        """Compensate for curtailment, and pay the campaign's shareholders."""
        self.accounts.add_transfers(curtailment.compensate(self.live.market))
        if self.campaign is not None:
            self.accounts.add_transfers(self.campaign.pay(self.walk.results))


def replay(
    w3: Web3, network_name: str, scenario: Scenario, about: dict[str, Any], out: Path
) -> Replay:
    """Run a scenario of one area on a chain; everything it leaves is below `out`.

    about: how the audit loads the scenario, its `file` and `overrides`.
    """
    return replay_areas(w3, network_name, [scenario], about, out)[0]


def replay_areas(
    w3: Web3, network_name: str, areas: Sequence[Scenario], about: dict[str, Any], out: Path
) -> list[Replay]:
    """Run all areas in step on one chain. Of several, each has a folder of its name below `out`."""
    began = time.monotonic()
    there = found_areas(w3, areas, about)
    first = there[0]
    before = _balances(there)
    with ExitStack() as open_files:
        runs = [_prepared(live, folder_of(out, there, live), open_files) for live in there]
        periods = over_periods(
            first.scenario.replayed, first.scenario.mtu_seconds, first.scenario.timezone
        )
        agendas = [
            run.walk.agenda(periods if run is runs[0] else run.live.scenario.replayed, run.add)
            for run in runs
        ]
        in_step(first.market, agendas)
    for run in runs:
        run.finish()
    waiting = first.market.house.waiting(first.market.registry.seat_limit())
    after = _balances(there)
    credited = {who: money + waiting.get(who, 0) for who, money in after.items()}
    require_equal([run.accounts for run in runs], before, credited)
    audit_files.write(out, {run.folder: run.walk for run in runs})
    return [_recorded(run, network_name, waiting, began) for run in runs]


def folder_of(out: Path, there: Sequence[LiveArea], live: LiveArea) -> Path:
    """Folder of what an area alone leaves."""
    return out if len(there) == 1 else out / live.scenario.market.area


def _balances(there: Sequence[LiveArea]) -> dict[int, int]:
    """Free money of every account, the DSO's of every area among them, µEUR."""
    market = there[0].market
    found = market.house.balances(market.registry.seat_limit())
    dsos = [live.market.dso_account for live in there]
    return found | {dso: market.house.read("balanceOf", dso) for dso in dsos}


def _prepared(live: LiveArea, folder: Path, open_files: ExitStack) -> AreaRun:
    """An area ready to walk: its grid, plant, oracles and markets."""
    scenario, market, members = live
    folder.mkdir(parents=True, exist_ok=True)
    network = Network.load(scenario.grid_file, scenario.points)
    plant = Plant.of(scenario, network)
    accounts = Accounts(scenario, members, plant, market.dso_account)
    campaign = crowdsale.begin(market, scenario, members)
    journal = open_files.enter_context(Journal(folder / "oracle.sqlite"))
    grid_feed = _grid_feed(market, scenario, network, members, journal, folder)
    judging = Judging(scenario, members, market, grid_feed, plant.homes)
    flexible = _flexibility(judging, network, journal, folder)
    walk = Walk(
        scenario=scenario,
        market=market,
        members=members,
        venues=_venues(judging),
        plant=plant,
        meters=MeterDrop(folder / "readings", scenario, members, market.keys),
        meter_feed=MeterFeed(market.meter, journal),
        grid_feed=grid_feed,
        aggregators=[] if plant.homes is None else aggregators(plant.homes, network),
        flexibility=None if flexible is None else flexible.market,
        flexible=flexible,
    )
    return AreaRun(live, folder, walk, accounts, campaign)


def _recorded(run: AreaRun, network_name: str, waiting: Mapping[int, int], began: float) -> Replay:
    """Record of an area, saved."""
    house, limit = run.live.market.house, run.live.market.registry.seat_limit()
    record = record_of(run.walk, run.accounts, network_name, house.money_sum(limit), began)
    own = {int(number) for number in run.live.members.table["number"]}
    credit = sum(micro_eur for who, micro_eur in waiting.items() if who in own)
    record = replace(record, waiting_micro_eur=credit)
    if run.campaign is not None:
        found = campaign_record(run.campaign, run.walk.results, record)
        record = replace(record, crowdsale=found)
    record.save(run.folder / "record")
    return Replay(record, run.walk)


def _venues(judging: Judging) -> list[Venue]:
    """Markets of the scenario, in the order in which they trade."""
    kinds = [kind.name for kind in by_turn() if kind.name in judging.scenario.market.kinds]
    return [part(REPLAY, kind, "{contract}Venue")(judging) for kind in kinds]


def _grid_feed(
    market: Market,
    scenario: Scenario,
    network: Network,
    members: Membership,
    journal: Journal,
    out: Path,
) -> GridFeed:
    return GridFeed(
        market.grid,
        journal,
        network,
        list(scenario.points.index),
        members.number_of,
        scenario.limits,
        scenario.mtu_seconds,
        out / "verdicts",
        markets=desks(market),
        flexibility=_flexibility_desk(market),
        compensation=market.compensation,
    )


def _flexibility_desk(market: Market) -> FlexibilityDesk | None:
    if market.flexibility_market is None:
        return None
    return FlexibilityDesk(FLEXIBILITY, market.flexibility_market.market, market.grid)


def _flexibility(
    judging: Judging, network: Network, journal: Journal, out: Path
) -> FlexibleDelivery | None:
    """Flexibility market and the oracle that verifies it, where the scenario has one."""
    scenario, market = judging.scenario, judging.market
    if scenario.flexibility is None:
        return None
    numbers = judging.members.number_of
    view = GridView(
        network, list(scenario.points.index), numbers, scenario.limits, scenario.mtu_seconds
    )
    feed = FlexibilityFeed(
        ChainVerification(
            market.flexibility, market.keys["verifier"], lambda: sorted(numbers.values())
        ),
        journal,
        JournalHistory(journal),
        Calendar(scenario.mtu, scenario.timezone),
        out / "baselines",
    )
    return FlexibleDelivery(FlexibilityMarket(judging, view), feed)
