"""Book of the call auction for one area and period, rebuilt from the orders and caps in the log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
from eth_utils.crypto import keccak

from gridbourse.audit.core.money import Position
from gridbourse.audit.core.reservations import Energy
from gridbourse.chain.encoding.lanes import OFFER, order_lane, seats_of, word56
from gridbourse.model.call_auction import Band, Clearing, clear

ORDER_BITS = 53


class Order(NamedTuple):
    """Limit order; 0 Wh with a sequence: cancelled."""

    side: int = 0
    tick: int = 0
    wh: int = 0
    sequence: int = 0

    def lowers(self, former: "Order") -> bool:
        """True where it asks for less than a former one, at the same price, or for nothing."""
        same = (self.side, self.tick) == (former.side, former.tick)
        return self.wh == 0 or (same and self.wh < former.wh)

    @classmethod
    def from_lane(cls, lane: int) -> "Order":
        """Unpack `OrderLane.sol`: Wh: 28 | tick: 16 | side: 1 | sequence: 8."""
        return cls(lane >> 8 & 1, lane >> 9 & 0xFFFF, lane >> 25, lane & 0xFF)

    @property
    def lane(self) -> int:
        """Packed order."""
        return order_lane(self.side, self.tick, self.wh, self.sequence)

    @property
    def energy(self) -> Energy:
        """Energy that it promises of the connection."""
        return Energy.of(self.side, self.wh)


Shrunk = dict[int, tuple[Order, Order]]
"""Orders before and after, by participant."""


class Phase(Enum):
    """State of the auction of an area and period."""

    OPEN = "open"
    CLEARED = "cleared"
    BOOKED = "booked"
    VOID = "void"


@dataclass
class Book:
    """Orders and the clearing that stands.

    fills, payments: by participant, Wh and µEUR (+ received). root: running hash of all orders that
    ever entered the book. fallback: no round was left in which its trades fit the grid.
    """

    area: int
    period: int
    phase: Phase = Phase.OPEN
    round: int = 0
    root: bytes = bytes(20)
    accepted: bool = False
    capping: bool = False
    fallback: bool = False
    orders: dict[int, Order] = field(default_factory=dict)
    clearing: Clearing | None = None
    fills: dict[int, Position] = field(default_factory=dict)
    payments: dict[int, int] = field(default_factory=dict)
    booked_groups: set[int] = field(default_factory=set)

    @property
    def where(self) -> str:
        """Place, for humans."""
        return f"area {self.area}, period {self.period}"

    @property
    def price(self) -> int | None:
        """Clearing price, µEUR per Wh; None where nothing trades."""
        return self.clearing.price_micro_eur_per_wh if self.clearing else None

    @property
    def matched_wh(self) -> int:
        """Energy that trades, Wh."""
        return self.clearing.crossing.volume_wh if self.clearing else 0

    def order(self, participant: int) -> Order:
        """Order of the participant, the empty one when it has none."""
        return self.orders.get(participant, Order())

    def word(self, group: int) -> int:
        """Orders of a group as the contract stores them."""
        lanes = {seat: self.order(seat).lane for seat in seats_of([group])}
        return self.period << 224 | word56(lanes)

    def extend_root(self, group: int) -> None:
        """`CallAuction._extendRoot`: keccak of (root, group, orders), its first 20 bytes."""
        words = (group.to_bytes(32, "big"), self.word(group).to_bytes(32, "big"))
        self.root = keccak(self.root.ljust(32, b"\0") + b"".join(words))[:20]

    def shrink(self, group: int, caps: Callable[[int], tuple[int, int]]) -> Shrunk:
        """Shrink a group's orders to (export, import) caps; (before, after) of those that change."""
        shrunk = {}
        for participant in seats_of([group]):
            before = self.order(participant)
            limit = caps(participant)[0 if before.side == OFFER else 1]
            if before.wh > limit:
                self.orders[participant] = before._replace(wh=limit)
                shrunk[participant] = (before, self.orders[participant])
        if shrunk:
            self.extend_root(group)
        return shrunk

    def clear(self, band: Band, pay_as_bid: bool) -> Clearing:
        """Clear the book as it is, in participant order."""
        participants = sorted(self.orders)
        orders = [self.orders[participant] for participant in participants]
        columns = np.array(orders, dtype=np.int64).reshape(-1, len(Order._fields)).T
        is_offer = columns[0] == OFFER
        self.clearing = clear(is_offer, columns[1], columns[2], band, pay_as_bid)
        fills = self.clearing.fills_wh.tolist()
        self.fills = {
            participant: Position(wh, 0) if offers else Position(0, wh)
            for participant, offers, wh in zip(participants, is_offer, fills, strict=True)
        }
        paid = self.clearing.payments_micro_eur.tolist()
        self.payments = dict(zip(participants, paid, strict=True))
        self.phase = Phase.CLEARED
        return self.clearing

    def next_round(self, max_rounds: int) -> None:
        """Drop the clearing that broke a limit; without a round left the period trades nothing."""
        self.clearing, self.fills, self.payments = None, {}, {}
        self.capping = False
        self.round += 1
        self.fallback = self.round >= max_rounds
        self.phase = Phase.VOID if self.fallback else Phase.OPEN

    @property
    def takes_caps(self) -> bool:
        """True while orders still shrink to caps: not once accepted, nor after caps voided the book."""
        return not (self.accepted or self.fallback)

    def void(self) -> None:
        """Drop the clearing that got no verdict: the period trades nothing."""
        self.clearing, self.fills, self.payments = None, {}, {}
        self.phase = Phase.VOID
