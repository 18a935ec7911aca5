"""Pictures of markets whose trades are judged one by one, drawn inside `style.drawing()`."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib import dates as mdates
from matplotlib.figure import Figure

from gridbourse.report import formatting as words
from gridbourse.report import style
from gridbourse.report.markets import POOL, by_market
from gridbourse.report.pictures import price_band
from gridbourse.report.record import RunRecord

_CT: Final = 0.1
_KILO: Final = 1e-3
_STAGES: Final = (
    ("ordered_wh", "Placed"),
    ("traded_wh", "Found a partner"),
    ("booked_wh", "Let through by the network"),
    ("delivered_wh", "Delivered"),
)
_DOT: Final = 90.0
"""Area in points² of the dot of the largest trade."""


def trades(record: RunRecord) -> Figure:
    """Every trade by its period and price; crossed out where the network rejected it."""
    _, edges = style.whole_span(record)
    figure = Figure(figsize=(6.4, 4.3), layout="constrained")
    ax = figure.add_subplot()
    price_band(ax, record, edges[-1], left=edges[0])
    table = record.trades
    if table.empty:
        ax.text(0.5, 0.5, "No trade", transform=ax.transAxes, ha="center", color=style.MUTED)
    largest = max(1, int(table["wh"].max())) if len(table) else 1
    for market in [market for market in record.markets if market != POOL]:
        mine = table[table["market"] == market]
        for rejected, marker in ((False, "o"), (True, "x")):
            some = mine[mine["rejected"] == rejected]
            if some.empty:
                continue
            ax.scatter(
                _middles(some["period"], record.mtu_seconds),
                some["price_micro_eur_per_wh"].to_numpy("float64") * _CT,
                s=6 + _DOT * some["wh"].to_numpy("float64") / largest,
                marker=marker,
                color=style.LOSS if rejected else style.MARKET_COLOURS[market],
                alpha=0.75 if rejected else 0.4,
                lw=1 if rejected else 0,
                label=f"{words.name(market)}, rejected" if rejected else words.name(market),
            )
    if len(table):
        ax.legend(loc="lower left", ncols=2, bbox_to_anchor=(0, 1), borderaxespad=0.1)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylabel("ct/kWh")
    style.local_time_axis(ax, record, edges)
    return figure


def order_life(record: RunRecord) -> Figure:
    """Energy of the orders that reached each stage, by market."""
    rows = by_market(record)
    figure = Figure(figsize=(6.4, 4.3), layout="constrained")
    ax = figure.add_subplot()
    height = 0.8 / len(rows)
    places = np.arange(len(_STAGES))[::-1]
    for number, row in enumerate(rows):
        reached = np.array([row[column] for column, _ in _STAGES], dtype="float64") * _KILO
        at = places + 0.4 - height * (number + 0.5)
        colour = style.MARKET_COLOURS[row["market"]]
        ax.barh(at, reached, height * 0.9, color=colour, label=words.name(row["market"]))
        for y, wh in zip(at, reached, strict=True):
            ax.annotate(
                f"{wh:,.1f}", (wh, y), xytext=(4, 0), textcoords="offset points", va="center"
            )
    ax.set_yticks(places, [label for _, label in _STAGES])
    ax.set_xlabel("kWh, of buyers and sellers together")
    ax.margins(x=0.12)
    if len(rows) > 1:
        ax.legend(loc="lower left", ncols=2, bbox_to_anchor=(0, 1), borderaxespad=0.1)
    return figure


def _middles(periods: pd.Series, mtu_seconds: int) -> np.ndarray:
    """Middles of periods as matplotlib dates."""
    seconds = (2 * periods.to_numpy("int64") + 1) * mtu_seconds // 2
    return mdates.date2num(pd.to_datetime(seconds, unit="s").to_numpy())
