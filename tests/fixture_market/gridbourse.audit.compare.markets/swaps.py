"""Swaps against their scenario."""

from gridbourse.audit.markets.over_the_counter import DealRules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.model.call_auction import Band
from gridbourse.scenario.scenario import Scenario


def expected(scenario: Scenario, band: Band) -> DealRules:
    """Rules that its contract should have."""
    return DealRules(50, 3)


def compare(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Every swap of the scenario was traded, and no other."""
    market = rebuilt.of_kind["swaps"]
    agreed = sorted((one.wh, one.price_micro_eur_per_wh) for one in scenario.tables["swaps"])
    traded = {(trade.wh, trade.price_micro_eur_per_wh) for _, trade in market.performed}
    rebuilt.findings.compare("scenario", "swaps", sorted(traded), agreed)
