"""Run on a terminal: a progress bar while it lasts, a summary when it is over."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from gridbourse.report import crowdsale
from gridbourse.report import formatting as words
from gridbourse.report.markets import has_trades
from gridbourse.report.record import RunRecord
from gridbourse.report.summary import bills_table, summary
from gridbourse.text import many

_WIDTH = 100


def over_periods(
    periods: Sequence[int], mtu_seconds: int, timezone: str, console: Console | None = None
) -> Iterator[int]:
    """Yield the periods (MTU indices) one by one behind a progress bar in local time."""
    columns = (
        TextColumn("Replaying [bold]{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(periods))
        for period in periods:
            start = pd.Timestamp(int(period) * mtu_seconds, unit="s", tz="UTC")
            local = start.tz_convert(timezone)
            progress.update(task, description=f"{local:%d %b %H:%M}")
            yield period
            progress.advance(task)


def print_summary(
    record: RunRecord,
    html_path: str | Path | None = None,
    last_words: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Print the run in at most 100 columns.

    html_path: path of the report by `html.write`; last_words: printed after it.
    """
    out = console or Console()
    width = min(_WIDTH, out.width)
    figures = summary(record)
    first, last = (record.local(record.periods.index[i]) for i in (0, -1))
    head = Group(
        Text(record.description),
        Text(
            f"{words.span(first, last)} · {many(figures['periods'], 'period')} of "
            f"{record.mtu_seconds / 60:g} min · {record.network} · PV × {record.pv_factor:g}",
            style="dim",
        ),
    )
    out.print(Panel(head, title=f"[bold]{record.scenario}", title_align="left", width=width))
    pairs = [_market(figures), _grid(figures), _bills(figures), _checks(figures)]
    if campaign := figures["crowdsale"]:
        pairs += [
            _facts(f"Campaign: {campaign['name']}", crowdsale.money_rows(campaign)),
            _facts("Against no project", crowdsale.payback_rows(campaign)),
        ]
    for left, right in zip(pairs[::2], pairs[1::2], strict=True):
        row = Table.grid(expand=True, padding=(0, 2))
        row.add_column(ratio=1)
        row.add_column(ratio=1)
        row.add_row(left, right)
        out.print(row, width=width)
        out.print()
    if record.crowdsale:
        out.print(Text(crowdsale.method(record), style="dim"), width=width)
        out.print()
    if has_trades(record):
        out.print(_markets(figures), width=width)
        out.print()
    if "flexibility" in figures:
        out.print(_flexibility(figures["flexibility"]), width=width)
        out.print()
    out.print(_participants(record), width=width)
    out.print()
    out.print(_gas(figures), width=width)
    if html_path is not None:
        out.print()
        out.print(Text.assemble("Report   ", (str(html_path), "bold cyan")), soft_wrap=True)
        out.print(Text("         one file, opens offline in any browser", style="dim"))
    for words_said in last_words:
        out.print(Text(words_said), soft_wrap=True)


def _facts(title: str, rows: Iterable[tuple[str, str | Text]]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False,
        expand=True, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for label, value in rows:
        table.add_row(label, value)
    return table


def _market(figures: dict[str, Any]) -> Table:
    price = figures["price_micro_eur_per_wh"]
    lowest = words.price(price["min"], unit=False)
    sufficiency, consumption = figures["self_sufficiency"], figures["self_consumption"]
    return _facts(
        "Market",
        [
            ("Traded locally", words.energy(figures["matched_wh"])),
            ("Periods with trade", f"{price['trading_periods']} of {figures['periods']}"),
            ("Mean price", words.price(price["mean"])),
            (
                "Lowest / highest",
                f"{lowest} / {words.price(price['max'])}",
            ),
            ("Self-sufficiency", _before_after(sufficiency)),
            ("Self-consumption", _before_after(consumption)),
        ],
    )


def _grid(figures: dict[str, Any]) -> Table:
    verdicts, outside = figures["verdicts"], figures["hours_outside_limits"]
    return _facts(
        "Grid",
        [
            ("Accepted as cleared", words.count(verdicts["accepted"])),
            ("Capped", words.count(verdicts["capped"])),
            ("Fell back", words.count(verdicts["fallback"])),
            ("Curtailed", words.energy(figures["curtailed_wh"])),
            ("Outside limits unchecked", words.hours(outside["unchecked"])),
            ("Outside limits after check", words.hours(outside["checked"])),
            ("Outside limits delivered", words.hours(outside["delivered"])),
        ],
    )


def _bills(figures: dict[str, Any]) -> Table:
    bills = figures["bills_micro_eur"]
    return _facts(
        "Bills: all get, − pay",
        [
            ("All, with the market", words.euro(bills["with_market"])),
            ("All, no market", words.euro(bills["no_market"])),
            ("All, no market, capped", words.euro(bills["no_market_capped"])),
            ("Gained together", words.euro(bills["gain"], signed=True)),
            ("  by the market", words.euro(bills["by_market"], signed=True)),
            ("  by curtailment", words.euro(-bills["curtailment"], signed=True)),
            ("  by its compensation", words.euro(bills["compensation"], signed=True)),
            (
                "Better / worse / same",
                f"{figures['gainers']} / {figures['losers']} / {figures['unchanged']}",
            ),
            ("Grid fees", words.euro(figures["fees_micro_eur"]["total"])),
        ],
    )


def _checks(figures: dict[str, Any]) -> Table:
    waiting = figures["waiting_micro_eur"]
    return _facts(
        "Checks",
        [
            ("Money sums to", _zero(figures["money_sum_microeur"], "µEUR")),
            *([("Credits that wait", words.euro(waiting))] if waiting else []),
            ("Energy gap", _zero(figures["energy_gap_wh"], "Wh")),
            ("Orders", words.count(figures["orders"])),
            ("Readings", words.count(figures["readings"])),
            ("Wall time", f"{figures['wall_s']:.1f} s"),
        ],
    )


def _markets(figures: dict[str, Any]) -> Table:
    """Progress of the orders of each market."""
    table = _plain_table("Markets, kWh of buyers and sellers together")
    table.add_column("Market", overflow="fold", min_width=10)
    for label in ("Orders", "Placed", "Traded", "Rejected", "Delivered", "ct/kWh", "Paid"):
        table.add_column(label, justify="right", min_width=len(label))
    for market, row in figures["markets"].items():
        energies = ("ordered_wh", "traded_wh", "rejected_wh", "delivered_wh")
        table.add_row(
            words.name(market),
            words.count(row["orders"]),
            *(words.kwh(row[name]) for name in energies),
            words.price(row["price_micro_eur_per_wh"], unit=False),
            words.euro(row["paid_micro_eur"]),
        )
    return table


def _flexibility(found: dict[str, Any]) -> Table:
    """Requests of each kind of buyer by product, and their outcome, in 80 columns."""
    table = _plain_table("Flexibility, kWh")
    table.add_column("Buyer", overflow="fold")
    table.add_column("Product", overflow="fold", min_width=16)
    labels = ("Asked", "Bought", "Delivered", "Paid", "Penalty")
    for label in labels:
        table.add_column(label, justify="right", min_width=len(label))
    for row in found["by_product"]:
        energies = ("asked_wh", "bought_wh", "delivered_wh")
        table.add_row(
            words.name(row["buyer"]),
            f"{row['product']} {row['direction']}",
            *(words.kwh(row[name]) for name in energies),
            words.euro(row["paid_micro_eur"]),
            words.euro(row["penalty_micro_eur"]),
        )
    return table


def _participants(record: RunRecord) -> Table:
    """The three participants that gained most and the three that gained least."""
    bills = bills_table(record).sort_values("gain_micro_eur", ascending=False, kind="stable")
    shown = bills if len(bills) <= 6 else pd.concat([bills.iloc[:3], bills.iloc[-3:]])
    table = _plain_table(f"Participants, by gain: {len(shown)} of {len(bills)}; gets, − pays")
    table.add_column("Point", overflow="fold")
    labels = (
        "Gets", "No market", "No market, capped", "Gain", "by the caps", "Traded kWh",
        "Curtailed kWh",
    )  # fmt: skip
    for label in labels:
        table.add_column(label, justify="right")
    for place, (point, person) in enumerate(shown.iterrows()):
        table.add_row(
            str(point),
            words.euro(person["bill_micro_eur"]),
            words.euro(person["no_market_micro_eur"]),
            words.euro(person["no_market_capped_micro_eur"]),
            _signed(person["gain_micro_eur"]),
            _signed(-person["curtailment_micro_eur"]),
            words.kwh(person["bought_wh"] + person["sold_wh"]),
            words.kwh(person["curtailed_wh"]),
            end_section=len(bills) > 6 and place == 2,
        )
    return table


def _gas(figures: dict[str, Any]) -> Table:
    table = _plain_table("Gas by step")
    table.add_column("Step")
    for label in ("Transactions", "Gas", "Units", "Gas per unit"):
        table.add_column(label, justify="right")
    for step, row in figures["gas"].items():
        numbers = (row[key] for key in ("transactions", "gas", "units", "per_unit"))
        table.add_row(words.name(step), *(words.count(number) for number in numbers))
    return table


def _plain_table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", header_style="dim",
        box=SIMPLE_HEAD, expand=True, pad_edge=False,
    )  # fmt: skip


def _before_after(shares: dict[str, float | None]) -> str:
    return f"{words.share(shares['before'])} → {words.share(shares['after'])}"


def _zero(value: int, unit: str) -> Text:
    ok = value == 0
    return Text(f"{value:,} {unit} {'✓' if ok else '✗'}", style="green" if ok else "bold red")


def _signed(micro_eur: int) -> Text:
    style = "green" if micro_eur > 0 else "red" if micro_eur < 0 else ""
    return Text(words.euro(micro_eur, signed=True), style=style)
