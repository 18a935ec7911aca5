"""A deployed market: its contracts, bound to a chain and to the keys of its parties."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

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
from gridbourse.chain.keys.area_keys import AreaKeys
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain
from gridbourse.market_kinds import BINDINGS, KINDS, part
from gridbourse.model.house_accounts import dso_account

T = TypeVar("T", bound=CheckedTrades)


class EventLog(Protocol):
    """A deployment's log, kept beside the chain."""

    def events(self, contract: str, names: Sequence[str]) -> Iterable[tuple[str, dict[str, Any]]]:
        """(name, values) of a contract's events of these names, in order."""

    def open_subjects(self, contract: str, begins: str, ends: Collection[str]) -> list[int]:
        """Numbers that an event of one name told of and none of the others since, in order."""


FIRST_AREA = 0
"""The area of a deployment that has one."""


@dataclass
class Market:
    """The contracts of a deployment for one market area, bound to a chain and to the keys of its parties."""

    chain: Chain
    keys: Keys
    record: DeploymentRecord
    area: int
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
    area_name: str = ""
    log: EventLog | None = None

    @classmethod
    def bind(cls, chain: Chain, keys: Keys, record: DeploymentRecord, area: int = 0) -> "Market":
        """Bind a record to its chain, for one area; DeploymentError when the chain is another.

        keys: of the parties of that area (see `AreaKeys`).
        """
        record.require_chain(chain.w3)
        there = [name for name in (*CONTRACTS, *OPTIONAL, *MARKETS) if name in record.contracts]
        at = {name: chain.bind(name, record.contracts[name].address) for name in there}
        pool = CallAuction(chain, at["CallAuction"]) if "CallAuction" in at else None
        return cls(
            chain=chain,
            keys=keys,
            record=record,
            area=area,
            registry=ParticipantRegistry(chain, at["ParticipantRegistry"]),
            clock=MarketClock(chain, at["MarketClock"]),
            currency=Bound(chain, at["SettlementCurrency"]),
            tariff=Bound(chain, at["Tariff"]),
            house=ClearingHouse(chain, at["ClearingHouse"]),
            meter=MeterOracle(chain, at["MeterOracle"], keys["meter oracle"], area),
            grid=GridOracle(chain, at["GridOracle"], keys["grid oracle"], pool, area),
            settlement=Settlement(chain, at["Settlement"]),
            pool=pool,
            trade_markets=tuple(
                bound(chain, at[name], area, record.contracts[name].block)
                for name, bound in _trade_markets()
                if name in at
            ),
            portfolios=Portfolios(chain, at["Portfolios"]) if "Portfolios" in at else None,
            agents=Agents(chain, at["Agents"]) if "Agents" in at else None,
            flexibility_market=_flexibility(chain, record, area),
            compensation=(
                CurtailmentCompensation(chain, at[curtailment.NAME], keys["grid oracle"], area)
                if curtailment.NAME in at
                else None
            ),
        )

    def in_area(self, area: int, name: str) -> "Market":
        """The same deployment for another of its areas, with the keys of that area's parties."""
        keys = self.keys.whole if isinstance(self.keys, AreaKeys) else self.keys
        found = Market.bind(self.chain, AreaKeys(keys, name) if area else keys, self.record, area)
        found.area_name, found.log = name, self.log
        return found

    @property
    def dso_account(self) -> int:
        """Account of the area's DSO."""
        return dso_account(self.area)

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


def _trade_markets() -> Iterator[tuple[str, type[CheckedTrades]]]:
    """Markets whose trades are judged one by one, by the name of their contract."""
    for kind in KINDS.values():
        bound = part(BINDINGS, kind.name, "{contract}")
        if issubclass(bound, CheckedTrades):
            yield kind.contract, bound


def _flexibility(chain: Chain, record: DeploymentRecord, area: int) -> Flexibility | None:
    if "FlexibilityMarket" not in record.contracts:
        return None
    at = {name: record.contracts[name].address for name in ("FlexibilityMarket", *FLEXIBILITY)}
    return Flexibility.bind(chain, at, area, record.contracts["FlexibilityMarket"].block)


def open_market(w3: Web3, record: Path) -> Market:
    """The market of a deployment record; DeploymentError when the chain is another."""
    chain = Chain(w3, load_artifacts())
    return Market.bind(chain, Keyring.for_chain(w3), DeploymentRecord.load(record))
