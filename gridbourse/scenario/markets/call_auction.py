"""Call auction of a scenario file; its rules are keys of ``[market]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridbourse.scenario.fields import Fields
from gridbourse.scenario.table_context import TableContext

if TYPE_CHECKING:
    from gridbourse.scenario.scenario import Scenario

MAX_TICKS = 256
"""Most ticks of a band that one clearing goes through; the contract refuses more."""


def read(fields: Fields, context: TableContext) -> None:
    """Nothing: it has no table of its own."""


def of_contract(scenario: Scenario) -> tuple[bool, int] | None:
    """Pricing as bid, and most clearings."""
    market = scenario.market
    if "call_auction" not in market.kinds:
        return None
    return market.pricing == "pay_as_bid", market.max_rounds
