"""Numbers and names for display. Data stays in Wh, µEUR and UTC."""

from typing import Final

import pandas as pd

from gridbourse.market_kinds import KINDS

NOTHING: Final = "–"
NAMES: Final = {kind.name: kind.title for kind in KINDS.values()} | {
    "energy": "Local energy",
    "retail": "Energy at retail price",
    "feed_in": "Feed-in tariff",
    "import_fee": "Grid fee, imported",
    "local_fee": "Grid fee, local",
    "export_fee": "Grid fee, exported",
    "spread": "Pay-as-bid spread",
    "profit_share": "Share of export income",
    "rent": "Rent of the roof",
    "dso": "DSO",
    "tso": "TSO",
    "flexibility_penalty": "Penalty for flexibility",
    "aggregator_share": "Aggregator's share",
    "compensation": "Supplier's compensation",
    "curtailment_compensation": "Compensation for curtailment",
    "schedule": "Without a trade",
    "managed": "With the manager",
    "unmanaged": "Without it",
    "ev": "Electric vehicle",
    "shiftable": "Shiftable loads",
}


def name(key: str) -> str:
    """Label of a key: `import_fee` -> Grid fee, imported; an unknown key gets spaces and a capital."""
    return NAMES.get(key.lower(), key[:1].upper() + key[1:].replace("_", " "))


def euro(micro_eur: float, signed: bool = False) -> str:
    """µEUR as euros and cents."""
    amount = f"{abs(micro_eur) / 1e6:,.2f}"
    if micro_eur < 0 and float(amount.replace(",", "")) != 0:
        return f"−€{amount}"
    return f"+€{amount}" if signed and micro_eur > 0 else f"€{amount}"


def energy(wh: float) -> str:
    """Wh in the unit that keeps the number short."""
    if abs(wh) < 1_000:
        return f"{wh:,.0f} Wh"
    return f"{wh / 1e3:,.1f} kWh" if abs(wh) < 1e7 else f"{wh / 1e6:,.1f} MWh"


def kwh(wh: float) -> str:
    """Wh as kWh without the unit, for a table whose head names it."""
    return f"{wh / 1e3:,.1f}"


def price(micro_eur_per_wh: float | None, unit: bool = True) -> str:
    """µEUR/Wh as ct/kWh (1 µEUR/Wh = 0.1 ct/kWh)."""
    if micro_eur_per_wh is None:
        return NOTHING
    return f"{micro_eur_per_wh / 10:.1f}" + (" ct/kWh" if unit else "")


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1%}"


def hours(value: float) -> str:
    return f"{value:g} h"


def count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def clock(moment: pd.Timestamp) -> str:
    """Local time of a period, with its zone: two quarter-hours are 02:15 when clocks go back."""
    return f"{moment:%H:%M} {moment.tzname()}"


def span(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """Local days that a run covers."""
    start = f"{first:%A}, {first.day} {first:%B %Y}"
    if first.date() == last.date():
        return start
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"
