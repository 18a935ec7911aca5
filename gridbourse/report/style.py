"""One look for all pictures, and conversion of a matplotlib figure to inline SVG."""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridbourse.market_kinds import KINDS
from gridbourse.report.record import RunRecord

INK: Final = "#1e293b"
MUTED: Final = "#64748b"
LINE: Final = "#e2e8f0"
# Blue and orange stay apart for every kind of colour vision; green and red only ever repeat
# what position or sign already says.
DEMAND: Final = "#2563eb"
SUPPLY: Final = "#ea7a0c"
MATCHED: Final = "#0f766e"
GAIN: Final = "#0d9488"
LOSS: Final = "#dc2626"
LIMIT: Final = "#dc2626"
STATE_COLOURS: Final = {"unchecked": "#ea7a0c", "checked": "#6aa3f8", "delivered": "#1e293b"}
VERDICT_COLOURS: Final = {
    "accepted": "#99d5cc",
    "rejected": "#fcd9a0",
    "capped": "#f5b041",
    "fallback": "#dc2626",
}
MARKET_COLOURS: Final = {kind.name: kind.colour for kind in KINDS.values()}
KIND_COLOURS: Final = {
    "energy": "#0d9488",
    "retail": "#64748b",
    "feed_in": "#ea7a0c",
    "import_fee": "#1d4ed8",
    "local_fee": "#60a5fa",
    "export_fee": "#a5b4fc",
    "spread": "#9333ea",
    "subscription": "#be185d",
    "damages": "#dc2626",
    "flexibility": "#15803d",
    "aggregator_share": "#86efac",
    "flexibility_penalty": "#991b1b",
    "compensation": "#ca8a04",
    "profit_share": "#9333ea",
    "rent": "#9333ea",
}
OTHER_KIND: Final = "#b45309"

_RC: Final[Any] = {
    # Letters stay letters: small, searchable, and in the page's own font.
    "svg.fonttype": "none",
    "svg.hashsalt": "gridbourse",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.edgecolor": "#cbd5e1",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.solid_capstyle": "butt",
}
_DATELESS: Final = {"Creator": None, "Date": None, "Format": None, "Type": None}


@contextmanager
def drawing() -> Iterator[None]:
    """Context in which figures have the report's look, whatever the user's matplotlibrc sets."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """Figure as an `<svg>` element that scales with the page.

    name: prefix for its element ids, so that several pictures live in one page.
    label: read aloud by a screen reader in place of the picture.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=_DATELESS)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\b(id="|xlink:href="#)', rf"\1{name}-", svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    view_box = re.search(r'viewBox="[^"]+"', svg)
    assert view_box is not None, "matplotlib always writes a viewBox"
    head = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" xmlns="http://www.w3.org/2000/svg" '
        f'{view_box.group()} role="img" aria-label="{html.escape(label)}">'
    )
    return head + svg[svg.index(">") + 1 :]


def whole_span(record: RunRecord) -> tuple[pd.DataFrame, np.ndarray]:
    """Periods without gaps (missing ones NaN), and their n + 1 edges as matplotlib dates.

    Edges are instants, so a day of 23 or 25 hours is drawn as long as it was.
    """
    index = record.periods.index
    every = np.arange(index[0], index[-1] + 1)
    edges = pd.to_datetime(np.append(every, every[-1] + 1) * record.mtu_seconds, unit="s")
    return record.periods.reindex(every), mdates.date2num(edges.to_numpy())


def local_time_axis(ax: Axes, record: RunRecord, edges: np.ndarray) -> None:
    """Ticks at round local hours, written in local time; several days get their date at 00:00."""
    quarters = pd.date_range(
        pd.Timestamp(mdates.num2date(edges[0])).floor("15min"),
        pd.Timestamp(mdates.num2date(edges[-1])).ceil("15min"),
        freq="15min",
    ).tz_convert(record.timezone)
    days = edges[-1] - edges[0]
    step = 1 if days < 0.4 else 3 if days < 1.5 else 12 if days < 5 else 24
    round_hours = (
        quarters if days < 0.05 else quarters[(quarters.minute == 0) & (quarters.hour % step == 0)]
    )
    ax.set_xticks(mdates.date2num(round_hours.tz_convert("UTC").tz_localize(None).to_numpy()))
    ax.set_xticklabels(
        [f"{t.day} {t:%b}" if days >= 1.5 and t.hour == 0 else f"{t:%H:%M}" for t in round_hours]
    )
    ax.set_xlim(edges[0], edges[-1])
