"""The sections of a scenario file, each read into what it means; see ``scenario.load``."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from gridbourse.model.errors import ModelError
from gridbourse.model.periods import Mtu
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import (
    Limits,
    MarketRules,
    Parties,
    StrategySpec,
    TariffTable,
    ZoneFees,
)

MAX_TICKS = 256
"""A clearing walks the band; the contract refuses a longer one."""
MAX_PRICE = 2**16 - 1
"""Retail price plus fee is held in 16 bits on-chain."""


def mtu(fields: Fields) -> Mtu:
    """The market time unit."""
    seconds = fields.integer("mtu_seconds", least=1)
    try:
        return Mtu(seconds)
    except ModelError as error:
        fields.refuse("mtu_seconds", str(error).removeprefix("mtu_seconds: "))


def timezone(fields: Fields) -> str:
    """The name of the time zone local days are in."""
    name = fields.text("timezone")
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError):
        fields.refuse("timezone", f"{name!r} is not an IANA time zone")


def season(fields: Fields) -> tuple[str, str, datetime]:
    """(name, profile file, start) of the season chosen; the others are checked as well."""
    seasons = {}
    for name, table in fields.tables("seasons").items():
        with table:
            seasons[name] = table.text("profiles"), table.moment("start")
    chosen = fields.choice("season", *seasons)
    return chosen, *seasons[chosen]


def zones(fields: Fields) -> tuple[dict[str, str | None], dict[str, ZoneFees]]:
    """(zone -> parent zone or None, zone -> fees)."""
    parents: dict[str, str | None] = {}
    fees = {}
    for name, table in fields.tables("zones").items():
        with table:
            parents[name] = table.text("parent", None)
            fees[name] = ZoneFees(
                import_=table.integer("import_fee_micro_eur_per_wh"),
                local=table.integer("local_fee_micro_eur_per_wh"),
                export=table.integer("export_fee_micro_eur_per_wh"),
            )
    for name, parent in parents.items():
        chain = {name}
        while parent is not None:
            if parent not in parents:
                fields.refuse(f"zones.{name}.parent", f"{parent!r} is not a zone")
            if parent in chain:
                fields.refuse(f"zones.{name}.parent", "a zone can not be above itself")
            chain.add(parent)
            parent = parents[parent]
    return parents, fees


def tariff(fields: Fields, fees: dict[str, ZoneFees]) -> TariffTable:
    """Energy prices, with the fees of the zones."""
    with fields.table("tariff") as table:
        retail = table.integer("retail_micro_eur_per_wh", least=1)
        highest = max(max(fee.import_, fee.local, fee.export) for fee in fees.values())
        if retail + highest > MAX_PRICE:
            table.refuse(
                "retail_micro_eur_per_wh",
                f"{retail} plus the highest fee {highest} is above {MAX_PRICE}",
            )
        feed_in = table.integer("feed_in_micro_eur_per_wh")
        if feed_in > retail:
            table.refuse(
                "feed_in_micro_eur_per_wh", f"{feed_in} is above the retail price {retail}"
            )
        return TariffTable(retail, feed_in, fees)


def market(fields: Fields, tariff: TariffTable) -> MarketRules:
    """Market rules; the band must be a whole number of ticks, and not too many."""
    with fields.table("market") as table:
        rules = MarketRules(
            pricing=table.choice("pricing", "uniform", "pay_as_bid"),
            tick_micro_eur_per_wh=table.integer("tick_micro_eur_per_wh", least=1),
            max_rounds=table.integer("max_rounds", least=1, most=255),
            gate_closure_s=table.integer("gate_closure_s"),
            area=table.text("area"),
        )
        band = tariff.retail_micro_eur_per_wh - tariff.feed_in_micro_eur_per_wh
        steps, rest = divmod(band, rules.tick_micro_eur_per_wh)
        if rest:
            table.refuse(
                "tick_micro_eur_per_wh",
                f"the band of {band} µEUR/Wh is not a whole number of ticks of"
                f" {rules.tick_micro_eur_per_wh}",
            )
        if steps + 1 > MAX_TICKS:
            table.refuse(
                "tick_micro_eur_per_wh", f"makes {steps + 1} ticks; at most {MAX_TICKS} are allowed"
            )
        return rules


def strategy(fields: Fields) -> StrategySpec:
    """How participants price."""
    with fields.table("strategy") as table:
        return StrategySpec(table.number("truthful_share", most=1), table.integer("seed"))


def parties(fields: Fields) -> Parties:
    """Who takes part, by which way, with how much money."""
    with fields.table("parties") as table:
        parties = Parties(
            participation=table.number("participation", most=1),
            deposit_micro_eur=table.integer("deposit_micro_eur"),
            supplier_deposit_micro_eur=table.integer("supplier_deposit_micro_eur"),
            signed_share=table.number("signed_share", most=1),
            own_share=table.number("own_share", most=1),
        )
        if parties.signed_share + parties.own_share > 1:
            table.refuse("own_share", "own_share and signed_share together are above 1")
        return parties


def limits(grid: Fields) -> Limits:
    """Operating limits of the grid."""
    found = Limits(grid.number("v_min_pu"), grid.number("v_max_pu"), grid.number("loading_max"))
    if not found.v_min_pu < found.v_max_pu:
        grid.refuse("v_min_pu", "must be below v_max_pu")
    return found
