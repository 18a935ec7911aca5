"""Where in the queue of its tick an order rests, rebuilt (`LevelQueue.sol`).

The model names orders by their time, the chain by a tick and a position there. Positions go round in
a circle of words of four, and are used again.
"""

from gridbourse.chain.lanes import PER_GROUP

WORDS = 216


class TickQueue:
    """The positions of the orders of one tick."""

    def __init__(self) -> None:
        self.orders: dict[int, int] = {}
        """Order of the model by position."""
        self._head = 0

    def append(self, order: int) -> int | None:
        """The position behind all others; None where the circle is full."""
        position = self._behind()
        if position is not None:
            self.orders[position] = order
        return position

    def remove(self, position: int) -> int:
        """Take an order out; the head moves on once its word has none left. The order."""
        order = self.orders.pop(position)
        live = self._live_words()
        if live and position // PER_GROUP == self._head and self._head not in live:
            self._head = min(live, key=self._from_head)
        return order

    def _behind(self) -> int | None:
        live = self._live_words()
        if not live:
            return self._head * PER_GROUP
        last = max(live, key=self._from_head)
        highest = max(position for position in self.orders if position // PER_GROUP == last)
        if (highest + 1) % PER_GROUP:
            return highest + 1
        word = (last + 1) % WORDS
        return None if word == self._head else word * PER_GROUP

    def _live_words(self) -> set[int]:
        return {position // PER_GROUP for position in self.orders}

    def _from_head(self, word: int) -> int:
        return (word - self._head) % WORDS
