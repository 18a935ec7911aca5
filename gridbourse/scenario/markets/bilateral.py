"""Table ``[bilateral]`` of a scenario file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gridbourse.model.trade import MOST_PRICE_MICRO_EUR_PER_WH, MOST_WH
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import DAY_S, BilateralRules, PremiumLimits
from gridbourse.scenario.table_context import TableContext

if TYPE_CHECKING:
    from gridbourse.scenario.scenario import Scenario

MAX_SOURCES = 64
"""Most sources: each is one bit on-chain."""


def read(fields: Fields, context: TableContext) -> BilateralRules:
    """Rules of the bilateral market."""
    mtu = context.mtu
    with fields.table("bilateral") as table:
        per_day = table.integer("subscription_micro_eur_per_day")
        if per_day % (DAY_S // mtu.seconds):
            table.refuse(
                "subscription_micro_eur_per_day",
                f"{per_day} is not a whole number of µEUR in each of"
                f" {DAY_S // mtu.seconds} periods a day",
            )
        with table.table("premiums") as wishes:
            premiums = PremiumLimits(
                **{
                    wish: wishes.integer(
                        f"{wish}_micro_eur_per_wh", most=MOST_PRICE_MICRO_EUR_PER_WH
                    )
                    for wish in ("source", "favourite", "own_zone", "per_hop")
                }
            )
        return BilateralRules(
            pricing=table.choice("pricing", "seller", "midpoint"),
            choice=table.choice("choice", "preferences", "standing"),
            min_wh=table.integer("min_wh", least=1, most=MOST_WH),
            max_open=table.integer("max_open", least=1),
            subscription_micro_eur_per_day=per_day,
            sources=_sources(table),
            strict_share=table.number("strict_share", most=1),
            premiums=premiums,
        )


def _sources(bilateral: Fields) -> dict[str, float]:
    with bilateral.table("sources") as table:
        shares = {name: table.number(name, most=1) for name in table.unread()}
    if not 1 <= len(shares) <= MAX_SOURCES:
        bilateral.refuse("sources", f"must name 1 to {MAX_SOURCES} sources")
    if not math.isclose(math.fsum(shares.values()), 1):
        bilateral.refuse("sources", f"the shares sum to {math.fsum(shares.values()):g}, not to 1")
    return shares


def of_contract(scenario: Scenario) -> tuple[bool, int, int, int] | None:
    """Seller's price, least energy, most open listings, subscription a period."""
    rules = scenario.bilateral
    if rules is None:
        return None
    subscription = rules.subscription_micro_eur_per_period(scenario.mtu)
    return rules.pricing == "seller", rules.min_wh, rules.max_open, subscription
