"""Sections of a scenario file, each read into its rules; see ``scenario.load``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from gridbourse.grid.limits import Limits
from gridbourse.metering.sources import Columns
from gridbourse.model.errors import ModelError
from gridbourse.model.periods import Mtu
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.own_readings import POWER_FACTOR, ReadingColumns
from gridbourse.scenario.rules import (
    Curtailment,
    Parties,
    SettlementRules,
    StrategySpec,
    TariffTable,
    ZoneFees,
)
from gridbourse.times import parser

MAX_PRICE = 2**16 - 1
"""Greatest retail price plus fee: 16 bits on-chain."""
MAX_WINDOW_S = 366 * 86_400
"""Longest dispute window: a withdrawal must be paid within a year."""
MOST_LEVY = 1_000
"""µEUR per Wh: 1 EUR per kWh."""


def mtu(fields: Fields) -> Mtu:
    """The market time unit."""
    seconds = fields.integer("mtu_seconds", least=1)
    try:
        return Mtu(seconds)
    except ModelError as error:
        fields.refuse("mtu_seconds", str(error).removeprefix("mtu_seconds: "))


def profile_mtu(fields: Fields, mtu: Mtu) -> Mtu:
    """Periods of the data: those of the market, or shorter ones that make them up."""
    seconds = fields.integer("profile_seconds", least=1, default=mtu.seconds)
    if mtu.seconds % seconds:
        fields.refuse("profile_seconds", f"{seconds} must divide mtu_seconds = {mtu.seconds}")
    return Mtu(seconds)


def timezone(fields: Fields) -> str:
    """Name of the time zone of local days."""
    return _zone(fields, fields.text("timezone"))


def _zone(fields: Fields, name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError):
        fields.refuse("timezone", f"{name!r} is not an IANA time zone")


def seasons(fields: Fields) -> tuple[str, dict[str, tuple[str, datetime]]]:
    """(the season chosen, profile file and start of every season by its name)."""
    found = {}
    for name, table in fields.tables("seasons").items():
        with table:
            found[name] = table.text("profiles"), table.moment("start")
    return fields.choice("season", *found), found


QUANTITIES = ("net", "import", "export", "load", "pv", "reactive")
MEASURED = ({"net"}, {"import", "export"}, {"load", "pv"})


def columns(fields: Fields) -> ReadingColumns | None:
    """Layout of the profile files; None = that of ``data.read_profiles``."""
    table = fields.table_or_none("columns")
    if table is None:
        return None
    with table:
        point, zone = table.text("point", None), table.text("timezone", None)
        named = {name: table.text(name, None) for name in QUANTITIES}
        quantities = {name: column for name, column in named.items() if column is not None}
        if point is None:
            if quantities:
                table.refuse(
                    next(iter(quantities)),
                    "without the key point a file is wide: every column but time is a point",
                )
            quantities = {"net": None}
        elif set(quantities) - {"reactive"} not in MEASURED:
            table.refuse("net", "name the columns of net, of import and export, or of load and pv")
        positive = table.choice("positive", "injects", "consumes") if "net" in quantities else ""
        file = Columns(
            time=table.text("time"),
            point=point,
            unit=table.choice("unit", "Wh", "kWh", "W", "kW"),
            timezone=None if zone is None else _zone(table, zone),
            time_format=_time_format(table),
            marks=table.choice("marks", "start", "end"),
            separator=table.text("separator", ","),
            decimal=table.choice("decimal", ".", ",", default="."),
        )
        power_factor = POWER_FACTOR
        if "reactive" not in quantities:
            power_factor = table.number("power_factor", 0.1, 1.0, default=POWER_FACTOR)
        return ReadingColumns(file, quantities, positive == "consumes", power_factor)


def _time_format(table: Fields) -> str | None:
    layout = table.text("time_format", None)
    if layout is not None:
        try:
            parser(layout)
        except ValueError as error:
            table.refuse("time_format", f"{layout!r} is not as for strptime ({error})")
    return layout


def pv_factor(fields: Fields, columns: ReadingColumns | None) -> float:
    """Factor on the profiles' PV; refused with net readings, which do not show the PV."""
    factor = fields.number("pv_factor")
    if factor != 1 and columns is not None and not columns.gross:
        fields.refuse("pv_factor", f"{factor:g} must be 1: net readings hide what the PV produced")
    return factor


def zones(fields: Fields) -> tuple[dict[str, str | None], dict[str, ZoneFees]]:
    """(zone -> parent zone or None, zone -> fees)."""
    parents: dict[str, str | None] = {}
    fees = {}
    for name, table in fields.tables("zones").items():
        fields.require_label(f"zones.{name}", name)
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
                fields.refuse(f"zones.{name}.parent", "a zone cannot be above itself")
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


def strategy(fields: Fields) -> StrategySpec:
    """Price strategies of the participants."""
    with fields.table("strategy") as table:
        return StrategySpec(table.number("truthful_share", most=1), table.integer("seed"))


def curtailment(fields: Fields) -> Curtailment | None:
    """Compensation of curtailment; None: nothing is paid to capped points."""
    table = fields.table_or_none("curtailment")
    if table is None:
        return None
    with table:
        is_paid = table.choice("compensation", "none", "feed_in") == "feed_in"
        reach = table.integer("reach_permille", least=1, most=1000, default=950)
        levy = 0
        # One key switches it off: the others may stay, and are read just as strictly.
        if (is_paid or table.has("paid_by")) and (
            table.choice("paid_by", "dso", "consumption") == "consumption"
        ):
            levy = table.integer("levy_micro_eur_per_wh", least=1, most=MOST_LEVY)
        return Curtailment(reach, levy) if is_paid else None


def levied(fees: dict[str, ZoneFees], levy: int) -> dict[str, ZoneFees]:
    """Fees with the levy for curtailment on every Wh drawn."""
    return {
        zone: replace(of, import_=of.import_ + levy, local=of.local + levy)
        for zone, of in fees.items()
    }


def parties(fields: Fields) -> Parties:
    """Participants, their ways of access, and their money."""
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


def settlement(fields: Fields) -> SettlementRules:
    """Treatment of missing readings and disputes; its defaults where the file has no such table."""
    table = fields.table_or_none("settlement")
    if table is None:
        return SettlementRules()
    usual = SettlementRules()
    with table:
        return SettlementRules(
            table.integer("dispute_window_s", most=MAX_WINDOW_S, default=usual.dispute_window_s),
            table.integer("silent_permille", most=1000, default=usual.silent_permille),
        )


def limits(grid: Fields) -> Limits:
    """Operating limits of the grid."""
    found = Limits(grid.number("v_min_pu"), grid.number("v_max_pu"), grid.number("loading_max"))
    if not found.v_min_pu < found.v_max_pu:
        grid.refuse("v_min_pu", "must be below v_max_pu")
    return found
