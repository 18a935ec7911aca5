"""Markets of a scenario file: ``[market]`` and one table for each kind that needs one."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import pandas as pd

from gridbourse.market_kinds import KINDS, SCENARIO, part
from gridbourse.model.portfolio_contract import WHOLE_PERMILLE, Control, Resource
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import DAY_S, Aggregator, MarketRules, TariffTable
from gridbourse.scenario.table_context import TableContext, participant_at

MOST_GATE_CLOSURE_S = 7 * DAY_S
"""Longest time between gate closure and delivery; the chain's clock has to stay above zero."""
MAX_TICKS = 256
"""Most ticks of a price band, where the kind of market sets no other."""


def market(fields: Fields, tariff: TariffTable) -> MarketRules:
    """Market rules; the band must be a whole number of ticks, and not too many."""
    with fields.table("market") as table:
        kinds = table.choices("kinds", *KINDS, default=("call_auction",))
        pool = "call_auction" in kinds
        for key in () if pool else ("pricing", "max_rounds"):
            if table.has(key):
                table.refuse(key, "is of the call auction, which is not one of market.kinds")
        rules = MarketRules(
            kinds=kinds,
            pricing=table.choice("pricing", "uniform", "pay_as_bid") if pool else "uniform",
            tick_micro_eur_per_wh=table.integer("tick_micro_eur_per_wh", least=1),
            max_rounds=table.integer("max_rounds", least=1, most=255) if pool else 1,
            gate_closure_s=table.integer("gate_closure_s", most=MOST_GATE_CLOSURE_S),
            area=table.label("area"),
        )
        band = tariff.retail_micro_eur_per_wh - tariff.feed_in_micro_eur_per_wh
        steps, rest = divmod(band, rules.tick_micro_eur_per_wh)
        if rest:
            table.refuse(
                "tick_micro_eur_per_wh",
                f"the band of {band} µEUR/Wh is not a whole number of ticks of"
                f" {rules.tick_micro_eur_per_wh}",
            )
        most = min(_most_ticks(kind) for kind in kinds)
        if steps + 1 > most:
            table.refuse(
                "tick_micro_eur_per_wh", f"makes {steps + 1} ticks; at most {most} are allowed"
            )
        return rules


def _most_ticks(kind: str) -> int:
    """Most ticks of a price band that a market of the kind works with."""
    return getattr(import_module(f"{SCENARIO}.{kind}"), "MAX_TICKS", MAX_TICKS)


def tables(fields: Fields, context: TableContext) -> dict[str, Any]:
    """Rules by kind of market; a table that nothing would read is refused."""
    found = {}
    for kind in KINDS:
        if kind in context.rules.kinds:
            found[kind] = part(SCENARIO, kind, "read")(fields, context)
        elif kind in fields.unread():
            fields.refuse(kind, f"{kind} is not one of market.kinds")
    return found


def aggregators(
    fields: Fields, rules: MarketRules, points: pd.DataFrame, tariff: TariffTable
) -> tuple[Aggregator, ...]:
    """Aggregators by name; needed where they hold auctions.

    points: as in a scenario.
    """
    if "aggregator_auction" not in rules.kinds and not fields.has("aggregators"):
        return ()
    found: list[Aggregator] = []
    for name, table in fields.tables("aggregators").items():
        with table:
            found.append(_aggregator(name, table, rules, points, tariff))
            if found[-1].point in [one.point for one in found[:-1]]:
                table.refuse("point", f"{found[-1].point!r} is another aggregator's")
    shares = math.fsum(one.share for one in found)
    if shares > 1:
        fields.refuse("aggregators", f"the shares sum to {shares:g}, to more than 1")
    return tuple(found)


def _aggregator(
    name: str, table: Fields, rules: MarketRules, points: pd.DataFrame, tariff: TariffTable
) -> Aggregator:
    low, high = tariff.feed_in_micro_eur_per_wh, tariff.retail_micro_eur_per_wh

    def price(key: str, default: int) -> int:
        value = table.integer(key, least=low, most=high, default=default)
        if (value - low) % rules.tick_micro_eur_per_wh:
            table.refuse(key, f"{value} is not on a tick of the price band")
        return value

    return Aggregator(
        name=name,
        point=participant_at(table, "point", points),
        share=table.number("share", most=1),
        control=table.choice("control", *(one.name.lower() for one in Control)),
        resources=table.choices("resources", *(str(one.name).lower() for one in Resource)),
        permille=table.integer("permille", most=WHOLE_PERMILLE),
        mandate_share=table.number("mandate_share", most=1),
        ceiling_micro_eur_per_wh=price("ceiling_micro_eur_per_wh", high),
        floor_micro_eur_per_wh=price("floor_micro_eur_per_wh", low),
    )
