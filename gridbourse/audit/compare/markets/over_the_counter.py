"""Trades over the counter against their scenario."""

from collections import Counter

from gridbourse.audit.compare.scenario_points import WHAT, numbers_by_point
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.model.call_auction import Band
from gridbourse.scenario.scenario import Scenario


def expected(scenario: Scenario, band: Band) -> None:
    """Every deployment has the same rules of deals."""


def compare(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Every trade is of a contract; the other periods of a contract ended in a default."""
    market = rebuilt.over_the_counter
    if market is None:
        return
    number_of = numbers_by_point(rebuilt, area, scenario)
    own = set(number_of.values())
    agreed = Counter(
        (
            scenario.first_period + each.first + at,
            number_of[each.seller],
            number_of[each.buyer],
            each.wh,
            each.price_micro_eur_per_wh,
        )
        for each in scenario.over_the_counter
        if {each.seller, each.buyer} <= number_of.keys()
        for at in range(each.count)
    )
    done = Counter((period, *trade) for period, trade in market.performed if trade.seller in own)
    beyond = sorted((done - agreed).elements())
    rebuilt.findings.compare(WHAT, "trades that no contract agrees on", beyond, [])
    in_default = Counter(
        (default.period, deal.seller, deal.buyer)
        for deal in market.deals.values()
        if deal.seller in own
        for default in {d.period: d for d in deal.defaults}.values()
    )
    missing = Counter(row[:3] for row in (agreed - done).elements())
    rebuilt.findings.compare(
        WHAT,
        "(period, seller, buyer) of contracts that were neither performed nor in default",
        sorted((missing - in_default).elements()),
        [],
    )
