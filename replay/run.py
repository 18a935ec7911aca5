"""One replay from scenario file to record: deploy, onboard, walk the periods, account, check."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web3 import Web3

from gridbourse.chain.accounts import Keyring
from gridbourse.chain.checked_trades import TradeDesk
from gridbourse.chain.compiler import load_artifacts
from gridbourse.chain.deploy import Market, deploy
from gridbourse.chain.settings import BilateralRules, MarketSettings, OrderBookRules
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
from replay.accounting import Accounts
from replay.metering import MeterDrop
from replay.onboarding import Membership, onboard
from replay.recording import record_of
from replay.steering import Aggregator
from replay.venues.bilateral import BilateralVenue
from replay.venues.call_auction import CallAuctionVenue
from replay.venues.checked import Judging
from replay.venues.order_book import OrderBookVenue
from replay.venues.over_the_counter import OverTheCounterVenue
from replay.venues.venue import Venue
from replay.walk import Walk


@dataclass(frozen=True)
class Replay:
    """What a replay ended with."""

    record: RunRecord
    walk: Walk


CONTRACTS = {
    "over_the_counter": "OverTheCounter",
    "bilateral": "BilateralMarket",
    "order_book": "OrderBook",
    "call_auction": "CallAuction",
}
"""Contract by kind of market, in the order in which they trade: what was agreed in private first, the
pool, whose orders are sealed, last."""


def settings_of(scenario: Scenario) -> MarketSettings:
    """Deployment settings a scenario asks for."""
    book, neighbours = scenario.order_book, scenario.bilateral
    rules: dict[str, Any] = {}
    if book is not None:
        rules["order_book"] = OrderBookRules(book.min_wh, book.max_fills, book.max_open)
    if neighbours is not None:
        rules["bilateral"] = BilateralRules(
            neighbours.pricing == "seller",
            neighbours.min_wh,
            neighbours.max_open,
            neighbours.subscription_micro_eur_per_period(scenario.mtu),
        )
    return MarketSettings(
        mtu_seconds=scenario.mtu_seconds,
        gate_closure_seconds=scenario.market.gate_closure_s,
        band=scenario.band,
        energy_prices=scenario.tariff.prices,
        pay_as_bid=scenario.market.pricing == "pay_as_bid",
        max_rounds=scenario.market.max_rounds,
        area=scenario.market.area,
        markets=tuple(name for kind, name in CONTRACTS.items() if kind in scenario.market.kinds),
        **rules,
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
    plant = Plant.of(scenario, network)
    accounts = Accounts(scenario, members, plant)
    limit = market.registry.seat_limit()
    before = market.house.balances(limit)
    with Journal(out / "oracle.sqlite") as journal:
        grid_feed = _grid_feed(market, scenario, network, members, journal, out)
        walk = Walk(
            scenario=scenario,
            market=market,
            members=members,
            venues=_venues(Judging(scenario, members, market, grid_feed, plant.homes)),
            plant=plant,
            meters=MeterDrop(out / "readings", scenario, members, market.keys),
            meter_feed=MeterFeed(market.meter, journal),
            grid_feed=grid_feed,
            aggregator=None if plant.homes is None else Aggregator(plant.homes, network),
        )
        periods = over_periods(scenario.replayed, scenario.mtu_seconds, scenario.timezone)
        walk.run(periods, lambda period: accounts.add(walk.results[period]))
    after = market.house.balances(limit)
    accounts.require_equal(before, after)
    evidence.write(out, walk)
    record = record_of(walk, accounts, network_name, market.house.money_sum(limit), began)
    record.save(out / "record")
    return Replay(record, walk)


def _venues(judging: Judging) -> list[Venue]:
    """The scenario's markets, in the order in which they trade."""
    makers: dict[str, Callable[[Judging], Venue]] = {
        "over_the_counter": OverTheCounterVenue,
        "bilateral": BilateralVenue,
        "order_book": OrderBookVenue,
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
    )


def desks(market: Market) -> list[TradeDesk]:
    """The markets whose trades are judged one by one, by their kind."""
    kinds = {name: kind for kind, name in CONTRACTS.items()}
    return [
        TradeDesk(kinds[type(some).__name__], some, market.grid) for some in market.trade_markets
    ]
