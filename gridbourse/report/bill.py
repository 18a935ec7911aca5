"""A household's bill: its lines, as table, JSON and a page to print."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

import gridbourse
from gridbourse.report import formatting
from gridbourse.report.html import environment

ENERGY, FEES, PAYMENTS, CORRECTIONS, MONEY = (
    "energy", "grid fees", "other payments", "corrections of earlier periods", "money in and out",
)  # fmt: skip
SECTIONS: Final = (ENERGY, FEES, PAYMENTS, CORRECTIONS, MONEY)
"""In the order of the page; money in and out moves the account and is no part of the bill."""


@dataclass(frozen=True)
class BillLine:
    """One row: wh: energy, None where it is not about energy; micro_eur: + received, − paid."""

    section: str
    what: str
    wh: int | None
    micro_eur: int

    @property
    def price_micro_eur_per_wh(self) -> float | None:
        """Mean price, µEUR/Wh, without sign; None without energy."""
        return abs(self.micro_eur) / self.wh if self.wh else None


@dataclass(frozen=True)
class Bill:
    """A participant's bill of a month. periods, settled: delivery periods of the month, and how many of them
    are settled."""

    point: str
    participant: int
    area: str
    month: str
    periods: int
    settled: int
    lines: tuple[BillLine, ...]

    @property
    def micro_eur(self) -> int:
        """Sum of the bill, µEUR: + to receive, − to pay."""
        return sum(line.micro_eur for line in self.lines if line.section != MONEY)

    @property
    def moved_micro_eur(self) -> int:
        """Change of the account by everything that is on the page, µEUR."""
        return sum(line.micro_eur for line in self.lines)

    def of(self, section: str) -> Iterator[BillLine]:
        """Lines of a section."""
        return (line for line in self.lines if line.section == section)


def verdict(micro_eur: int) -> str:
    """An amount whose sign nobody can mistake: "to pay: €1.20", "to receive: €0.30"."""
    if micro_eur == 0:
        return "nothing to pay"
    word = "to receive" if micro_eur > 0 else "to pay"
    return f"{word}: {formatting.euro(abs(micro_eur))}"


def as_json(bill: Bill) -> dict[str, Any]:
    """The bill for a script: Wh, µEUR; + received, − paid."""
    return {
        "point": bill.point,
        "participant": bill.participant,
        "area": bill.area,
        "month": bill.month,
        "periods": bill.periods,
        "periods_settled": bill.settled,
        "lines": [
            {
                "section": line.section, "what": line.what, "wh": line.wh,
                "price_micro_eur_per_wh": line.price_micro_eur_per_wh, "micro_eur": line.micro_eur,
            }
            for line in bill.lines
        ],
        "bill_micro_eur": bill.micro_eur,
        "account_moved_micro_eur": bill.moved_micro_eur,
    }  # fmt: skip


def print_bill(bill: Bill, console: Console | None = None) -> None:
    """Print the bill as a table."""
    out = console or Console()
    table = Table(title=_title(bill), title_justify="left", box=None, title_style="bold")
    table.add_column("")
    for head in ("kWh", "ct/kWh", "you pay", "you receive"):
        table.add_column(head, justify="right")
    for section in SECTIONS:
        lines = list(bill.of(section))
        if lines:
            table.add_row(section.capitalize(), style="bold")
        for line in lines:
            table.add_row(f"  {line.what}", *_cells(line))
    out.print(table)
    out.print(f"Sum of the bill: {verdict(bill.micro_eur)}", style="bold")
    moved = formatting.euro(bill.moved_micro_eur, signed=True)
    out.print(f"Account moved by {moved}, with money in and out")
    if bill.settled < bill.periods:
        out.print(f"{bill.periods - bill.settled} of {bill.periods} periods are not settled yet")


def _cells(line: BillLine) -> tuple[str, str, str, str]:
    price = line.price_micro_eur_per_wh
    return (
        "" if line.wh is None else formatting.kwh(line.wh),
        "" if price is None else formatting.price(price, unit=False),
        formatting.euro(-line.micro_eur) if line.micro_eur < 0 else "",
        formatting.euro(line.micro_eur) if line.micro_eur > 0 else "",
    )


def _title(bill: Bill) -> str:
    return f"{bill.point}, {bill.month} (participant {bill.participant}, area {bill.area})"


def write_bill(bill: Bill, path: Path) -> Path:
    """Write the bill as a page to print, which needs nothing but itself."""
    page = (
        environment()
        .get_template("bill.html.j2")
        .render(
            bill=bill,
            title=_title(bill),
            sections=[(section, list(bill.of(section))) for section in SECTIONS],
            cells=_cells,
            verdict=verdict(bill.micro_eur),
            moved=formatting.euro(bill.moved_micro_eur, signed=True),
            version=gridbourse.__version__,
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path
