"""Figures of a run.

Self-sufficiency and self-consumption after R. Luthander, J. Widén, D. Nilsson and J. Palm,
"Photovoltaic self-consumption in buildings: a review", Applied Energy 142 (2015) 80-94: the local
generation used locally is divided by the consumption for the former, by the generation for the latter.
There the site is one building; here it is first each connection point, then the area.
"""

from typing import Any, Final

import pandas as pd

from gridbourse.report import flexibility
from gridbourse.report.crowdsale import campaign_figures
from gridbourse.report.homes import comparison
from gridbourse.report.markets import by_market
from gridbourse.report.record import SIDES, STATES, VERDICTS, RunRecord

_ENERGY: Final = (
    "generation_wh",
    "load_wh",
    "self_used_wh",
    "local_bought_wh",
    "local_sold_wh",
    "import_wh",
    "export_wh",
    "losses_wh",
)


def summary(record: RunRecord) -> dict[str, Any]:
    """Run as one JSON-ready dict: integers in Wh, µEUR and µEUR/Wh, shares from 0 to 1, hours.

    Shares and prices are None where there is nothing to divide by (no load, no trade).
    """
    periods, people = record.periods, record.participants
    beside = {"homes": comparison(record)} if len(record.homes) else {}
    if len(record.flexibility):
        beside["flexibility"] = flexibility.figures(record)
    bills = bills_table(record)
    gain = bills["gain_micro_eur"]
    return {
        "scenario": record.scenario,
        "description": record.description,
        "network": record.network,
        "area": record.area,
        "first_period": int(periods.index[0]),
        "mtu_seconds": record.mtu_seconds,
        "pricing": record.pricing,
        "pv_factor": record.pv_factor,
        "periods": len(periods),
        "participants": len(people),
        "orders": len(record.orders),
        "orders_by_side": {side: int((record.orders["side"] == side).sum()) for side in SIDES},
        "orders_by_route": {
            str(route): int(count) for route, count in record.orders["route"].value_counts().items()
        },
        "markets": {row.pop("market"): row for row in by_market(record)},
        "readings": record.readings,
        "matched_wh": _total(periods, "matched_wh"),
        "price_micro_eur_per_wh": price_statistics(periods),
        "energy": {name: _total(periods, name) for name in _ENERGY},
        "curtailed_wh": _total(periods, "curtailed_wh"),
        "self_sufficiency": self_sufficiency(periods),
        "self_consumption": self_consumption(periods),
        "verdicts": {kind: int((periods["verdict"] == kind).sum()) for kind in VERDICTS},
        "hours_outside_limits": {state: hours_outside(record, state) for state in STATES},
        "bills_micro_eur": {
            "with_market": _total(people, "bill_micro_eur"),
            "no_market": _total(people, "no_market_micro_eur"),
            "no_market_capped": _total(people, "no_market_capped_micro_eur"),
            "gain": int(gain.sum()),
            "by_market": _total(bills, "by_market_micro_eur"),
            "curtailment": _total(bills, "curtailment_micro_eur"),
            "compensation": _total(people, "compensation_micro_eur"),
        },
        "gainers": int((gain > 0).sum()),
        "losers": int((gain < 0).sum()),
        "unchanged": int((gain == 0).sum()),
        "fees_micro_eur": {"total": _total(people, "fees_micro_eur"), **fees_by_kind(record)},
        "crowdsale": campaign_figures(record),
        "gas": gas_by_step(record.gas),
        "money_sum_microeur": int(record.money_sum_micro_eur),
        "waiting_micro_eur": int(record.waiting_micro_eur),
        "energy_gap_wh": int(record.energy_gap_wh),
        "wall_s": round(float(record.wall_s), 3),
    } | beside


def locally_used_wh(periods: pd.DataFrame) -> dict[str, int]:
    """Local generation used locally, in Wh over the run, in two views.

    before: each connection point alone. In each period a point uses min(its generation, its load)
    behind its own meter; everything else goes to or comes from the supplier, even where the
    electricity physically went to a neighbour.
    after: that, and the trade between points metered on both sides: in each period the
    smaller of the buyers' and the sellers' min(contract, metered).
    """
    before = int(periods["self_used_wh"].sum())
    traded = periods[["local_bought_wh", "local_sold_wh"]].min(axis=1)
    return {"before": before, "after": before + int(traded.sum())}


def self_sufficiency(periods: pd.DataFrame) -> dict[str, float | None]:
    """Local generation used locally / consumption, before and after the market."""
    return _shares(locally_used_wh(periods), _total(periods, "load_wh"))


def self_consumption(periods: pd.DataFrame) -> dict[str, float | None]:
    """Local generation used locally / generation, before and after the market.

    The generation is the metered one in both: curtailed energy counts in neither.
    """
    return _shares(locally_used_wh(periods), _total(periods, "generation_wh"))


def price_statistics(periods: pd.DataFrame) -> dict[str, int | float | None]:
    """Clearing prices in µEUR/Wh over the periods that traded; `mean` is weighted by volume."""
    traded = periods[periods["price_micro_eur_per_wh"].notna() & (periods["matched_wh"] > 0)]
    if traded.empty:
        return {"trading_periods": 0, "min": None, "median": None, "mean": None, "max": None}
    prices = traded["price_micro_eur_per_wh"].astype("int64")
    volumes = traded["matched_wh"]
    return {
        "trading_periods": len(traded),
        "min": int(prices.min()),
        "median": float(prices.median()),
        "mean": round(float((prices * volumes).sum() / volumes.sum()), 3),
        "max": int(prices.max()),
    }


def outside_limits(record: RunRecord, state: str) -> pd.Series:
    """Mask of the periods in which a voltage or a loading of this state leaves the limits; NaN does not."""
    p = record.periods
    return (
        (p[f"u_min_{state}"] < record.v_min)
        | (p[f"u_max_{state}"] > record.v_max)
        | (p[f"loading_{state}"] > record.loading_max)
    )


def hours_outside(record: RunRecord, state: str) -> float:
    """Hours in which the grid left its limits in this state."""
    return float(outside_limits(record, state).sum() * record.mtu_seconds / 3600)


def gains(record: RunRecord) -> pd.Series:
    """Gain per participant, µEUR: bill with the market minus the bill with the supplier alone and nothing
    curtailed; positive = better off."""
    return bills_table(record)["gain_micro_eur"]


def bills_table(record: RunRecord) -> pd.DataFrame:
    """Participants with the parts of their gain, µEUR; gain = by_market - curtailment + compensation.

    gain_micro_eur: see `gains`; curtailment_micro_eur: cost of the DSO's caps, by the two bills
    without a market; by_market_micro_eur: gain from trading under these caps.
    """
    people = record.participants
    curtailment = people["no_market_micro_eur"] - people["no_market_capped_micro_eur"]
    gain = people["bill_micro_eur"] - people["no_market_micro_eur"]
    return people.assign(
        gain_micro_eur=gain,
        curtailment_micro_eur=curtailment,
        by_market_micro_eur=gain + curtailment - people["compensation_micro_eur"],
    )


def fees_by_kind(record: RunRecord) -> dict[str, int]:
    """Grid fees in µEUR by kind: every flow of money whose kind ends in `_fee`."""
    fees = record.money[record.money["kind"].str.endswith("_fee")]
    return {str(k): int(v) for k, v in fees.groupby("kind")["micro_eur"].sum().items()}


def gas_by_step(gas: pd.DataFrame) -> dict[str, dict[str, int | float | None]]:
    """Per step of a period: transactions, gas, and gas per unit (order, reading or account)."""
    steps = gas.groupby("step", sort=False)[["transactions", "gas", "units"]].sum()
    return {
        str(step): {
            "transactions": int(row["transactions"]),
            "gas": int(row["gas"]),
            "units": int(row["units"]),
            "per_unit": round(float(row["gas"] / row["units"]), 1) if row["units"] else None,
        }
        for step, row in steps.iterrows()
    }


def _total(frame: pd.DataFrame, column: str) -> int:
    return int(frame[column].sum())


def _shares(used_wh: dict[str, int], of_wh: int) -> dict[str, float | None]:
    return {when: round(wh / of_wh, 6) if of_wh else None for when, wh in used_wh.items()}
