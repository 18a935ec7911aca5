"""The markets of a deployment and what they did, against those its scenario names."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace

from gridbourse.agents.portfolios import Portfolios
from gridbourse.audit.core.rules import AuctionRules, BoardRules, BookRules, PoolRules, Rules
from gridbourse.audit.markets.over_the_counter import OverTheCounter
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.market_kinds import GROUP_SIZE
from gridbourse.chain.deployment.settings import MOST_POSTED
from gridbourse.model.call_auction import Band
from gridbourse.model.house_accounts import TSO_ACCOUNT, dso_account
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
"""By the kind of market, as a scenario names it."""
CURTAILMENT = "CurtailmentCompensation"
"""No market, but a module of their permission: it moves the DSO's money."""


def compare_markets(
    rebuilt: Rebuilt,
    rules: Rules,
    areas: Sequence[Scenario],
    zones: Sequence[Mapping[str, int]],
) -> None:
    """Markets that there are, their rules, and what was agreed in private; zones: numbers, area by area."""
    findings = rebuilt.findings
    kinds = {CONTRACT_OF[kind] for scenario in areas for kind in scenario.market.kinds}
    kinds |= {"FlexibilityMarket" for scenario in areas if scenario.flexibility}
    kinds |= {CURTAILMENT for scenario in areas if scenario.curtailment}
    wanted = sorted(kinds)
    there = sorted(market.name for market in rebuilt.markets)
    findings.compare(WHAT, "markets", there, wanted)
    in_service = sorted(market.name for market in rebuilt.modules.in_service)
    findings.compare(WHAT, "markets in service", in_service, wanted)
    band = max((scenario.band for scenario in areas), key=lambda one: one.ticks)
    for area, scenario in enumerate(areas):
        _compare_area(rebuilt, rules, area, scenario, band, zones[area])


def _compare_area(
    rebuilt: Rebuilt,
    rules: Rules,
    area: int,
    scenario: Scenario,
    band: Band,
    zones: Mapping[str, int],
) -> None:
    """Rules of an area's markets; band: of all areas, which share the contracts."""
    findings = rebuilt.findings
    for contract, chain, expected in (
        ("CallAuction", rules.pool, _pool(scenario, band)),
        ("OrderBook", rules.order_book, _order_book(scenario, band)),
        ("BilateralMarket", rules.bilateral, _bilateral(scenario)),
        ("AggregatorAuction", rules.aggregator_auction, _aggregator_auction(scenario, band)),
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
        _compare_deals(rebuilt, rebuilt.over_the_counter, area, scenario)
    _compare_portfolios(rebuilt, area, scenario)
    _compare_flexibility(rebuilt, rules, area, scenario, zones)


def _compare_flexibility(
    rebuilt: Rebuilt, rules: Rules, area: int, scenario: Scenario, zones: Mapping[str, int]
) -> None:
    """Band, products, and everything asked for that the scenario names; the DSO's needs it does not."""
    table, market = scenario.flexibility, rebuilt.flexibility
    if table is None or market is None or rules.flexibility is None:
        return
    findings, number_of = rebuilt.findings, _numbers(rebuilt, area, scenario)
    findings.compare(WHAT, "price band, FlexibilityMarket", rules.flexibility.band, table.band)
    products, wanted = (
        [
            (replace(product, minimum_bid_w=0), product.minimum_bid_wh(scenario.mtu_seconds))
            for product in some
        ]
        for some in (market.requests.products, table.products)
    )
    findings.compare(WHAT, "flexibility products", products, wanted)
    boards = {p: board for (there, p), board in market.requests.boards.items() if there == area}
    asked = sorted(
        (
            period, one.buyer, one.product, int(one.request.way), one.request.wh,
            one.request.tick, one.zone,
        )
        for period, board in boards.items()
        for one in board
        if one.buyer != dso_account(area)
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
        for period, board in boards.items()
        for one in board
        if one.request.pay_as_bid != table.pay_as_bid
    ]
    findings.compare(WHAT, "requests priced otherwise", otherwise, [])
    dso = set(table.dso.products) if table.dso else set()
    beyond = [
        (period, one.number)
        for period, board in boards.items()
        for one in board
        if one.buyer == dso_account(area) and one.product not in dso
    ]
    findings.compare(WHAT, "DSO's requests by products it does not buy", beyond, [])


def _pool(scenario: Scenario, band: Band) -> PoolRules | None:
    market = scenario.market
    if "call_auction" not in market.kinds:
        return None
    return PoolRules(band, market.pricing == "pay_as_bid", market.max_rounds)


def _order_book(scenario: Scenario, band: Band) -> BookRules | None:
    if scenario.order_book is None:
        return None
    rules = scenario.order_book
    return BookRules(band, GROUP_SIZE, rules.min_wh, rules.max_fills, rules.max_open)


def _bilateral(scenario: Scenario) -> BoardRules | None:
    if scenario.bilateral is None:
        return None
    rules = scenario.bilateral
    per_period = rules.subscription_micro_eur_per_period(scenario.mtu)
    return BoardRules(rules.pricing == "seller", rules.min_wh, rules.max_open, per_period)


def _aggregator_auction(scenario: Scenario, band: Band) -> AuctionRules | None:
    if scenario.aggregator_auction is None:
        return None
    rules = scenario.aggregator_auction
    return AuctionRules(
        band, GROUP_SIZE, rules.reveal_s, rules.bond_micro_eur, LEAST_WH, MOST_POSTED
    )


def _compare_portfolios(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Every contract of an aggregator, by its terms when it was concluded, and no other."""
    all_concluded = rebuilt.portfolios.concluded if rebuilt.portfolios else []
    in_area = rebuilt.members.area_of
    concluded = [one for one in all_concluded if in_area(one.participant) == area]
    number_of = _numbers(rebuilt, area, scenario)
    everybody = len(number_of) == scenario.points["participant"].sum()
    expected = Portfolios(scenario).contracts(number_of) if everybody else ()
    rebuilt.findings.compare(
        WHAT, "contracts of aggregators", sorted(map(astuple, concluded)),
        sorted(map(astuple, expected)),
    )  # fmt: skip


def _numbers(rebuilt: Rebuilt, area: int, scenario: Scenario) -> dict[str, int]:
    """Participant number by point: they are registered in the order of the points."""
    points = scenario.points[scenario.points["participant"]]
    return dict(zip(points.index, rebuilt.members.numbers_in(area), strict=False))


def _compare_deals(rebuilt: Rebuilt, market: OverTheCounter, area: int, scenario: Scenario) -> None:
    """Every trade is of a contract; the other periods of a contract ended in a default."""
    number_of = _numbers(rebuilt, area, scenario)
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
