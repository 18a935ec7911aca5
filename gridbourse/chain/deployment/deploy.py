"""Deploys the contracts of one market and gives each party its role."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from eth_utils import keccak
from web3 import Web3

from gridbourse.chain.bindings import curtailment, flexibility
from gridbourse.chain.bindings.aggregator_auction import AggregatorAuction
from gridbourse.chain.bindings.bilateral import BilateralMarket
from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.bindings.contracts import (
    Bound,
    CallAuction,
    ClearingHouse,
    MarketClock,
    MeterOracle,
    ParticipantRegistry,
    Settlement,
)
from gridbourse.chain.bindings.curtailment import CurtailmentCompensation
from gridbourse.chain.bindings.flexibility import Flexibility
from gridbourse.chain.bindings.grid_oracle import GridOracle
from gridbourse.chain.bindings.order_book import OrderBook
from gridbourse.chain.bindings.over_the_counter import OverTheCounter
from gridbourse.chain.bindings.portfolios import Agents, Portfolios
from gridbourse.chain.deployment.market_kinds import NOBODY, Anchors, arguments
from gridbourse.chain.deployment.record import (
    CONTRACTS,
    FLEXIBILITY,
    MARKETS,
    OPTIONAL,
    PLEDGES,
    DeployedContract,
    DeploymentError,
    DeploymentRecord,
    chain_identity,
    compiler_facts,
    current_commit,
)
from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.encoding.arguments import label
from gridbourse.chain.keys.accounts import Keyring, Keys
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import fund
from gridbourse.chain.node.transactions import Chain

T = TypeVar("T", bound=CheckedTrades)
MARKET, SETTLEMENT, ORACLE, PAYMENT = 1, 2, 4, 8
"""Permissions of a module in the clearing house."""

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
TRADE_MARKETS: dict[str, type[CheckedTrades]] = {
    "OrderBook": OrderBook,
    "BilateralMarket": BilateralMarket,
    "OverTheCounter": OverTheCounter,
    "AggregatorAuction": AggregatorAuction,
}
"""Markets whose trades are judged one by one, by the name of their contract."""
AREA = 0
"""One market area a deployment: the first."""


@dataclass
class Market:
    """The contracts of a deployment, bound to a chain and to the keys of its parties."""

    chain: Chain
    keys: Keys
    record: DeploymentRecord
    registry: ParticipantRegistry
    clock: MarketClock
    currency: Bound
    tariff: Bound
    house: ClearingHouse
    meter: MeterOracle
    grid: GridOracle
    settlement: Settlement
    pool: CallAuction | None = None
    trade_markets: tuple[CheckedTrades, ...] = ()
    portfolios: Portfolios | None = None
    agents: Agents | None = None
    flexibility_market: Flexibility | None = None
    compensation: CurtailmentCompensation | None = None

    @classmethod
    def bind(cls, chain: Chain, keys: Keys, record: DeploymentRecord) -> "Market":
        """Bind a record to its chain; DeploymentError when the chain is another."""
        record.require_chain(chain.w3)
        there = [name for name in (*CONTRACTS, *OPTIONAL, *MARKETS) if name in record.contracts]
        at = {name: chain.bind(name, record.contracts[name].address) for name in there}
        pool = CallAuction(chain, at["CallAuction"]) if "CallAuction" in at else None
        return cls(
            chain=chain,
            keys=keys,
            record=record,
            registry=ParticipantRegistry(chain, at["ParticipantRegistry"]),
            clock=MarketClock(chain, at["MarketClock"]),
            currency=Bound(chain, at["SettlementCurrency"]),
            tariff=Bound(chain, at["Tariff"]),
            house=ClearingHouse(chain, at["ClearingHouse"]),
            meter=MeterOracle(chain, at["MeterOracle"], keys["meter oracle"]),
            grid=GridOracle(chain, at["GridOracle"], keys["grid oracle"], pool, AREA),
            settlement=Settlement(chain, at["Settlement"]),
            pool=pool,
            trade_markets=tuple(
                kind(chain, at[name], AREA, record.contracts[name].block)
                for name, kind in TRADE_MARKETS.items()
                if name in at
            ),
            portfolios=Portfolios(chain, at["Portfolios"]) if "Portfolios" in at else None,
            agents=Agents(chain, at["Agents"]) if "Agents" in at else None,
            flexibility_market=_flexibility(chain, record),
            compensation=(
                CurtailmentCompensation(chain, at[curtailment.NAME], keys["grid oracle"])
                if curtailment.NAME in at
                else None
            ),
        )

    @property
    def auction(self) -> CallAuction:
        """The pool; DeploymentError where there is none."""
        if self.pool is None:
            raise DeploymentError("CallAuction: this deployment has none")
        return self.pool

    @property
    def order_book(self) -> OrderBook:
        """The continuous double auction; DeploymentError where there is none."""
        return self._trade_market(OrderBook)

    @property
    def bilateral(self) -> BilateralMarket:
        """The market of neighbours; DeploymentError where there is none."""
        return self._trade_market(BilateralMarket)

    @property
    def over_the_counter(self) -> OverTheCounter:
        """Private deals; DeploymentError where there are none."""
        return self._trade_market(OverTheCounter)

    @property
    def aggregator_auction(self) -> AggregatorAuction:
        """The aggregators' auctions; DeploymentError where there are none."""
        return self._trade_market(AggregatorAuction)

    @property
    def flexibility(self) -> Flexibility:
        """The flexibility market; DeploymentError where there is none."""
        if self.flexibility_market is None:
            raise DeploymentError("FlexibilityMarket: this deployment has none")
        return self.flexibility_market

    def _trade_market(self, kind: type[T]) -> T:
        for market in self.trade_markets:
            if isinstance(market, kind):
                return market
        raise DeploymentError(f"{kind.__name__}: this deployment has none")


def _flexibility(chain: Chain, record: DeploymentRecord) -> Flexibility | None:
    if "FlexibilityMarket" not in record.contracts:
        return None
    at = {name: record.contracts[name].address for name in ("FlexibilityMarket", *FLEXIBILITY)}
    return Flexibility.bind(chain, at, AREA, record.contracts["FlexibilityMarket"].block)


def open_market(w3: Web3, record: Path) -> Market:
    """The market of a deployment record; DeploymentError when the chain is another."""
    chain = Chain(w3, load_artifacts())
    return Market.bind(chain, Keyring.for_chain(w3), DeploymentRecord.load(record))


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
    if "FlexibilityMarket" in settings.markets and settings.energy_prices is not None:
        settings.flexibility.require_truthful(settings.energy_prices)
    operator, area = keys["operator"], label("addArea", settings.area)
    roles = ROLES | (flexibility.ROLES if "FlexibilityMarket" in settings.markets else {})
    settings.require_fits()
    fund(chain.w3, [keys.address(name) for name in ("operator", "gateway", *roles)])
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
    modules = {
        put(name, *arguments(name, anchors, tariff, settings, agents)): MARKET
        for name in settings.markets
    }
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
    offices: list[tuple[str, str]] = [(role, keys.address(name)) for name, role in roles.items()]
    offices += [("AGGREGATOR", address) for address in aggregators]
    _wire(market, area, offices, modules | {settlement: SETTLEMENT, meter: ORACLE, grid: ORACLE})
    if market.flexibility_market:
        flexibility.wire(market.flexibility_market, operator, settings)
    market.house.write(operator, "deploy", "seal")
    return market


def _wire(
    market: Market, area: bytes, offices: Sequence[tuple[str, str]], modules: dict[str, int]
) -> None:
    operator = market.keys["operator"]

    def setup(contract: Bound, function: str, *arguments: Any) -> None:
        contract.write(operator, "deploy", function, *arguments)

    pledges = market.record.contracts[PLEDGES].address
    setup(market.registry, "connect", market.clock.address, market.house.address, pledges)
    setup(market.registry, "addArea", area)
    for role, address in offices:
        setup(market.registry, "grantRole", keccak(text=role), address)
    setup(market.registry, "addGateway", market.keys.address("gateway"))
    setup(market.currency, "addSystemHolder", market.house.address)
    if market.pool:
        setup(market.grid, "setMarket", market.pool.address)
    for module, permissions in modules.items():
        setup(market.house, "proposeModule", module, permissions)
        setup(market.house, "authoriseModule", module)
