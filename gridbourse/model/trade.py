"""Trade packed in one word, as the chain hashes, logs and judges it: `contracts/libraries/TradeWord.sol`.

seller: 32 | buyer: 32 | Wh: 28 | price in µEUR per Wh: 16, the price lowest.
"""

from typing import NamedTuple

from gridbourse.model.errors import ModelError

MOST_WH = (1 << 28) - 1
"""Most energy of a trade, and so of an order, listing or period of a strip, Wh."""
LEAST_WH = 10
"""Least energy of an order, listing, auction or period of a deal unless another is set, Wh."""
MOST_PRICE_MICRO_EUR_PER_WH = (1 << 16) - 1
"""Highest price of a trade."""
MOST_PARTICIPANT = (1 << 32) - 1
_BITS = 32 + 32 + 28 + 16


class TradeWord(NamedTuple):
    """Energy between two participants, by number, at a price."""

    seller: int
    buyer: int
    wh: int
    price_micro_eur_per_wh: int

    def pack(self) -> int:
        """Word of the trade; ModelError when a value has more bits than its lane."""
        for name, value, most in zip(self._fields, self, _MOST, strict=True):
            if not 0 <= value <= most:
                raise ModelError(f"trade: {name} {value} must lie in 0..{most}")
        return self.seller << 76 | self.buyer << 44 | self.wh << 16 | self.price_micro_eur_per_wh

    @classmethod
    def unpack(cls, word: int) -> "TradeWord":
        """Trade of a word; ModelError when it has more bits than a trade."""
        if not 0 <= word < 1 << _BITS:
            raise ModelError(f"trade: word {word:#x} has more than {_BITS} bits")
        return cls(
            word >> 76,
            word >> 44 & MOST_PARTICIPANT,
            word >> 16 & MOST_WH,
            word & MOST_PRICE_MICRO_EUR_PER_WH,
        )


_MOST = (MOST_PARTICIPANT, MOST_PARTICIPANT, MOST_WH, MOST_PRICE_MICRO_EUR_PER_WH)
