"""One replay from scenario file to record: deploy, register, walk the periods, account, check."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from web3 import Web3

from gridbourse.agents.plant import Plant
from gridbourse.chain.bindings.flexibility_trades import FlexibilityDesk
from gridbourse.chain.deployment.market import Market
from gridbourse.deployment.live_market import CONTRACTS, desks, found_market
from gridbourse.deployment.participants import Membership
from gridbourse.grid.network import Network
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
from replay import audit_files as evidence
from replay import crowdsale, curtailment
from replay.accounting import Accounts
from replay.crowdsale_record import campaign_record
from replay.flexibility import FlexibilityMarket
from replay.flexibility_delivery import FlexibleDelivery
from replay.markets.aggregator_auction import AggregatorAuctionVenue
from replay.markets.bilateral import BilateralVenue
from replay.markets.call_auction import CallAuctionVenue
from replay.markets.checked_trades import Judging
from replay.markets.market import Venue
from replay.markets.order_book import OrderBookVenue
from replay.markets.over_the_counter import OverTheCounterVenue
from replay.metering import MeterDrop
from replay.period_walk import Walk
from replay.portfolio_control import aggregators
from replay.record import record_of


@dataclass(frozen=True)
class Replay:
    """Result of a replay."""

    record: RunRecord
    walk: Walk


def replay(
    w3: Web3, network_name: str, scenario: Scenario, about: dict[str, Any], out: Path
) -> Replay:
    """Run the whole scenario on a chain; everything it leaves is below `out`.

    about: how the audit loads the scenario, its `file` and `overrides`.
    """
    began = time.monotonic()
    network = Network.load(scenario.grid_file, scenario.points)
    market, members = found_market(w3, scenario, about)
    plant = Plant.of(scenario, network)
    accounts = Accounts(scenario, members, plant)
    limit = market.registry.seat_limit()
    before = market.house.balances(limit)
    campaign = crowdsale.begin(market, scenario, members)
    with Journal(out / "oracle.sqlite") as journal:
        grid_feed = _grid_feed(market, scenario, network, members, journal, out)
        judging = Judging(scenario, members, market, grid_feed, plant.homes)
        flexible = _flexibility(judging, network, journal, out)
        walk = Walk(
            scenario=scenario,
            market=market,
            members=members,
            venues=_venues(judging),
            plant=plant,
            meters=MeterDrop(out / "readings", scenario, members, market.keys),
            meter_feed=MeterFeed(market.meter, journal),
            grid_feed=grid_feed,
            aggregators=[] if plant.homes is None else aggregators(plant.homes, network),
            flexibility=None if flexible is None else flexible.market,
            flexible=flexible,
        )
        periods = over_periods(scenario.replayed, scenario.mtu_seconds, scenario.timezone)
        walk.run(periods, lambda period: accounts.add(walk.results[period]))
    accounts.add_transfers(curtailment.compensate(market))
    if campaign is not None:
        accounts.add_transfers(campaign.pay(walk.results))
    waiting = market.house.waiting(limit)
    after = market.house.balances(limit)
    credited = {who: money + waiting.get(who, 0) for who, money in after.items()}
    accounts.require_equal(before, credited)
    evidence.write(out, walk)
    record = record_of(walk, accounts, network_name, market.house.money_sum(limit), began)
    record = replace(record, waiting_micro_eur=sum(waiting.values()))
    if campaign is not None:
        record = replace(record, crowdsale=campaign_record(campaign, walk.results, record))
    record.save(out / "record")
    return Replay(record, walk)


def _venues(judging: Judging) -> list[Venue]:
    """Markets of the scenario, in the order in which they trade."""
    makers: dict[str, Callable[[Judging], Venue]] = {
        "over_the_counter": OverTheCounterVenue,
        "bilateral": BilateralVenue,
        "order_book": OrderBookVenue,
        "aggregator_auction": AggregatorAuctionVenue,
        "call_auction": CallAuctionVenue,
    }
    kinds = judging.scenario.market.kinds
    return [makers[kind](judging) for kind in CONTRACTS if kind in kinds]


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
