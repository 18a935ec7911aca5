"""Flexibility requested, bought and delivered: figures and picture."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridbourse.report import formatting as words
from gridbourse.report import style
from gridbourse.report.record import RunRecord

SUMS: Final = (
    "asked_wh", "offered_wh", "bought_wh", "rejected_wh", "standing_by_wh", "delivered_wh", "off_wh",
    "paid_micro_eur", "shared_micro_eur", "penalty_micro_eur", "compensation_micro_eur",
)  # fmt: skip
_KILO: Final = 1e-3
_BUYERS: Final = ("dso", "tso", "participants")
_COLOURS: Final = {"dso": "#1d4ed8", "tso": "#9333ea", "participants": "#0d9488"}


def figures(record: RunRecord) -> dict[str, Any]:
    """Sums over all requests, and a row for each kind of buyer, product and direction.

    Integers in Wh and µEUR; compensation: + from the supplier to buyers. minted_wh: the Wh verified;
    price_micro_eur_per_wh: the mean paid per Wh delivered, None without any.
    """
    table = record.flexibility.assign(buyer=_kinds(record.flexibility["buyer"]))
    keys = ["buyer", "product", "direction"]
    rows = [
        dict(zip(keys, key, strict=True)) | _sums(some)
        for key, some in table.groupby(keys, sort=False)
    ]
    return _sums(table) | {"minted_wh": int(table["delivered_wh"].sum()), "by_product": rows}


def _sums(table: pd.DataFrame) -> dict[str, Any]:
    sums = {name: int(table[name].sum()) for name in SUMS}
    delivered = sums["delivered_wh"]
    price = round(sums["paid_micro_eur"] / delivered) if delivered else None
    return {"requests": len(table), **sums, "price_micro_eur_per_wh": price}


def _kinds(buyers: pd.Series) -> pd.Series:
    """Kind of each buyer, with the participants as one kind."""
    return buyers.where(buyers.isin(_BUYERS[:2]), _BUYERS[2])


def picture(record: RunRecord) -> Figure:
    """Requested, bought and delivered in every period, up above the line and down below it; and the
    highest loading without and with it, and as delivered."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _, edges = style.whole_span(record)
    _energy(left, record, edges)
    _loading(right, record, edges)
    for ax in (left, right):
        ax.set_xlim(edges[0], edges[-1])
        style.local_time_axis(ax, record, edges)
    return figure


def _energy(ax: Axes, record: RunRecord, edges: np.ndarray) -> None:
    table = record.flexibility.assign(buyer=_kinds(record.flexibility["buyer"]))
    periods = record.periods.index
    for sign, way in ((1, "up"), (-1, "down")):
        mine = table[table["direction"] == way]
        asked = mine.groupby("period")["asked_wh"].max().reindex(periods, fill_value=0)
        ax.stairs(
            sign * asked.to_numpy("float64") * _KILO, edges, color=style.MUTED, lw=1,
            label="largest request" if sign > 0 else None,
        )  # fmt: skip
        base = np.zeros(len(periods))
        for buyer in _BUYERS:
            some = mine[mine["buyer"] == buyer].groupby("period")["delivered_wh"].sum()
            height = sign * some.reindex(periods, fill_value=0).to_numpy("float64") * _KILO
            ax.stairs(
                base + height, edges, baseline=base, fill=True, alpha=0.75,
                color=_COLOURS[buyer],
                label=f"delivered to {words.name(buyer)}" if sign > 0 else None,
            )  # fmt: skip
            base = base + height
    ax.axhline(0, color=style.INK, lw=0.8)
    ax.set_ylabel("kWh, up above and down below")
    ax.legend(loc="lower left", ncols=4, bbox_to_anchor=(0, 1), borderaxespad=0.1)


def _loading(ax: Axes, record: RunRecord, edges: np.ndarray) -> None:
    for state, label, colour in (
        ("unchecked", "without flexibility or caps", style.LOSS),
        ("checked", "with both", style.GAIN),
        ("delivered", "as delivered", style.INK),
    ):
        loading = record.periods[f"loading_{state}"].to_numpy("float64") * 100
        ax.stairs(loading, edges, baseline=None, color=colour, lw=1.3, label=label)
    ax.axhline(record.loading_max * 100, color=style.MUTED, lw=0.9, ls=(0, (3, 2)))
    ax.set_ylabel("highest loading, %")
    ax.legend(loc="lower left", ncols=3, bbox_to_anchor=(0, 1), borderaxespad=0.1)
