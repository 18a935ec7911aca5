"""What a participant wants of the order book, in one word: `contracts/market/order_book/BookOrder.sol`.

participant: 32 | sequence: 32 | new tick: 8 | kind: 3 | side: 1 | tick: 8 | position: 10 | Wh: 28,
the Wh lowest.
"""

from enum import IntEnum
from typing import NamedTuple

from gridbourse.errors import GridbourseError


class BookOrderError(GridbourseError):
    """A value that does not fit its lane; the message names the field."""


class Action(IntEnum):
    """What a word asks for; the first three are `gridbourse.model.order_book.Kind`."""

    LIMIT = 0
    IMMEDIATE_OR_CANCEL = 1
    FILL_OR_KILL = 2
    CANCEL = 3
    REPLACE = 4


class BookOrder(NamedTuple):
    """One order, cancellation or replacement; side 0 bid, 1 offer.

    tick: the limit of a new order; with `position`, the place of the order that is cancelled or
    replaced. new_tick and wh: of the replacement. sequence: of signed orders.
    """

    participant: int
    action: int = Action.LIMIT
    side: int = 0
    tick: int = 0
    wh: int = 0
    position: int = 0
    new_tick: int = 0
    sequence: int = 0

    def pack(self) -> int:
        """The word; BookOrderError when a value has more bits than its lane."""
        word = 0
        for name, shift, bits in _LANES:
            value = getattr(self, name)
            if not 0 <= value < 1 << bits:
                raise BookOrderError(f"order: {name} {value} must lie in 0..{(1 << bits) - 1}")
            word |= value << shift
        return word

    @classmethod
    def unpack(cls, word: int) -> "BookOrder":
        """The order of a word."""
        return cls(**{name: word >> shift & (1 << bits) - 1 for name, shift, bits in _LANES})


_LANES = (
    ("wh", 0, 28),
    ("position", 28, 10),
    ("tick", 38, 8),
    ("side", 46, 1),
    ("action", 47, 3),
    ("new_tick", 50, 8),
    ("sequence", 58, 32),
    ("participant", 90, 32),
)
"""(field, lowest bit, bits)"""
