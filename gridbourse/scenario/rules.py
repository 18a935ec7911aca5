"""Rules of a scenario besides its data: market, tariff, limits, strategies, parties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from gridbourse.model.periods import Mtu
from gridbourse.model.settlement import Prices

DAY_S: Final = 86_400


@dataclass(frozen=True)
class MarketRules:
    """kinds: the markets in use.  gate_closure_s: seconds before delivery begins.

    pricing ("uniform" or "pay_as_bid") and max_rounds are of the call auction; without one they
    have no effect.
    """

    kinds: tuple[str, ...]
    pricing: str
    tick_micro_eur_per_wh: int
    max_rounds: int
    gate_closure_s: int
    area: str


@dataclass(frozen=True)
class OrderBookRules:
    """Rules of the order book, and how its participants quote.

    min_wh: least energy of an order; max_fills: most makers an incoming order meets; max_open: most
    orders a participant may bring to rest in a period without taking one back.
    rounds: visits of participants before gate closure, each time in another order;
    revised_share: of the zero-intelligence traders, which give a resting order another price at a
    later visit; withdrawn_share: of all, which cancel it for good; immediate_share, fill_or_kill_share:
    of the orders placed, which never rest.
    """

    min_wh: int
    max_fills: int
    max_open: int
    rounds: int
    revised_share: float
    withdrawn_share: float
    immediate_share: float = 0.0
    fill_or_kill_share: float = 0.0


@dataclass(frozen=True)
class PremiumLimits:
    """Greatest worth of a preference to a buyer, µEUR/Wh; each buyer's is drawn between 0 and it.

    source: energy from its preferred source; favourite: from its preferred seller; own_zone: from
    its own zone; per_hop: less for each hop of distance.
    """

    source: int
    favourite: int
    own_zone: int
    per_hop: int


@dataclass(frozen=True)
class BilateralRules:
    """Rules of the bilateral market, and its buyers' preferences.

    pricing: "seller" (the least price of the offer, so the market adds no margin) or "midpoint".
    choice: "preferences" (everybody is matched anew each period) or "standing" (each consumer has
    picked a producer and buys only from it).
    sources: share of the sellers whose energy is attested to be of a source; they sum to 1.
    strict_share: of the buyers, which accept energy from their preferred source only.
    """

    pricing: str
    choice: str
    min_wh: int
    max_open: int
    subscription_micro_eur_per_day: int
    sources: Mapping[str, float]
    strict_share: float
    premiums: PremiumLimits

    def subscription_micro_eur_per_period(self, mtu: Mtu) -> int:
        """Subscription of each participant for a delivery period."""
        return self.subscription_micro_eur_per_day * mtu.seconds // DAY_S


@dataclass(frozen=True)
class OtcContract:
    """Energy in each of ``count`` periods at one price, agreed in private.

    first: periods from the start of the replay (in a file, of the season); wh: in each period.
    """

    seller: str
    buyer: str
    first: int
    count: int
    wh: int
    price_micro_eur_per_wh: int


@dataclass(frozen=True)
class AuctionRules:
    """Rules of the aggregators' auctions.

    answers: "open", or "sealed": then each is bonded, and revealed in the last reveal_s seconds
    before gate closure. pricing: "uniform" or "pay_as_bid".
    """

    answers: str
    pricing: str
    bond_micro_eur: int
    reveal_s: int

    @property
    def is_sealed(self) -> bool:
        """True where nobody sees an answer while others still answer."""
        return self.answers == "sealed"


@dataclass(frozen=True)
class Aggregator:
    """Aggregator, its connection point, and the contracts it offers.

    share: of the other participants, which have a contract with it, drawn once; control ("direct",
    "indirect" or "mixed"), resources and permille (of flexibility revenue, to the prosumer) are the
    terms of each; mandate_share: of the contracts, which let it trade for the prosumer.
    ceiling, floor: the most it bids for its shortage and the least it takes for its surplus, µEUR/Wh.
    """

    name: str
    point: str
    share: float
    control: str
    resources: tuple[str, ...]
    permille: int
    mandate_share: float
    ceiling_micro_eur_per_wh: int
    floor_micro_eur_per_wh: int


@dataclass(frozen=True)
class ZoneFees:
    """Grid fees of a zone, µEUR per Wh imported, traded locally, exported."""

    import_: int
    local: int
    export: int


@dataclass(frozen=True)
class TariffTable:
    """Energy prices of the supplier, without fees, and the grid fees added to them, by zone."""

    retail_micro_eur_per_wh: int
    feed_in_micro_eur_per_wh: int
    fees: dict[str, ZoneFees]

    @property
    def prices(self) -> Prices:
        """Prices for settlement; fees: arrays, one a zone."""
        zones = [astuple(fees) for fees in self.fees.values()]
        imports, local, exports = np.array(zones, dtype=np.int64).reshape(-1, 3).T
        return Prices(
            self.retail_micro_eur_per_wh, self.feed_in_micro_eur_per_wh, imports, local, exports
        )


@dataclass(frozen=True)
class StrategySpec:
    """Strategies: truthful_share of the participants order at their valuation, the rest zero-intelligence."""

    truthful_share: float
    seed: int


@dataclass(frozen=True)
class Curtailment:
    """Compensation by the DSO for what its caps hold back: the feed-in tariff less the export fee.

    reach_permille: of the cap, that a reading has to reach; levy_micro_eur_per_wh: paid for every Wh drawn
    towards it, in the import and the local fee; 0: the fees pay for it unchanged.
    """

    reach_permille: int
    levy_micro_eur_per_wh: int


@dataclass(frozen=True)
class Parties:
    """Participants and their access to the market.

    participation: share of the connection points that trade; the others are metered and supplied.
    own_share: of the participants, which send their own transactions; signed_share: which sign each
    order for the gateway; the rest has given the gateway a mandate. supplier_deposit_micro_eur: the
    supplier's guarantee: it pays feed-in and what customers owe, and beyond it credits wait.
    """

    participation: float
    deposit_micro_eur: int
    supplier_deposit_micro_eur: int
    signed_share: float
    own_share: float


@dataclass(frozen=True)
class SettlementRules:
    """Treatment of missing readings in settlement, and time in which payments can be disputed.

    dispute_window_s: block time between the announcement of a withdrawal and its payment.
    silent_permille: part of its connection's capacity that a meter without a reading is assumed to draw.
    """

    dispute_window_s: int = 259_200
    silent_permille: int = 1000
