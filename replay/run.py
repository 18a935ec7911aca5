"""One replay from scenario file to record: deploy, onboard, walk the periods, account, check."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from web3 import Web3

from gridbourse.chain.accounts import Keyring
from gridbourse.chain.compiler import load_artifacts
from gridbourse.chain.deploy import Market, MarketSettings, deploy
from gridbourse.chain.transactions import Chain
from gridbourse.report.record import RunRecord
from gridbourse.report.tables import over_periods
from gridbourse.scenario.network import Network
from gridbourse.scenario.plant import Plant
from gridbourse.scenario.scenario import Scenario
from oracle.grid_feed import GridFeed
from oracle.journal import Journal
from oracle.meter_feed import MeterFeed
from replay import evidence
from replay.accounting import Accounts, gas_table
from replay.metering import MeterDrop
from replay.onboarding import Membership, onboard
from replay.venues.call_auction import CallAuctionVenue
from replay.venues.venue import Venue
from replay.walk import Walk


@dataclass(frozen=True)
class Replay:
    """What a replay ended with."""

    record: RunRecord
    walk: Walk


def settings_of(scenario: Scenario) -> MarketSettings:
    """Deployment settings a scenario asks for."""
    return MarketSettings(
        mtu_seconds=scenario.mtu_seconds,
        gate_closure_seconds=scenario.market.gate_closure_s,
        band=scenario.band,
        pay_as_bid=scenario.market.pricing == "pay_as_bid",
        max_rounds=scenario.market.max_rounds,
        area=scenario.market.area,
    )


def found_market(w3: Web3, scenario: Scenario, about: dict[str, Any]) -> tuple[Market, Membership]:
    """Deploy the scenario's market on a chain and bring its participants in."""
    market = deploy(
        Chain(w3, load_artifacts()), Keyring.for_chain(w3), settings_of(scenario), about
    )
    return market, onboard(market, scenario)


def replay(
    w3: Web3, network_name: str, scenario: Scenario, about: dict[str, Any], out: Path
) -> Replay:
    """Run the whole scenario on a chain; everything it leaves is below `out`.

    about: what a checker loads the scenario by, its `file` and `overrides`.
    """
    began = time.monotonic()
    network = Network.load(scenario.grid_file, scenario.points)
    market, members = found_market(w3, scenario, about)
    plant = Plant(scenario, network)
    accounts = Accounts(scenario, members, plant)
    limit = market.registry.seat_limit()
    before = market.house.balances(limit)
    with Journal(out / "oracle.sqlite") as journal:
        grid_feed = _grid_feed(market, scenario, network, members, journal, out)
        walk = Walk(
            scenario=scenario,
            market=market,
            members=members,
            venues=_venues(scenario, members, market, grid_feed),
            plant=plant,
            meters=MeterDrop(out / "readings", scenario, members, market.keys),
            meter_feed=MeterFeed(market.meter, journal),
        )
        periods = over_periods(scenario.replayed, scenario.mtu_seconds, scenario.timezone)
        walk.run(periods, lambda period: accounts.add(walk.results[period]))
    after = market.house.balances(limit)
    accounts.require_equal(before, after)
    evidence.write(out, walk)
    record = _record(network_name, walk, accounts, market.house.money_sum(limit), began)
    record.save(out / "record")
    return Replay(record, walk)


def _venues(
    scenario: Scenario, members: Membership, market: Market, grid_feed: GridFeed
) -> list[Venue]:
    """The scenario's markets."""
    return [CallAuctionVenue(scenario, members, market, grid_feed)]


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
    )


def _record(
    network_name: str, walk: Walk, accounts: Accounts, money_sum: int, began: float
) -> RunRecord:
    scenario = walk.scenario
    attribution = scenario.folder / "LICENSE"
    return RunRecord(
        scenario=scenario.name,
        description=scenario.description,
        network=network_name,
        area=scenario.market.area,
        timezone=scenario.timezone,
        mtu_seconds=scenario.mtu_seconds,
        attribution=attribution.read_text().strip() if attribution.exists() else "",
        pricing=scenario.market.pricing,
        retail_micro_eur_per_wh=scenario.tariff.retail_micro_eur_per_wh,
        feed_in_micro_eur_per_wh=scenario.tariff.feed_in_micro_eur_per_wh,
        tick_micro_eur_per_wh=scenario.market.tick_micro_eur_per_wh,
        pv_factor=scenario.pv_factor,
        v_min=scenario.limits.v_min_pu,
        v_max=scenario.limits.v_max_pu,
        loading_max=scenario.limits.loading_max,
        periods=pd.DataFrame(accounts.periods).set_index("period"),
        participants=accounts.people,
        orders=pd.concat(accounts.orders, ignore_index=True),
        money=accounts.money_table(),
        gas=gas_table(walk.market),
        verdicts=_verdicts(walk),
        money_sum_micro_eur=money_sum,
        energy_gap_wh=round(accounts.gap_wh),
        readings=walk.market.chain.gas["readings"].units,
        wall_s=round(time.monotonic() - began, 1),
    )


def _verdicts(walk: Walk) -> list[dict[str, Any]]:
    rows = []
    for period, result in walk.results.items():
        for trading, verdict in ((t, v) for t in result.tradings for v in t.verdicts):
            last = verdict is trading.verdicts[-1]
            kind = "fallback" if trading.fallback and last else verdict.kind
            rows.append(
                {
                    "period": period,
                    "round": verdict.round,
                    "kind": kind,
                    "explanation": list(verdict.explanation),
                }
            )
    return rows
