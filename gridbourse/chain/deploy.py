"""Deploys the contracts of one market and gives each party its role."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils import keccak
from web3 import Web3

from gridbourse.chain.accounts import Keyring
from gridbourse.chain.compiler import load_artifacts
from gridbourse.chain.connect import fund
from gridbourse.chain.contracts import (
    Bound,
    CallAuction,
    ClearingHouse,
    MarketClock,
    MeterOracle,
    ParticipantRegistry,
    Settlement,
)
from gridbourse.chain.deployments import (
    CONTRACTS,
    DeployedContract,
    DeploymentRecord,
    chain_identity,
    compiler_facts,
    current_commit,
)
from gridbourse.chain.grid_oracle import GridOracle
from gridbourse.chain.transactions import Chain
from gridbourse.model.clearing import Band

MARKET, SETTLEMENT, ORACLE = 1, 2, 4
"""Permissions of a module in the clearing house."""

ROLES = {
    "dso": "DSO",
    "supplier": "SUPPLIER",
    "meter oracle": "METER_ORACLE",
    "grid oracle": "GRID_ORACLE",
    "treasurer": "TREASURER",
}
AREA = 0
"""One market area a deployment: the first."""


@dataclass(frozen=True)
class OrderBookRules:
    """Of the continuous double auction; see `gridbourse.model.order_book`."""

    min_wh: int = 1
    max_fills: int = 32
    max_open: int = 16


@dataclass(frozen=True)
class BilateralRules:
    """Of full P2P; seller_price: every trade at the offer's price, else anything within both limits."""

    seller_price: bool = False
    min_wh: int = 1
    max_open: int = 16
    subscription_micro_eur_per_period: int = 0


@dataclass(frozen=True)
class MarketSettings:
    """What is fixed for the life of a deployment; markets: which of `deployments.MARKETS` it has."""

    mtu_seconds: int
    gate_closure_seconds: int
    band: Band
    pay_as_bid: bool
    max_rounds: int
    area: str
    markets: tuple[str, ...] = ("CallAuction",)
    order_book: OrderBookRules = OrderBookRules()
    bilateral: BilateralRules = BilateralRules()
    replay: bool = True
    horizon_periods: int = 96
    ring_size: int = 256
    timelock_seconds: int = 172_800
    reading_window_seconds: int = 86_400
    verdict_window_seconds: int = 86_400


@dataclass
class Market:
    """The contracts of a deployment, bound to a chain and to the keys of its parties."""

    chain: Chain
    keys: Keyring
    record: DeploymentRecord
    registry: ParticipantRegistry
    clock: MarketClock
    currency: Bound
    tariff: Bound
    house: ClearingHouse
    meter: MeterOracle
    grid: GridOracle
    auction: CallAuction
    settlement: Settlement

    @classmethod
    def bind(cls, chain: Chain, keys: Keyring, record: DeploymentRecord) -> "Market":
        """Bind a record to its chain; DeploymentError when the chain is another."""
        record.require_chain(chain.w3)
        at = {name: chain.bind(name, record.contracts[name].address) for name in CONTRACTS}
        auction = CallAuction(chain, at["CallAuction"])
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
            grid=GridOracle(chain, at["GridOracle"], keys["grid oracle"], auction, AREA),
            auction=auction,
            settlement=Settlement(chain, at["Settlement"]),
        )


def open_market(w3: Web3, record: Path) -> Market:
    """The market of a deployment record; DeploymentError when the chain is another."""
    chain = Chain(w3, load_artifacts())
    return Market.bind(chain, Keyring.for_chain(w3), DeploymentRecord.load(record))


def deploy(
    chain: Chain, keys: Keyring, settings: MarketSettings, scenario: dict[str, Any] | None = None
) -> Market:
    """Deploy every contract, wire them, give roles, and seal the clearing house."""
    operator = keys["operator"]
    fund(chain.w3, [keys[name].address for name in ("operator", "gateway", *ROLES)])
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
        "ClearingHouse", registry, currency, tariff, settings.ring_size, settings.timelock_seconds
    )
    meter = put("MeterOracle", registry, clock, house)
    grid = put("GridOracle", registry, clock, house)
    auction = put(
        "CallAuction",
        [registry, clock, house, grid, tariff,
         settings.band.floor_micro_eur_per_wh, settings.band.tick_micro_eur_per_wh, settings.band.ticks,
         settings.pay_as_bid, settings.max_rounds, settings.verdict_window_seconds],
    )  # fmt: skip
    settlement = put(
        "Settlement",
        [registry, clock, house, grid, meter, tariff, settings.reading_window_seconds],
    )
    chain_id, genesis = chain_identity(chain.w3)
    record = DeploymentRecord(
        chain_id, genesis, current_commit(), compiler_facts(), scenario or {}, deployed
    )
    market = Market.bind(chain, keys, record)
    _wire(market, settings, {auction: MARKET, settlement: SETTLEMENT, meter: ORACLE, grid: ORACLE})
    return market


def _wire(market: Market, settings: MarketSettings, modules: dict[str, int]) -> None:
    operator = market.keys["operator"]

    def setup(contract: Bound, function: str, *arguments: Any) -> None:
        contract.write(operator, "deploy", function, *arguments)

    setup(market.registry, "connect", market.clock.address, market.house.address)
    setup(market.registry, "addArea", Web3.to_bytes(text=settings.area).ljust(32, b"\0")[:32])
    for name, role in ROLES.items():
        setup(market.registry, "grantRole", keccak(text=role), market.keys[name].address)
    setup(market.registry, "addGateway", market.keys["gateway"].address)
    setup(market.currency, "addSystemHolder", market.house.address)
    setup(market.grid, "setMarket", market.auction.address)
    for module, permissions in modules.items():
        setup(market.house, "proposeModule", module, permissions)
        setup(market.house, "authoriseModule", module)
    setup(market.house, "seal")
