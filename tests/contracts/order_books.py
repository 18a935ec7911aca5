"""The continuous double auction, beside the pool of `tests.contracts.market` in the same clearing house."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.trade import TradeWord
from tests.contracts.bilateral_markets import anchors, authorise
from tests.contracts.market import ALGORITHM, REPORT, Market, Member
from tests.contracts.refusal import ask, fact

GROUP_SIZE, MIN_WH, MAX_FILLS, MAX_OPEN = 4, 10, 5, 6
LIMIT, IOC, FOK = Action.LIMIT, Action.IMMEDIATE_OR_CANCEL, Action.FILL_OR_KILL
IMMEDIATE, OWN_ORDER, FILL_LIMIT, KILLED = 1, 2, 3, 4  # Matching.Ending


def book_settings(market: Market, **other: Any) -> tuple:
    settings = {
        "anchors": anchors(market),
        "tariff": market.tariff,
        "floor": market.band.floor_micro_eur_per_wh,
        "tick": market.band.tick_micro_eur_per_wh,
        "ticks": market.band.ticks,
        "groupSize": GROUP_SIZE,
        "minWh": MIN_WH,
        "maxFills": MAX_FILLS,
        "maxOpen": MAX_OPEN,
    }
    return tuple((settings | other).values())


@dataclass
class Hall:
    """An order book and short ways to use it."""

    market: Market
    contract: Any

    @classmethod
    def open(cls, market: Market, **rules: Any) -> "Hall":
        by = {"from": market.operator}
        contract = market.contracts.OrderBook.deploy(book_settings(market, **rules), by)
        authorise(market, contract)
        return cls(market, contract)

    # --- own orders ----------------------------------------------------------------------------

    def place(self, period: int, member: Member, side: int, tick: int, wh: int, kind: int = LIMIT):
        return self.contract.place(period, side, tick, wh, kind, member.sends)

    def bid(self, period: int, member: Member, tick: int, wh: int, kind: int = LIMIT):
        return self.place(period, member, BID, tick, wh, kind)

    def offer(self, period: int, member: Member, tick: int, wh: int, kind: int = LIMIT):
        return self.place(period, member, OFFER, tick, wh, kind)

    def cancel(self, period: int, member: Member, tick: int, position: int):
        return self.contract.cancel(period, tick, position, member.sends)

    def batch(self, period: int, *orders: BookOrder, area: int = 0):
        words = [order.pack() for order in orders]
        return self.contract.placeBatch(area, period, words, {"from": self.market.gateway})

    # --- questions -----------------------------------------------------------------------------

    def queue(self, period: int, tick: int, area: int = 0) -> list[tuple[int, int, int]]:
        """(participant, position, Wh) of the orders at a tick, the first to trade first."""
        words = self.contract.queueOf(area, period, tick)
        return [(o.participant, o.position, o.wh) for o in map(BookOrder.unpack, words)]

    def depth(self, period: int, side: int, ticks: int) -> list[tuple[int, int, int]]:
        """(tick, Wh, orders) of the best ticks of a side."""
        return [*zip(*map(list, self.contract.depth(0, period, side, ticks)), strict=True)]

    def resting(self, period: int, side: int, area: int = 0) -> list[tuple[int, int, int]]:
        """(participant, tick, Wh) of every order of a side in the order in which it would be met."""
        contract = self.contract
        ticks = contract.depth(area, period, side, 256)[0]
        queues = ask(*((contract.queueOf, area, period, tick) for tick in ticks))
        return [
            (order.participant, order.tick, order.wh)
            for queue in queues
            for order in map(BookOrder.unpack, queue)
        ]

    def reserved(self, period: int, member: Member) -> tuple[int, int]:
        """(sell, buy) Wh in the clearing house."""
        return tuple(self.market.house.accountInPeriod(member.number, period))[1:3]

    def position(self, period: int, member: Member) -> tuple[int, int]:
        """(sold, bought) Wh in the clearing house."""
        return tuple(self.market.house.accountInPeriod(member.number, period))[3:5]

    # --- the DSO -------------------------------------------------------------------------------

    def seal(self, period: int, area: int = 0):
        return self.contract.sealGroup(area, period, {"from": self.market.grid_oracle})

    def judge(self, period: int, group: int, trades: list[int], rejected: int = 0, area: int = 0):
        verdict = (group, trades, rejected, ALGORITHM, REPORT, [])
        return self.market.grid.judge(
            self.contract, area, period, *verdict, {"from": self.market.grid_oracle}
        )


def trades_in(tx: Any) -> list[int]:
    """The trade words of a transaction."""
    matched = tx.events["OrdersMatched"] if "OrdersMatched" in tx.events else []  # noqa: SIM401
    return [word for event in matched for word in event["trades"]]


def trades_of(tx: Any) -> list[tuple[int, int, int, int]]:
    """(seller, buyer, Wh, price) of the trades of a transaction."""
    return [tuple(TradeWord.unpack(word)) for word in trades_in(tx)]


def rested_at(tx: Any) -> int:
    """Position of the order that came to rest."""
    return fact(tx, "OrderRested")[5]
