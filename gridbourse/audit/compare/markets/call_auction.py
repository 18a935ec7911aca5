"""Call auction against its scenario."""

from gridbourse.audit.markets.call_auction import PoolRules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.model.call_auction import Band
from gridbourse.scenario.scenario import Scenario


def expected(scenario: Scenario, band: Band) -> PoolRules | None:
    """Rules that its contract should have."""
    market = scenario.market
    if "call_auction" not in market.kinds:
        return None
    return PoolRules(band, market.pricing == "pay_as_bid", market.max_rounds)


def compare(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Nothing else: what was traded is drawn, and compared with the model."""
