"""Comparison of a deployment's markets and their events with those its scenario names."""

from collections import Counter
from dataclasses import astuple, replace

from gridbourse.agents.portfolios import Portfolios
from gridbourse.audit.core.rules import AuctionRules, BoardRules, BookRules, PoolRules, Rules
from gridbourse.audit.markets.over_the_counter import OverTheCounter
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.bindings.house_accounts import DSO_ACCOUNT, TSO_ACCOUNT
from gridbourse.chain.deployment.market_kinds import GROUP_SIZE
from gridbourse.chain.deployment.settings import MOST_POSTED
from gridbourse.model.trade import LEAST_WH
from gridbourse.scenario.flexibility import TSO
from gridbourse.scenario.scenario import Scenario

WHAT = "scenario"
CONTRACT_OF = {
    "call_auction": "CallAuction",
    "order_book": "OrderBook",
    "bilateral": "BilateralMarket",
    "over_the_counter": "OverTheCounter",
    "aggregator_auction": "AggregatorAuction",
}
"""Contract by kind of market, as a scenario names it."""
CURTAILMENT = "CurtailmentCompensation"
"""Module with a market's permission that trades nothing: it moves the DSO's money."""


def compare_markets(rebuilt: Rebuilt, rules: Rules, scenario: Scenario) -> None:
    """Compare the set of markets, their rules, and the deals made over the counter."""
    findings = rebuilt.findings
    wanted = sorted(
        [
            *(CONTRACT_OF[kind] for kind in scenario.market.kinds),
            *(["FlexibilityMarket"] if scenario.flexibility else []),
            *([CURTAILMENT] if scenario.curtailment else []),
        ]
    )
    there = sorted(market.name for market in rebuilt.markets)
    findings.compare(WHAT, "markets", there, wanted)
    in_service = sorted(market.name for market in rebuilt.modules.in_service)
    findings.compare(WHAT, "markets in service", in_service, wanted)
    for contract, chain, expected in (
        ("CallAuction", rules.pool, _pool(scenario)),
        ("OrderBook", rules.order_book, _order_book(scenario)),
        ("BilateralMarket", rules.bilateral, _bilateral(scenario)),
        ("AggregatorAuction", rules.aggregator_auction, _aggregator_auction(scenario)),
    ):
        if chain is not None and expected is not None:
            for name, value in vars(chain).items():
                words = name.replace("_", " ").replace("band", "price band")
                findings.compare(WHAT, f"{words}, {contract}", value, getattr(expected, name))
    if rebuilt.bilateral and scenario.bilateral and scenario.bilateral.pricing == "midpoint":
        for where, least, most, price in rebuilt.bilateral.pairings:
            middle = (least + most) // 2
            findings.compare(WHAT, f"middle of both limits, µEUR per Wh, {where}", price, middle)
    if rebuilt.over_the_counter:
        _compare_deals(rebuilt, rebuilt.over_the_counter, scenario)
    _compare_portfolios(rebuilt, scenario)
    _compare_flexibility(rebuilt, rules, scenario)


def _compare_flexibility(rebuilt: Rebuilt, rules: Rules, scenario: Scenario) -> None:
    """Compare band, products and the scenario's requests; needs found by the DSO are in no scenario."""
    table, market = scenario.flexibility, rebuilt.flexibility
    if table is None or market is None or rules.flexibility is None:
        return
    findings, number_of = rebuilt.findings, _numbers(rebuilt, scenario)
    findings.compare(WHAT, "price band, FlexibilityMarket", rules.flexibility.band, table.band)
    products, wanted = (
        [
            (replace(product, minimum_bid_w=0), product.minimum_bid_wh(scenario.mtu_seconds))
            for product in some
        ]
        for some in (market.requests.products, table.products)
    )
    findings.compare(WHAT, "flexibility products", products, wanted)
    zones = {zone.name.rstrip(b"\0").decode(): n for n, zone in enumerate(rebuilt.members.zones)}
    asked = sorted(
        (
            period, one.buyer, one.product, int(one.request.way), one.request.wh,
            one.request.tick, one.zone,
        )
        for (_, period), board in market.requests.boards.items()
        for one in board
        if one.buyer != DSO_ACCOUNT
    )  # fmt: skip
    calls = sorted(
        (
            call.period, TSO_ACCOUNT if call.buyer == TSO else number_of[call.buyer],
            call.product, int(call.way), call.wh, call.tick, zones[call.zone],
        )
        for call in table.calls
        if call.period in scenario.replayed
    )  # fmt: skip
    findings.compare(WHAT, "flexibility asked for by TSO and participants", asked, calls)
    otherwise = [
        (period, one.number)
        for (_, period), board in market.requests.boards.items()
        for one in board
        if one.request.pay_as_bid != table.pay_as_bid
    ]
    findings.compare(WHAT, "requests priced otherwise", otherwise, [])
    dso = set(table.dso.products) if table.dso else set()
    beyond = [
        (period, one.number)
        for (_, period), board in market.requests.boards.items()
        for one in board
        if one.buyer == DSO_ACCOUNT and one.product not in dso
    ]
    findings.compare(WHAT, "DSO's requests by products it does not buy", beyond, [])


def _pool(scenario: Scenario) -> PoolRules | None:
    market = scenario.market
    if "call_auction" not in market.kinds:
        return None
    return PoolRules(scenario.band, market.pricing == "pay_as_bid", market.max_rounds)


def _order_book(scenario: Scenario) -> BookRules | None:
    if scenario.order_book is None:
        return None
    rules = scenario.order_book
    return BookRules(scenario.band, GROUP_SIZE, rules.min_wh, rules.max_fills, rules.max_open)


def _bilateral(scenario: Scenario) -> BoardRules | None:
    if scenario.bilateral is None:
        return None
    rules = scenario.bilateral
    per_period = rules.subscription_micro_eur_per_period(scenario.mtu)
    return BoardRules(rules.pricing == "seller", rules.min_wh, rules.max_open, per_period)


def _aggregator_auction(scenario: Scenario) -> AuctionRules | None:
    if scenario.aggregator_auction is None:
        return None
    rules = scenario.aggregator_auction
    return AuctionRules(
        scenario.band, GROUP_SIZE, rules.reveal_s, rules.bond_micro_eur, LEAST_WH, MOST_POSTED
    )


def _compare_portfolios(rebuilt: Rebuilt, scenario: Scenario) -> None:
    """Compare every contract of an aggregator by its terms at conclusion; there is no other."""
    concluded = rebuilt.portfolios.concluded if rebuilt.portfolios else []
    number_of = _numbers(rebuilt, scenario)
    everybody = len(number_of) == scenario.points["participant"].sum()
    expected = Portfolios(scenario).contracts(number_of) if everybody else ()
    rebuilt.findings.compare(
        WHAT, "contracts of aggregators", sorted(map(astuple, concluded)),
        sorted(map(astuple, expected)),
    )  # fmt: skip


def _numbers(rebuilt: Rebuilt, scenario: Scenario) -> dict[str, int]:
    """Participant number by connection point; points are registered in scenario order."""
    points = scenario.points[scenario.points["participant"]]
    return dict(zip(points.index, sorted(rebuilt.members.participants), strict=False))


def _compare_deals(rebuilt: Rebuilt, market: OverTheCounter, scenario: Scenario) -> None:
    """Compare trades with contracts: a contract's periods each have a trade of it or a default."""
    number_of = _numbers(rebuilt, scenario)
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
    done = Counter((period, *trade) for period, trade in market.performed)
    beyond = sorted((done - agreed).elements())
    rebuilt.findings.compare(WHAT, "trades that no contract agrees on", beyond, [])
    in_default = Counter(
        (default.period, deal.seller, deal.buyer)
        for deal in market.deals.values()
        for default in {d.period: d for d in deal.defaults}.values()
    )
    missing = Counter(row[:3] for row in (agreed - done).elements())
    rebuilt.findings.compare(
        WHAT,
        "(period, seller, buyer) of contracts that were neither performed nor in default",
        sorted((missing - in_default).elements()),
        [],
    )
