"""Table ``[order_book]`` of a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridbourse.model.trade import MOST_WH
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import OrderBookRules
from gridbourse.scenario.table_context import TableContext

if TYPE_CHECKING:
    from gridbourse.scenario.scenario import Scenario

MAX_TICKS = 224
"""Most ticks of an order book: it keeps one bit a tick in a word."""


def read(fields: Fields, context: TableContext) -> OrderBookRules:
    """Rules of the order book."""
    with fields.table("order_book") as table:
        found = OrderBookRules(
            min_wh=table.integer("min_wh", least=1, most=MOST_WH),
            max_fills=table.integer("max_fills", least=1),
            max_open=table.integer("max_open", least=1),
            rounds=table.integer("rounds", least=1),
            revised_share=table.number("revised_share", most=1),
            withdrawn_share=table.number("withdrawn_share", most=1),
            immediate_share=table.number("immediate_share", most=1, default=0.0),
            fill_or_kill_share=table.number("fill_or_kill_share", most=1, default=0.0),
        )
        if found.max_open < found.rounds:
            table.refuse(
                "max_open",
                f"{found.max_open} must be at least rounds = {found.rounds}: who comes by may bring"
                " an order to rest each time",
            )
        if (never := found.immediate_share + found.fill_or_kill_share) > 1:
            table.refuse("fill_or_kill_share", f"sums to {never:g} with immediate_share, above 1")
        return found


def of_contract(scenario: Scenario) -> tuple[int, int, int] | None:
    """Least energy, most fills of an order, most orders at rest."""
    rules = scenario.order_book
    return None if rules is None else (rules.min_wh, rules.max_fills, rules.max_open)
