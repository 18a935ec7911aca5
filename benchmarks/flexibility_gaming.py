"""Gain of a cheater under the flexibility market's own rules; writes results/flexibility_gaming.json.

    python -m benchmarks.flexibility_gaming

The points, days and hours of `benchmarks.baseline_gaming`, and the cheats of `benchmarks.cheating`, each
tried with several amounts; a cheater takes the best of them.  Here a delivered Wh earns the price and
nothing else: the seller's position moves by it, so upwards the energy is given away, and settled
with the supplier at retail price and import fee, or at the feed-in tariff.

Baselines from readings: the cheater offers just what the method will find, so no penalty is due; its gain
is its pay above that of a seller that offers what the method's own error finds.  Declared schedules: false by
parts of the connection's capacity, offered in part, whole and twice, expected over the lot.  To show the
effect of each rule, the same lies without it.
"""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.baseline_gaming import CASES, points
from benchmarks.cheating import FLEXIBLE, Cheat, strategies
from gridbourse.model.flexibility.baseline.compute import baseline
from gridbourse.model.flexibility.baseline.delivery import Direction, delivered_wh
from gridbourse.model.flexibility.baseline.errors import OppositeSigns, TooFewDays
from gridbourse.model.flexibility.baseline.evidence import Evidence, Ints
from gridbourse.model.flexibility.baseline.methods import METHODS, Declared, Method
from gridbourse.model.flexibility.baseline.schedule import LotTerms, lot_micro_eur
from gridbourse.model.settlement import Prices, settle
from gridbourse.scenario.scenario import Scenario, load

RESULTS = Path(__file__).parent / "results" / "flexibility_gaming.json"
PRICES = (450, 600)
"""µEUR per Wh delivered, all in: 55 and 205 above what a household's energy costs."""
DECLARED_PRICES = (0, 100, 450)
PENALTY_PERCENT = 100
AMOUNTS = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1))
"""Parts of what comfort leaves to move or burn."""
LIES = (Fraction(1, 100), Fraction(1, 10), Fraction(1, 2), Fraction(1))
OFFERED = (Fraction(1, 2), Fraction(1), Fraction(2))
UP, DOWN = Direction.UP, Direction.DOWN


class Rules(NamedTuple):
    """Rules; called_share: None = that of the lot; compensated: True where it is in the base downwards."""

    name: str
    called_share: Fraction | None
    compensated: bool
    whole_bond: bool


RULES = (
    Rules("as they are", None, True, True),
    Rules("no lot: who offers is called", Fraction(1), True, True),
    Rules("penalty by the price alone downwards", None, False, True),
    Rules("bond by the seller's own price, a tenth of the paid", None, True, False),
)


def tariff_of(scenario: Scenario) -> Prices:
    """The scenario's prices and its highest fees."""
    fees = scenario.tariff.fees.values()
    return Prices(
        scenario.tariff.retail_micro_eur_per_wh,
        scenario.tariff.feed_in_micro_eur_per_wh,
        max(fee.import_ for fee in fees),
        max(fee.local for fee in fees),
        max(fee.export for fee in fees),
    )


# --- baselines from readings -------------------------------------------------------------------------


def found_wh(method: Method, seen: Evidence) -> Ints | None:
    """Wh of each period that the method finds delivered upwards; None: no baseline."""
    metered = seen.require(seen.event, "benchmark")
    try:
        return np.maximum(delivered_wh(baseline(method, seen).wh, metered, UP), 0)
    except (TooFewDays, OppositeSigns):
        return None


def earned_micro_eur(found: Ints, metered: Ints, price: int, prices: Prices) -> int:
    """Pay, and the change by the moved position at the supplier."""

    def settled(position_wh: Ints) -> int:
        no_cap = np.full_like(metered, np.iinfo(np.int64).max)
        return int(settle(metered, position_wh, no_cap, prices).delta.sum())

    return int(found.sum()) * price + settled(found) - settled(np.zeros_like(found))


def computed(method: Method, given: list[Evidence], prices: Prices) -> dict[str, Any]:
    """Figures of a method that is computed from readings."""
    burnt_price = prices.retail + int(prices.import_fee)
    gains: dict[int, list[int]] = {price: [] for price in PRICES}
    for evidence in given:
        error = found_wh(method, evidence)
        if error is None:
            continue
        metered = evidence.require(evidence.event, "benchmark")
        cheats = list(_cheats(method, evidence))
        for price in PRICES:
            # A seller that does nothing offers what the method's error finds, where that pays.
            honest = max(0, earned_micro_eur(error, metered, price, prices))
            best = max(
                (earned_micro_eur(found, metered, price, prices) - burnt * burnt_price
                 for found, burnt in cheats), default=0,
            )  # fmt: skip
            gains[price].append(max(best, honest) - honest)
    result: dict[str, Any] = {"points_with_a_baseline": len(gains[PRICES[0]])}
    return result | {f"at_{price}": _figures(each) for price, each in gains.items() if each}


def _cheats(method: Method, evidence: Evidence) -> Iterator[tuple[Ints, int]]:
    """(Wh found, Wh burnt for it) of every strategy and amount."""
    honest = baseline(method, evidence)
    for strategy in strategies(method):
        for amount in AMOUNTS:
            cheat = Cheat.of(evidence, method, strategy, honest, FLEXIBLE * amount)
            found = found_wh(method, cheat.seen)
            if found is not None:
                yield found, cheat.burnt_wh


# --- declared schedules --------------------------------------------------------------------------------


def declared(
    given: list[tuple[Evidence, int]], prices: Prices, rules: Rules, direction: Direction
) -> dict[str, Any]:
    """Figures of false schedules; the gain of the true one is 0."""
    worth = prices.retail + int(prices.import_fee)
    result = {}
    for price in DECLARED_PRICES:
        ceiling = price if rules.whole_bond else price // 10
        compensation = worth if rules.compensated else 0
        terms = LotTerms(direction, price, ceiling, PENALTY_PERCENT, compensation)
        gains = [_best_lie(*each, prices, terms, rules.called_share) for each in given]
        result[f"at_{price}"] = _figures(gains)
    return result


def _best_lie(
    evidence: Evidence,
    capacity_wh: int,
    prices: Prices,
    terms: LotTerms,
    share: Fraction | None,
) -> int:
    """Greatest expected gain of a false schedule in the event's first period, µEUR, rounded up."""
    truth = int(evidence.require(evidence.event, "benchmark")[0])
    honest = lot_micro_eur(terms, prices, 0, truth, 0, truth, truth)
    gains = []
    for part in LIES:
        for sign in (-1, 1):
            lie = sign * max(1, int(capacity_wh * part))
            for offered in OFFERED:
                offer = max(1, int(abs(lie) * offered))
                false = lot_micro_eur(terms, prices, 0, truth + lie, offer, truth, truth, share)
                gains.append(false - honest)
    return int(-(-max(gains) // 1))


def _figures(gains: list[int]) -> dict[str, Any]:
    return {
        "points_that_gain": sum(gain > 0 for gain in gains),
        "gain_micro_eur": sum(max(gain, 0) for gain in gains),
        "greatest_of_a_point_micro_eur": max(gains),
    }


# --- all of it -----------------------------------------------------------------------------------------


def case(name: str, season: str, on: Any) -> dict[str, Any]:
    """All methods on one season of one scenario."""
    scenario = load(f"scenarios/{name}.toml", {"season": season, "pv_factor": 1.0})
    given = list(points(scenario, on))
    prices = tariff_of(scenario)
    evidence = [each for each, _ in given]
    methods = {
        method.name: computed(method, evidence, prices)
        for method in METHODS
        if not isinstance(method, Declared)
    }
    lots = {
        rules.name: {way.name.lower(): declared(given, prices, rules, way) for way in (UP, DOWN)}
        for rules in RULES
    }
    return {
        "scenario": name,
        "season": season,
        "day": on.isoformat(),
        "points": len(given),
        "methods": methods,
        "declared_schedule": lots,
    }


def show(results: list[dict[str, Any]], console: Console) -> None:
    """Show sums over all cases."""
    table = Table(
        title=f"one event, {sum(found['points'] for found in results)} points, EUR gained"
    )
    table.add_column("baseline", no_wrap=True)
    for heading in ("points", *(f"at {price}" for price in PRICES), "who gain"):
        table.add_column(heading, justify="right")
    for name in results[0]["methods"]:
        figures = [found["methods"][name] for found in results]
        sums = [
            sum(each.get(f"at_{price}", {}).get("gain_micro_eur", 0) for each in figures)
            for price in PRICES
        ]
        who = sum(each.get(f"at_{PRICES[-1]}", {}).get("points_that_gain", 0) for each in figures)
        count = sum(each["points_with_a_baseline"] for each in figures)
        table.add_row(name, str(count), *(f"{gain / 1e6:.2f}" for gain in sums), str(who))
    console.print(table)
    lots = Table(title="declared schedules, EUR expected by the best lies")
    lots.add_column("rules", no_wrap=True)
    for way in ("up", "down"):
        for price in DECLARED_PRICES:
            lots.add_column(f"{way} at {price}", justify="right")
    for rules in RULES:
        cells = [
            sum(
                found["declared_schedule"][rules.name][way][f"at_{price}"]["gain_micro_eur"]
                for found in results
            )
            for way in ("up", "down")
            for price in DECLARED_PRICES
        ]
        lots.add_row(rules.name, *(f"{gain / 1e6:.2f}" for gain in cells))
    console.print(lots)


def main() -> None:
    """Measure, write, show."""
    results = [case(*given) for given in CASES]
    assumptions = {
        "flexible_share_of_mean_withdrawal": str(FLEXIBLE),
        "amounts": [str(amount) for amount in AMOUNTS],
        "prices_micro_eur_per_wh": PRICES,
        "declared_prices_micro_eur_per_wh": DECLARED_PRICES,
        "penalty_percent": PENALTY_PERCENT,
        "rules": [rules.name for rules in RULES],
    }
    RESULTS.write_text(json.dumps({"assumptions": assumptions, "cases": results}, indent=2) + "\n")
    show(results, Console(width=110))


if __name__ == "__main__":
    main()
