"""Outcome of the orders of each market: placed, traded, accepted by the DSO, delivered, paid."""

from typing import Any, Final

import pandas as pd

from gridbourse.report.record import RunRecord

POOL: Final = "call_auction"
"""Market whose orders are judged as a whole; in all others each trade is judged."""
OVER_THE_COUNTER: Final = "over_the_counter"
"""Market without orders: energy that was not traded was not performed."""
SHOWN: Final = 3
"""Number of orders shown one by one for each outcome."""


def has_trades(record: RunRecord) -> bool:
    """True where the run has markets whose trades the DSO judges one by one."""
    return any(market != POOL for market in record.markets)


def by_market(record: RunRecord) -> list[dict[str, Any]]:
    """One dict a market of the run: counts, and energy of both sides together in Wh.

    ordered_wh: of every order, again for each change of price; traded_wh: matched with a
    partner; rejected_wh: of that, rejected by the DSO; booked_wh: the rest; delivered_wh: of
    that, confirmed by meters. trades, rejected: counts, None for a call auction. price_micro_eur_per_wh:
    mean of the trades booked, None without any. paid_micro_eur: by buyers.
    """
    return [_market(record, market) for market in record.markets]


def _market(record: RunRecord, market: str) -> dict[str, Any]:
    orders = record.orders[record.orders["market"] == market]
    trades = record.trades[record.trades["market"] == market]
    bought = orders[orders["side"] == "bid"]
    booked, paid = (int(bought[column].sum()) for column in ("fill_wh", "paid_micro_eur"))
    sums = {name: int(orders[name].sum()) for name in ("wh", "fill_wh", "rejected_wh")}
    return {
        "market": market,
        "orders": len(orders),
        "ordered_wh": sums["wh"],
        "traded_wh": sums["fill_wh"] + sums["rejected_wh"],
        "rejected_wh": sums["rejected_wh"],
        "booked_wh": sums["fill_wh"],
        "delivered_wh": int(orders["delivered_wh"].sum()),
        "trades": None if market == POOL else len(trades),
        "rejected": None if market == POOL else int(trades["rejected"].sum()),
        "price_micro_eur_per_wh": round(paid / booked, 3) if booked else None,
        "paid_micro_eur": paid,
    }


def lives(record: RunRecord) -> pd.DataFrame:
    """Orders worth showing one by one: the largest of each outcome in each market.

    The columns of `orders`, and `life`: the outcome of the order, in words.
    """
    orders = record.orders[record.orders["market"] != POOL]
    told = orders.assign(life=_life(orders)).sort_values("wh", ascending=False, kind="stable")
    shown = told.groupby(["market", "life"], sort=False).head(SHOWN)
    return shown.sort_values(["market", "life", "period"], kind="stable", ignore_index=True)


def _life(orders: pd.DataFrame) -> pd.Series:
    traded = orders["fill_wh"] + orders["rejected_wh"]
    words = pd.Series("delivered and paid", index=orders.index, dtype=object)
    words[orders["delivered_wh"] < orders["fill_wh"]] = "paid, not all delivered"
    words[(traded < orders["wh"]) & (orders["delivered_wh"] == orders["fill_wh"])] = (
        "traded in part"
    )
    words[orders["rejected_wh"] > 0] = "rejected in part by the network"
    words[(orders["rejected_wh"] > 0) & (orders["fill_wh"] == 0)] = "rejected by the network"
    words[traded == 0] = "found nobody"
    words[(traded == 0) & (orders["market"] == OVER_THE_COUNTER)] = "a party in default"
    return words
