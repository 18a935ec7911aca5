"""Report of a run as one HTML file that needs no other file."""

from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

import gridbourse
from gridbourse.report import (
    crowdsale,
    crowdsale_picture,
    flexibility,
    homes,
    market_pictures,
    markets,
    money_flow,
    pictures,
    style,
)
from gridbourse.report import formatting as words
from gridbourse.report.record import STATES, ReportError, RunRecord
from gridbourse.report.summary import bills_table, summary
from gridbourse.text import many


def write(record: RunRecord, path: str | Path, curve_period: int | None = None) -> Path:
    """Write the report; returns its path. Missing folders are made.

    curve_period: MTU index of the period whose clearing curve is shown; default the one with
    the largest traded volume. Raises ReportError when the run does not hold it.
    """
    period = pictures.busiest_period(record) if curve_period is None else int(curve_period)
    if period not in record.periods.index:
        first, last = record.periods.index[0], record.periods.index[-1]
        raise ReportError(f"curve_period: {period} is not in the run ({first} to {last})")
    page = environment().get_template("report.html.j2").render(_page(record, period))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def environment() -> jinja2.Environment:
    """Templates of the reports, with the formats of numbers as filters."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("gridbourse.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        words.name, words.euro, words.energy, words.kwh, words.price, words.share, words.hours,
        words.count, many, words.clock,
    ):  # fmt: skip
        found.filters[function.__name__] = function
    return found


def _page(record: RunRecord, period: int) -> dict[str, Any]:
    first, last = (record.local(record.periods.index[i]) for i in (0, -1))
    gap = record.periods["gap_wh"].abs().max()
    return {
        "record": record,
        "figures": summary(record),
        "version": gridbourse.__version__,
        "span": words.span(first, last),
        "states": STATES,
        "curve": _curve_facts(record, period) if markets.POOL in record.markets else None,
        "markets": markets.by_market(record) if markets.has_trades(record) else [],
        "lives": _lives(record),
        "market_colours": style.MARKET_COLOURS,
        "pictures": _pictures(record, period),
        "participants": _participants(record),
        "flows": [
            {**flow, "colour": money_flow.colour(flow["kind"])}
            for flow in money_flow.flows(record.money).to_dict("records")
        ],
        "verdicts": _verdicts(record),
        "verdict_colours": style.VERDICT_COLOURS,
        **_campaign(record),
        "largest_gap_wh": 0.0 if pd.isna(gap) else float(gap),
    }


def _pictures(record: RunRecord, period: int) -> dict[str, Markup]:
    with style.drawing():
        drawn = (
            _of_trades(record)
            | _of_homes(record)
            | _of_flexibility(record)
            | {
                "day": (
                    pictures.price_and_volume(record),
                    "Clearing price and energy ordered and traded over the local day",
                ),
                "grid": (
                    pictures.grid_check(record),
                    "Voltages and loading before and after the check and as delivered; curtailment",
                ),
                "gains": (
                    pictures.who_gained(record),
                    "Gain of each participant against the supplier alone, uncurtailed; sorted",
                ),
                "money": (money_flow.picture(record.money), "Payments between the groups"),
            }
        )
        if figures := crowdsale.campaign_figures(record):
            drawn["campaign"] = (
                crowdsale_picture.campaign(record, figures),
                "Income of the panel, the owner's bill with and without it, payback by the year",
            )
        if markets.POOL in record.markets:
            drawn["curve"] = (
                pictures.clearing_curve(record, period),
                "Demand and supply curve of one period with clearing price and volume",
            )
        return {
            name: Markup(style.inline_svg(figure, name, label))
            for name, (figure, label) in drawn.items()
        }


def _campaign(record: RunRecord) -> dict[str, Any]:
    """Content of the page about a campaign; no figures without one."""
    figures = crowdsale.campaign_figures(record)
    if figures is None or record.crowdsale is None:
        return {"campaign": None}
    return {
        "campaign": figures,
        "agreement": crowdsale.agreement(figures),
        "campaign_method": crowdsale.method(record),
        "campaign_states": [
            {"phase": phase, "time": f"{pd.Timestamp(time, unit='s'):%Y-%m-%d %H:%M} UTC"}
            for phase, time in record.crowdsale["states"]
        ],
        "campaign_rows": {
            "money": crowdsale.money_rows(figures),
            "payback": crowdsale.payback_rows(figures),
        },
    }


def _of_trades(record: RunRecord) -> dict[str, tuple[Figure, str]]:
    if not markets.has_trades(record):
        return {}
    return {
        "trades": (market_pictures.trades(record), "Every trade by its time and price"),
        "life": (
            market_pictures.order_life(record),
            "How much of what was ordered was traded, let through by the network and delivered",
        ),
    }


def _of_flexibility(record: RunRecord) -> dict[str, tuple[Figure, str]]:
    if not len(record.flexibility):
        return {}
    label = "Flexibility asked for and delivered by period, and loading without and with it"
    return {"flexibility": (flexibility.picture(record), label)}


def _of_homes(record: RunRecord) -> dict[str, tuple[Figure, str]]:
    if not len(record.homes):
        return {}
    label = "Energy of devices by kind, and what each home pays, with and without a manager"
    return {"homes": (homes.picture(record), label)}


def _lives(record: RunRecord) -> list[dict[str, Any]]:
    """Orders shown one by one, with their local time."""
    rows = markets.lives(record).to_dict("records")
    return [
        {**{str(key): value for key, value in row.items()}, "start": record.local(row["period"])}
        for row in rows
    ]


def _curve_facts(record: RunRecord, period: int) -> dict[str, Any]:
    """Facts about its period for the caption of the clearing curve."""
    row = record.periods.loc[period]
    price = row["price_micro_eur_per_wh"]
    book = record.orders[record.orders["period"] == period]
    return {
        "start": record.local(period),
        "bids": int((book["side"] == "bid").sum()),
        "offers": int((book["side"] == "offer").sum()),
        "matched_wh": int(row["matched_wh"]),
        "price": None if pd.isna(price) else int(price),
        "verdict": row["verdict"],
    }


def _participants(record: RunRecord) -> list[dict[str, Any]]:
    """All participants, by gain, the largest first."""
    table = bills_table(record).sort_values("gain_micro_eur", ascending=False, kind="stable")
    return [{str(k): v for k, v in row.items()} for row in table.reset_index().to_dict("records")]


def _verdicts(record: RunRecord) -> list[dict[str, Any]]:
    """The verdicts that changed something, in order, with their local time."""
    changed = [v for v in record.verdicts if v["kind"] != "accepted"]
    changed.sort(key=lambda v: (v["period"], v["round"]))
    return [{**v, "start": record.local(v["period"])} for v in changed]
