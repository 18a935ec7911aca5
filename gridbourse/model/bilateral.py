"""Bilateral market: buyers' preferences, their ranking of offers, and the pairing of both sides.

Full peer-to-peer trade ([Khajeh2022] §2.2, [Mendes2020] §2.1.4.1, [Talari-nd] §3.1.1). An offer and a
request may be paired when each side's limits allow it; the pairing chosen makes
Σ Wh × (buyer's limit + its premiums − seller's limit) greatest and, among all that do, the volume.
Premiums state a buyer's preferences. They rank and match and are never paid: the price
stays within both limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from gridbourse.model.bilateral_matching import Route, transport
from gridbourse.model.errors import ModelError
from gridbourse.model.trade import MOST_PRICE_MICRO_EUR_PER_WH, MOST_WH

MOST_HOPS = (1 << 8) - 1
MOST_PREMIUM_MICRO_EUR_PER_WH = MOST_PRICE_MICRO_EUR_PER_WH


class ListingError(ModelError):
    """An offer or request outside the rules."""


class PriceRule(Enum):
    """The price of a pairing, µEUR/Wh."""

    SELLER = "seller"
    """The least price of the offer."""
    MIDPOINT = "midpoint"
    """The middle of both limits, rounded down."""


class Zones:
    """Tree of grid zones; 0 is the upstream grid, and every zone is below it."""

    def __init__(self, parents: Mapping[int, int]) -> None:
        """parents: of each zone, numbered before it. Raises ListingError."""
        for zone, parent in parents.items():
            if not 0 <= parent < zone:
                raise ListingError(f"zone: {zone} comes before {parent}, the zone above it")
        self._parents = dict(parents)

    def hops(self, one: int, other: int) -> int:
        """Steps along the tree from one zone to another, 0 within one. Raises ListingError."""
        here, there = self._upwards(one), self._upwards(other)
        return len(set(here) ^ set(there))

    def is_within(self, zone: int, other: int) -> bool:
        """True where a zone is another or below it. Raises ListingError."""
        return other in self._upwards(zone)

    def _upwards(self, zone: int) -> list[int]:
        path = [zone]
        while path[-1]:
            if path[-1] not in self._parents:
                raise ListingError(f"zone: {path[-1]} is not a zone of the grid")
            path.append(self._parents[path[-1]])
        return path


@dataclass(frozen=True)
class Offer:
    """Up to `wh` for at least `least_micro_eur_per_wh`.

    source, zone: attested of the seller by the registry; a source is such as "pv".
    buyer: the only one who may take it, or None: anyone.
    """

    seller: int
    wh: int
    least_micro_eur_per_wh: int
    source: str
    zone: int
    buyer: int | None = None


@dataclass(frozen=True)
class Premiums:
    """Value of energy to a buyer beyond its limit, µEUR/Wh; negative: worth less.

    sources: by source; sellers: by preferred seller; own_zone: from its own zone;
    per_hop: for each hop of distance, as a rule negative.
    """

    sources: Mapping[str, int] = field(default_factory=dict)
    sellers: Mapping[int, int] = field(default_factory=dict)
    own_zone: int = 0
    per_hop: int = 0

    def of(self, offer: Offer, hops: int) -> int:
        """The premium of an offer this many hops away, µEUR/Wh."""
        return (
            self.sources.get(offer.source, 0)
            + self.sellers.get(offer.seller, 0)
            + (0 if hops else self.own_zone)
            + self.per_hop * hops
        )


@dataclass(frozen=True)
class Request:
    """Up to `wh` for at most `most_micro_eur_per_wh`.

    sources: the only ones accepted, or None: any. within: the zone the seller has to be in or below,
    or None: anywhere. seller: the only one it buys from, or None: anyone.
    """

    buyer: int
    wh: int
    most_micro_eur_per_wh: int
    zone: int
    sources: frozenset[str] | None = None
    within: int | None = None
    seller: int | None = None
    premiums: Premiums = field(default_factory=Premiums)


@dataclass(frozen=True)
class Pairing:
    """`wh` at a price; `offer` and `request` are the rows of the two listings."""

    offer: int
    request: int
    seller: int
    buyer: int
    wh: int
    price_micro_eur_per_wh: int


@dataclass(frozen=True)
class Ranked:
    """Offer by its row, and its worth to the buyer above its price, µEUR/Wh."""

    offer: int
    surplus_micro_eur_per_wh: int


def allowed(offer: Offer, request: Request, zones: Zones) -> bool:
    """True where every limit of both sides lets the two trade. ListingError for an unknown zone."""
    return (
        offer.seller != request.buyer
        and offer.least_micro_eur_per_wh <= request.most_micro_eur_per_wh
        and offer.buyer in (None, request.buyer)
        and request.seller in (None, offer.seller)
        and (request.sources is None or offer.source in request.sources)
        and (request.within is None or zones.is_within(offer.zone, request.within))
    )


def surplus(offer: Offer, request: Request, hops: int) -> int:
    """Buyer's limit + its premiums − seller's limit, µEUR/Wh: the quantity that the matching maximises."""
    return (
        request.most_micro_eur_per_wh
        + request.premiums.of(offer, hops)
        - offer.least_micro_eur_per_wh
    )


def rank(request: Request, offers: Sequence[Offer], zones: Zones) -> list[Ranked]:
    """Offers that a buyer may take, best first; of equals the cheaper, then the earlier listed.

    An offer whose premium makes it worth less than its price is left out: no matching would take it.
    Raises ListingError.
    """
    _require_request(0, request)
    found = []
    for row, offer in enumerate(offers):
        _require_offer(row, offer)
        hops = _hops(offer, request, zones)
        if allowed(offer, request, zones) and surplus(offer, request, hops) >= 0:
            found.append(Ranked(row, surplus(offer, request, hops)))
    return sorted(
        found,
        key=lambda ranked: (
            -ranked.surplus_micro_eur_per_wh,
            offers[ranked.offer].least_micro_eur_per_wh,
        ),
    )


def match(
    offers: Sequence[Offer],
    requests: Sequence[Request],
    zones: Zones,
    price_rule: PriceRule = PriceRule.SELLER,
) -> list[Pairing]:
    """Pairing of greatest surplus, by request, then by offer; the same for the same input.

    Of all pairings one of greatest Σ Wh × surplus and, among those, of greatest Σ Wh. A seller may
    serve many buyers and a buyer have many sellers.
    Raises ListingError.
    """
    for row, offer in enumerate(offers):
        _require_offer(row, offer)
    routes = []
    for to, request in enumerate(requests):
        _require_request(to, request)
        for source, offer in enumerate(offers):
            hops = _hops(offer, request, zones)
            if allowed(offer, request, zones) and surplus(offer, request, hops) >= 0:
                # Twice the surplus and one: the greatest sum has the greatest surplus, then volume.
                # Two flows differ by paths and cycles; each changes the volume by at most one a
                # unit, and the surplus by a whole number, which counts two.
                routes.append(Route(source, to, 2 * surplus(offer, request, hops) + 1))
    flows = transport([o.wh for o in offers], [r.wh for r in requests], routes)
    return [
        _pairing(route, wh, offers[route.source], requests[route.sink], price_rule)
        for route, wh in zip(routes, flows, strict=True)
        if wh
    ]


def _pairing(route: Route, wh: int, offer: Offer, request: Request, rule: PriceRule) -> Pairing:
    price = offer.least_micro_eur_per_wh
    if rule is PriceRule.MIDPOINT:
        price = (price + request.most_micro_eur_per_wh) // 2
    return Pairing(route.source, route.sink, offer.seller, request.buyer, wh, price)


def _hops(offer: Offer, request: Request, zones: Zones) -> int:
    hops = zones.hops(offer.zone, request.zone)
    _require(f"distance of zones {offer.zone} and {request.zone}", "hops", hops, 0, MOST_HOPS)
    return hops


def _require_offer(row: int, offer: Offer) -> None:
    where = f"offer {row}"
    _require(where, "wh", offer.wh, 1, MOST_WH)
    _require(where, "least price", offer.least_micro_eur_per_wh, 0, MOST_PRICE_MICRO_EUR_PER_WH)


def _require_request(row: int, request: Request) -> None:
    where = f"request {row}"
    _require(where, "wh", request.wh, 1, MOST_WH)
    _require(where, "most price", request.most_micro_eur_per_wh, 0, MOST_PRICE_MICRO_EUR_PER_WH)
    wished = request.premiums
    for premium in (
        *wished.sources.values(), *wished.sellers.values(), wished.own_zone, wished.per_hop,
    ):  # fmt: skip
        _require(
            where, "premium", premium, -MOST_PREMIUM_MICRO_EUR_PER_WH, MOST_PREMIUM_MICRO_EUR_PER_WH
        )


def _require(where: str, name: str, value: int, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ListingError(f"{where}: {name} {value} must be an integer in {least}..{most}")
