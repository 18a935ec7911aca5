"""A deployed market: its contracts, bound to a chain and to the keys of its parties."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from web3 import Web3

from gridbourse.chain.bindings import curtailment
from gridbourse.chain.bindings.aggregator_auction import AggregatorAuction
from gridbourse.chain.bindings.bilateral import BilateralMarket
from gridbourse.chain.bindings.call_auction import CallAuction
from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.bindings.clearing_house import ClearingHouse
from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.bindings.curtailment import CurtailmentCompensation
from gridbourse.chain.bindings.flexibility import Flexibility
from gridbourse.chain.bindings.grid_oracle import GridOracle
from gridbourse.chain.bindings.market_clock import MarketClock
from gridbourse.chain.bindings.meter_oracle import MeterOracle
from gridbourse.chain.bindings.order_book import OrderBook
from gridbourse.chain.bindings.over_the_counter import OverTheCounter
from gridbourse.chain.bindings.portfolios import Agents, Portfolios
from gridbourse.chain.bindings.registry import ParticipantRegistry
from gridbourse.chain.bindings.settlement import Settlement
from gridbourse.chain.deployment.record import (
    CONTRACTS,
    FLEXIBILITY,
    MARKETS,
    OPTIONAL,
    DeploymentError,
    DeploymentRecord,
)
from gridbourse.chain.keys.accounts import Keyring, Keys
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain

T = TypeVar("T", bound=CheckedTrades)


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
            meter=MeterOracle(chain, at["MeterOracle"], keys["meter oracle"], AREA),
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
                CurtailmentCompensation(chain, at[curtailment.NAME], keys["grid oracle"], AREA)
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
