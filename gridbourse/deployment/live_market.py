"""Market of a scenario on a chain: deployed, and its participants registered."""

from collections.abc import Sequence
from typing import Any

from web3 import Web3

from gridbourse.chain.bindings.checked_trades import TradeDesk
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.settings import (
    AuctionRules,
    BilateralRules,
    FlexibilityRules,
    MarketSettings,
    OrderBookRules,
)
from gridbourse.chain.keys.accounts import Keyring, Keys
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain
from gridbourse.deployment import portfolios
from gridbourse.deployment.participants import Membership, account_name, onboard
from gridbourse.scenario.scenario import Scenario

CONTRACTS = {
    "over_the_counter": "OverTheCounter",
    "bilateral": "BilateralMarket",
    "order_book": "OrderBook",
    "aggregator_auction": "AggregatorAuction",
    "call_auction": "CallAuction",
}
"""Contract by kind of market, in the order in which they trade: private agreements first, then
immediate matching; the auctions, which are cleared when the gate is closed, last."""


def settings_of(scenario: Scenario) -> MarketSettings:
    """Deployment settings of a scenario."""
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
    if (auction := scenario.aggregator_auction) is not None:
        rules["aggregator_auction"] = AuctionRules(auction.reveal_s, auction.bond_micro_eur)
    kinds = [name for kind, name in CONTRACTS.items() if kind in scenario.market.kinds]
    if (table := scenario.flexibility) is not None:
        rules["flexibility"] = FlexibilityRules(table.band, table.products)
        kinds.append("FlexibilityMarket")
    if (paid := scenario.curtailment) is not None:
        rules["curtailment_reach_permille"] = paid.reach_permille
    return MarketSettings(
        mtu_seconds=scenario.mtu_seconds,
        gate_closure_seconds=scenario.market.gate_closure_s,
        band=scenario.band,
        energy_prices=scenario.tariff.prices,
        pay_as_bid=scenario.market.pricing == "pay_as_bid",
        max_rounds=scenario.market.max_rounds,
        area=scenario.market.area,
        portfolios=bool(scenario.aggregators),
        markets=tuple(kinds),
        dispute_window_seconds=scenario.settlement.dispute_window_s,
        silent_permille=scenario.settlement.silent_permille,
        **rules,
    )


def deploy_market(
    w3: Web3,
    keys: Keys,
    scenario: Scenario,
    about: dict[str, Any],
    aggregators: Sequence[str] = (),
) -> Market:
    """Deploy the scenario's market on a chain, without participants except these aggregators' roles."""
    return deploy(Chain(w3, load_artifacts()), keys, settings_of(scenario), about, aggregators)


def found_market(w3: Web3, scenario: Scenario, about: dict[str, Any]) -> tuple[Market, Membership]:
    """Deploy the scenario's market on a chain and register its participants."""
    keys = Keyring.for_chain(w3)
    aggregators = [keys.address(account_name(one.point)) for one in scenario.aggregators]
    market = deploy_market(w3, keys, scenario, about, aggregators)
    members = onboard(market, scenario)
    portfolios.conclude(market, scenario, members)
    portfolios.allow_agents(market, scenario, members)
    return market, members


def desks(market: Market) -> list[TradeDesk]:
    """Markets whose trades are judged one by one, by their kind."""
    kinds = {name: kind for kind, name in CONTRACTS.items()}
    return [
        TradeDesk(kinds[type(some).__name__], some, market.grid) for some in market.trade_markets
    ]
