"""Deploys the contracts of one market and gives each party its role."""

from collections.abc import Mapping, Sequence
from typing import Any

from eth_typing import ChecksumAddress

from gridbourse.chain.bindings import curtailment
from gridbourse.chain.bindings.clearing_house import MARKET, ORACLE, SETTLEMENT
from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.deployment import flexibility
from gridbourse.chain.deployment.deployment_context import Anchors, DeploymentContext
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.record import (
    PLEDGES,
    DeployedContract,
    DeploymentRecord,
    chain_identity,
    compiler_facts,
    current_commit,
)
from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.encoding.arguments import NOBODY, label
from gridbourse.chain.encoding.roles import role as role_id
from gridbourse.chain.keys.accounts import Keys
from gridbourse.chain.keys.area_keys import OF_THE_DEPLOYMENT, AreaKeys
from gridbourse.chain.node.connect import fund
from gridbourse.chain.node.transactions import Chain
from gridbourse.market_kinds import DEPLOYMENT, of_contract, part

AGENTS_ACT = ("AggregatorAuction", "FlexibilityMarket")
"""Markets that ask `Agents` who may act for whom."""

ROLES = {
    "dso": "DSO",
    "supplier": "SUPPLIER",
    "meter oracle": "METER_ORACLE",
    "grid oracle": "GRID_ORACLE",
    "treasurer": "TREASURER",
    "attester": "ATTESTER",
}


def deploy(
    chain: Chain,
    keys: Keys,
    settings: MarketSettings,
    scenario: dict[str, Any] | None = None,
    aggregators: Sequence[str] = (),
) -> Market:
    """Deploy every contract, wire them, give roles, and seal the clearing house.

    aggregators: addresses of participants-to-be who get that role before the seal; later it takes the
    timelock.

    UntruthfulTerms, before anything is sent, where flexibility products would reward a false schedule.
    """
    if "FlexibilityMarket" in settings.markets:
        for prices in settings.energy_prices:
            settings.flexibility.require_truthful(prices)
    for area in settings.areas:
        label("addArea", area)  # refused before anything is sent
    operator = keys["operator"]
    roles = ROLES | (flexibility.ROLES if "FlexibilityMarket" in settings.markets else {})
    settings.require_fits()
    offices = _offices(keys, roles, settings.areas)
    parties = [who for _, who in offices]
    fund(chain.w3, [keys.address("operator"), keys.address("gateway"), *parties])
    deployed: dict[str, DeployedContract] = {}

    def put(name: str, *arguments: Any) -> str:
        contract = chain.w3.eth.contract(
            abi=chain.artifacts[name].abi, bytecode=chain.artifacts[name].bytecode
        )
        receipt = chain.send(operator, contract.constructor(*arguments), "deploy")
        address = str(receipt["contractAddress"])
        deployed[name] = DeployedContract(address, list(arguments), receipt["blockNumber"])
        return address

    registry = put("ParticipantRegistry", operator.address)
    clock = put(
        "MarketClock",
        registry,
        settings.replay,
        settings.mtu_seconds,
        settings.gate_closure_seconds,
        settings.horizon_periods,
    )
    currency = put("SettlementCurrency", registry)
    tariff = put("Tariff", registry, clock)
    house = put(
        "ClearingHouse", registry, currency, tariff, settings.ring_size, settings.timelock_seconds,
        settings.dispute_window_seconds,
    )  # fmt: skip
    put(PLEDGES, currency)
    meter = put("MeterOracle", registry, clock, house)
    grid = put("GridOracle", registry, clock, house)
    anchors = Anchors(registry, clock, house, grid)
    portfolios = put("Portfolios", registry, clock) if settings.portfolios else NOBODY
    agents = put("Agents", registry, portfolios) if {*AGENTS_ACT} & {*settings.markets} else NOBODY
    window = settings.verdict_window_seconds
    place = DeploymentContext(anchors, tariff, agents, settings.band, window)
    modules = {put(name, *_arguments(name, settings, place)): MARKET for name in settings.markets}
    if "FlexibilityMarket" in settings.markets:
        modules[flexibility.put_before(put, anchors, agents)] = (
            ORACLE  # schedules take ring slots, no more
        )
        addresses = {name: contract.address for name, contract in deployed.items()}
        flexibility.put_after(put, addresses, anchors, settings, portfolios)
    windows = (settings.reading_window_seconds, settings.silent_permille)
    settlement = put("Settlement", [registry, clock, house, grid, meter, tariff, *windows])
    if "FlexibilityMarket" in settings.markets:
        addresses = {name: contract.address for name, contract in deployed.items()}
        modules[flexibility.put_review(put, addresses, settlement)] = SETTLEMENT
    if (reach := settings.curtailment_reach_permille) is not None:
        payer = put(curtailment.NAME, registry, clock, house, settlement, tariff, reach)
        modules[payer] = MARKET  # it moves the DSO's money, and trades nothing
    chain_id, genesis = chain_identity(chain.w3)
    record = DeploymentRecord(
        chain_id, genesis, current_commit(), compiler_facts(), scenario or {}, deployed
    )
    market = Market.bind(chain, keys, record)
    held: list[tuple[bytes, str]] = [*offices]
    held += [(role_id("AGGREGATOR"), address) for address in aggregators]
    _wire(
        market,
        settings.areas,
        held,
        modules | {settlement: SETTLEMENT, meter: ORACLE, grid: ORACLE},
    )
    if market.flexibility_market:
        flexibility.wire(market.flexibility_market, operator, settings)
    market.house.write(operator, "deploy", "seal")
    return market


def _arguments(contract: str, settings: MarketSettings, place: DeploymentContext) -> list[Any]:
    """Constructor arguments of a market, by the name of its contract."""
    if contract == "FlexibilityMarket":
        return flexibility.arguments(settings.flexibility, place)
    kind = of_contract(contract).name
    arguments: list[Any] = part(DEPLOYMENT, kind, "arguments")(settings.rules_of(kind), place)
    return arguments


def _offices(
    keys: Keys, roles: Mapping[str, str], areas: Sequence[str]
) -> list[tuple[bytes, ChecksumAddress]]:
    """(role, address) of all parties; every area after the first has a DSO and oracles of its own."""
    found = [(role_id(role), keys.address(party)) for party, role in roles.items()]
    for number, name in enumerate(areas[1:], start=1):
        own = AreaKeys(keys, name)
        parties = roles.keys() - OF_THE_DEPLOYMENT
        found += [(role_id(roles[party], number), own.address(party)) for party in sorted(parties)]
    return found


def _wire(
    market: Market,
    areas: Sequence[str],
    offices: Sequence[tuple[bytes, str]],
    modules: dict[str, int],
) -> None:
    operator = market.keys["operator"]

    def setup(contract: Bound, function: str, *arguments: Any) -> None:
        contract.write(operator, "deploy", function, *arguments)

    pledges = market.record.contracts[PLEDGES].address
    setup(market.registry, "connect", market.clock.address, market.house.address, pledges)
    for name in areas:
        market.registry.add_area(operator, name, "deploy")
    for role, address in offices:
        setup(market.registry, "grantRole", role, address)
    setup(market.registry, "addGateway", market.keys.address("gateway"))
    setup(market.currency, "addSystemHolder", market.house.address)
    if market.pool:
        setup(market.grid, "setMarket", market.pool.address)
    for module, permissions in modules.items():
        setup(market.house, "proposeModule", module, permissions)
        setup(market.house, "authoriseModule", module)
