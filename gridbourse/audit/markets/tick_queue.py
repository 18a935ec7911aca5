"""Positions of resting orders in the queues of their ticks, rebuilt (`LevelQueue.sol`).

The model names orders by their time, the chain by a tick and a position there. Positions are those of a
list of words of four: a new word is the first that holds no order, and is used again.
"""

from gridbourse.chain.encoding.lanes import PER_GROUP

WORDS = 208


class TickQueue:
    """Positions of the orders of one tick."""

    def __init__(self) -> None:
        self.orders: dict[int, int] = {}
        """Number of the model's order by position."""
        # Words that hold orders, the first to trade first.
        self._words: list[int] = []

    def append(self, order: int) -> int | None:
        """Position after all others; None where every word holds an order."""
        position = self._behind()
        if position is not None:
            self.orders[position] = order
        return position

    def remove(self, position: int) -> int:
        """Take an order out, and its word from the list once that is empty; the order."""
        order = self.orders.pop(position)
        word = position // PER_GROUP
        if not any(at in self.orders for at in _positions(word)):
            self._words.remove(word)
        return order

    def _behind(self) -> int | None:
        if self._words:
            *_, highest = (at for at in _positions(self._words[-1]) if at in self.orders)
            if (highest + 1) % PER_GROUP:
                return highest + 1
        free = next((word for word in range(WORDS) if word not in self._words), None)
        if free is None:
            return None
        self._words.append(free)
        return free * PER_GROUP


def _positions(word: int) -> range:
    return range(word * PER_GROUP, (word + 1) * PER_GROUP)
