"""Deployment of the flexibility market's contracts."""

from collections.abc import Callable, Mapping
from typing import Any

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.flexibility import Flexibility, product_tuple
from gridbourse.chain.bindings.flexibility_review import NAME as REVIEW
from gridbourse.chain.deployment.deployment_context import GROUP_SIZE, Anchors, DeploymentContext
from gridbourse.chain.deployment.settings import FlexibilityRules, MarketSettings
from gridbourse.chain.encoding.arguments import NOBODY

ROLES = {"tso": "TSO", "verifier": "VERIFIER"}
"""Roles that only a deployment with a flexibility market gives, by the name of the key."""


Put = Callable[..., str]
"""Deploys a contract by name with its arguments; its address."""


def arguments(rules: FlexibilityRules, place: DeploymentContext) -> list[Any]:
    """Constructor arguments of the market's own contract."""
    grid = rules.band
    steps = (grid.floor_micro_eur_per_wh, grid.tick_micro_eur_per_wh, grid.ticks)
    return [[place.anchors, *steps, GROUP_SIZE]]


def put_before(put: Put, at: Anchors, agents: str) -> str:
    """Deploy what the market's own contract does not need; the address of the schedules."""
    put("FlexibilityProducts", at.registry, at.clock)
    return put("Schedules", at.registry, at.clock, at.house, agents)


def put_after(
    put: Put,
    addresses: Mapping[str, str],
    at: Anchors,
    settings: MarketSettings,
    portfolios: str = NOBODY,
) -> None:
    """Deploy what needs the market; addresses: of all contracts deployed so far."""
    market, products = addresses["FlexibilityMarket"], addresses["FlexibilityProducts"]
    schedules, rules = addresses["Schedules"], settings.flexibility
    put(
        "FlexibilityRequests",
        [
            at.registry,
            at.clock,
            at.house,
            market,
            products,
            schedules,
            addresses["Agents"],
            rules.band.ticks,
            rules.reveal_seconds,
        ],
    )
    token = put("FlexibilityToken", at.registry, market)
    put(
        "FlexibilityDelivery",
        [
            at.registry, at.clock, at.house, addresses["MeterOracle"], market, products, schedules,
            portfolios, token, settings.reading_window_seconds, rules.verification_window_seconds,
        ],
    )  # fmt: skip


def put_review(put: Put, addresses: Mapping[str, str], settlement: str) -> str:
    """Deploy what measures verified legs by the readings of a settlement; its address."""
    return put(REVIEW, addresses["ClearingHouse"], settlement, addresses["FlexibilityDelivery"])


def wire(flexibility: Flexibility, operator: LocalAccount, settings: MarketSettings) -> None:
    """Connect the contracts, and add the products of the settings."""
    market = flexibility.market
    market.write(
        operator, "deploy", "connect",
        flexibility.requests.address, flexibility.delivery.address, flexibility.token.address,
    )  # fmt: skip
    flexibility.schedules.write(operator, "deploy", "connect", flexibility.requests.address)
    for product in settings.flexibility.products:
        terms = product_tuple(product, settings.mtu_seconds)
        flexibility.products.write(operator, "deploy", "add", terms)
