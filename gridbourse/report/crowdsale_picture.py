"""Picture of a campaign, drawn inside `style.drawing()`: its income, the owner's bill, the payback."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from gridbourse.report import formatting as words
from gridbourse.report import style
from gridbourse.report.record import RunRecord

_CENT: Final = 1e-4
_EURO: Final = 1e-6
HOLDERS: Final = "#9333ea"


def campaign(record: RunRecord, figures: dict[str, Any]) -> Figure:
    """figures: `crowdsale.campaign_figures(record)`, of a run that has a campaign."""
    income = _income(record)
    _, edges = style.whole_span(record)
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    earned, bill, years = figure.subplots(1, 3, width_ratios=(1.25, 1.25, 1))
    _earned(earned, income, edges, figures)
    _bill(bill, income, edges, figures)
    for ax in (earned, bill):
        style.local_time_axis(ax, record, edges)
        if len(ticks := ax.get_xticks()) > 6:
            labels = [label.get_text() for label in ax.get_xticklabels()]
            ax.set_xticks(ticks[::2], labels[::2])
    _years(years, figures)
    return figure


def _income(record: RunRecord) -> pd.DataFrame:
    """Income by period, without gaps."""
    rows = record.crowdsale["income"] if record.crowdsale else []
    table = pd.DataFrame(rows).set_index("period").sort_index()
    every = np.arange(record.periods.index[0], record.periods.index[-1] + 1)
    return table.reindex(every).astype("float64")


def _earned(ax: Axes, income: pd.DataFrame, edges: np.ndarray, figures: dict[str, Any]) -> None:
    base = income["feed_in_micro_eur"].fillna(0).to_numpy() * _CENT
    top = base + income["premium_micro_eur"].fillna(0).to_numpy() * _CENT
    ax.stairs(base, edges, fill=True, color=style.SUPPLY, alpha=0.8, label="At the feed-in tariff")
    ax.stairs(
        top, edges, baseline=base, fill=True, color=style.MATCHED, alpha=0.8,
        label="Market above it",
    )  # fmt: skip
    if figures["form"] == "profit share":
        part = top * figures["value"] / 1000
        ax.stairs(part, edges, baseline=None, color=HOLDERS, lw=1.6, label="The holders' part")
    ax.set_title("Export income a period", loc="left", fontsize=10)
    ax.set_ylabel("cent")
    ax.set_ylim(0, max(1.0, top.max() * 1.25))
    ax.legend(loc="upper left")


def _bill(ax: Axes, income: pd.DataFrame, edges: np.ndarray, figures: dict[str, Any]) -> None:
    paid = figures["collected_micro_eur"] * _EURO
    ends = edges[1:]
    for column, colour, look, label in (
        ("bill_micro_eur", style.GAIN, "-", "With the panel"),
        ("without_micro_eur", style.MUTED, "-", "Without it, in the market"),
        ("alone_micro_eur", style.MUTED, ":", "Without it, supplier alone"),
    ):
        total = income[column].fillna(0).cumsum().to_numpy() * _EURO
        ax.plot(ends, total, look, color=colour, lw=2, label=label)
        if column == "bill_micro_eur":
            ax.plot([ends[-1]] * 2, [total[-1], total[-1] - paid], color=HOLDERS, lw=3.5,
                    label="Paid to the holders", solid_capstyle="butt")  # fmt: skip
    ax.axhline(0, color=style.MUTED, lw=0.8)
    ax.set_title("The owner's bill, summed up", loc="left", fontsize=10)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: words.euro(y * 1e6, signed=True)))
    ax.legend(loc="best")


def _years(ax: Axes, figures: dict[str, Any]) -> None:
    """Money returned by year, against the amount funded."""
    ax.set_title("Payback by the year", loc="left", fontsize=10)
    year = figures["year"]
    if year is None:
        ax.text(0.5, 0.5, "No year in the data", transform=ax.transAxes, ha="center",
                color=style.MUTED)  # fmt: skip
        ax.set_xticks([])
        ax.set_yticks([])
        return
    funded = figures["funded_micro_eur"] * _EURO
    until = np.array([0.0, max(figures["term_years"], 1.0)])
    for key, colour, label in (
        ("gain_micro_eur", style.GAIN, "Project against none"),
        ("to_holders_micro_eur", HOLDERS, "To the holders"),
    ):
        ax.plot(until, until * year[key] * _EURO, color=colour, lw=2, label=label)
    ax.axhline(funded, color=style.LIMIT, lw=1, ls=(0, (5, 3)))
    ax.annotate("Funded", (until[-1], funded), xytext=(0, 3), textcoords="offset points",
                ha="right", color=style.LIMIT, fontsize=8.5)  # fmt: skip
    for key, colour in (("project", style.GAIN), ("holders", HOLDERS)):
        years = figures["payback_years"][key]
        if years is not None and years <= until[-1]:
            ax.plot(years, funded, "o", ms=7, color=colour, mec="white", mew=1.5, zorder=5)
    ax.set_xlim(*until)
    ax.set_xlabel("years")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"€{y:,.0f}"))
    ax.legend(loc="upper left")
