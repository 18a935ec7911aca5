"""Two run records for the tests: one small enough for mental arithmetic, one that looks like a day.

Neither comes from a chain; the day is made up to exercise every picture.
"""

from typing import Any

import numpy as np
import pandas as pd

from gridbourse.report.record import TRADE_COLUMNS, RunRecord

MTU = 900
RETAIL, FEED_IN = 300, 80
HEAD: dict[str, Any] = {
    "scenario": "synthetic",
    "description": "A made-up village for the tests of the report",
    "network": "embedded",
    "area": "village",
    "markets": ["call_auction"],
    "timezone": "Europe/Berlin",
    "mtu_seconds": MTU,
    "attribution": "Synthetic data, no licence needed.",
    "pricing": "uniform",
    "retail_micro_eur_per_wh": RETAIL,
    "feed_in_micro_eur_per_wh": FEED_IN,
    "tick_micro_eur_per_wh": 1,
    "v_min": 0.9,
    "v_max": 1.1,
    "loading_max": 1.0,
    "money_sum_micro_eur": 0,
    "energy_gap_wh": 0,
    "wall_s": 12.5,
}


_PLACED = [
    "period", "point_id", "route", "side", "wh", "price_micro_eur_per_wh", "fill_wh", "paid_micro_eur",
]  # fmt: skip


def _orders(rows: list[tuple], delivered_wh: list[int] | None = None) -> pd.DataFrame:
    """Orders of an auction; delivered as traded unless it is said."""
    placed = pd.DataFrame(rows, columns=_PLACED).assign(market="call_auction", rejected_wh=0)
    return placed.assign(delivered_wh=placed["fill_wh"] if delivered_wh is None else delivered_wh)


def hand_record(**changes: Any) -> RunRecord:
    """Three quarter-hours, two connection points (a seller S, a buyer B).

    Wh             period 0          1 (S is capped)   2 (no trade)
    S generates    1000              2000              0
    S consumes      400                0             100
    B consumes      500              800             200
    S behind meter  400                0               0
    contract        500             1000               -     at 100 and 200 µEUR/Wh
    metered local   500 of 600 sold  800 bought        -     (B took less than it bought)
    """
    first = 1_626_480
    periods = pd.DataFrame(
        {
            "bid_wh": [500, 1000, 300],
            "offer_wh": [600, 2500, 0],
            "matched_wh": [500, 1000, 0],
            "price_micro_eur_per_wh": pd.array([100, 200, None], dtype="Int64"),
            "verdict": ["accepted", "capped", "accepted"],
            "rounds": [1, 2, 1],
            "curtailed_wh": [0, 500, 0],
            "generation_wh": [1000, 2000, 0],
            "load_wh": [900, 800, 300],
            "self_used_wh": [400, 0, 0],
            "local_bought_wh": [500, 800, 0],
            "local_sold_wh": [500, 1000, 0],
            "import_wh": [0, 0, 310],
            "export_wh": [90, 1180, 0],
            "losses_wh": [10, 20, 10],
            "u_min_unchecked": [1.0, 0.89, 1.0],
            "u_max_unchecked": [1.05, 1.09, 1.0],
            "loading_unchecked": [0.5, 1.2, 0.1],
            "u_min_checked": [0.9, 0.95, 1.0],
            "u_max_checked": [1.1, 1.09, 1.0],
            "loading_checked": [0.5, 1.0, 0.1],
            "u_min_delivered": [1.0, 0.95, 1.0],
            "u_max_delivered": [1.101, 1.09, np.nan],
            "loading_delivered": [0.5, 1.01, 0.1],
            "gap_wh": [0.0, 1e-9, 0.0],
        },
        index=[first, first + 1, first + 2],
    )
    participants = pd.DataFrame(
        {
            "number": [1, 2],
            "bill_micro_eur": [350_000, -330_000],
            "no_market_micro_eur": [200_000, -450_000],
            "no_market_capped_micro_eur": [160_000, -450_000],
            "compensation_micro_eur": [10_000, 0],
            "bought_wh": [0, 1500],
            "sold_wh": [1500, 0],
            "imported_wh": [100, 1500],
            "exported_wh": [2600, 0],
            "local_bought_wh": [0, 1300],
            "fees_micro_eur": [10_000, 20_000],
            "curtailed_wh": [500, 0],
        },
        index=["S", "B"],
    )
    orders = _orders(
        [
            (first, "S", "mandate", "offer", 600, 90, 500, 50_000),
            (first, "B", "signed", "bid", 500, 110, 500, 50_000),
            (first + 1, "S", "mandate", "offer", 2500, 150, 1000, 200_000),
            (first + 1, "B", "own", "bid", 1000, 250, 1000, 200_000),
            (first + 2, "B", "signed", "bid", 300, 110, 0, 0),
        ],
        delivered_wh=[500, 500, 1000, 800, 0],
    )
    money = pd.DataFrame(
        [
            ("buyers", "sellers", "energy", 250_000),
            ("participants", "supplier", "retail", 90_000),
            ("supplier", "participants", "feed_in", 80_000),
            ("participants", "dso", "import_fee", 12_000),
            ("participants", "dso", "import_fee", 8_000),
            ("participants", "dso", "local_fee", 10_000),
        ],
        columns=["payer", "payee", "kind", "micro_eur"],
    )
    gas = pd.DataFrame(
        [("submit", 1, 30_000, 3), ("submit", 1, 20_000, 2), ("clear", 3, 240_000, 0)],
        columns=["step", "transactions", "gas", "units"],
    )
    fields = {
        **HEAD,
        "pv_factor": 1.0,
        "periods": periods,
        "participants": participants,
        "orders": orders,
        "trades": pd.DataFrame(columns=list(TRADE_COLUMNS)),
        "money": money,
        "gas": gas,
        "verdicts": [
            {
                "period": first + 1,
                "market": "call_auction",
                "round": 1,
                "kind": "capped",
                "explanation": ["Line L1 would carry 120.0 % of its rating.", "S: 2000 Wh."],
            }
        ],
        "readings": 6,
    }
    return RunRecord(**{**fields, **changes})


def day_record(
    day: str = "2016-06-14", people: int = 60, pv_factor: float = 4.0, trade: bool = True
) -> RunRecord:
    """A local day (23, 24 or 25 hours) of made-up orders, roughly cleared and roughly capped."""
    rng = np.random.default_rng(7)
    start = pd.Timestamp(day, tz="Europe/Berlin")
    starts = pd.date_range(start, start + pd.DateOffset(days=1), freq="15min", inclusive="left")
    first = int(start.timestamp()) // MTU
    points = [f"LV3.{number:03d}" for number in range(1, people + 1)]
    hour = (starts.hour + starts.minute / 60).to_numpy()
    sun = np.clip(np.cos((hour - 13) / 7.5 * np.pi / 2), 0, None) ** 1.5
    habit = 0.5 + 0.7 * np.exp(-((hour - 7.5) ** 2) / 3) + 1.1 * np.exp(-((hour - 19) ** 2) / 5)
    load = habit[:, None] * rng.gamma(6, 18, people) * rng.gamma(9, 1 / 9, (len(hour), people))
    roof = np.where(np.arange(people) % 4 == 0, rng.uniform(250, 800, people), 0) * pv_factor
    sunshine = np.cumsum(rng.normal(0, 0.03, len(hour))) + 0.95
    made = (sun * sunshine.clip(0.5, 1))[:, None] * roof
    limit = 9_000 * people / 60

    periods, orders, verdicts = [], [], []
    bills = np.zeros((5, people))  # received, alone, fees, bought, sold
    cut_by = np.zeros(people)
    for t in range(len(hour)):
        net = made[t] - load[t]
        surplus = net.sum() - limit
        cut = max(0.0, surplus) * np.clip(net, 0, None) / max(1.0, np.clip(net, 0, None).sum())
        bid, offer = np.clip(-net, 0, None).astype(int), np.clip(net, 0, None).astype(int)
        limits = rng.integers(FEED_IN, RETAIL, people)
        price, fill = _cross(bid, (offer - cut).astype(int), limits) if trade else (None, bid * 0)
        used = np.minimum(load[t], made[t] - cut).clip(0)
        sold, bought = np.where(offer > 0, fill, 0), np.where(bid > 0, fill, 0)
        fee = 60 * (bid - bought) + 20 * bought
        paid = (price or 0) * (sold - bought)
        bills[0] += paid - RETAIL * (bid - bought) + FEED_IN * (offer - cut - sold) - fee
        bills[1] += -RETAIL * bid + FEED_IN * (offer - cut) - 60 * bid
        bills[2:] += np.stack([fee, bought, sold])
        cut_by += cut
        orders += [
            (first + t, points[i], "mandate", "bid" if bid[i] else "offer", bid[i] + offer[i],
             limits[i], fill[i], abs(paid[i]))
            for i in np.flatnonzero(bid + offer)
        ]  # fmt: skip
        kind = "accepted" if surplus <= 0 else "fallback" if surplus > 1.8 * limit else "capped"
        if kind != "accepted":
            verdicts.append(
                {
                    "period": first + t, "market": "call_auction", "round": 1, "kind": kind,
                    "explanation": [
                        f"Transformer T1 would carry {1 + surplus / limit:.1%} of its rating,"
                        f" {surplus * 4 / 1000:.1f} kW over.",
                        "Caps of one depth for every feeder-in curtail least of the tried ones.",
                        *[f"{points[i]} may inject {offer[i] - cut[i]:.0f} Wh."
                          for i in np.flatnonzero(cut)[:9]],
                    ],
                }
            )  # fmt: skip
        flow = (net - cut).sum()
        state = {}
        for name, energy in (
            ("unchecked", net.sum()),
            ("checked", flow),
            ("delivered", flow * rng.normal(0.99, 0.02)),
        ):
            state[f"u_min_{name}"] = 0.985 - max(0, -energy) / limit * 0.06
            state[f"u_max_{name}"] = 1.01 + max(0, energy) / limit * 0.085
            state[f"loading_{name}"] = abs(energy) / limit * 0.98
        periods.append(
            {
                "bid_wh": bid.sum(), "offer_wh": offer.sum(), "matched_wh": sold.sum(),
                "price_micro_eur_per_wh": price, "verdict": kind, "rounds": 1 + bool(surplus > 0),
                "curtailed_wh": int(cut.sum()), "generation_wh": int((made[t] - cut).sum()),
                "load_wh": int(load[t].sum()), "self_used_wh": int(used.sum()),
                "local_bought_wh": bought.sum(), "local_sold_wh": sold.sum(),
                "import_wh": int(max(0, -flow)), "export_wh": int(max(0, flow)),
                "losses_wh": int(abs(flow) / 60), **state, "gap_wh": 0.0,
            }
        )  # fmt: skip
    frame = pd.DataFrame(periods, index=range(first, first + len(hour)))
    frame["price_micro_eur_per_wh"] = frame["price_micro_eur_per_wh"].astype("Int64")
    whole = bills.astype(int)
    table = _orders(orders)
    short = int((frame["bid_wh"] - frame["matched_wh"]).sum())
    over = int((frame["offer_wh"] - frame["curtailed_wh"] - frame["matched_wh"]).sum())
    return hand_record(
        description="Rural village, sunny summer day, rooftop PV scaled up by four",
        scenario="rural3-summer",
        pv_factor=pv_factor,
        periods=frame,
        participants=pd.DataFrame(
            {
                "number": range(1, people + 1), "bill_micro_eur": whole[0],
                "no_market_micro_eur": whole[1] + FEED_IN * cut_by.astype(int),
                "no_market_capped_micro_eur": whole[1], "compensation_micro_eur": 0,
                "bought_wh": whole[3], "sold_wh": whole[4],
                "imported_wh": whole[3] * 2, "exported_wh": whole[4] * 2,
                "local_bought_wh": whole[3], "fees_micro_eur": whole[2],
                "curtailed_wh": cut_by.astype(int),
            },
            index=points,
        ),
        orders=table,
        money=pd.DataFrame(
            [
                ("buyers", "sellers", "energy", int(table["paid_micro_eur"].sum() // 2)),
                ("participants", "supplier", "retail", RETAIL * short),
                ("supplier", "participants", "feed_in", FEED_IN * over),
                ("participants", "dso", "import_fee", 60 * short),
                ("participants", "dso", "local_fee", 20 * int(frame["matched_wh"].sum())),
            ],
            columns=["payer", "payee", "kind", "micro_eur"],
        ),
        gas=pd.DataFrame(
            [
                ("orders", len(hour), 2_900 * len(table), len(table)),
                ("clearing", len(hour), 190_000 * len(hour), len(hour)),
                ("readings", len(hour), 780 * people * len(hour), people * len(hour)),
                ("settlement", len(hour), 2_200 * people * len(hour), people * len(hour)),
            ],
            columns=["step", "transactions", "gas", "units"],
        ),
        verdicts=verdicts,
        readings=people * len(hour),
    )  # fmt: skip


def _cross(bid: np.ndarray, offer: np.ndarray, limits: np.ndarray) -> tuple[int | None, np.ndarray]:
    """Best prices first until they no longer cross; one price in the middle of the last pair."""
    fill = np.zeros_like(bid)
    buyers = [i for i in np.argsort(-limits) if bid[i]]
    sellers = [i for i in np.argsort(limits) if offer[i]]
    price = None
    while buyers and sellers and limits[buyers[0]] >= limits[sellers[0]]:
        b, s = buyers[0], sellers[0]
        wh = min(bid[b] - fill[b], offer[s] - fill[s])
        fill[[b, s]] += wh
        price = int(limits[b] + limits[s]) // 2
        if fill[b] == bid[b]:
            buyers.pop(0)
        if fill[s] == offer[s]:
            sellers.pop(0)
    return price, fill
