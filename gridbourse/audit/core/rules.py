"""Rules fixed by the constructors of a deployment, from the arguments in its record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gridbourse.audit.core.errors import AuditError
from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.market_kinds import KINDS, REBUILD, part
from gridbourse.model.call_auction import Band

T = TypeVar("T")


@dataclass(frozen=True)
class BookRules:
    """Rules of the order book; group_size: trades of one verdict."""

    band: Band
    group_size: int
    min_wh: int
    max_fills: int
    max_open: int


@dataclass(frozen=True)
class FlexibilityRules:
    """Rules of the flexibility market; group_size: trades of one verdict; reveal_seconds: of its lots."""

    band: Band
    group_size: int
    reveal_seconds: int


@dataclass(frozen=True)
class Rules:
    """Rules of all markets together, and of each.

    markets: rules of each kind that the deployment has, by its name.
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
    markets: Mapping[str, Any]
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
            markets={
                kind.name: part(REBUILD, kind.name, "rules_of")(given(kind.contract))
                for kind in KINDS.values()
                if kind.contract in deployment.contracts
            },
            portfolios="Portfolios" in deployment.contracts,
            flexibility=of_market(
                "FlexibilityMarket", lambda of: _flexibility(of, given("FlexibilityRequests"))
            ),
            curtailment_reach_permille=of_market("CurtailmentCompensation", _curtailment),
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise AuditError(f"deployment.json: constructor arguments: {error}") from error


def _flexibility(arguments: list[Any], board: list[Any]) -> FlexibilityRules:
    [[_, floor, tick, ticks, group_size]] = arguments
    [[*_, reveal_seconds]] = board
    return FlexibilityRules(Band(floor, tick, ticks), group_size, reveal_seconds)


def _curtailment(arguments: list[Any]) -> int:
    [*_, reach_permille] = arguments
    return int(reach_permille)
