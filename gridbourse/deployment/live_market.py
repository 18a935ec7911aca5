"""A scenario's market on a chain: deployed, and its participants brought in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from web3 import Web3

from gridbourse.chain.bindings.checked_trades import TradeDesk
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.settings import FlexibilityRules, MarketSettings
from gridbourse.chain.keys.accounts import Keyring, Keys
from gridbourse.chain.keys.area_keys import AreaKeys
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain
from gridbourse.deployment import portfolios
from gridbourse.deployment.participants import Membership, account_name, onboard
from gridbourse.market_kinds import DEPLOYMENT, SCENARIO, by_turn, of_contract, part
from gridbourse.scenario.scenario import Scenario


class LiveArea(NamedTuple):
    """A market area on a chain: its scenario, the deployment bound to it, and its participants."""

    scenario: Scenario
    market: Market
    members: Membership


def settings_of(*areas: Scenario) -> MarketSettings:
    """Deployment settings that the scenarios of all areas ask for; they agree (see `load_areas`)."""
    first = areas[0]
    names = {kind for scenario in areas for kind in scenario.market.kinds}
    kinds = [kind.contract for kind in by_turn() if kind.name in names]
    if any(scenario.flexibility for scenario in areas):
        kinds.append("FlexibilityMarket")
    rules: dict[str, Any] = {}
    of_modules: dict[str, Any] = {}
    for scenario in areas:
        rules |= _rules(scenario)
        of_modules |= _of_modules(scenario)
    return MarketSettings(
        mtu_seconds=first.mtu_seconds,
        gate_closure_seconds=first.market.gate_closure_s,
        band=max((scenario.band for scenario in areas), key=lambda band: band.ticks),
        energy_prices=tuple(scenario.tariff.prices for scenario in areas),
        areas=tuple(scenario.market.area for scenario in areas),
        portfolios=any(scenario.aggregators for scenario in areas),
        markets=tuple(kinds),
        dispute_window_seconds=first.settlement.dispute_window_s,
        silent_permille=first.settlement.silent_permille,
        rules=rules,
        **of_modules,
    )


def _rules(scenario: Scenario) -> dict[str, Any]:
    """Rules of the kinds of market that an area has."""
    deployed = {
        kind: part(SCENARIO, kind, "of_contract")(scenario) for kind in scenario.market.kinds
    }
    return {
        kind: part(DEPLOYMENT, kind, "Rules")(*rules)
        for kind, rules in deployed.items()
        if rules is not None
    }


def _of_modules(scenario: Scenario) -> dict[str, Any]:
    """Settings of what an area has beside its energy markets."""
    settings: dict[str, Any] = {}
    if (table := scenario.flexibility) is not None:
        settings["flexibility"] = FlexibilityRules(table.band, table.products)
    if (paid := scenario.curtailment) is not None:
        settings["curtailment_reach_permille"] = paid.reach_permille
    return settings


def deploy_market(
    w3: Web3,
    keys: Keys,
    areas: Sequence[Scenario],
    about: dict[str, Any],
    aggregators: Sequence[str] = (),
) -> Market:
    """Deploy the market of all areas on a chain, without participants but for these aggregators' roles."""
    return deploy(Chain(w3, load_artifacts()), keys, settings_of(*areas), about, aggregators)


def found_areas(w3: Web3, areas: Sequence[Scenario], about: dict[str, Any]) -> list[LiveArea]:
    """Deploy the market of all areas on a chain and bring their participants in."""
    keys = Keyring.for_chain(w3)
    aggregators = [
        area_keys(keys, number, scenario).address(account_name(one.point))
        for number, scenario in enumerate(areas)
        for one in scenario.aggregators
    ]
    whole = deploy_market(w3, keys, areas, about, aggregators)
    return [_inhabited(whole, number, scenario) for number, scenario in enumerate(areas)]


def area_keys(keys: Keys, number: int, scenario: Scenario) -> Keys:
    """Keys of an area's parties; the first area's are those of the deployment."""
    return AreaKeys(keys, scenario.market.area) if number else keys


def _inhabited(whole: Market, number: int, scenario: Scenario) -> LiveArea:
    """An area with its participants in it."""
    market = whole.in_area(number, scenario.market.area)
    members = onboard(market, scenario)
    portfolios.conclude(market, scenario, members)
    portfolios.allow_agents(market, scenario, members)
    return LiveArea(scenario, market, members)


def found_market(w3: Web3, scenario: Scenario, about: dict[str, Any]) -> tuple[Market, Membership]:
    """Deploy the market of one area on a chain and bring its participants in."""
    ((_, market, members),) = found_areas(w3, [scenario], about)
    return market, members


def desks(market: Market) -> list[TradeDesk]:
    """The markets whose trades are judged one by one, by their kind."""
    return [
        TradeDesk(of_contract(type(some).__name__).name, some, market.grid)
        for some in market.trade_markets
    ]
