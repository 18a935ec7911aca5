"""Order book, rebuilt: every incoming order matched by the model, and compared (`OrderBook.sol`)."""

from dataclasses import replace
from typing import Any, NamedTuple

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.reservations import Energy
from gridbourse.audit.core.rules import BookRules
from gridbourse.audit.markets.checked_trades import CheckedTrades, shown, trade_of
from gridbourse.audit.markets.left_out import require_left_out
from gridbourse.audit.markets.order_book_collateral import Collateral
from gridbourse.audit.markets.rebuild_context import RebuildContext
from gridbourse.audit.markets.resting_orders import RestingBook
from gridbourse.chain.encoding.book_order import BookOrder
from gridbourse.model.call_auction import Band
from gridbourse.model.order_book import (
    Ending,
    Kind,
    Order,
    OrderBookError,
    Placement,
    Side,
    Trade,
)
from gridbourse.model.trade import TradeWord

KILLED = {
    1: (Kind.IMMEDIATE_OR_CANCEL, Ending.IMMEDIATE),
    2: (Kind.LIMIT, Ending.OWN_ORDER),
    3: (Kind.LIMIT, Ending.FILL_LIMIT),
    4: (Kind.FILL_OR_KILL, Ending.KILLED),
}
"""By `Matching.Ending`: a kind of order that can end so, and the model's name of the ending."""


class Incoming(NamedTuple):
    """Order from the log; trades: words. tick: None where it filled whole."""

    area: int
    period: int
    participant: int
    side: Side
    wh: int
    trades: list[int]
    block: int
    where: str
    tick: int | None = None


class OrderBookMarket(CheckedTrades):
    """Books of every area and period. `orders_placed` counts incoming orders."""

    name = "OrderBook"

    def __init__(self, rules: BookRules, common: Common) -> None:
        super().__init__(rules.group_size, common)
        self._rules = rules
        self._books: dict[tuple[int, int], RestingBook] = {}
        # An order that traded, until the log tells the ending of its rest.
        self._unfinished: Incoming | None = None
        # Last cancellation, as the first half of a replacement: (block, (area, period, participant), energy).
        self._cancelled: tuple[int, tuple[int, int, int], Energy] | None = None
        self._collateral = Collateral(common.members, self._reservations, common.findings)
        self.orders_placed = 0

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return super().handlers() | {
            "OrdersMatched": self.matched,
            "OrderRested": self.rested,
            "OrderKilled": self.killed,
            "OrderCancelled": self.cancelled,
            "OrderReduced": self.reduced,
            "OrderGone": self.gone,
            "OrderLeftOut": self.left_out,
            "CollateralKept": self.collateral_kept,
            "BookReleased": self.released,
        }

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {"book_orders": self.orders_placed, "book_trades": self.trades}

    def book(self, area: int, period: int) -> RestingBook:
        """Book of an area and period."""
        band = self._rules.band.in_use(self._tariffs.energy(area, period).retail)
        return self._books.setdefault((area, period), RestingBook(replace(self._rules, band=band)))

    # --- incoming orders ---------------------------------------------------------------------

    def matched(self, event: Event) -> None:
        """OrdersMatched: the rest of the order is told right after."""
        self._finish()
        taker, words = event["taker"], list(event["trades"])
        first = trade_of(words[0]) if words else None
        side = Side.BID if first is not None and first.buyer == taker else Side.OFFER
        order = self._incoming(event, taker, side, event["wh"], words)
        if sum(trade.wh for trade in map(trade_of, order.trades) if trade) == order.wh:
            self._place(order, Kind.IMMEDIATE_OR_CANCEL, Ending.FILLED)
        else:
            self._unfinished = order

    def rested(self, event: Event) -> None:
        """OrderRested: an incoming order, or the rest of one."""
        order = self._rest_of(event)
        placement = self._place(order, Kind.LIMIT, Ending.RESTED)
        if placement is None or placement.order_id is None:
            return
        where = f"{event['participant']}, {event.at('area', 'period')}"
        book = self.book(order.area, order.period)
        position = book.rest(placement.order_id, order.participant, event["tick"])
        place = f"(Wh, position) at rest, participant {where}"
        self._findings.compare(
            "order", place, (event["wh"], event["position"]), (placement.rested_wh, position)
        )

    def killed(self, event: Event) -> None:
        """OrderKilled: the rest of an order, neither traded nor resting."""
        order = self._rest_of(event)
        kind, ending = KILLED.get(event["ending"], (Kind.LIMIT, None))
        placement = self._place(order, kind, ending)
        place = f"Wh cancelled, participant {order.participant}, {event.at('area', 'period')}"
        rebuilt = None if placement is None else placement.cancelled_wh
        self._findings.compare("order", place, event["wh"], rebuilt)

    def _incoming(
        self,
        event: Event,
        participant: int,
        side: Side,
        wh: int,
        trades: list[int],
        tick: int | None = None,
    ) -> Incoming:
        place = (event["area"], event["period"], participant, side)
        return Incoming(*place, wh, trades, event.block, event.where, tick)

    def _rest_of(self, event: Event) -> Incoming:
        """Whole order, from the event about its rest."""
        last, whose = self._unfinished, (event["area"], event["period"], event["participant"])
        if last is not None and last[:4] == (*whose, event["side"]):
            self._unfinished = None
            return last._replace(tick=event["tick"])
        self._finish()
        self._require("order", event.where, event["side"] in tuple(Side), "of no side")
        side = Side(event["side"] % 2)
        return self._incoming(event, event["participant"], side, event["wh"], [], event["tick"])

    def _finish(self) -> None:
        """Place an order whose rest was not told: only its trades are known."""
        if self._unfinished is not None:
            order, self._unfinished = self._unfinished, None
            self._require("order", order.where, False, "what became of its rest is not in the log")
            self._place(order, Kind.IMMEDIATE_OR_CANCEL, Ending.FILLED)

    def _place(self, order: Incoming, kind: Kind, ending: Ending | None) -> Placement | None:
        """Place an order with the model, compare the outcome, and record its trades."""
        self.orders_placed += 1
        place = f"area {order.area}, period {order.period}"
        where = f"participant {order.participant}, {place}, {order.where}"
        self._require_takes(order, where)
        self._back(order, where)
        book = self.book(order.area, order.period)
        # An order that filled whole would have filled at any higher limit as well.
        farthest = book.orders.ticks - 1 if order.side is Side.BID else 0
        tick = farthest if order.tick is None else order.tick
        try:
            placement = book.orders.place(order.participant, order.side, tick, order.wh, kind)
        except OrderBookError as error:
            self._require("order", where, False, str(error))
            self._give_back(order, order.wh)
            return None
        self._compare_trades(order, placement, where)
        self._findings.compare("order", f"ending, {where}", ending, placement.ending)
        for trade in placement.trades:
            self.record(order.area, order.period, self._word(trade))
            book.forget_filled(trade.maker_order_id)
        self._give_back(order, placement.cancelled_wh)
        return placement

    def _require_takes(self, order: Incoming, where: str) -> None:
        self._clock.require_open(order.period, f"order, {where}")
        in_area = self._members.area_of(order.participant) == order.area
        self._require("order", where, in_area, "of another area")

    def _back(self, order: Incoming, where: str) -> None:
        """Reserve its energy; a replacement gives back that of its former order."""
        last, self._cancelled = self._cancelled, None
        claimed = Energy.of(order.side, order.wh)
        period, who = order.period, order.participant
        if last is not None and last[:2] == (order.block, (order.area, period, who)):
            self._collateral.replace(period, who, last[2], claimed, where)
        else:
            self._collateral.claim(period, who, claimed, where)

    def _compare_trades(self, order: Incoming, placement: Placement, where: str) -> None:
        rebuilt = [shown(self._word(trade)) for trade in placement.trades]
        chain = [shown(trade_of(word)) for word in order.trades]
        self._findings.compare("trade", f"of the order of {where}", chain, rebuilt)

    def _word(self, trade: Trade) -> TradeWord:
        return TradeWord(trade.seller, trade.buyer, trade.wh, self._rules.band.price(trade.tick))

    def _give_back(self, order: Incoming, wh: int) -> None:
        self._collateral.free(order.period, order.participant, Energy.of(order.side, wh))

    # --- resting orders ----------------------------------------------------------------------

    def cancelled(self, event: Event) -> None:
        """OrderCancelled: by its owner, with the energy left of it."""
        if (order := self._named(event)) is None:
            return
        where = event.at("area", "period", "participant")
        self._findings.compare("order", f"Wh cancelled, {where}", event["wh"], order.wh)
        self._take_out(self.book(event["area"], event["period"]), order)
        whose, energy = (event["area"], event["period"], order.participant), _energy(order)
        self._collateral.free(event["period"], order.participant, energy)
        self._cancelled = (event.block, whose, energy)

    def reduced(self, event: Event) -> None:
        """OrderReduced: keeps its place with less energy."""
        if (order := self._named(event)) is None:
            return
        where = event.at("area", "period", "participant")
        self._require("order", where, event["wh"] < order.wh, "does not get smaller")
        try:
            if event["wh"] < order.wh:
                book = self.book(event["area"], event["period"]).orders
                book.replace(order.participant, order.order_id, order.tick, event["wh"])
        except OrderBookError as error:
            self._require("order", where, False, str(error))
            return
        gone = Energy.of(order.side, max(order.wh - event["wh"], 0))
        self._collateral.free(event["period"], order.participant, gone)

    def gone(self, event: Event) -> None:
        """OrderGone: a gateway's cancellation or replacement of an order that is not at rest."""
        self._finish()
        self._cancelled = None
        word, where = BookOrder.unpack(event["order"]), event.at("area", "period")
        self._clock.require_open(event["period"], f"order, {where}")
        order = self.book(event["area"], event["period"]).at(word.tick, word.position)
        rests = order is not None and order.participant == word.participant
        place = f"participant {word.participant}, {where}"
        in_area = self._members.area_of(word.participant) == event["area"]
        self._require("order", place, in_area, "of another area")
        self._require("order", place, not rests, "is at rest")

    def left_out(self, event: Event) -> None:
        """OrderLeftOut: of a gateway's batch; changes nothing."""
        self._finish()
        self._cancelled = None
        participant = BookOrder.unpack(event["order"]).participant
        where = f"participant {participant}, {event.at('area', 'period')}"
        self._clock.require_open(event["period"], f"order, {where}")
        there = event["area"] < len(self._members.areas)
        self._require("order", where, there, "of an area that is not there")
        require_left_out(self._findings, "order", where, participant, event["reason"])

    def collateral_kept(self, event: Event) -> None:
        """CollateralKept: while orders are taken; it is given back until settlement begins."""
        self._finish()
        self._cancelled = None
        period, where = event["period"], event.at("area", "period", "participant")
        in_area = self._members.area_of(event["participant"]) == event["area"]
        self._require("order", where, in_area, "of another area")
        if event["sellWh"] or event["buyWh"]:
            self._clock.require_open(period, f"collateral, {where}")
        else:
            begun = (event["area"], period) in self._money.settling
            self._require("order", where, not begun, "settlement has begun")
        self._collateral.kept(event)

    def released(self, event: Event) -> None:
        """BookReleased: after gate closure the next resting orders, tick by tick."""
        self._finish()
        area, period, where = event["area"], event["period"], event.at("area", "period")
        self._clock.require_closed(period, f"release, {where}")
        begun = (area, period) in self._money.settling
        self._require("order", where, not begun, "settlement has begun")
        book = self.book(area, period)
        page = book.resting()[: len(event["orders"])]
        chain = [BookOrder.unpack(word) for word in event["orders"]]
        self._findings.compare("order", f"released, {where}", chain, [*map(book.word, page)])
        for order in page:
            self._take_out(book, order)
            self._reservations.give_back(period, order.participant, _energy(order))

    def _named(self, event: Event) -> Order | None:
        """Order that an event names by its place; owner and side have to be the same."""
        self._finish()
        self._cancelled = None
        where = event.at("area", "period", "tick", "position")
        self._clock.require_open(event["period"], f"order, {where}")
        order = self.book(event["area"], event["period"]).at(event["tick"], event["position"])
        rebuilt = None if order is None else (order.participant, int(order.side))
        chain = (event["participant"], event["side"])
        self._findings.compare("order", f"(participant, side), {where}", chain, rebuilt)
        return order

    def _take_out(self, book: RestingBook, order: Order) -> None:
        book.orders.cancel(order.participant, order.order_id)
        book.forget_filled(order.order_id)

    def require_nothing_loose(self) -> None:
        """Final check: the ending of every order is known."""
        self._finish()
        super().require_nothing_loose()


def _energy(order: Order) -> Energy:
    return Energy.of(order.side, order.wh)


def rules_of(arguments: list[Any]) -> BookRules:
    """Rules of its constructor."""
    [[_, _, floor, tick, ticks, group_size, min_wh, max_fills, max_open]] = arguments
    return BookRules(Band(floor, tick, ticks), group_size, min_wh, max_fills, max_open)


def rebuild(rules: BookRules, about: RebuildContext) -> OrderBookMarket:
    """The market of a deployment, before its first event."""
    return OrderBookMarket(rules, about.common)
