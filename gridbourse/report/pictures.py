"""Pictures of a run, each a matplotlib figure drawn inside `style.drawing()`."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, PercentFormatter

from gridbourse.report import formatting as words
from gridbourse.report import style
from gridbourse.report.record import STATES, RunRecord
from gridbourse.report.summary import gains

# One micro-euro per Wh is 0.1 ct/kWh.
_CT: Final = 0.1
_KILO: Final = 1e-3


def busiest_period(record: RunRecord) -> int:
    """Period with the largest matched volume; on a day without trade, with most ordered."""
    periods = record.periods
    column = periods["matched_wh"]
    if not column.any():
        column = periods["bid_wh"] + periods["offer_wh"]
    return int(column.idxmax())


def clearing_curve(record: RunRecord, period: int) -> Figure:
    """Demand and supply of one period as placed, and the clearing point."""
    row = record.periods.loc[period]
    book = record.orders[record.orders["period"] == period]
    demand = _merit_order(book, "bid")
    supply = _merit_order(book, "offer")
    matched = float(row["matched_wh"]) * _KILO
    price = row["price_micro_eur_per_wh"]
    ends = [edges[-1] for edges, _ in (demand, supply)]
    # A long tail of bids that never trade would squeeze the crossing into a corner.
    right = min(max(ends), 2.2 * max(matched, min(ends))) or max(ends) or 1.0

    figure = Figure(figsize=(6.4, 4.3), layout="constrained")
    ax = figure.add_subplot()
    price_band(ax, record, right)
    for (edges, prices), colour, label in (
        (demand, style.DEMAND, "Demand"),
        (supply, style.SUPPLY, "Supply"),
    ):
        if len(prices):
            ax.stairs(prices, edges, baseline=None, color=colour, linewidth=2, label=label)
    if pd.notna(price) and matched > 0:
        level = float(price) * _CT
        # Caps change the orders after they were placed; these curves then bound nobody's gain.
        whole_book = ((demand, style.DEMAND), (supply, style.SUPPLY))
        for (edges, prices), colour in whole_book if row["verdict"] == "accepted" else ():
            _surplus(ax, edges, prices, matched, level, colour)
        ax.plot([0, matched, matched], [level, level, 0], color=style.INK, lw=1, ls=(0, (3, 2)))
        ax.plot(matched, level, "o", ms=7, color=style.INK, mec="white", mew=1.5, zorder=5)
        rightmost = matched > 0.6 * right
        ax.annotate(
            f"{matched:,.1f} kWh at {words.price(float(price))}",
            (matched, level),
            # Beside the crossing the curves separate: the one place that is always free.
            xytext=(-16 if rightmost else 16, 0),
            textcoords="offset points",
            ha="right" if rightmost else "left",
            va="center",
            weight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
            zorder=6,
        )
    if len(demand[1]) or len(supply[1]):
        ax.legend(loc="lower left", ncols=2, bbox_to_anchor=(0, 1), borderaxespad=0.1)
    else:
        ax.text(0.5, 0.5, "No orders", transform=ax.transAxes, ha="center", color=style.MUTED)
    ax.set(xlim=(0, right), xlabel="kWh ordered", ylabel="ct/kWh")
    return figure


def price_and_volume(record: RunRecord) -> Figure:
    """Clearing price, and energy ordered and traded, over the local day."""
    periods, edges = style.whole_span(record)
    figure = Figure(figsize=(6.4, 4.3), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.25))
    prices = periods["price_micro_eur_per_wh"].astype("float64").to_numpy()
    price_band(top, record, edges[-1], left=edges[0])
    top.stairs(prices * _CT, edges, baseline=None, color=style.INK, linewidth=2)
    top.set_ylabel("ct/kWh")
    if np.isnan(prices).all():
        top.text(0.5, 0.5, "No trade", transform=top.transAxes, ha="center", color=style.MUTED)

    for column, colour, label in (
        ("bid_wh", style.DEMAND, "Bids"),
        ("offer_wh", style.SUPPLY, "Offers"),
    ):
        values = periods[column].to_numpy("float64") * _KILO
        bottom.stairs(values, edges, baseline=None, color=colour, lw=1.4, label=label)
    matched = periods["matched_wh"].to_numpy("float64") * _KILO
    bottom.stairs(matched, edges, fill=True, color=style.MATCHED, alpha=0.85, label="Traded")
    bottom.set_ylim(bottom=0)
    bottom.set_ylabel("kWh per period")
    bottom.legend(loc="lower left", ncols=3, bbox_to_anchor=(0, 1), borderaxespad=0.1)
    style.local_time_axis(bottom, record, edges)
    return figure


def grid_check(record: RunRecord) -> Figure:
    """Voltages, worst loading and curtailment: before the check, after it, and as delivered."""
    periods, edges = style.whole_span(record)
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    voltage, loading, cut = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 0.9))
    looks = {
        "unchecked": {"lw": 2.2, "alpha": 0.9},
        "checked": {"lw": 3.0},
        "delivered": {"lw": 1.2},
    }
    for state in STATES:
        look = {"baseline": None, "color": style.STATE_COLOURS[state], **looks[state]}
        low, high, load = (
            periods[f"{name}_{state}"].to_numpy("float64") for name in ("u_min", "u_max", "loading")
        )
        voltage.stairs(low, edges, **look)
        voltage.stairs(high, edges, **look)
        loading.stairs(load, edges, label=_STATE_LABELS[state], **look)
        if state == "checked":
            voltage.stairs(high, edges, baseline=low, fill=True, color=look["color"], alpha=0.12)
    _limits(voltage, record.v_min, record.v_max)
    voltage.set_ylabel("Voltage, pu\nlowest and highest")
    _limits(loading, None, record.loading_max)
    loading.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    loading.set_ylabel("Worst loading\nline or transformer")
    handles, labels = loading.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)

    curtailed = periods["curtailed_wh"].to_numpy("float64") * _KILO
    cut.stairs(curtailed, edges, fill=True, color=style.SUPPLY, alpha=0.85)
    cut.set_ylim(0, max(1.0, np.nanmax(curtailed) * 1.1))
    cut.set_ylabel("Curtailed\nkWh")
    _verdict_strip(cut, periods["verdict"], edges)
    style.local_time_axis(cut, record, edges)
    return figure


def who_gained(record: RunRecord) -> Figure:
    """One bar per participant, best first: bill with the market minus bill without."""
    values = gains(record).sort_values(ascending=False).to_numpy("float64") / 1e6
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    ax = figure.add_subplot()
    places = np.arange(1, len(values) + 1)
    colours = np.where(values >= 0, style.GAIN, style.LOSS)
    ax.bar(places, values, width=0.82 if len(values) <= 400 else 1.0, color=colours.tolist())
    ax.axhline(0, color=style.MUTED, lw=0.8)
    ax.set_xlim(0.4, max(len(values), 8) + 0.6)
    ax.set_xticks([])
    if not values.any():
        ax.set_ylim(-0.1, 0.1)
        ax.text(0.5, 0.6, "Nobody gained or lost", transform=ax.transAxes, ha="center")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: words.euro(y * 1e6, signed=True)))
    ax.set_xlabel("Participants, from most to least gained")
    return figure


_STATE_LABELS: Final = {
    "unchecked": "Schedule before the check",
    "checked": "Schedule after the check",
    "delivered": "Delivered",
}


def _merit_order(book: pd.DataFrame, side: str) -> tuple[np.ndarray, np.ndarray]:
    """n + 1 cumulative kWh edges and n prices in ct/kWh: bids falling, offers rising."""
    orders = book[book["side"] == side].sort_values(
        "price_micro_eur_per_wh", ascending=side == "offer", kind="stable"
    )
    edges = np.concatenate(([0.0], orders["wh"].to_numpy("float64").cumsum())) * _KILO
    return edges, orders["price_micro_eur_per_wh"].to_numpy("float64") * _CT


def _surplus(
    ax: Axes, edges: np.ndarray, prices: np.ndarray, matched: float, level: float, colour: str
) -> None:
    """Shade the gain of one side over the clearing price, up to the traded volume."""
    inside = edges[:-1] < matched
    if inside.any():
        cut = np.append(edges[:-1][inside], min(matched, edges[-1]))
        ax.stairs(prices[inside], cut, baseline=level, fill=True, color=colour, alpha=0.1)


def price_band(ax: Axes, record: RunRecord, right: float, left: float = 0.0) -> None:
    """Price band: feed-in tariff and retail price, with room for their names."""
    low, high = record.feed_in_micro_eur_per_wh * _CT, record.retail_micro_eur_per_wh * _CT
    room = 0.16 * max(high - low, 1.0)
    for level, label, above in ((high, "Retail price", True), (low, "Feed-in tariff", False)):
        ax.axhline(level, color=style.MUTED, lw=0.9, ls=(0, (1, 1.5)))
        ax.annotate(
            f"{label} {level:.1f}",
            (left + 0.995 * (right - left), level),
            xytext=(0, 3 if above else -3),
            textcoords="offset points",
            ha="right",
            va="bottom" if above else "top",
            color=style.MUTED,
            fontsize=8.5,
        )
    ax.set_ylim(low - room, high + room)


def _limits(ax: Axes, low: float | None, high: float) -> None:
    """Dashed limits, and a red tint beyond them, always in view."""
    bottom, top = ax.get_ylim()
    room = 0.08 * (high - (0.0 if low is None else low))
    bottom = 0.0 if low is None else min(bottom, low - room)
    top = max(top, high + room)
    for level in (low, high):
        if level is not None:
            ax.axhline(level, color=style.LIMIT, lw=1, ls=(0, (5, 3)))
    ax.axhspan(high, top, color=style.LIMIT, alpha=0.06, lw=0)
    if low is not None:
        ax.axhspan(bottom, low, color=style.LIMIT, alpha=0.06, lw=0)
    ax.set_ylim(bottom, top)


def _verdict_strip(ax: Axes, verdicts: pd.Series, edges: np.ndarray) -> None:
    """Final verdict of the DSO on each period, as a strip above the panel."""
    present = [kind for kind in style.VERDICT_COLOURS if (verdicts == kind).any()]
    runs = (verdicts != verdicts.shift()).cumsum().to_numpy()
    for kind in present:
        places = [np.flatnonzero(runs == run) for run in np.unique(runs[(verdicts == kind)])]
        ax.broken_barh(
            [(edges[at[0]], edges[at[-1] + 1] - edges[at[0]]) for at in places],
            (1.03, 0.12),
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            color=style.VERDICT_COLOURS[kind],
            lw=0,
        )
    ax.legend(
        handles=[Patch(color=style.VERDICT_COLOURS[kind], label=kind.title()) for kind in present],
        loc="upper left",
        ncols=3,
        borderaxespad=0.1,
    )
