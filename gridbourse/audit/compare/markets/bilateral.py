"""Bilateral market against its scenario."""

from gridbourse.audit.compare.scenario_points import WHAT
from gridbourse.audit.markets.bilateral import BoardRules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.model.call_auction import Band
from gridbourse.scenario.scenario import Scenario


def expected(scenario: Scenario, band: Band) -> BoardRules | None:
    """Rules that its contract should have."""
    if scenario.bilateral is None:
        return None
    rules = scenario.bilateral
    per_period = rules.subscription_micro_eur_per_period(scenario.mtu)
    return BoardRules(rules.pricing == "seller", rules.min_wh, rules.max_open, per_period)


def compare(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Prices in the middle of both limits, where the scenario prices so."""
    if rebuilt.bilateral and scenario.bilateral and scenario.bilateral.pricing == "midpoint":
        for where, least, most, price in rebuilt.bilateral.pairings:
            middle = (least + most) // 2
            place = f"middle of both limits, µEUR per Wh, {where}"
            rebuilt.findings.compare(WHAT, place, price, middle)
