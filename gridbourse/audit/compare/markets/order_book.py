"""Order book against its scenario."""

from gridbourse.audit.core.rules import BookRules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.deployment_context import GROUP_SIZE
from gridbourse.model.call_auction import Band
from gridbourse.scenario.scenario import Scenario


def expected(scenario: Scenario, band: Band) -> BookRules | None:
    """Rules that its contract should have."""
    if scenario.order_book is None:
        return None
    rules = scenario.order_book
    return BookRules(band, GROUP_SIZE, rules.min_wh, rules.max_fills, rules.max_open)


def compare(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Nothing else: what was traded is drawn, and compared with the model."""
