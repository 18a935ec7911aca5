"""What is fixed for the life of a deployment."""

from dataclasses import dataclass

from gridbourse.errors import GridbourseError
from gridbourse.model.aggregator_auction import LEAST_REVEAL_SECONDS
from gridbourse.model.call_auction import Band
from gridbourse.model.flexibility.market import LOT_REVEAL_SECONDS, require_truthful
from gridbourse.model.flexibility.products import PRODUCTS, Product
from gridbourse.model.settlement import Prices
from gridbourse.model.trade import LEAST_WH

FLEXIBILITY_BAND = Band(0, 5, 120)
MOST_POSTED = 16
TIME_TO_ACT_SECONDS = 86_400
"""Between a theft and the proposal of another key, and from its taking up to the correction."""
"""Of the 256 auctions of an area and period, those of one aggregator where nobody sets another number."""


class SettingsError(GridbourseError):
    """Settings that contradict each other."""


@dataclass(frozen=True)
class OrderBookRules:
    """Of the continuous double auction; see `gridbourse.model.order_book`."""

    min_wh: int = LEAST_WH
    max_fills: int = 32
    max_open: int = 16


@dataclass(frozen=True)
class BilateralRules:
    """Of full P2P; seller_price: every trade at the offer's price, else anything within both limits."""

    seller_price: bool = False
    min_wh: int = LEAST_WH
    max_open: int = 16
    subscription_micro_eur_per_period: int = 0


@dataclass(frozen=True)
class AuctionRules:
    """Of the aggregators' auctions: seconds in which sealed answers are revealed, 0:
    there are none, and their bond.

    min_wh: least energy of an auction; max_posted: most auctions of an aggregator in a period, of the
    256 of all.
    """

    reveal_seconds: int = 0
    bond_micro_eur: int = 0
    min_wh: int = LEAST_WH
    max_posted: int = MOST_POSTED


@dataclass(frozen=True)
class OverTheCounterRules:
    """Of deals: least energy in a period, and most deals of a seller that are performed in one."""

    min_wh: int = LEAST_WH
    max_performed: int = 16


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
    """What is fixed for the life of a deployment; markets: which of `deployments.MARKETS` it has.

    portfolios: whether there are contracts between aggregators and prosumers.
    dispute_window_seconds: block time from the announcement of a withdrawal to its payment; on block time
    longer than it takes to give the meter oracle's role to another key, which alone corrects.
    silent_permille: part of its connection's capacity that a silent meter is settled to have drawn.
    curtailment_reach_permille: how much of a cap a reading has to reach for the DSO to pay for what was
    held back; None: it pays nothing.
    energy_prices: what the tariff is going to be, where that is known: products that would reward a
    false schedule under it are refused.
    replay: the operator drives the market clock; else it is block time, and then `require_fits`.
    """

    mtu_seconds: int
    gate_closure_seconds: int
    band: Band
    pay_as_bid: bool
    max_rounds: int
    area: str
    markets: tuple[str, ...] = ("CallAuction",)
    order_book: OrderBookRules = OrderBookRules()
    bilateral: BilateralRules = BilateralRules()
    aggregator_auction: AuctionRules = AuctionRules()
    over_the_counter: OverTheCounterRules = OverTheCounterRules()
    portfolios: bool = False
    flexibility: FlexibilityRules = FlexibilityRules()
    curtailment_reach_permille: int | None = None
    energy_prices: Prices | None = None
    replay: bool = True
    horizon_periods: int = 96
    ring_size: int = 512
    timelock_seconds: int = 172_800
    reading_window_seconds: int = 86_400
    verdict_window_seconds: int = 86_400
    dispute_window_seconds: int = 259_200
    silent_permille: int = 1000

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
        sealed = self.aggregator_auction.reveal_seconds
        if "AggregatorAuction" in self.markets and 0 < sealed < LEAST_REVEAL_SECONDS:
            raise SettingsError(
                f"reveal_seconds: {sealed} leave no time to reveal a sealed answer: 0 (no sealed"
                f" auctions) or at least {LEAST_REVEAL_SECONDS}"
            )
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
