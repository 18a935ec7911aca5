"""Aggregators' auctions of a deployment."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.deployment.deployment_context import GROUP_SIZE, DeploymentContext
from gridbourse.chain.deployment.settings import SettingsError
from gridbourse.model.aggregator_auction import LEAST_REVEAL_SECONDS
from gridbourse.model.trade import LEAST_WH

MOST_POSTED = 16
"""Of the 256 auctions of an area and period, those of one aggregator where nobody sets another number."""


@dataclass(frozen=True)
class Rules:
    """Of the aggregators' auctions: seconds in which sealed answers are revealed, 0:
    there are none, and their bond.

    min_wh: least energy of an auction; max_posted: most auctions of an aggregator in a period, of the
    256 of all.
    """

    reveal_seconds: int = 0
    bond_micro_eur: int = 0
    min_wh: int = LEAST_WH
    max_posted: int = MOST_POSTED

    def require_fits(self) -> None:
        """SettingsError where nobody could reveal."""
        if 0 < self.reveal_seconds < LEAST_REVEAL_SECONDS:
            raise SettingsError(
                f"reveal_seconds: {self.reveal_seconds} leave no time to reveal a sealed answer: 0 (no"
                f" sealed auctions) or at least {LEAST_REVEAL_SECONDS}"
            )


def arguments(rules: Rules, context: DeploymentContext) -> list[Any]:
    """Constructor arguments."""
    sealing = (rules.reveal_seconds, rules.bond_micro_eur)
    posting = (rules.min_wh, rules.max_posted)
    own = (GROUP_SIZE, *sealing, *posting)
    return [[context.anchors, context.tariff, context.agents, *context.prices, *own]]
