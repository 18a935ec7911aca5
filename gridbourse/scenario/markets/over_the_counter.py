"""Tables ``[[over_the_counter]]`` of a scenario file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gridbourse.model.trade import LEAST_WH, MOST_PRICE_MICRO_EUR_PER_WH, MOST_WH
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import OtcContract
from gridbourse.scenario.table_context import TableContext, participant_at

if TYPE_CHECKING:
    from gridbourse.scenario.scenario import Scenario

MAX_STRIP = 2**16 - 1


def read(fields: Fields, context: TableContext) -> tuple[OtcContract, ...]:
    """Contracts agreed in private, as far as the replay has their periods."""
    agreed = [_contract(table, context) for table in fields.list_of_tables("over_the_counter")]
    replayed = (_within(contract, context.since_season, context.periods) for contract in agreed)
    return tuple(contract for contract in replayed if contract is not None)


def _contract(table: Fields, context: TableContext) -> OtcContract:
    with table:
        seller, buyer = (
            participant_at(table, side, context.points) for side in ("seller", "buyer")
        )
        if seller == buyer:
            table.refuse("buyer", f"{buyer!r} is the seller as well")
        return OtcContract(
            seller,
            buyer,
            table.integer("first"),
            table.integer("count", least=1, most=MAX_STRIP),
            table.integer("wh", least=LEAST_WH, most=MOST_WH),
            table.integer("price_micro_eur_per_wh", most=MOST_PRICE_MICRO_EUR_PER_WH),
        )


def _within(contract: OtcContract, since_season: int, periods: int) -> OtcContract | None:
    """Part of a contract that the replay has, counted from its start; None if nothing."""
    first = max(contract.first - since_season, 0)
    last = min(contract.first + contract.count - since_season, periods)
    return replace(contract, first=first, count=last - first) if first < last else None


def of_contract(scenario: Scenario) -> tuple[()] | None:
    """Nothing: every deployment has the same rules of deals."""
    return () if "over_the_counter" in scenario.market.kinds else None
