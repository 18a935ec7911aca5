"""Order book of a deployment."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.deployment.deployment_context import GROUP_SIZE, DeploymentContext
from gridbourse.model.trade import LEAST_WH


@dataclass(frozen=True)
class Rules:
    """Of the continuous double auction; see `gridbourse.model.order_book`."""

    min_wh: int = LEAST_WH
    max_fills: int = 32
    max_open: int = 16


def arguments(rules: Rules, context: DeploymentContext) -> list[Any]:
    """Constructor arguments."""
    limits = (rules.min_wh, rules.max_fills, rules.max_open)
    return [[context.anchors, context.tariff, *context.prices, GROUP_SIZE, *limits]]
