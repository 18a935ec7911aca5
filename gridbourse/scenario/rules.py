"""What a scenario says besides its data: market, tariff, limits, strategies, parties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from gridbourse.model.periods import Mtu
from gridbourse.model.settlement import Prices

DAY_S: Final = 86_400
KINDS: Final = (
    "call_auction", "order_book", "bilateral", "over_the_counter", "aggregator_auction",
)  # fmt: skip
"""The kinds of market a scenario may run side by side."""


@dataclass(frozen=True)
class MarketRules:
    """kinds: which markets there are.  gate_closure_s: seconds before delivery begins.

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
    """The continuous market, and how its participants quote.

    min_wh: least energy of an order; max_fills: most makers an incoming order meets; max_open: most
    orders a participant may bring to rest in a period without taking one back.
    rounds: how often participants come by before gate closure, each time in another order;
    revised_share: of the zero-intelligence, who give a resting order another price when they come
    by again; withdrawn_share: of all, who take it out for good; immediate_share, fill_or_kill_share:
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
    """What buyers find a wish worth at most, µEUR/Wh; each buyer's own is drawn between 0 and it.

    source: energy from the source it likes; favourite: from its favourite seller; own_zone: from
    its own zone; per_hop: less for each hop of distance.
    """

    source: int
    favourite: int
    own_zone: int
    per_hop: int


@dataclass(frozen=True)
class BilateralRules:
    """The market of neighbours, and what they wish.

    pricing: "seller" (the least price of the offer, so the market adds no margin) or "midpoint".
    choice: "preferences" (everybody is matched anew each period) or "standing" (each consumer has
    picked a producer and buys from nobody else).
    sources: share of the sellers whose energy is attested to be of a source; they sum to 1.
    strict_share: of the buyers, who take energy from no other source than the one they like.
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
        """What each participant pays for a delivery period."""
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
    """The aggregators' auctions.

    answers: "open", or "sealed": then each is bonded, and revealed in the last reveal_s seconds
    before gate closure. pricing: "uniform" or "pay_as_bid".
    """

    answers: str
    pricing: str
    bond_micro_eur: int
    reveal_s: int

    @property
    def is_sealed(self) -> bool:
        """Whether nobody sees an answer while others still answer."""
        return self.answers == "sealed"


@dataclass(frozen=True)
class Aggregator:
    """An aggregator, its own connection point, and the contracts it offers.

    share: of the other participants who have a contract with it, drawn once; control ("direct",
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
    """Energy prices of the supplier, without fees, and the grid fees that come on top, by zone."""

    retail_micro_eur_per_wh: int
    feed_in_micro_eur_per_wh: int
    fees: dict[str, ZoneFees]

    @property
    def prices(self) -> Prices:
        """As settlement has them; fees: arrays, one a zone."""
        zones = [astuple(fees) for fees in self.fees.values()]
        imports, local, exports = np.array(zones, dtype=np.int64).reshape(-1, 3).T
        return Prices(
            self.retail_micro_eur_per_wh, self.feed_in_micro_eur_per_wh, imports, local, exports
        )


@dataclass(frozen=True)
class StrategySpec:
    """truthful_share of the participants order at their valuation, the rest zero-intelligence."""

    truthful_share: float
    seed: int


@dataclass(frozen=True)
class Curtailment:
    """What the DSO pays for what its caps hold back: the feed-in tariff less the export fee.

    reach_permille: of the cap, what a reading has to reach; levy_micro_eur_per_wh: what every Wh drawn
    pays towards it, in the import and the local fee; 0: the fees as they are pay for it.
    """

    reach_permille: int
    levy_micro_eur_per_wh: int


@dataclass(frozen=True)
class Parties:
    """Who takes part and how they reach the market.

    participation: share of the connection points that trade; the others are metered and supplied.
    own_share: of the participants, who send their own transactions; signed_share: who sign each
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
    """How settlement treats silence, and how long what it paid can be disputed.

    dispute_window_s: block time between the announcement of a withdrawal and its payment.
    silent_permille: part of its connection's capacity that a meter without a reading is taken to draw.
    """

    dispute_window_s: int = 259_200
    silent_permille: int = 1000
