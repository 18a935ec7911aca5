"""Two periods of a deployment with every market, and one of an order book alone, as logs tell them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gridbourse.agents.portfolios import Portfolios
from gridbourse.chain.bindings.aggregator_auction import Answer, commitment_to
from gridbourse.chain.bindings.bilateral import Draft, PairingCall
from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.bindings.over_the_counter import Deal
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.node.connect import let_time_pass
from gridbourse.model.aggregator_auction import Auction
from gridbourse.model.caps import NO_CAP
from gridbourse.model.order_book import Kind, Side
from gridbourse.model.over_the_counter import DealTerms
from gridbourse.model.portfolio_contract import Contract
from gridbourse.scenario.scenario import load
from tests.audit.small_market import FAR_FUTURE, REPORT, SmallMarket

POOL_KEYS = ('pricing = "uniform"', "max_rounds = 3")
LISTING_FEE = 7
PV, WIND = 0b01, 0b10
BOOK = {
    "min_wh": 5, "max_fills": 32, "max_open": 20,
    "rounds": 1, "revised_share": 0.0, "withdrawn_share": 0.0,
}  # fmt: skip
NEIGHBOURS = {
    "pricing": "midpoint",
    "choice": "preferences",
    "min_wh": 10,
    "max_open": 4,
    "subscription_micro_eur_per_day": 96 * LISTING_FEE,
    "sources": {"pv": 0.75, "wind": 0.25},
    "strict_share": 0.5,
    "premiums": {
        f"{wish}_micro_eur_per_wh": 10 for wish in ("source", "favourite", "own_zone", "per_hop")
    },
}
STRIP = {"seller": "P0055", "buyer": "P0073", "first": 0, "count": 2, "wh": 300}
SPOT = {"seller": "P0079", "buyer": "P0114", "first": 1, "count": 1, "wh": 100}
BOND, REVEAL_S, SALT = 1_000, 120, b"n" * 32
PLANT = 8
"""Place of the aggregator."""
PORTFOLIO = {
    "point": "P0118", "share": 0.9, "control": "direct", "resources": ["battery", "pv"],
    "permille": 800, "mandate_share": 0.8,
}  # fmt: skip
EVERY_KIND = {
    "market.kinds": [
        "call_auction", "order_book", "bilateral", "over_the_counter", "aggregator_auction",
    ],
    "aggregator_auction": {
        "answers": "sealed", "pricing": "uniform", "bond_micro_eur": BOND, "reveal_s": REVEAL_S,
    },
    "aggregators": {"plant": PORTFOLIO},
    "periods": 2,
    "order_book": BOOK,
    "bilateral": NEIGHBOURS,
    "over_the_counter": [
        STRIP | {"price_micro_eur_per_wh": 150}, SPOT | {"price_micro_eur_per_wh": 90},
    ],
    "parties.participation": 0.07,
    "parties.deposit_micro_eur": 2_000_000,
}  # fmt: skip
BOOK_ALONE = {
    "market.kinds": ["order_book"],
    "periods": 1,
    "order_book": BOOK,
    "parties.participation": 0.07,
    "parties.deposit_micro_eur": 2_000_000,
}


def without_pool(scenario_file: Path) -> Path:
    """The scenario without the rules that only a call auction has."""
    text = scenario_file.read_text()
    for key in POOL_KEYS:
        assert f"\n{key} " in text
        text = text.replace(f"\n{key} ", "\n# ")
    path = scenario_file.with_name("without_pool.toml")
    path.write_text(text)
    return path


class MixedMarket(SmallMarket):
    """Ways to use the markets of checked trades, participants by their place."""

    def capacity_wh(self, i: int) -> int:
        """What a connection carries in a period."""
        profile = self.market.registry.read("profileOf", self.numbers[i])
        return int(profile[2])

    def book_own(
        self, period: int, i: int, side: Side, tick: int, wh: int, kind: Kind = Kind.LIMIT
    ) -> int | None:
        """An own order; its position at its tick when it rests."""
        book = self.market.order_book
        receipt = book.place(self.accounts[i], period, side, tick, wh, kind)
        rested = book.events_in(receipt, "OrderRested")
        return rested[0]["position"] if rested else None

    def book_mandated(self, period: int, orders: list[tuple[int, int, int, int]]) -> None:
        """(place, side, tick, Wh) of limit orders in one call of the gateway."""
        rows = [
            BookOrder(self.numbers[i], Action.LIMIT, side, tick, wh) for i, side, tick, wh in orders
        ]
        self.market.order_book.place_batch(self.keys["gateway"], period, rows)

    def book_too_late(self, period: int, i: int, tick: int, position: int) -> None:
        """The gateway cancels an order that is not at rest."""
        word = BookOrder(self.numbers[i], Action.CANCEL, tick=tick, position=position)
        self.market.order_book.place_batch(self.keys["gateway"], period, [word])

    def poor(self, period: int, i: int) -> None:
        """Its money goes into an order of the pool, for which the book has none left."""
        free = self.market.house.read("balanceOf", self.numbers[i])
        _, hold = self.market.tariff.read("holdRates", FIRST_AREA, period)
        self.own(period, i, BID, 0, free // hold)

    def listed(self, period: int, i: int, request: bool, wh: int, limit: int, **more: int) -> int:
        """An own listing; its number."""
        draft = Draft(self.numbers[i], request, wh, limit, **more)
        return self.market.bilateral.list_drafts(self.accounts[i], period, [draft])[0]

    def deal(self, contract: dict[str, Any], seller: int, buyer: int, margins: tuple[int, int],
             first_period: int, price: int) -> Deal:  # fmt: skip
        """A deal of two, concluded."""
        terms = DealTerms(
            self.numbers[seller], self.numbers[buyer], first_period + contract["first"],
            contract["count"], contract["wh"], price, *margins, b"s" * 32,
        )  # fmt: skip
        market = self.market.over_the_counter
        deal = Deal(terms, FIRST_AREA, FAR_FUTURE)
        signed = [deal.sign(self.accounts[i], market.domain) for i in (seller, buyer)]
        market.conclude(self.keys["operator"], deal, *signed)
        return deal

    def judge(
        self,
        market: CheckedTrades,
        period: int,
        rejected: dict[int, list[int]],
        caps: dict[int, tuple[int, int]] | None = None,
    ) -> None:
        """The verdict on every sealed group: what of it is rejected; caps come with the first."""
        by_number = {self.numbers[i]: cap for i, cap in (caps or {}).items()}
        for group in market.sealed(period):
            words = [trade.pack() for trade in group.trades]
            self.market.grid.judge(
                market.address, period, group.number, words,
                rejected.get(group.number, []), by_number, REPORT,
            )  # fmt: skip
            by_number = {}

    def operate(self, function: str, i: int) -> None:
        self.market.registry.write(self.keys["operator"], "operate", function, self.numbers[i])

    # --- aggregators ---------------------------------------------------------------------------

    def contracts_change(self) -> None:
        """A proposal is taken back, and a contract ends after the first period."""
        portfolios, aggregator = self.market.portfolios, self.accounts[PLANT]
        assert portfolios is not None
        first = self.scenario.first_period
        terms = Contract(
            self.numbers[PLANT], self.numbers[0], first + 9, first + 20, 1, 1, 0, False
        )
        portfolios.withdraw(aggregator, portfolios.propose(aggregator, terms))
        ending = min(self.places[point] for point in Portfolios(self.scenario).aggregator_of)
        portfolios.end(self.accounts[ending], self.numbers[ending], 0, first + 1)

    def ask(self, period: int) -> None:
        """A bid auction answered openly, an offer auction under seal, which one never reveals."""
        auctions, aggregator = self.market.aggregator_auction, self.accounts[PLANT]
        gate = period * self.scenario.mtu_seconds - self.scenario.market.gate_closure_s
        self.at(gate - REVEAL_S - 1)
        auctions.post(aggregator, period, Auction(True, 500, 150))
        auctions.post(aggregator, period, Auction(False, 300, 20), is_sealed=True)
        auctions.answer(self.accounts[0], period, 0, self.numbers[0], Answer(100, 300))
        auctions.answer(self.accounts[0], period, 0, self.numbers[0], Answer(90, 250))
        mandated = [self.places[point] for point in sorted(Portfolios(self.scenario).mandated)]
        theirs = {self.numbers[i]: Answer(120 + i, 200) for i in mandated if i != 0}
        auctions.answer_batch(self.keys["gateway"], period, 0, theirs)
        rest = {number: Answer(130, 90) for number in self.numbers[1:PLANT] if number not in theirs}
        late = next(iter(rest))  # it is suspended, and left out
        self.operate("suspend", self.numbers.index(late))
        auctions.answer_batch(self.keys["gateway"], period, 0, rest)
        self.operate("reinstate", self.numbers.index(late))
        self.market.registry.write(aggregator, "mandate", "giveMandate", 1)
        for i, wh in ((2, 180), (3, 70), (5, 40), (6, 250)):
            sealed = commitment_to(self.numbers[i], Answer(60 + i, wh), SALT)
            auctions.commit(self.accounts[i], period, 1, sealed)
        self.open(period)
        for i, wh in ((2, 180), (6, 250)):
            auctions.reveal(self.accounts[i], period, 1, Answer(60 + i, wh), SALT)
        self.operate("suspend", 3)  # it cannot answer any more, and gets its bond back
        auctions.reveal(self.accounts[3], period, 1, Answer(63, 70), SALT)
        self.operate("reinstate", 3)

    def award(self, period: int) -> None:
        """Who kept its seal loses its bond; both auctions are awarded, the first trade is rejected."""
        auctions, by = self.market.aggregator_auction, self.keys["operator"]
        auctions.forfeit(by, period, 1, self.numbers[5])
        auctions.finish(by, period, 2)
        auctions.seal(by, period)
        self.judge(auctions, period, {0: [0]})


def run_every_market(scenario_file: Path, folder: Path) -> MixedMarket:
    """Both periods from the first order to their settlement."""
    m = MixedMarket(load(scenario_file, EVERY_KIND), groups_a_call=500)
    first = m.scenario.first_period
    m.contracts_change()
    strip = m.deal(STRIP, 4, 5, (80_000, 60_000), first, 150)
    spot = m.deal(SPOT, 6, 7, (5_000, 0), first, 90)
    running = [_trade_everywhere(m, first, strip), _go_wrong(m, first + 1, strip, spot)]
    for story in running:
        next(story)
    m.at((first + 2) * m.scenario.mtu_seconds)
    for story in running:
        next(story, None)
    for deal in (strip, spot):
        m.market.over_the_counter.close(m.keys["operator"], deal)
    m.write(folder, scenario_file, EVERY_KIND)
    return m


def run_book_alone(scenario_file: Path, folder: Path) -> MixedMarket:
    """One period without any pool: trades, caps with and without a verdict, an overdue group."""
    m = MixedMarket(load(scenario_file, BOOK_ALONE), groups_a_call=2)
    period, book = m.scenario.first_period, m.market.order_book
    m.open(period)
    m.book_own(period, 0, Side.OFFER, 40, 500)
    m.book_own(period, 1, Side.BID, 50, 300)
    book.seal(m.keys["grid oracle"], period)
    m.book_own(period, 2, Side.BID, 45, 150)
    m.judge(book, period, {}, {0: (450, NO_CAP)})
    m.close(period)
    m.market.grid.cap_schedule(period, {m.numbers[0]: (400, NO_CAP)}, REPORT)
    book.seal(m.keys["operator"], period)
    let_time_pass(m.chain.w3, 1)  # the window is of no length
    book.expire(m.keys["gateway"], period)
    m.traded.add(period)
    m.at((period + 1) * m.scenario.mtu_seconds)
    m.meter(period, 1, {i: 420 if i == 0 else -10 * i for i in range(9)})
    m.settle(period)
    m.write(folder, scenario_file, BOOK_ALONE)
    return m


def _trade_everywhere(m: MixedMarket, period: int, strip: Deal) -> Iterator[None]:
    m.ask(period)
    m.mandated(period, {0: (OFFER, 20, 600), 1: (BID, 100, 400)})
    _fill_the_book(m, period)
    _change_minds(m, period)
    _pair_neighbours(m, period)
    otc = m.market.over_the_counter
    request = otc.request(m.accounts[5], b"r" * 32)
    otc.quote(m.accounts[4], request, b"q" * 32)
    assert otc.perform(m.accounts[4], strip, period) == []
    m.close(period)
    price = m.clear(period)
    m.accept(period)
    m.book(period, price)
    book, bilateral = m.market.order_book, m.market.bilateral
    book.seal(m.keys["operator"], period)
    m.judge(book, period, {0: [1, 63]}, {2: (60, NO_CAP), 8: (NO_CAP, 700)})
    m.judge(bilateral, period, {1: [0]})
    m.judge(otc, period, {})
    m.award(period)
    book.release(m.keys["gateway"], period)
    bilateral.release(m.keys["gateway"], period, 3)
    yield
    m.meter(period, 1, dict(enumerate((900, -100, 80, 0, 310, -290, -5, 7, -90))))
    m.settle(period)


def _fill_the_book(m: MixedMarket, period: int) -> None:
    """68 small offers meet three bids: the first stops at its most makers, a group fills on the way."""
    offers = [(2 + n % 4, OFFER, 30 + n % 7, 10) for n in range(68)]
    m.book_mandated(period, offers[:30])
    m.book_mandated(period, offers[30:])
    m.book_own(period, 6, Side.BID, 60, 340)
    m.book_mandated(period, [(7, BID, 50, 300), (8, BID, 60, 55)])
    book = m.market.order_book
    [last] = [order for tick in range(30, 37) for order in book.queue(period, tick)]
    m.book_own(period, m.numbers.index(last.participant), Side.BID, 40, 50)  # meets itself


def _change_minds(m: MixedMarket, period: int) -> None:
    book, who = m.market.order_book, m.accounts[0]
    first = m.book_own(period, 0, Side.BID, 10, 200)
    second = m.book_own(period, 0, Side.BID, 10, 300)
    book.replace(who, period, 10, first, 10, 150)
    book.replace(who, period, 10, second, 12, 350)
    m.book_own(period, 1, Side.OFFER, 0, 999, Kind.FILL_OR_KILL)
    m.book_own(period, 1, Side.OFFER, 5, 600, Kind.IMMEDIATE_OR_CANCEL)
    book.write(m.accounts[3], "keep", "keep", period, 0, 400)
    place = m.book_own(period, 3, Side.BID, 8, 300)
    book.cancel(m.accounts[3], period, 8, place)
    book.write(m.accounts[3], "keep", "keep", period, 0, 100)
    _keep_and_use_a_gateway(m, period)
    m.book_mandated(period, [(7, BID, 3, 50), (8, BID, 2, 60), (8, BID, 3, 70)])
    m.book_too_late(period, 7, 3, 5)


def _keep_and_use_a_gateway(m: MixedMarket, period: int) -> None:
    """Own orders draw on what is kept, a gateway's do not, and the log does not tell them apart."""
    book, who, number = m.market.order_book, m.accounts[5], m.numbers[5]
    gateway, house = m.keys["gateway"], m.market.house
    before = house.read("balanceOf", number)
    book.write(who, "keep", "keep", period, 0, 100)
    free = house.read("balanceOf", number)
    for wh in (250, 350):  # what the gateway takes back is free, and not kept
        m.book_mandated(period, [(5, BID, 8, wh)])
        [order] = [order for order in book.queue(period, 8) if order.participant == number]
        book.place_batch(gateway, period, [order._replace(action=Action.CANCEL)])
    m.own(period, 5, BID, 0, free // ((before - free) // 100))  # so there is money for this
    place = m.book_own(period, 5, Side.BID, 7, 60)
    book.replace(who, period, 7, place, 8, 90)  # on what is kept
    book.write(who, "keep", "keep", period, 0, 5)
    m.own(period, 5, BID, 0, 10)
    book.write(who, "keep", "keep", period, 0, 0)


def _pair_neighbours(m: MixedMarket, period: int) -> None:
    bilateral, registry = m.market.bilateral, m.market.registry
    for i in range(4):
        bilateral.subscribe(m.accounts[i], 2)
    for i, sources in ((0, PV), (1, PV | WIND)):
        by = m.keys["operator"]
        registry.write(by, "attest", "attest", m.numbers[i], sources)
    zone = 1  # above all others
    sun = m.listed(period, 0, False, 500, 120)
    mixed = m.listed(period, 1, False, 200, 100, partner=m.numbers[3])
    green = m.listed(period, 2, True, 300, 200, sources=PV)
    near = m.listed(period, 3, True, 400, 180, zone=zone)
    gone = m.listed(period, 3, True, 40, 90)
    bilateral.withdraw(m.accounts[3], period, [gone])
    calls = [
        PairingCall(sun, green, 250, 160),
        PairingCall(sun, near, 100, 150),
        PairingCall(mixed, near, 200, 140),
        PairingCall(sun, gone, 40, 150),  # which was withdrawn meanwhile
    ]
    bilateral.pair(m.keys["operator"], period, calls, 2)


def _go_wrong(m: MixedMarket, period: int, strip: Deal, spot: Deal) -> Iterator[None]:
    """Caps before gate closure, defaults over the counter, a group nobody judges."""
    otc, book = m.market.over_the_counter, m.market.order_book
    m.mandated(period, {0: (OFFER, 20, 600), 2: (BID, 100, 450)})
    m.market.grid.cap_schedule(period, {m.numbers[0]: (400, NO_CAP)}, REPORT)
    place = m.book_own(period, 4, Side.BID, 20, 100)
    m.operate("suspend", 4)
    book.replace(m.accounts[4], period, 20, place, 20, 90)  # what claims nothing needs no leave
    m.operate("reinstate", 4)
    top = int(m.market.auction.read("ticks")) - 1
    everything = {i: m.capacity_wh(i) for i in (4, 6)}
    for i in (4, 6):  # who has sold all it can deliver
        m.own(period, i, OFFER, top, everything[i])
    m.poor(period, 7)  # and who has no money left for it
    m.book_mandated(period, [(1, BID, 1, 50), (7, BID, 1, 50), (2, BID, 1, 60)])
    by = m.keys["operator"]
    assert len(otc.perform(by, strip, period)) == 1
    assert len(otc.perform(by, spot, period)) == 2
    m.book_own(period, 8, Side.OFFER, 70, 90)
    m.book_own(period, 1, Side.BID, 90, 200)
    m.close(period)
    price = m.clear(period)
    m.accept(period)
    m.book(period, price)
    book.seal(m.keys["operator"], period)
    let_time_pass(m.chain.w3, 1)  # the window is of no length
    book.expire(m.keys["gateway"], period)
    yield
    m.meter(period, 1, dict(enumerate((390, 0, -380, 5, 0, -300, 0, 0, 12))))
    m.settle(period)
