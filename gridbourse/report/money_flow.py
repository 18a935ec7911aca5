"""Flow picture of each euro: payers left, payees right, a ribbon per kind."""

from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from gridbourse.report import formatting as words
from gridbourse.report import style

_NODE: Final = 0.018
_LABEL_HEIGHT: Final = 0.085


def flows(money: pd.DataFrame) -> pd.DataFrame:
    """One row per payer, payee and kind with a positive amount in µEUR, largest first.

    A negative amount is a positive one in the other direction.
    """
    sums = money.groupby(["payer", "payee", "kind"], as_index=False)["micro_eur"].sum()
    back = sums["micro_eur"] < 0
    sums.loc[back, ["payer", "payee"]] = sums.loc[back, ["payee", "payer"]].to_numpy()
    sums["micro_eur"] = sums["micro_eur"].abs()
    sums = sums.groupby(["payer", "payee", "kind"], as_index=False)["micro_eur"].sum()
    paid = sums[sums["micro_eur"] > 0]
    return paid.sort_values("micro_eur", ascending=False, ignore_index=True)


def colour(kind: str) -> str:
    """Colour of a kind of payment, in picture and table."""
    return style.KIND_COLOURS.get(kind, style.OTHER_KIND)


def picture(money: pd.DataFrame) -> Figure:
    """Flow picture of `flows(money)`."""
    table = flows(money)
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    ax = figure.add_subplot()
    ax.set_axis_off()
    ax.set(xlim=(-0.36, 1.36), ylim=(-1.02, 0.02))
    if table.empty:
        ax.text(0.5, -0.5, "No payments", ha="center", color=style.MUTED)
        return figure
    scale = _scale(table)
    left = _nodes(ax, table, "payer", 0.0, scale)
    right = _nodes(ax, table, "payee", 1.0, scale)
    # Ribbons leave and arrive in the order of the node they go to, so that few of them cross.
    start, end = dict(left), dict(right)
    leaves, arrives = {}, {}
    rows = [
        (str(payer), str(payee), str(kind), float(amount) * scale)
            for payer, payee, kind, amount in table.itertuples(index=False)]  # fmt: skip
    for flow in sorted(rows, key=lambda flow: -right[flow[1]]):
        leaves[flow] = start[flow[0]]
        start[flow[0]] -= flow[3]
    for flow in sorted(rows, key=lambda flow: -left[flow[0]]):
        arrives[flow] = end[flow[1]]
        end[flow[1]] -= flow[3]
    for flow in rows:
        _ribbon(ax, leaves[flow], arrives[flow], height=flow[3], fill=colour(flow[2]))
    return figure


def _scale(table: pd.DataFrame) -> float:
    """Height of one µEUR, such that the side with more gaps fills the picture."""
    gaps = max(table["payer"].nunique(), table["payee"].nunique())
    return (1.0 - gaps * _LABEL_HEIGHT) / float(table["micro_eur"].sum())


def _nodes(ax: Axes, table: pd.DataFrame, side: str, x: float, scale: float) -> dict[str, float]:
    """Draw one column of names and bars; returns the top of each bar."""
    sums = table.groupby(side)["micro_eur"].sum().sort_values(ascending=False)
    slack = 1.0 - len(sums) * _LABEL_HEIGHT - float(sums.sum()) * scale
    y = -slack / 2
    tops = {}
    for node, amount in sums.items():
        height = amount * scale
        y -= _LABEL_HEIGHT / 2
        tops[str(node)] = y
        bar = x - _NODE if x == 0.0 else x
        ax.add_patch(Rectangle((bar, y - height), _NODE, height, color=style.INK, lw=0))
        align, at = ("right", bar - 0.012) if x == 0.0 else ("left", bar + _NODE + 0.012)
        middle = y - height / 2
        ax.text(at, middle + 0.006, words.name(str(node)), ha=align, va="bottom", weight="bold")
        ax.text(at, middle - 0.006, words.euro(amount), ha=align, va="top", color=style.MUTED)
        y -= height + _LABEL_HEIGHT / 2
    return tops


def _ribbon(ax: Axes, left: float, right: float, height: float, fill: str) -> None:
    points = [
        (0.0, left), (0.5, left), (0.5, right), (1.0, right),
        (1.0, right - height), (0.5, right - height), (0.5, left - height), (0.0, left - height),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
    ax.add_patch(PathPatch(Path(points, codes), facecolor=fill, alpha=0.55, lw=0))
