"""Small replays of every kind of market: a few sunny periods of the default scenario, few participants."""

from pathlib import Path
from typing import Any

from gridbourse.scenario.scenario import Scenario, load
from tests.replay.noon import START, write_scenario

BOOK = {
    "min_wh": 10, "max_fills": 4, "max_open": 4,
    "rounds": 3, "revised_share": 0.8, "withdrawn_share": 0.1,
    "immediate_share": 0.2, "fill_or_kill_share": 0.2,
}  # fmt: skip
NEIGHBOURS = {
    "pricing": "midpoint", "choice": "preferences", "min_wh": 10, "max_open": 4,
    "subscription_micro_eur_per_day": 96_000, "sources": {"pv": 0.6, "wind": 0.4},
    "strict_share": 0.3,
    "premiums": {
        "source_micro_eur_per_wh": 40, "favourite_micro_eur_per_wh": 30,
        "own_zone_micro_eur_per_wh": 10, "per_hop_micro_eur_per_wh": 5,
    },
}  # fmt: skip
SEALED = {"answers": "sealed", "pricing": "pay_as_bid", "bond_micro_eur": 50_000, "reveal_s": 60}
OPEN = {"answers": "open", "pricing": "uniform"}
CONTRACTS = {"control": "direct", "resources": ["battery", "pv"], "permille": 800}
TABLES: dict[str, Any] = {"order_book": BOOK, "bilateral": NEIGHBOURS}
PARTICIPATION = 0.25
PERIODS = 2
NOON_SINCE_SEASON = 42
"""Periods from the season's start to START."""


def market_scenario(folder: Path, *kinds: str) -> tuple[Path, dict[str, Any]]:
    """A scenario file and the overrides that give it these kinds of market."""
    path = write_scenario(folder, PARTICIPATION)
    text = path.read_text()
    if "call_auction" not in kinds:
        lines = text.splitlines(keepends=True)
        text = "".join(x for x in lines if not x.startswith(("pricing =", "max_rounds =")))
        path.write_text(text)
    overrides = {"market.kinds": list(kinds), "start": START, "periods": PERIODS}
    overrides |= {kind: TABLES[kind] for kind in kinds if kind in TABLES}
    if "aggregator_auction" in kinds:
        overrides["aggregator_auction"] = SEALED if len(kinds) == 1 else OPEN
        overrides["aggregators"] = _aggregators(path)
    if "over_the_counter" in kinds:
        scenario, sellers, buyers = _at_noon(path)
        seller, capacity_w = sellers[0], scenario.points["capacity_w"]
        other = max(buyers[1:], key=lambda point: float(capacity_w[point]))
        assert capacity_w[other] >= capacity_w[seller]
        carried_wh = int(capacity_w[seller] * scenario.mtu.hours)
        strip = {"seller": seller, "first": NOON_SINCE_SEASON, "count": PERIODS}
        overrides["over_the_counter"] = [
            strip | {"buyer": buyers[0], "wh": 40, "price_micro_eur_per_wh": 130},
            # All that its connection carries, a second time: it cannot.
            strip | {"buyer": other, "wh": carried_wh, "price_micro_eur_per_wh": 290},
        ]
    return path, overrides


def _aggregators(path: Path) -> dict[str, Any]:
    """One with the largest surplus at noon, one with a shortage."""
    _, sellers, buyers = _at_noon(path)
    return {
        "sun": {"point": sellers[-1], "share": 0.4, "mandate_share": 0.7} | CONTRACTS,
        "works": {"point": buyers[1], "share": 0.3, "mandate_share": 0.5} | CONTRACTS,
    }


def _at_noon(path: Path) -> tuple[Scenario, list[str], list[str]]:
    """The scenario; who has a surplus then, the least first; who a shortage, the largest first."""
    auction = path.with_name("plain.toml")
    text = path.read_text()
    if "pricing =" not in text:
        text = text.replace("[market]\n", '[market]\npricing = "uniform"\nmax_rounds = 3\n')
    auction.write_text(text)
    scenario: Scenario = load(auction, {"start": START, "periods": PERIODS})
    points = scenario.points.index[scenario.points["participant"]]
    forecast = dict(
        zip(scenario.points.index, scenario.forecast_wh(scenario.first_period), strict=True)
    )
    sellers = sorted((p for p in points if forecast[p] > 0), key=lambda p: forecast[p])
    buyers = sorted((p for p in points if forecast[p] < 0), key=lambda p: forecast[p])
    return scenario, sellers, buyers
