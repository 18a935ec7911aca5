"""Bilateral market of a deployment."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.deployment.deployment_context import DeploymentContext
from gridbourse.model.trade import LEAST_WH

SELLERS_PRICE, WITHIN_LIMITS = 0, 1
"""Of `BilateralMarket.PriceRule`."""


@dataclass(frozen=True)
class Rules:
    """Of full P2P; seller_price: every trade at the offer's price, else anything within both limits."""

    seller_price: bool = False
    min_wh: int = LEAST_WH
    max_open: int = 16
    subscription_micro_eur_per_period: int = 0


def arguments(rules: Rules, context: DeploymentContext) -> list[Any]:
    """Constructor arguments."""
    price_rule = SELLERS_PRICE if rules.seller_price else WITHIN_LIMITS
    limits = (rules.min_wh, rules.max_open, rules.subscription_micro_eur_per_period)
    return [[context.anchors, context.tariff, price_rule, *limits]]
