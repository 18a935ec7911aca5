"""Trades over the counter of a deployment."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.deployment.deployment_context import DeploymentContext
from gridbourse.model.trade import LEAST_WH


@dataclass(frozen=True)
class Rules:
    """Of deals: least energy in a period, and most deals of a seller that are performed in one."""

    min_wh: int = LEAST_WH
    max_performed: int = 16


def arguments(rules: Rules, context: DeploymentContext) -> list[Any]:
    """Constructor arguments."""
    return [context.anchors, context.tariff, rules.min_wh, rules.max_performed]
