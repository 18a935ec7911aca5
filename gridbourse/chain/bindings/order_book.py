"""The continuous double auction: `contracts/market/order_book/OrderBook.sol`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.encoding.book_order import BookOrder
from gridbourse.model.order_book import Kind, Side

WORDS_A_RELEASE = 200
"""Queue words of four orders given back in one transaction."""
MOST_TICKS = 224


class Level(NamedTuple):
    """A tick with orders at rest."""

    tick: int
    wh: int
    orders: int


class Top(NamedTuple):
    """Best bid and best offer with their energy; None where a side is empty."""

    bid_tick: int | None
    bid_wh: int
    offer_tick: int | None
    offer_wh: int


class OrderBook(CheckedTrades):
    """Orders of one area: own, by mandate, signed; the book as it stands."""

    TRADE_EVENT = "OrdersMatched"

    def words_of(self, event: dict[str, Any]) -> list[int]:
        """The trades of one incoming order."""
        return list(event["trades"])

    # --- orders --------------------------------------------------------------------------------

    def place(
        self, by: LocalAccount, period: int, side: Side, tick: int, wh: int, kind: Kind = Kind.LIMIT
    ) -> TxReceipt:
        """The caller's own order."""
        return self.write(by, "book order", "place", period, side, tick, wh, kind)

    def cancel(self, by: LocalAccount, period: int, tick: int, position: int) -> TxReceipt:
        """Take the caller's own order out of the book."""
        return self.write(by, "book cancel", "cancel", period, tick, position)

    def replace(
        self, by: LocalAccount, period: int, tick: int, position: int, new_tick: int, wh: int
    ) -> TxReceipt:
        """Give the caller's own order another price or energy."""
        return self.write(by, "book replace", "replace", period, tick, position, new_tick, wh)

    def place_batch(
        self, gateway: LocalAccount, period: int, orders: Sequence[BookOrder]
    ) -> TxReceipt:
        """Orders under mandate, executed one after the other; those left out are in the log."""
        words = [order.pack() for order in orders]
        receipt = self.write(
            gateway, "book mandate", "placeBatch", self.area, period, words, units=len(words)
        )
        self.tell_left_out(receipt, "OrderLeftOut")
        return receipt

    def place_signed(
        self, gateway: LocalAccount, period: int, orders: Sequence[tuple[Any, ...]]
    ) -> TxReceipt:
        """Orders the participants signed (see `signing.sign_book_order`); as `place_batch`."""
        receipt = self.write(
            gateway, "book signed", "placeSigned", self.area, period, orders, units=len(orders)
        )
        self.tell_left_out(receipt, "OrderLeftOut")
        return receipt

    def release(self, by: LocalAccount, period: int) -> None:
        """After gate closure, give back what backs the orders still at rest."""
        while not self._is_empty(period):
            self.write(by, "book release", "release", self.area, period, WORDS_A_RELEASE)

    # --- the book ------------------------------------------------------------------------------

    def top(self, period: int) -> Top:
        """Best bid and best offer."""
        bid_tick, bid_wh, offer_tick, offer_wh = self.read("top", self.area, period)
        return Top(bid_tick if bid_wh else None, bid_wh, offer_tick if offer_wh else None, offer_wh)

    def depth(self, period: int, side: Side, ticks: int = MOST_TICKS) -> list[Level]:
        """The best levels of a side, best first."""
        return [
            Level(*row)
            for row in zip(*self.read("depth", self.area, period, side, ticks), strict=True)
        ]

    def queue(self, period: int, tick: int) -> list[BookOrder]:
        """Orders at rest at a tick, the first to trade first."""
        return [*map(BookOrder.unpack, self.read("queueOf", self.area, period, tick))]

    def orders(self, participant: int, period: int) -> list[BookOrder]:
        """A participant's orders at rest, tick by tick."""
        return [*map(BookOrder.unpack, self.read("ordersOf", participant, period))]

    def _is_empty(self, period: int) -> bool:
        top = self.top(period)
        return top.bid_tick is None and top.offer_tick is None
