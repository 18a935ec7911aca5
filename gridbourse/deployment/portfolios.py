"""Brings a scenario's aggregators into service, concludes their contracts, and sets agents' allowances."""

from gridbourse.agents.portfolios import Portfolios
from gridbourse.chain.bindings.portfolios import GATEWAY_BIT, sign_acceptance
from gridbourse.chain.deployment.market import Market
from gridbourse.deployment.participants import SIGNATURE_LIFE_S, Membership, account_name, routes_of
from gridbourse.model.flexibility.baseline.delivery import penalty_micro_eur
from gridbourse.model.flexibility.market import base_micro_eur_per_wh
from gridbourse.model.flexibility.products import Way
from gridbourse.scenario.flexibility import FlexibilityTable
from gridbourse.scenario.scenario import Scenario


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


def allow_agents(market: Market, scenario: Scenario, members: Membership) -> None:
    """Set allowances: for flexibility sold by an agent, as much as the connection can come to owe."""
    if scenario.flexibility is None:
        return
    assert market.agents is not None, "there is a flexibility market"
    gateway = market.registry.read("gatewayNumberOf", market.keys["gateway"].address)
    portfolios, number_of = Portfolios(scenario), members.number_of
    capacity_wh = scenario.points["capacity_w"] * scenario.mtu.hours
    for point, route in routes_of(scenario, members).items():
        mandated = portfolios.aggregator_of[point].point if point in portfolios.mandated else None
        if mandated is None and route == "own":
            continue
        agent = number_of[mandated] if mandated is not None else GATEWAY_BIT | gateway
        amount = most_at_risk(scenario.flexibility, int(capacity_wh[point]))
        market.agents.allow(market.keys[account_name(point)], agent, amount)


def most_at_risk(table: FlexibilityTable, wh: int) -> int:
    """Bonds in a period, µEUR, for so many Wh offered at the highest price in every request."""
    price = table.band.price(table.band.ticks - 1)
    bonds = (
        penalty_micro_eur(wh, base_micro_eur_per_wh(product, Way.DOWN, price), product.penalty_percent)
        for product in table.products
    )  # fmt: skip
    return table.steps * max(bonds)
