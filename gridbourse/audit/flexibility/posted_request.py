"""Request of a buyer with its offers, as the log tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gridbourse.audit.core.reservations import Energy
from gridbourse.chain.bindings.flexibility import NO_SEED
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.flexibility import market as model
from gridbourse.model.flexibility.products import Buyers, Product, Way

Kind = tuple[Way, bool, bool]


@dataclass
class Offered:
    """The offer of a participant under a request; agent: who brought it."""

    agent: int
    tick: int
    wh: int


@dataclass
class PostedRequest:
    """A request, and how far it has come.

    next_offer: place of the offer, in participant order, that is awarded next. waiting: trades without
    a verdict; open: legs that are not over. escrow: of the buyer, still there. committed, salts: of the
    agents, by number; shown_at: market time at which the seed was shown, None = not yet. forfeited: what
    the log is still to tell of salts that were withheld, by participant.
    """

    number: int
    buyer: int
    product: int
    zone: int
    request: model.Request
    closes_at: int
    only: int
    lot: bytes
    escrow: int
    offers: dict[int, Offered] = field(default_factory=dict)
    seed: bytes = NO_SEED
    shown_at: int | None = None
    committed: dict[int, bytes] = field(default_factory=dict)
    salts: dict[int, bytes] = field(default_factory=dict)
    forfeited: dict[int, int] = field(default_factory=dict)
    seed_forfeited: int = 0
    cleared: model.Cleared | None = None
    is_void: bool = False
    next_offer: int = 0
    legs: dict[int, model.Leg] = field(default_factory=dict)
    waiting: int = 0
    delivered_wh: int = 0
    ended: bool = False

    @property
    def offering(self) -> list[int]:
        """Participants that offer, in participant order."""
        return sorted(who for who, offer in self.offers.items() if offer.wh)

    @property
    def awarded(self) -> bool:
        """Whether every offer has found out what became of it."""
        return (self.cleared is not None or self.is_void) and self.next_offer == len(self.offering)

    def energy(self, wh: int) -> Energy:
        """Energy that so much of an offer promises of a connection; reactive power none."""
        if self.request.product.reactive:
            return Energy()
        way = self.request.way
        return Energy(wh if way & Way.UP else 0, wh if way & Way.DOWN else 0)

    def buyers_energy(self, wh: int) -> Energy:
        """Energy that so much of a request promises of the buyer's connection."""
        return Energy.of(BID if self.request.way is Way.UP else OFFER, wh)


def product_of(terms: tuple[Any, ...], mtu_seconds: int) -> Product:
    """A product as the log tells of it."""
    (name, directions, symmetric, quantity, minimum, activation, duration, evidence, method,
     penalty, compensation, buyers) = terms  # fmt: skip
    return Product(
        name=bytes(name).rstrip(b"\0").decode(errors="replace"),
        directions=Way(directions),
        buyers=Buyers(buyers),
        full_activation_seconds=activation,
        duration_seconds=duration,
        evidence_seconds=evidence,
        method=method,
        penalty_percent=penalty,
        symmetric=symmetric,
        reactive=quantity == 1,
        minimum_bid_w=minimum * 3600 // mtu_seconds,
        compensation_micro_eur_per_wh=compensation,
    )
