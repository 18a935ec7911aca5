"""Several market areas of one replay, side by side and together: figures, terminal and page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

import gridbourse
from gridbourse.report import formatting
from gridbourse.report.html import environment
from gridbourse.report.record import RunRecord
from gridbourse.report.summary import summary

ALL: Final = "all areas"
_SUMS: Final = {
    "participants": ("participants",),
    "matched_wh": ("matched_wh",),
    "capped": ("verdicts", "capped"),
    "fallback": ("verdicts", "fallback"),
    "curtailed_wh": ("curtailed_wh",),
    "hours_outside_delivered": ("hours_outside_limits", "delivered"),
    "with_market_micro_eur": ("bills_micro_eur", "with_market"),
    "no_market_micro_eur": ("bills_micro_eur", "no_market"),
    "gain_micro_eur": ("bills_micro_eur", "gain"),
    "fees_micro_eur": ("fees_micro_eur", "total"),
    "waiting_micro_eur": ("waiting_micro_eur",),
    "energy_gap_wh": ("energy_gap_wh",),
}


def figures(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Figures of each area by its name, and of all: sums in Wh, µEUR and hours; the price is the mean by
    energy, µEUR/Wh, None where nothing was traded."""
    areas = {record.area: summary(record) for record in records}
    rows = {name: _row(found) for name, found in areas.items()}
    whole = {key: sum(row[key] for row in rows.values()) for key in _SUMS}
    paid = sum(row["price"] * row["matched_wh"] for row in rows.values() if row["matched_wh"])
    whole["price"] = paid / whole["matched_wh"] if whole["matched_wh"] else None
    money_sum = records[0].money_sum_micro_eur  # of the chain, which all areas share
    return {
        "areas": areas,
        "rows": rows | {ALL: whole},
        "money_sum_micro_eur": int(money_sum),
        "bills_micro_eur": _bills(areas),
    }


def _bills(areas: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    kinds = next(iter(areas.values()))["bills_micro_eur"]
    return {kind: sum(area["bills_micro_eur"][kind] for area in areas.values()) for kind in kinds}


def _row(found: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"price": found["price_micro_eur_per_wh"]["mean"]}
    for key, path in _SUMS.items():
        value: Any = found
        for part in path:
            value = value[part]
        row[key] = value
    return row


def print_areas(
    records: Sequence[RunRecord],
    html_path: Path,
    last_words: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Print a row for each area and one for all, and where the report is."""
    out = console or Console()
    found = figures(records)
    table = Table(title="Market areas", title_justify="left", title_style="bold", box=None)
    table.add_column("Area")
    for head in ("People", "Traded", "Mean price", "Capped", "Outside", "Received", "Gain", "Fees"):
        table.add_column(head, justify="right")
    for name, row in found["rows"].items():
        table.add_row(
            name,
            formatting.count(row["participants"]),
            formatting.energy(row["matched_wh"]),
            formatting.price(row["price"]),
            formatting.count(row["capped"] + row["fallback"]),
            formatting.hours(row["hours_outside_delivered"]),
            formatting.euro(row["with_market_micro_eur"]),
            formatting.euro(row["gain_micro_eur"], signed=True),
            formatting.euro(row["fees_micro_eur"]),
            style="bold" if name == ALL else None,
            end_section=name == records[-1].area,
        )
    out.print(table)
    out.print(f"Money of all areas sums to {found['money_sum_micro_eur']} µEUR", style="dim")
    out.print(f"Report   {html_path}", soft_wrap=True)
    out.print("         with a page for each area beside it", style="dim")
    for said in last_words:
        out.print(said, soft_wrap=True)


def write_areas(name: str, description: str, records: Sequence[RunRecord], path: Path) -> Path:
    """Write the page of all areas, which leads to the report of each in the folder of its name."""
    page = (
        environment()
        .get_template("areas.html.j2")
        .render(
            name=name,
            description=description,
            found=figures(records),
            whole=ALL,
            version=gridbourse.__version__,
        )
    )
    path.write_text(page, encoding="utf-8")
    return path
