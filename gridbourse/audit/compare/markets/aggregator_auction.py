"""Aggregators' auctions against their scenario."""

from gridbourse.audit.markets.aggregator_auction import AuctionRules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.deployment_context import GROUP_SIZE
from gridbourse.chain.deployment.markets.aggregator_auction import MOST_POSTED
from gridbourse.model.call_auction import Band
from gridbourse.model.trade import LEAST_WH
from gridbourse.scenario.scenario import Scenario


def expected(scenario: Scenario, band: Band) -> AuctionRules | None:
    """Rules that its contract should have."""
    if scenario.aggregator_auction is None:
        return None
    rules = scenario.aggregator_auction
    return AuctionRules(
        band, GROUP_SIZE, rules.reveal_s, rules.bond_micro_eur, LEAST_WH, MOST_POSTED
    )


def compare(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Nothing else: what was traded is drawn, and compared with the model."""
