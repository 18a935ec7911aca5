"""Gain of a cheater that inflates each baseline; writes benchmarks/results/baseline_gaming.json.

    python -m benchmarks.baseline_gaming

For every connection point of the committed profiles: one event, up, from 18 to 20 o'clock local time
on the last working day of a season's data. `benchmarks.cheating` states what a cheater may do. It offers
exactly what the method will find, is paid PRICES for it in addition to the energy, and pays the retail price
and import fee for energy it burns. Its gain is its pay above the pay that the method's own error gives to a
participant that does nothing. A declared schedule is settled by the model (`baseline.schedule`),
activated as often as its terms allow; the schedules tried are false by parts of the connection's capacity.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.cheating import FLEXIBLE, INFLATIONS, NOTHING, Cheat, strategies
from gridbourse.model.flexibility.baseline.compute import baseline
from gridbourse.model.flexibility.baseline.days import LocalDay, local_day
from gridbourse.model.flexibility.baseline.delivery import Direction, Reward, deliver, delivered_wh
from gridbourse.model.flexibility.baseline.errors import OppositeSigns, TooFewDays
from gridbourse.model.flexibility.baseline.evidence import Evidence, Ints, Readings
from gridbourse.model.flexibility.baseline.methods import METHODS, Declared, Method
from gridbourse.model.flexibility.baseline.schedule import statement_micro_eur, truthful_share
from gridbourse.model.settlement import Prices
from gridbourse.scenario.scenario import Scenario, load

RESULTS = Path(__file__).parent / "results" / "baseline_gaming.json"
CASES = (
    ("rural3", "summer", date(2016, 7, 27)),
    ("rural3", "winter", date(2016, 1, 29)),
    ("semiurb5", "summer", date(2016, 7, 27)),
    ("semiurb5", "autumn", date(2016, 10, 28)),
)
HOURS = range(18 * 3600, 20 * 3600)
PRICES = (100, 300)
"""µEUR per Wh delivered: 10 and 30 ct/kWh."""
PENALTY_PERCENT = 100
UP = Direction.UP


class Outcome(NamedTuple):
    """Outcome of one point, method and strategy: Wh found as delivered, Wh burnt for it."""

    strategy: str
    found_wh: int
    burnt_wh: int

    def money(self, price: int, burnt_price: int) -> int:
        """Gain in µEUR."""
        return self.found_wh * price - self.burnt_wh * burnt_price


def points(scenario: Scenario, on: date) -> Iterator[tuple[Evidence, int]]:
    """Evidence of every connection point, and its capacity in a period, Wh."""
    first, last = (int(scenario.profiles.periods[place]) for place in (0, -1))
    net_wh = np.stack([scenario.net_wh(period) for period in range(first, last + 1)])
    begin = scenario.mtu.start(first).date()
    days = [
        local_day(scenario.mtu, begin + timedelta(days=i), scenario.timezone)
        for i in range((on - begin).days + 1)
    ]
    capacity_wh = scenario.points["capacity_w"].to_numpy() * scenario.mtu.hours
    for column, point in enumerate(scenario.points.index):
        evidence = Evidence(
            str(point), scenario.mtu, _event(days[-1]), tuple(days), frozenset(),
            Readings.complete(first, net_wh[:, column].copy()),
        )  # fmt: skip
        yield evidence, int(capacity_wh[column])


def _event(day: LocalDay) -> range:
    inside = [p for p, time in zip(day.periods, day.clock, strict=True) if time in HOURS]
    return range(inside[0], inside[-1] + 1)


def found_wh(method: Method, seen: Evidence) -> int | None:
    """Phantom: Wh that the method finds delivered, for a seller that offers just that; None: no baseline."""
    metered = seen.require(seen.event, "benchmark")
    try:
        response = delivered_wh(baseline(method, seen).wh, metered, UP)
    except (TooFewDays, OppositeSigns):
        return None
    return int(np.maximum(response, 0).sum())


def outcomes(method: Method, evidence: Evidence) -> list[Outcome] | None:
    """Outcomes of doing nothing, first, and of every strategy; None where the point has no baseline."""
    error_wh = found_wh(method, evidence)
    if error_wh is None:
        return None
    honest = baseline(method, evidence)
    found = [Outcome(NOTHING.name, error_wh, 0)]
    for strategy in strategies(method):
        cheat = Cheat.of(evidence, method, strategy, honest)
        # Raised days can make the others days of low use: then the cheat has no baseline and no pay.
        found.append(Outcome(strategy.name, found_wh(method, cheat.seen) or 0, cheat.burnt_wh))
    return found


def measured(method: Method, given: list[Evidence], burnt_price: int) -> dict[str, Any]:
    """Figures of a method that is computed from readings, over all points that have a baseline."""
    found = [(evidence, outcomes(method, evidence)) for evidence in given]
    per_point = [(evidence, rows) for evidence, rows in found if rows is not None]
    result: dict[str, Any] = {"points_with_too_few_days": len(given) - len(per_point)}
    if not per_point:
        return result
    result["withdrawn_in_the_event_wh"] = sum(withdrawn_wh(evidence) for evidence, _ in per_point)
    result["by_strategy"] = {
        rows[0].strategy: {
            "found_wh": sum(row.found_wh for row in rows),
            "burnt_wh": sum(row.burnt_wh for row in rows),
        }
        for rows in zip(*(rows for _, rows in per_point), strict=True)
    }
    for price in PRICES:
        gains: list[int] = []
        best_strategies: Counter[str] = Counter()
        phantom_wh = 0
        for _, (nothing, *others) in per_point:
            best = max(others, key=lambda other: other.money(price, burnt_price))
            gains.append(best.money(price, burnt_price) - nothing.money(price, burnt_price))
            if gains[-1] > 0:
                best_strategies[best.strategy] += 1
                phantom_wh += best.found_wh - nothing.found_wh
        result[f"at_{price}"] = _figures(gains) | {
            "phantom_wh": phantom_wh,
            "best_strategies": dict(best_strategies.most_common()),
        }
    return result


def withdrawn_wh(evidence: Evidence) -> int:
    """Withdrawal of the point during the event, Wh."""
    return int(np.maximum(-evidence.require(evidence.event, "benchmark"), 0).sum())


def declared(given: list[tuple[Evidence, int]], prices: Prices, rule: bool) -> dict[str, Any]:
    """Figures of schedules that are false by parts of the capacity; the gain of the true one is 0.

    rule: every deviation from the schedule costs, and activations are as rare as the terms allow; without,
    shortfall alone costs and the event is certain.
    """
    result = {}
    for price in PRICES:
        reward = Reward(price, PENALTY_PERCENT, schedule=rule)
        share = truthful_share(reward) if rule else Fraction(1)
        gains = [
            _best_lie(evidence, capacity, prices, reward, share) for evidence, capacity in given
        ]
        result[f"at_{price}"] = _figures(gains)
    return result


def _best_lie(
    evidence: Evidence, capacity_wh: int, prices: Prices, reward: Reward, share: Fraction
) -> int:
    """Greatest expected gain of a false schedule over the true one, µEUR, rounded up."""
    truth = evidence.require(evidence.event, "benchmark")
    nothing = np.zeros_like(truth)

    def earned(schedule: Ints, asked: Ints) -> int:
        delivery = deliver(asked, schedule, truth, UP)
        return int(statement_micro_eur(schedule, truth, delivery, UP, prices, reward).sum())

    honest = earned(truth, nothing)
    gains = []
    for part in (Fraction(1, 100), Fraction(1, 10), Fraction(1, 2), Fraction(1)):
        for sign in (-1, 1):
            false = truth + sign * max(1, int(capacity_wh * part))
            asked = np.maximum(truth - false, 0)  # just what will be found
            activated, left_alone = earned(false, asked) - honest, earned(false, nothing) - honest
            gains.append(share * activated + (1 - share) * left_alone)
    return int(-(-max(gains) // 1))


def _figures(gains: list[int]) -> dict[str, Any]:
    return {
        "points_that_gain": sum(gain > 0 for gain in gains),
        "gain_micro_eur": sum(max(gain, 0) for gain in gains),
        "greatest_of_a_point_micro_eur": max(gains),
        "median_of_a_point_micro_eur": median(gains),
    }


def case(name: str, season: str, on: date) -> dict[str, Any]:
    """All methods on one season of one scenario."""
    scenario = load(f"scenarios/{name}.toml", {"season": season, "pv_factor": 1.0})
    given = list(points(scenario, on))
    tariff = scenario.tariff
    burnt = tariff.retail_micro_eur_per_wh + max(fees.import_ for fees in tariff.fees.values())
    prices = Prices(tariff.retail_micro_eur_per_wh, tariff.feed_in_micro_eur_per_wh, 0, 0, 0)
    methods: dict[str, Any] = {
        method.name: measured(method, [evidence for evidence, _ in given], burnt)
        for method in METHODS
        if not isinstance(method, Declared)
    }
    methods["declared-schedule"] = declared(given, prices, rule=True)
    methods["declared, rule off, event certain"] = declared(given, prices, rule=False)
    return {
        "scenario": name,
        "season": season,
        "day": on.isoformat(),
        "points": len(given),
        "withdrawn_in_the_event_wh": sum(withdrawn_wh(evidence) for evidence, _ in given),
        "burnt_energy_micro_eur_per_wh": burnt,
        "methods": methods,
    }


def show(results: list[dict[str, Any]], console: Console) -> None:
    """Show per method: pay for doing nothing, and what cheating adds, in % of the event's energy."""
    headings = ("points", "error", "phantom", *(f"EUR at {price}" for price in PRICES))
    for found in results:
        table = Table(title=f"{found['scenario']} {found['season']}, {found['points']} points")
        table.add_column("baseline", no_wrap=True)
        for heading in headings:
            table.add_column(heading, justify="right")
        for name, figures in found["methods"].items():
            short = figures.get("points_with_too_few_days", 0)
            cells = [str(found["points"] - short), "", ""]
            if "by_strategy" in figures:
                error_wh = figures["by_strategy"][NOTHING.name]["found_wh"]
                phantom_wh = figures[f"at_{PRICES[-1]}"]["phantom_wh"]
                energy_wh = figures["withdrawn_in_the_event_wh"]
                cells[1:] = [f"{100 * wh / energy_wh:.0f} %" for wh in (error_wh, phantom_wh)]
            if f"at_{PRICES[0]}" in figures:
                gains = [figures[f"at_{price}"]["gain_micro_eur"] for price in PRICES]
                cells += [f"{gain / 1e6:.2f}" for gain in gains]
            table.add_row(name, *cells)
        console.print(table)


def main() -> None:
    """Measure, write, show."""
    results = [case(*given) for given in CASES]
    assumptions = {
        "flexible_share_of_mean_withdrawal": str(FLEXIBLE),
        "prices_micro_eur_per_wh": PRICES,
        "penalty_percent": PENALTY_PERCENT,
        "strategies": [strategy.name for strategy in (NOTHING, *INFLATIONS)],
    }
    RESULTS.write_text(json.dumps({"assumptions": assumptions, "cases": results}, indent=2) + "\n")
    show(results, Console(width=100))


if __name__ == "__main__":
    main()
