"""Brings a scenario's aggregators into service, and concludes their contracts with prosumers."""

from gridbourse.chain.deploy import Market
from gridbourse.chain.portfolios import sign_acceptance
from gridbourse.scenario.portfolios import Portfolios
from gridbourse.scenario.scenario import Scenario
from replay.onboarding import Membership, account_name
from replay.trading import SIGNATURE_LIFE_S, routes_of


def conclude(market: Market, scenario: Scenario, members: Membership) -> None:
    """Each aggregator proposes; prosumers accept themselves, or sign for it."""
    contracts = market.portfolios
    if contracts is None:
        return
    keys, point_of = market.keys, members.point_of
    route_of = routes_of(scenario, members)
    latest = market.chain.w3.eth.get_block("latest")
    expiry = latest["timestamp"] + SIGNATURE_LIFE_S
    for terms in Portfolios(scenario).contracts(members.number_of):
        point = point_of[terms.participant]
        aggregator = keys[account_name(point_of[terms.aggregator])]
        prosumer = keys[account_name(point)]
        proposal = contracts.propose(aggregator, terms)
        if route_of[point] == "own":
            contracts.accept(prosumer, proposal)
        else:
            signed = sign_acceptance(prosumer, contracts.domain, proposal, terms, expiry)
            contracts.accept_signed(aggregator, proposal, signed)
