"""Order book of a replay: several rounds of quoting, each call matched by the model as well.

The DSO judges the trades after each round: rejected energy is free again, and may be ordered
again in the next. The last round is judged between gate closure and delivery.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from gridbourse.agents.quotes import Visit, visits
from gridbourse.chain.bindings.grid_oracle import Caps
from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.signed_orders import book_domain, sign_book_order
from gridbourse.deployment.participants import (
    SIGNATURE_LIFE_S,
    account_name,
    routes_of,
    without_mandate,
)
from gridbourse.model.order_book import Kind, Order, OrderBook, Placement, Side
from gridbourse.model.trade import TradeWord
from replay.markets.checked_trades import Judged, Judging, Match, Placed, require_same
from replay.markets.market import Ints, Trading

ORDERS_A_CALL = 40
"""Orders in one call; each may take as many resting orders as the rules allow: 16 makers cost 250,000 gas."""
SIDES = {"bid": Side.BID, "offer": Side.OFFER}
PLACING: dict[int, Kind] = {Action(kind): kind for kind in Kind}
"""Actions on the chain that place an order."""


@dataclass
class Resting:
    """Resting order, by the model's id and by its place on the chain."""

    order_id: int
    placed: Placed
    tick: int
    position: int = -1


@dataclass
class BookPeriod:
    """Order book of one period by the model.

    elsewhere_wh: net energy of every point promised in other markets, + sells. traded_wh: by
    participant, its trades that were not rejected. gone: participants that do not return.
    """

    book: OrderBook
    elsewhere_wh: Ints
    judged: Judged = field(default_factory=Judged)
    caps: Caps = field(default_factory=dict)
    traded_wh: Counter[int] = field(default_factory=Counter)
    gone: set[str] = field(default_factory=set)
    placed: list[Placed] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    at_rest: dict[str, Resting] = field(default_factory=dict)
    by_id: dict[int, Placed] = field(default_factory=dict)


@dataclass
class OrderBookVenue:
    """Order book to which every visit is brought, on the chain and in the model, which are compared."""

    judging: Judging
    kind: str = "order_book"
    _sessions: dict[int, BookPeriod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scenario, self._members = self.judging.scenario, self.judging.members
        self._market, self._contract = self.judging.market, self.judging.market.order_book
        self._route_of = routes_of(self._scenario, self._members)
        self._number_of = self._members.number_of
        chain_id = self._market.chain.w3.eth.chain_id
        self._domain = book_domain(chain_id, self._contract.address)

    def trade(self, period: int, wanted_wh: Ints) -> Ints:
        """Run all rounds of participants' visits."""
        rules = self._scenario.book_rules
        ticks = self._scenario.band.ticks
        book = OrderBook(ticks, rules.min_wh, rules.max_fills, rules.max_open)
        elsewhere_wh = self._scenario.forecast_wh(period) - wanted_wh
        session = self._sessions[period] = BookPeriod(book, elsewhere_wh)
        for round_ in range(rules.rounds):
            if round_:
                self._judge(period)
            for route, some in self._calls(visits(self._scenario, period, round_, wanted_wh)):
                self._bring(period, round_, route, some)
        standing = [trade for trade, rejected in session.judged.trades if not rejected]
        waiting = [match.trade for match in self._waiting(session)]
        return self.judging.promised([*standing, *waiting])

    def withdraw(self, period: int) -> None:
        """Cancel every resting order: by the gateway, or by its owner without a mandate."""
        session = self._sessions[period]
        left = [mine for mine in session.at_rest.values() if self._left(session, mine)]
        words, alone = [], without_mandate(self._scenario)
        for mine in left:
            number = self._number_of[mine.placed.point_id]
            session.book.cancel(number, mine.order_id)
            if mine.placed.point_id in alone:
                account = self._market.keys[account_name(mine.placed.point_id)]
                self._contract.cancel(account, period, mine.tick, mine.position)
                continue
            words.append(BookOrder(number, Action.CANCEL, tick=mine.tick, position=mine.position))
        for start in range(0, len(words), ORDERS_A_CALL):
            page = words[start : start + ORDERS_A_CALL]
            self._contract.place_batch(self._market.keys["gateway"], period, page)

    def close(self, period: int) -> Trading:
        """Release the collateral of the resting orders, and have the DSO judge the trades."""
        session = self._sessions[period]
        self._contract.release(self._market.keys["operator"], period)
        self._judge(period)
        del self._sessions[period]
        return self.judging.sum_up(self.kind, period, session.placed, session.judged)

    # --- what the DSO says ---------------------------------------------------------------------

    def _judge(self, period: int) -> None:
        """Have the waiting trades judged; rejected energy is to be traded again."""
        session = self._sessions[period]
        judged = self.judging.judge(self.kind, self._contract, period, self._waiting(session))
        for trade, rejected in judged.trades:
            if rejected:
                session.traded_wh.subtract({trade.seller: trade.wh, trade.buyer: trade.wh})
        session.judged.add(judged)
        session.caps = self._market.grid.caps(period)

    def _waiting(self, session: BookPeriod) -> list[Match]:
        return session.matches[len(session.judged.trades) :]

    def _left_to_trade(self, session: BookPeriod, visit: Visit) -> int:
        """Part of the energy to trade that the caps in force leave room for, Wh."""
        number, selling = self._number_of[visit.point_id], visit.side == "offer"
        left = visit.wh - session.traded_wh[number]
        if number in session.caps:
            elsewhere = int(session.elsewhere_wh[self._members.row_of[number]])
            promised = session.traded_wh[number] + (elsewhere if selling else -elsewhere)
            left = min(left, session.caps[number][0 if selling else 1] - promised)
        return left

    # --- who comes in one transaction ----------------------------------------------------------

    def _calls(self, arriving: Iterator[Visit]) -> Iterator[tuple[str, list[Visit]]]:
        """Visits of each transaction: own orders one by one as they arrive, a gateway's after the last."""
        batches: dict[str, list[Visit]] = {"signed": [], "mandate": []}
        for visit in arriving:
            route = self._route_of[visit.point_id]
            if route == "own":
                yield route, [visit]
            else:
                batches[route].append(visit)
        for route, batch in batches.items():
            for start in range(0, len(batch), ORDERS_A_CALL):
                yield route, batch[start : start + ORDERS_A_CALL]

    def _bring(self, period: int, round_: int, route: str, some: Sequence[Visit]) -> None:
        """Bring one transaction: the model does the same, and must have the same result."""
        session = self._sessions[period]
        orders, rested, before = [], [], len(session.matches)
        for visit in some:
            order = self._order(session, visit)
            if order is None:
                continue
            orders.append(order._replace(sequence=round_ + 1))
            rested += self._execute(session, visit, order, route)
        if not orders:
            return
        receipt = self._send(period, route, some, orders)
        self._require_same_trades(period, receipt, session.matches[before:])
        events = self._contract.events_in(receipt, "OrderRested")
        for resting, event in zip(rested, events, strict=True):
            resting.position = event["position"]

    def _order(self, session: BookPeriod, visit: Visit) -> BookOrder | None:
        """Order of a visit, as a word for the chain; None where there is nothing to do."""
        number, side = self._number_of[visit.point_id], SIDES[visit.side]
        mine = session.at_rest.get(visit.point_id)
        left = self._left(session, mine)
        if visit.step == "withdraw":
            session.gone.add(visit.point_id)
        if mine is None or left is None:
            wh = self._left_to_trade(session, visit)
            if visit.point_id in session.gone or wh < session.book.min_wh:
                return None
            return BookOrder(number, Action(visit.kind), side, visit.tick, wh)
        if visit.step == "withdraw":
            return BookOrder(number, Action.CANCEL, tick=mine.tick, position=mine.position)
        moves = visit.step == "replace" and visit.tick != mine.tick
        if not moves or left.wh < session.book.min_wh:
            return None
        return BookOrder(
            number, Action.REPLACE, tick=mine.tick, position=mine.position, wh=left.wh,
            new_tick=visit.tick,
        )  # fmt: skip

    def _left(self, session: BookPeriod, mine: Resting | None) -> Order | None:
        """Remainder of a resting order; None without one."""
        if mine is None:
            return None
        number = self._number_of[mine.placed.point_id]
        orders = session.book.open_orders(number)
        return next((order for order in orders if order.order_id == mine.order_id), None)

    # --- the model -----------------------------------------------------------------------------

    def _execute(
        self, session: BookPeriod, visit: Visit, order: BookOrder, route: str
    ) -> list[Resting]:
        """Execute the order in the model; returns the orders that came to rest by it."""
        book = session.book
        if order.action in PLACING:
            placement = book.place(
                order.participant, Side(order.side), order.tick, order.wh, PLACING[order.action]
            )
            return self._took(session, visit, route, order.tick, order.wh, placement)
        mine = session.at_rest.pop(visit.point_id)
        if order.action == Action.CANCEL:
            book.cancel(order.participant, mine.order_id)
            return []
        return self._took(
            session, visit, route, order.new_tick, order.wh,
            book.replace(order.participant, mine.order_id, order.new_tick, order.wh),
        )  # fmt: skip

    def _took(
        self,
        session: BookPeriod,
        visit: Visit,
        route: str,
        tick: int,
        wh: int,
        placement: Placement,
    ) -> list[Resting]:
        price = self._scenario.band.price
        placed = Placed(visit.point_id, route, visit.side, wh, price(tick))
        session.placed.append(placed)
        for trade in placement.trades:
            word = TradeWord(trade.seller, trade.buyer, trade.wh, price(trade.tick))
            maker = session.by_id[trade.maker_order_id]
            session.matches.append(Match(word, (maker, placed)))
            session.traded_wh.update({trade.seller: trade.wh, trade.buyer: trade.wh})
        if placement.order_id is None:
            return []
        session.by_id[placement.order_id] = placed
        resting = Resting(placement.order_id, placed, tick)
        session.at_rest[visit.point_id] = resting
        return [resting]

    # --- the chain -----------------------------------------------------------------------------

    def _send(
        self, period: int, route: str, some: Sequence[Visit], orders: Sequence[BookOrder]
    ) -> TxReceipt:
        gateway = self._market.keys["gateway"]
        if route == "mandate":
            return self._contract.place_batch(gateway, period, orders)
        accounts = {
            self._number_of[visit.point_id]: self._market.keys[account_name(visit.point_id)]
            for visit in some
        }
        if route == "signed":
            latest = self._market.chain.w3.eth.get_block("latest")
            expiry = latest["timestamp"] + SIGNATURE_LIFE_S
            signed = [
                sign_book_order(
                    accounts[order.participant], self._domain, self._contract.area, period,
                    order, gateway.address, expiry,
                )
                for order in orders
            ]  # fmt: skip
            return self._contract.place_signed(gateway, period, signed)
        (order,) = orders
        return self._send_own(accounts[order.participant], period, order)

    def _send_own(self, account: LocalAccount, period: int, order: BookOrder) -> TxReceipt:
        place = self._contract
        if order.action in PLACING:
            kind = PLACING[order.action]
            return place.place(account, period, Side(order.side), order.tick, order.wh, kind)
        if order.action == Action.CANCEL:
            return place.cancel(account, period, order.tick, order.position)
        return place.replace(account, period, order.tick, order.position, order.new_tick, order.wh)

    def _require_same_trades(
        self, period: int, receipt: TxReceipt, matches: Sequence[Match]
    ) -> None:
        words = [
            TradeWord.unpack(word)
            for event in self._contract.events_in(receipt, "OrdersMatched")
            for word in event["trades"]
        ]
        require_same(self.kind, period, words, [match.trade for match in matches])
