"""Demand response of a community, sold as one bid to the balancing market by its aggregator.

[Mendes2020] §4.2.1: demand turn-up "requires a minimum bid of 1MW, but aggregators can participate if the
minimum site aggregation is of at least 0,1MW"; §4.2.2: two system operators' areas are two markets, and
no bid may cover both.  A bid asks the highest of its members' prices, is accepted where the market's price
is no lower, and is paid that price (pay-as-cleared).  The delivery of all members together counts, so they
cover for each other; what is missing is penalised.  [Mendes2020] §2.2.1.2 names the ways of sharing:
equal, by contribution, by marginal contribution.

Energy Wh; prices µEUR per MWh (EUR/MWh with six decimals), paid to the party that delivers, < 0 where
it pays; money µEUR.  The fraction of a µEUR of a bid's pay stays with the system operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import Final

import numpy as np

from gridbourse.model.call_auction import ration
from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility.baseline.delivery import Direction, delivered_wh
from gridbourse.model.periods import Mtu

WH_PER_MWH: Final = 1_000_000


class AreasPooled(ModelError):
    """One bid with members in the areas of two system operators."""


class BidTooSmall(ModelError):
    """Bid below the product's minimum."""


@dataclass(frozen=True)
class BalancingProduct:
    """Balancing product. minimum_bid_w: of a bid; minimum_site_w: of all members at one aggregated site, W.

    penalty_percent: of the market's price, for each Wh that is missing.
    """

    name: str
    minimum_bid_w: int
    minimum_site_w: int
    penalty_percent: int

    def __post_init__(self) -> None:
        for field in ("minimum_bid_w", "minimum_site_w", "penalty_percent"):
            if getattr(self, field) < 0:
                raise ModelError(f"{self.name}: {field} {getattr(self, field)} is negative")


DEMAND_TURN_UP: Final = BalancingProduct("demand turn-up", 1_000_000, 100_000, penalty_percent=100)
"""Demand turn-up of Great Britain; sizes from [Mendes2020] §4.2.1, the penalty is an assumption."""


@dataclass(frozen=True)
class MemberOffer:
    """Offer of a member in one period at its site: Wh > 0, at a price in µEUR/MWh."""

    member: str
    site: str
    area: str
    wh: int
    price_micro_eur_per_mwh: int

    def __post_init__(self) -> None:
        if self.wh <= 0:
            raise ModelError(f"offer of {self.member}: {self.wh} Wh must be above 0")


@dataclass(frozen=True)
class Bid:
    """Bid of an aggregator to a balancing market in one period, in one direction.

    Raises AreasPooled, ModelError for no offer, or two of one member.
    """

    name: str
    period: int
    direction: Direction
    offers: tuple[MemberOffer, ...]

    def __post_init__(self) -> None:
        if not self.offers:
            raise ModelError(f"bid {self.name}: has no offer")
        if len(areas := sorted({offer.area for offer in self.offers})) > 1:
            raise AreasPooled(f"bid {self.name}: pools the areas {' and '.join(areas)}")
        members = [offer.member for offer in self.offers]
        for member in members:
            if members.count(member) > 1:
                raise ModelError(f"bid {self.name}: member {member} is there twice")

    @property
    def area(self) -> str:
        """Area of the system operator that gets the bid."""
        return self.offers[0].area

    @property
    def wh(self) -> int:
        """Energy of the bid, Wh."""
        return sum(offer.wh for offer in self.offers)

    @property
    def price_micro_eur_per_mwh(self) -> int:
        """Price asked: its dearest member's, so that nobody sells below its own price."""
        return max(offer.price_micro_eur_per_mwh for offer in self.offers)


@dataclass(frozen=True)
class Qualified:
    """Bid that the market takes; left_out: the sites below the product's minimum, with their W."""

    bid: Bid
    left_out: Mapping[str, int]


def qualify(bid: Bid, product: BalancingProduct, mtu: Mtu) -> Qualified:
    """Bid without its small sites.  Raises BidTooSmall where the rest is too little."""
    by_site = sorted(bid.offers, key=lambda offer: offer.site)
    sums = {
        site: sum(offer.wh for offer in offers)
        for site, offers in groupby(by_site, key=lambda offer: offer.site)
    }
    small = {site for site, wh in sums.items() if not _reaches(wh, product.minimum_site_w, mtu)}
    offers = tuple(offer for offer in bid.offers if offer.site not in small)
    wh = sum(offer.wh for offer in offers)
    if not offers or not _reaches(wh, product.minimum_bid_w, mtu):
        without = f" without {', '.join(sorted(small))}" if small else ""
        raise BidTooSmall(
            f"bid {bid.name}: {_watts(wh, mtu):,} W{without} is below the {product.minimum_bid_w:,} W"
            f" of {product.name}"
        )
    return Qualified(
        replace(bid, offers=offers), {site: _watts(sums[site], mtu) for site in sorted(small)}
    )


def accepted(bid: Bid, market_micro_eur_per_mwh: int) -> bool:
    """True where the market takes a qualified bid at its price of the period."""
    return bid.price_micro_eur_per_mwh <= market_micro_eur_per_mwh


class Sharing(Enum):
    """Rule by which a bid's pay is divided among its members."""

    CONTRIBUTION = "contribution"
    """By delivered Wh."""
    EQUAL = "equal"
    """The same for every member that delivered."""
    MARGINAL = "marginal"
    """By the loss of the community's pay without the member."""


@dataclass(frozen=True)
class BalancingTerms:
    """account: receives the commission (permille of the pay), and the part that no member has a claim to."""

    sharing: Sharing
    account: str
    commission_permille: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.commission_permille <= 1000:
            raise ModelError(f"commission_permille: {self.commission_permille} is not in 0..1000")


@dataclass(frozen=True)
class Response:
    """Response of a member in a period, net Wh, + injects: its baseline, and its reading."""

    baseline_wh: int
    metered_wh: int


@dataclass(frozen=True)
class Share:
    """Share of a member: Wh that count as its own delivery and that it lacks; µEUR of pay and penalty."""

    member: str
    delivered_wh: int
    missing_wh: int
    pay_micro_eur: int
    penalty_micro_eur: int

    @property
    def net_micro_eur(self) -> int:
        """Net receipt of the member (- pays)."""
        return self.pay_micro_eur - self.penalty_micro_eur


@dataclass(frozen=True)
class Proceeds:
    """Proceeds of an accepted bid.  shares: one per member, in the bid's order.

    delivered_wh: of all members, 0 to what was sold; the members' counted delivery has the same sum.
    Members and the named account together get the payment of the system operator.
    """

    bid: Bid
    delivered_wh: int
    pay_micro_eur: int
    penalty_micro_eur: int
    shares: tuple[Share, ...]

    @property
    def net_micro_eur(self) -> int:
        """Net payment of the system operator (- gets)."""
        return self.pay_micro_eur - self.penalty_micro_eur

    @property
    def account_micro_eur(self) -> int:
        """Receipt of the named account."""
        return self.net_micro_eur - sum(share.net_micro_eur for share in self.shares)


def proceeds(
    bid: Bid,
    product: BalancingProduct,
    mtu: Mtu,
    market_micro_eur_per_mwh: int,
    responses: Mapping[str, Response],
    terms: BalancingTerms,
) -> Proceeds:
    """Proceeds of an accepted bid and their division; a member without a response delivers nothing.

    bid: qualified.  Raises ModelError for a bid the market has not accepted.
    """
    price = market_micro_eur_per_mwh
    if not accepted(bid, price):
        raise ModelError(
            f"bid {bid.name}: asks {bid.price_micro_eur_per_mwh} µEUR/MWh, the market pays {price}"
        )
    answered = [_response_wh(offer, responses, bid.direction) for offer in bid.offers]
    delivered = _delivered_wh(bid, answered)
    pay = delivered * price // WH_PER_MWH
    missing = bid.wh - delivered
    # Rounded up, so that no Wh that is missing is free.
    penalty = -(-missing * max(price, 0) * product.penalty_percent // (100 * WH_PER_MWH))
    lacking = [max(o.wh - max(wh, 0), 0) for o, wh in zip(bid.offers, answered, strict=True)]
    counted = _counted_wh(bid, answered)
    weights = _weights(bid, product, mtu, answered, counted, terms.sharing)
    to_members = pay - (pay * terms.commission_permille // 1000 if pay > 0 else 0)
    pays, penalties = _divided(to_members, weights), _divided(penalty, lacking)
    rows = zip(bid.offers, counted, lacking, pays, penalties, strict=True)
    shares = tuple(Share(offer.member, *figures) for offer, *figures in rows)
    return Proceeds(bid, delivered, pay, penalty, shares)


def _reaches(wh: int, least_w: int, mtu: Mtu) -> bool:
    return wh * 3600 >= least_w * mtu.seconds


def _watts(wh: int, mtu: Mtu) -> int:
    """Mean power, rounded down."""
    return wh * 3600 // mtu.seconds


def _response_wh(
    offer: MemberOffer, responses: Mapping[str, Response], direction: Direction
) -> int:
    response = responses.get(offer.member)
    if response is None:
        return 0
    baseline, metered = np.array([response.baseline_wh]), np.array([response.metered_wh])
    return int(delivered_wh(baseline, metered, direction)[0])


def _delivered_wh(bid: Bid, answered: Sequence[int]) -> int:
    """Delivery of all members: they cover for each other, and a response the other way is deducted."""
    return max(0, min(sum(answered), bid.wh))


def _counted_wh(bid: Bid, answered: Sequence[int]) -> list[int]:
    """Delivery counted for each: its own up to its offer, then those that did more fill what is missing.

    Where a member went the other way, the rest of the sum is divided by what the others did.
    """
    delivered = _delivered_wh(bid, answered)
    own = [max(0, min(wh, offer.wh)) for wh, offer in zip(answered, bid.offers, strict=True)]
    if (missing := delivered - sum(own)) < 0:
        return _divided(delivered, own)
    more = [max(0, wh - offer.wh) for wh, offer in zip(answered, bid.offers, strict=True)]
    return [a + b for a, b in zip(own, _divided(missing, more), strict=True)]


def _weights(
    bid: Bid, product: BalancingProduct, mtu: Mtu, answered: Sequence[int], counted: list[int],
    sharing: Sharing,
) -> list[int]:  # fmt: skip
    if sharing is Sharing.CONTRIBUTION:
        return counted
    if sharing is Sharing.EQUAL:
        return [int(wh > 0) for wh in counted]

    def earned(without: int | None) -> int:
        """Delivery without one member: nothing where the rest is too small to bid."""
        kept = [i for i in range(len(bid.offers)) if i != without]
        if not kept:
            return 0
        pool = replace(bid, offers=tuple(bid.offers[i] for i in kept))
        try:
            qualify(pool, product, mtu)
        except BidTooSmall:
            return 0
        return _delivered_wh(pool, [answered[i] for i in kept])

    whole = earned(None)
    return [max(0, whole - earned(i)) if wh else 0 for i, wh in enumerate(counted)]


def _divided(amount: int, weights: Sequence[int]) -> list[int]:
    """Amount divided by weight, by cumulative rounding in the bid's order; zeros without any weight."""
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    return [int(part) for part in ration(np.array(weights, dtype=np.int64), amount, total)]
