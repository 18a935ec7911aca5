"""Rules fixed by the constructors of a deployment, from the arguments in its record."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gridbourse.audit.core.errors import AuditError
from gridbourse.chain.deployment.market_kinds import SELLERS_PRICE
from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.model.call_auction import Band

T = TypeVar("T")


@dataclass(frozen=True)
class PoolRules:
    """Rules of the call auction."""

    band: Band
    pay_as_bid: bool
    max_rounds: int


@dataclass(frozen=True)
class BookRules:
    """Rules of the order book; group_size: trades of one verdict."""

    band: Band
    group_size: int
    min_wh: int
    max_fills: int
    max_open: int


@dataclass(frozen=True)
class BoardRules:
    """Rules of the bilateral market; seller_price: every pairing at the least price of the offer."""

    seller_price: bool
    min_wh: int
    max_open: int
    subscription_micro_eur_per_period: int


@dataclass(frozen=True)
class AuctionRules:
    """Rules of the aggregators' auctions; group_size: trades of one verdict."""

    band: Band
    group_size: int
    reveal_seconds: int
    bond_micro_eur: int
    min_wh: int
    max_posted: int


@dataclass(frozen=True)
class DealRules:
    """Rules of deals over the counter; max_performed: most deals a seller performs in a period."""

    min_wh: int
    max_performed: int


@dataclass(frozen=True)
class FlexibilityRules:
    """Rules of the flexibility market; group_size: trades of one verdict; reveal_seconds: of its lots."""

    band: Band
    group_size: int
    reveal_seconds: int


@dataclass(frozen=True)
class Rules:
    """Rules of all markets together, and of each; None where the deployment has no such market.

    ring_size: periods storage has room for. dispute_window_seconds: of a withdrawal. silent_permille:
    share of its connection's capacity that a meter without a reading is taken to draw. portfolios: True
    where there are aggregators' contracts. curtailment_reach_permille: share of a cap that a reading has
    to reach to be compensated.
    """

    replay: bool
    mtu_seconds: int
    gate_closure_seconds: int
    horizon_periods: int
    ring_size: int
    dispute_window_seconds: int
    silent_permille: int
    pool: PoolRules | None
    order_book: BookRules | None
    bilateral: BoardRules | None
    over_the_counter: DealRules | None
    aggregator_auction: AuctionRules | None
    portfolios: bool
    flexibility: FlexibilityRules | None = None
    curtailment_reach_permille: int | None = None


def rules_of(deployment: DeploymentRecord) -> Rules:
    """The rules of a deployment; AuditError for arguments that are not of its constructors."""

    def given(name: str) -> list[Any]:
        return deployment.contracts[name].arguments

    def of_market(name: str, read: Callable[[list[Any]], T]) -> T | None:
        return read(given(name)) if name in deployment.contracts else None

    try:
        [_, replay, mtu, gate_closure, horizon] = given("MarketClock")
        [_, _, _, ring_size, _, dispute_window] = given("ClearingHouse")
        [[*_, silent_permille]] = given("Settlement")
        return Rules(
            replay, mtu, gate_closure, horizon, ring_size, dispute_window, silent_permille,
            pool=of_market("CallAuction", _pool),
            order_book=of_market("OrderBook", _order_book),
            bilateral=of_market("BilateralMarket", _bilateral),
            over_the_counter=of_market("OverTheCounter", _over_the_counter),
            aggregator_auction=of_market("AggregatorAuction", _aggregator_auction),
            portfolios="Portfolios" in deployment.contracts,
            flexibility=of_market(
                "FlexibilityMarket", lambda of: _flexibility(of, given("FlexibilityRequests"))
            ),
            curtailment_reach_permille=of_market("CurtailmentCompensation", _curtailment),
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise AuditError(f"deployment.json: constructor arguments: {error}") from error


def _pool(arguments: list[Any]) -> PoolRules:
    [[*_, floor, tick, ticks, pay_as_bid, max_rounds, _]] = arguments
    return PoolRules(Band(floor, tick, ticks), pay_as_bid, max_rounds)


def _order_book(arguments: list[Any]) -> BookRules:
    [[_, _, floor, tick, ticks, group_size, min_wh, max_fills, max_open]] = arguments
    return BookRules(Band(floor, tick, ticks), group_size, min_wh, max_fills, max_open)


def _bilateral(arguments: list[Any]) -> BoardRules:
    [[_, _, price_rule, min_wh, max_open, subscription]] = arguments
    return BoardRules(price_rule == SELLERS_PRICE, min_wh, max_open, subscription)


def _aggregator_auction(arguments: list[Any]) -> AuctionRules:
    [[_, _, _, floor, tick, ticks, group_size, *rules]] = arguments
    return AuctionRules(Band(floor, tick, ticks), group_size, *rules)


def _over_the_counter(arguments: list[Any]) -> DealRules:
    [_, _, min_wh, max_performed] = arguments
    return DealRules(min_wh, max_performed)


def _flexibility(arguments: list[Any], board: list[Any]) -> FlexibilityRules:
    [[_, floor, tick, ticks, group_size]] = arguments
    [[*_, reveal_seconds]] = board
    return FlexibilityRules(Band(floor, tick, ticks), group_size, reveal_seconds)


def _curtailment(arguments: list[Any]) -> int:
    [*_, reach_permille] = arguments
    return int(reach_permille)
