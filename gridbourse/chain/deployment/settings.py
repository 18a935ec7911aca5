"""Settings that are fixed for the life of a deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gridbourse.errors import GridbourseError
from gridbourse.market_kinds import DEPLOYMENT, KINDS, part
from gridbourse.model.call_auction import Band
from gridbourse.model.flexibility.market import LOT_REVEAL_SECONDS, require_truthful
from gridbourse.model.flexibility.products import PRODUCTS, Product
from gridbourse.model.settlement import Prices

FLEXIBILITY_BAND = Band(0, 5, 120)
TIME_TO_ACT_SECONDS = 86_400
"""Between a theft and the proposal of another key, and from its taking up to the correction."""


class SettingsError(GridbourseError):
    """Settings that contradict each other."""


@dataclass(frozen=True)
class FlexibilityRules:
    """Of the flexibility market; see `gridbourse.model.flexibility.market`.

    band: prices of flexibility, beside the energy itself; reveal_seconds: market time after the close of a
    request in which the seed of its lot is shown, and again for the salts; verification_window_seconds:
    block time after the reading window in which delivery may still be verified.
    """

    band: Band = FLEXIBILITY_BAND
    products: tuple[Product, ...] = PRODUCTS
    reveal_seconds: int = LOT_REVEAL_SECONDS
    verification_window_seconds: int = 86_400

    def require_truthful(self, prices: Prices) -> None:
        """UntruthfulTerms where a product would reward a false schedule at these energy prices and fees."""
        for product in self.products:
            require_truthful(product, self.band, prices)


@dataclass(frozen=True)
class MarketSettings:
    """Settings that are fixed for the life of a deployment; markets: which of `record.MARKETS` it has.

    rules: of each kind of market by its name; a kind without any has its own standard.
    portfolios: whether there are contracts between aggregators and prosumers.
    dispute_window_seconds: block time from the announcement of a withdrawal to its payment; on block time
    longer than it takes to give the meter oracle's role to another key, which alone corrects.
    silent_permille: part of its connection's capacity that a silent meter is settled to have drawn.
    curtailment_reach_permille: how much of a cap a reading has to reach for the DSO to pay for what was
    held back; None: it pays nothing.
    areas: names of the market areas, in the order of their numbers.
    energy_prices: of the tariffs of the areas, where they are known: products that would reward a false
    schedule under one of them are refused.
    replay: the operator drives the market clock; else it is block time, and then `require_fits`.
    """

    mtu_seconds: int
    gate_closure_seconds: int
    band: Band
    areas: tuple[str, ...]
    markets: tuple[str, ...] = ("CallAuction",)
    rules: Mapping[str, Any] = field(default_factory=dict)
    portfolios: bool = False
    flexibility: FlexibilityRules = FlexibilityRules()
    curtailment_reach_permille: int | None = None
    energy_prices: tuple[Prices, ...] = ()
    replay: bool = True
    horizon_periods: int = 96
    ring_size: int = 512
    timelock_seconds: int = 172_800
    reading_window_seconds: int = 86_400
    verdict_window_seconds: int = 86_400
    dispute_window_seconds: int = 259_200
    silent_permille: int = 1000

    def rules_of(self, kind: str) -> Any:
        """Rules of a kind of market, by its name."""
        return self.rules.get(kind) or part(DEPLOYMENT, kind, "Rules")()

    @property
    def needed_seconds(self) -> int:
        """How long a period may hold its ring slot: from its first order until every window is over."""
        windows = self.verdict_window_seconds + self.reading_window_seconds
        if "FlexibilityMarket" in self.markets:
            windows += self.flexibility.verification_window_seconds
        return (self.horizon_periods + 1) * self.mtu_seconds + self.gate_closure_seconds + windows

    def require_fits(self) -> None:
        """SettingsError where nobody could reveal, or the ring comes round before a period must have ended.

        A replay's clock waits for its windows; of block time no ring does.
        """
        for kind in KINDS.values():
            if kind.contract in self.markets:
                getattr(self.rules_of(kind.name), "require_fits", lambda: None)()
        least_window = self.timelock_seconds + TIME_TO_ACT_SECONDS
        if not self.replay and self.dispute_window_seconds < least_window:
            raise SettingsError(
                f"dispute_window_seconds: {self.dispute_window_seconds} s are over before a stolen meter key"
                f" is replaced, behind a timelock of {self.timelock_seconds} s: at least {least_window}"
            )
        ring = self.ring_size * self.mtu_seconds
        if not self.replay and ring < self.needed_seconds:
            least = -(-self.needed_seconds // self.mtu_seconds)
            raise SettingsError(
                f"ring_size: {self.ring_size} periods are {ring} s; horizon, gate closure and windows"
                f" take {self.needed_seconds} s: at least {least}"
            )
