"""Table ``[aggregator_auction]`` of a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridbourse.model.aggregator_auction import LEAST_REVEAL_SECONDS
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import AuctionRules
from gridbourse.scenario.table_context import TableContext

if TYPE_CHECKING:
    from gridbourse.scenario.scenario import Scenario

MOST_BOND_MICRO_EUR = 10**12


def read(fields: Fields, context: TableContext) -> AuctionRules:
    """Rules of the aggregators' auctions."""
    with fields.table("aggregator_auction") as table:
        answers = table.choice("answers", "open", "sealed")
        pricing = table.choice("pricing", "uniform", "pay_as_bid")
        if answers == "open":
            for key in ("bond_micro_eur", "reveal_s"):
                if table.has(key):
                    table.refuse(key, "is of sealed answers, and these are open")
            return AuctionRules(answers, pricing, 0, 0)
        bond = table.integer("bond_micro_eur", most=MOST_BOND_MICRO_EUR)
        # Answers are committed while no earlier period takes any, one second before the reveal.
        reveal_s = table.integer(
            "reveal_s", least=LEAST_REVEAL_SECONDS, most=context.mtu.seconds - 2
        )
        return AuctionRules(answers, pricing, bond, reveal_s)


def of_contract(scenario: Scenario) -> tuple[int, int] | None:
    """Seconds to reveal, and the bond of a sealed answer."""
    rules = scenario.aggregator_auction
    return None if rules is None else (rules.reveal_s, rules.bond_micro_eur)
