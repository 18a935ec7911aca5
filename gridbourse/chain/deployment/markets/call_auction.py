"""Call auction of a deployment."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.deployment.deployment_context import DeploymentContext


@dataclass(frozen=True)
class Rules:
    """Pricing, and most clearings of a period."""

    pay_as_bid: bool = False
    max_rounds: int = 3


def arguments(rules: Rules, context: DeploymentContext) -> list[Any]:
    """Constructor arguments."""
    own = (rules.pay_as_bid, rules.max_rounds, context.verdict_window_seconds)
    return [[*context.at, context.tariff, *context.prices, *own]]
