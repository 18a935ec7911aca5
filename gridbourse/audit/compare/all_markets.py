"""The markets of a deployment and what they did, against those its scenario names."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace

from gridbourse.agents.portfolios import Portfolios
from gridbourse.audit.compare.scenario_points import WHAT, numbers_by_point
from gridbourse.audit.core.rules import Rules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.market_kinds import COMPARISON, KINDS, part
from gridbourse.model.call_auction import Band
from gridbourse.model.house_accounts import TSO_ACCOUNT, dso_account
from gridbourse.scenario.flexibility import TSO
from gridbourse.scenario.scenario import Scenario

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
    kinds = {KINDS[kind].contract for scenario in areas for kind in scenario.market.kinds}
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
    for kind, chain in rules.markets.items():
        expected = part(COMPARISON, kind, "expected")(scenario, band)
        for name, value in vars(chain).items() if expected is not None else ():
            words = name.replace("_", " ").replace("band", "price band")
            where = f"{words}, {KINDS[kind].contract}"
            findings.compare(WHAT, where, value, getattr(expected, name))
        part(COMPARISON, kind, "compare")(rebuilt, area, scenario)
    _compare_portfolios(rebuilt, area, scenario)
    _compare_flexibility(rebuilt, rules, area, scenario, zones)


def _compare_flexibility(
    rebuilt: Rebuilt, rules: Rules, area: int, scenario: Scenario, zones: Mapping[str, int]
) -> None:
    """Band, products, and everything asked for that the scenario names; the DSO's needs it does not."""
    table, market = scenario.flexibility, rebuilt.flexibility
    if table is None or market is None or rules.flexibility is None:
        return
    findings, number_of = rebuilt.findings, numbers_by_point(rebuilt, area, scenario)
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


def _compare_portfolios(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """Every contract of an aggregator, by its terms when it was concluded, and no other."""
    all_concluded = rebuilt.portfolios.concluded if rebuilt.portfolios else []
    in_area = rebuilt.members.area_of
    concluded = [one for one in all_concluded if in_area(one.participant) == area]
    number_of = numbers_by_point(rebuilt, area, scenario)
    everybody = len(number_of) == scenario.points["participant"].sum()
    expected = Portfolios(scenario).contracts(number_of) if everybody else ()
    rebuilt.findings.compare(
        WHAT, "contracts of aggregators", sorted(map(astuple, concluded)),
        sorted(map(astuple, expected)),
    )  # fmt: skip
