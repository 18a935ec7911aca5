"""Call auction, rebuilt and compared: orders, caps, clearings, trades (`CallAuction.sol`)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gridbourse.audit.core.caps import GROUP_SHIFT
from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.money import Position
from gridbourse.audit.markets.call_auction_orders import ORDER_BITS, Book, Order, Phase
from gridbourse.audit.markets.rebuild_context import RebuildContext
from gridbourse.chain.encoding.lanes import lanes56, lanes64, pair
from gridbourse.model.call_auction import Band, Margin

NO_MARGIN = (0, 0, 0)
MOST_SEQUENCE, MOST_GATEWAY_SEQUENCE = 255, 247


@dataclass(frozen=True)
class PoolRules:
    """Rules of the call auction."""

    band: Band
    pay_as_bid: bool
    max_rounds: int


class Pool:
    """Books of the call auction of every area and period."""

    name = "CallAuction"

    def __init__(self, rules: PoolRules, common: Common) -> None:
        self._rules, self._findings = rules, common.findings
        self._members, self._clock, self._caps = common.members, common.clock, common.caps
        self._money, self._reservations = common.money, common.reservations_of(self.name)
        self._tariffs = common.tariffs
        # Events kept until the one that explains them.
        self._shrinks: defaultdict[tuple[int, int], dict[int, int]] = defaultdict(dict)
        self._reopened: dict[tuple[int, int], tuple[str, int]] = {}
        self._spreads: dict[tuple[int, int], int] = {}
        self.books: dict[tuple[int, int], Book] = {}
        self.orders_placed = 0

    def handlers(self) -> Handlers:
        """Handler of each event of the auction."""
        return {
            "OrderPlaced": self.order_placed,
            "OrdersPlaced": self.orders_placed_by_gateway,
            "OrderLeftOut": self.order_left_out,
            "Cleared": self.cleared,
            "OrdersShrunk": self.shrunk,
            "Reopened": self.reopened,
            "Voided": self.voided,
            "Booked": self.booked,
        }

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {"orders": self.orders_placed, "books": len(self.books)}

    def book(self, area: int, period: int) -> Book:
        """Book of an area and period."""
        return self.books.setdefault((area, period), Book(area, period))

    def is_booked(self, area: int, period: int) -> bool:
        """True where every trade is booked, or never will be."""
        book = self.books.get((area, period))
        return book is not None and book.phase is Phase.BOOKED

    # --- orders ------------------------------------------------------------------------------

    def order_placed(self, event: Event) -> None:
        """OrderPlaced: a participant's own order, in place of any former one."""
        book = self.book(event["area"], event["period"])
        participant = event["participant"]
        order = Order(event["side"], event["tick"], event["wh"], event["sequence"])
        self._require_takes_orders(book, event.where)
        self._place(book, participant, order, event.where)
        book.extend_root(participant // 4)

    def orders_placed_by_gateway(self, event: Event) -> None:
        """OrdersPlaced: words of a group and its four orders; an empty lane changes nothing."""
        book = self.book(event["area"], event["period"])
        gateway = self._members.gateway_number(event["gateway"])
        self._require("order", f"{book.where}, {event.where}", gateway is not None, "not a gateway")
        self._require_takes_orders(book, event.where)
        for word in event["groups"]:
            group = word >> GROUP_SHIFT
            for participant, lane in lanes56(group, word):
                if lane == 0:
                    continue
                where = f"{book.where}, participant {participant}, {event.where}"
                self._require("order", where, lane >> ORDER_BITS == 0, "malformed")
                by = None if event["isSigned"] else event["gateway"]
                self._place(book, participant, Order.from_lane(lane), event.where, by)
                member = self._members.participants.get(participant)
                mandate = member is not None and member.gateway == gateway
                self._require("order", where, event["isSigned"] or mandate, "no mandate")
                reserved = not event["isSigned"] and lane & 0xFF > MOST_GATEWAY_SEQUENCE
                self._require("order", where, not reserved, "a sequence of the participant's own")
            book.extend_root(group)

    def order_left_out(self, event: Event) -> None:
        """OrderLeftOut: of a gateway's batch; the log has the reason as an error only. Changes nothing."""
        where = f"{event.at('area', 'period')}, {event.where}"
        gateway = self._members.gateway_number(event["gateway"])
        self._require("order", where, gateway is not None, "not a gateway")

    def _require_takes_orders(self, book: Book, where: str) -> None:
        self._clock.require_open(book.period, f"order, {book.where}, {where}")
        untouched = book.phase is Phase.OPEN and book.round == 0
        self._require("order", f"{book.where}, {where}", untouched, "the book was cleared")

    def _place(
        self, book: Book, participant: int, order: Order, log: str, by: str | None = None
    ) -> None:
        """Check the rules of an order that the log can show; by: the account that acts for it, or None."""
        where = f"{book.where}, participant {participant}, {log}"
        self.orders_placed += 1
        former = book.order(participant)
        in_area = self._members.area_of(participant) == book.area
        self._require("order", where, in_area, "of another area")
        retail = self._tariffs.energy(book.area, book.period).retail
        band = self._rules.band.in_use(retail)
        self._require("order", where, order.tick < band.ticks, "out of the band")
        last = order.sequence == former.sequence == MOST_SEQUENCE and order.lowers(former)
        self._require("order", where, order.sequence > former.sequence or last, "replayed")
        book.orders[participant] = order
        self._reservations.exchange(
            book.period, participant, former.energy, order.energy, where, by
        )

    # --- clearing and verdicts ---------------------------------------------------------------

    def cleared(self, event: Event) -> None:
        """Cleared: compare the root, the volume, the price and both margins."""
        book = self.book(event["area"], event["period"])
        where = f"{book.where}, {event.where}"
        self._clock.require_closed(book.period, f"clearing, {where}")
        self._require(
            "clearing", where, book.phase is Phase.OPEN, f"the book is {book.phase.value}"
        )
        self._require_no_loose_caps(book, where)
        clearing = book.clear(self._rules.band, self._rules.pay_as_bid)
        self._compare_binding(book, event)
        crossing = clearing.crossing
        price = clearing.price_micro_eur_per_wh or 0
        self._findings.compare(
            "clearing", f"volume, {where}", event["matchedWh"], crossing.volume_wh
        )
        self._findings.compare("price", where, event["priceMicroEurPerWh"], price)
        self._findings.compare(
            "clearing", f"marginal bid, {where}", event["bid"], _tuple(crossing.bid)
        )
        self._findings.compare(
            "clearing", f"marginal ask, {where}", event["ask"], _tuple(crossing.ask)
        )

    def accepted(self, event: Event) -> None:
        """Accepted: the verdict binds the cleared book."""
        book = self.book(event["area"], event["period"])
        where = f"acceptance, {book.where}, {event.where}"
        self._clock.require_undelivered(book.period, where)
        cleared = book.phase is Phase.CLEARED and not book.capping
        self._require("verdict", where, cleared, f"the book is {book.phase.value}")
        self._require_no_loose_caps(book, where)
        self._compare_binding(book, event)
        book.accepted = True

    def shrunk(self, event: Event) -> None:
        """OrdersShrunk: kept until the caps that explain it come."""
        self._shrinks[event["area"], event["period"]][event["group"]] = event["orders"]

    def reopened(self, event: Event) -> None:
        """Reopened: kept until the caps that explain it come."""
        self._reopened[event["area"], event["period"]] = ("reopened", event["round"])

    def voided(self, event: Event) -> None:
        """Voided: by the caps that come next, or because no verdict came in time."""
        self._reopened[event["area"], event["period"]] = ("voided", self._rules.max_rounds)

    def expire(self) -> None:
        """Void the books that no caps voided, at any moment, since the logs do not tell when."""
        for key in [key for key, (end, _) in self._reopened.items() if end == "voided"]:
            del self._reopened[key]
            book = self.book(*key)
            awaited = book.phase is Phase.CLEARED and not book.accepted
            self._require("verdict", f"expiry, {book.where}", awaited, "no verdict is awaited")
            book.void()

    def capped(self, event: Event) -> None:
        """Capped: shrink the orders from the caps alone, and compare with the auction's own."""
        book = self.book(event["area"], event["period"])
        where = f"{book.where}, {event.where}"
        key = (book.area, book.period)
        judged = book.phase is Phase.CLEARED and not book.accepted
        self._require("verdict", f"caps, {where}", judged, f"the book is {book.phase.value}")
        if not book.capping:  # later pages bind the root that the verdict began with
            self._compare_binding(book, event)
        book.capping = True
        self._bring_under_caps(book, event["groups"], where)
        if event["last"]:
            book.next_round(self._rules.max_rounds)
        expected = ("voided" if book.phase is Phase.VOID else "reopened", book.round)
        chain_end = self._reopened.pop(key, None)
        self._findings.compare(
            "cap", f"end, {where}", chain_end, expected if event["last"] else None
        )

    def cap_schedule(self, area: int, period: int, words: Sequence[int], where: str) -> None:
        """Apply caps set while no cleared book waits for its verdict, and so for energy of any market."""
        book = self.book(area, period)
        judged = not (book.takes_caps and book.phase is Phase.CLEARED)
        self._require("verdict", where, judged, "the pool is unjudged")
        self._bring_under_caps(book, words, where)

    def _bring_under_caps(self, book: Book, words: Sequence[int], where: str) -> None:
        """Shrink orders by the caps alone, and compare with the auction's own."""
        self._clock.require_undelivered(book.period, f"caps, {where}")
        self._caps.enforce(book.area, book.period)
        chain = self._shrinks.pop((book.area, book.period), {})
        for word in words:
            group = self._caps.lower(book.area, book.period, word, where)
            shrunk = self._shrink(book, group) if book.takes_caps else None
            place = f"shrunk orders, group {group}, {where}"
            self._findings.compare("cap", place, chain.pop(group, None), shrunk)
        for group, orders in chain.items():
            self._findings.compare("cap", f"shrunk orders, group {group}, {where}", orders, None)

    def _shrink(self, book: Book, group: int) -> int | None:
        """Orders of a group after shrinking, as a word; None where none had to shrink."""
        shrunk = book.shrink(group, partial(self._caps.of, book.period))
        for participant, (before, after) in shrunk.items():
            self._reservations.exchange(
                book.period, participant, before.energy, after.energy, book.where
            )
        return book.word(group) if shrunk else None

    def _compare_binding(self, book: Book, event: Event) -> None:
        where = f"{event.name}, {book.where}, {event.where}"
        self._findings.compare("book root", where, event["root"], book.root)
        self._findings.compare("round", where, event["round"], book.round)

    def _require_no_loose_caps(self, book: Book, where: str) -> None:
        loose = (book.area, book.period) in {*self._shrinks, *self._reopened}
        self._require("cap", where, not loose, "orders shrank without caps in the log")

    # --- trades ------------------------------------------------------------------------------

    def trades_booked(self, event: Event) -> None:
        """TradesBooked: compare fills and payments of each group, then book the rebuilt ones."""
        for group, fills, payments in zip(
            event["groups"], event["fills"], event["payments"], strict=True
        ):
            self._book_group(event, group, fills, payments)

    def _book_group(self, event: Event, group: int, fills: int, payments: int) -> None:
        area, period = event["area"], event["period"]
        book = self.book(area, period)
        where = f"group {group}, {event.at('area', 'period')}"
        in_area = self._members.area_of_group(group) == area
        self._require("fill", where, in_area, "of another area")
        self._require("fill", where, book.accepted, "the clearing was not accepted")
        self._require("fill", where, group not in book.booked_groups, "booked before")
        book.booked_groups.add(group)
        paid = dict(lanes64(group, payments))
        for participant, lane in lanes56(group, fills):
            where = f"participant {participant}, {event.at('period')}"
            fill = book.fills.get(participant, Position())
            payment = book.payments.get(participant, 0)
            self._findings.compare("fill", f"(sold, bought) Wh, {where}", pair(lane), tuple(fill))
            self._findings.compare("payment", f"µEUR, {where}", paid[participant], payment)
            if any(fill):
                self._reservations.book(period, participant, fill, payment)

    def spread_collected(self, event: Event) -> None:
        """SpreadCollected: kept until the booking that explains it is complete."""
        self._spreads[event["area"], event["period"]] = event["amountMicroEur"]

    def booked(self, event: Event) -> None:
        """Booked: every group of the area is booked, and the spread is the rest of the payments."""
        book = self.book(event["area"], event["period"])
        where = f"{book.where}, {event.where}"
        judged = book.phase is Phase.VOID or (book.phase is Phase.CLEARED and book.accepted)
        self._require("verdict", f"booking, {where}", judged, f"the book is {book.phase.value}")
        missing = (
            set(self._members.groups(book.area) if book.matched_wh else ()) - book.booked_groups
        )
        self._require(
            "fill", f"booking, {where}", not missing, f"groups {sorted(missing)} are not booked"
        )
        spread = book.clearing.spread_micro_eur if book.clearing else 0
        self._findings.compare(
            "clearing", f"booked Wh, {where}", event["matchedWh"], book.matched_wh
        )
        self._findings.compare("spread", f"µEUR, {where}", event["spreadMicroEur"], spread)
        collected = self._spreads.pop((book.area, book.period), 0)
        self._findings.compare("spread", f"collected µEUR, {where}", collected, spread)
        self._reservations.collect_spread(book.area, book.period, spread)
        book.phase = Phase.BOOKED

    def require_nothing_loose(self) -> None:
        """Final check: no event waits for the one that would explain it."""
        for area, period in {*self._shrinks, *self._reopened}:
            self._require(
                "cap", f"area {area}, period {period}", False, "no caps in the log explain it"
            )
        for area, period in self._spreads:
            place = f"area {area}, period {period}"
            self._require("spread", place, False, "no booking in the log explains it")

    def _require(self, what: str, where: str, holds: bool, rule: str) -> None:
        self._findings.require(what, where, holds, rule)


def _tuple(margin: Margin | None) -> tuple[int, int, int]:
    return (margin.tick, margin.accepted_wh, margin.offered_wh) if margin else NO_MARGIN


def rules_of(arguments: list[Any]) -> PoolRules:
    """Rules of its constructor."""
    [[*_, floor, tick, ticks, pay_as_bid, max_rounds, _]] = arguments
    return PoolRules(Band(floor, tick, ticks), pay_as_bid, max_rounds)


def rebuild(rules: PoolRules, about: RebuildContext) -> Pool:
    """The market of a deployment, before its first event."""
    return Pool(rules, about.common)
