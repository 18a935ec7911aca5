"""The flexibility market beside the others in one clearing house, and short ways to use it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brownie import chain
from eth_utils import keccak

from gridbourse.chain.bindings.flexibility import (
    NO_SEED,
    lot_commitment,
    lot_drawn,
    product_tuple,
    salt_commitment,
    token_id,
)
from gridbourse.chain.bindings.portfolios import GATEWAY_BIT
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.model.call_auction import Band
from gridbourse.model.flexibility.market import Offer, Request
from gridbourse.model.flexibility.products import (
    CONGESTION,
    CONGESTION_METERED,
    EVIDENCE_ONLY,
    FCR_N,
    VOLTAGE,
    Buyers,
    Product,
    Way,
)
from gridbourse.model.trade import TradeWord
from tests.contracts.bilateral_markets import anchors, authorise
from tests.contracts.market import (
    ALGORITHM,
    FIRST,
    MTU,
    ORACLE,
    READING_WINDOW,
    REPORT,
    SETTLEMENT,
    TIMELOCK,
    Market,
    Member,
)
from tests.contracts.refusal import fact

P = FIRST + 2
BAND = Band(0, 10, 50)
GROUP_SIZE = 64
WINDOW = 3_600
DSO, TSO, SUPPLIER, MARGIN = 1, 7, 2, 6
OPEN, CLEARED, VOID, AWARDED, ENDED = range(5)
EVIDENCE = keccak(text="method and evidence")
SEED = b"seed" * 8
SALT = b"salt" * 4
REVEAL = 60
GATEWAY = GATEWAY_BIT | 1
PLENTY = 10**10
"""What everybody lets the gateway put at risk, unless a test has it otherwise."""
EVERYONE = Buyers.DSO | Buyers.TSO | Buyers.PARTICIPANTS
COMPENSATION = 90

POOLED = Product(
    "pooled", Way.BOTH, EVERYONE, 300, MTU, MTU, method=1, penalty_percent=33, minimum_bid_w=2_000
)
"""Minimum bid: 500 Wh; a penalty that comes to parts of a µEUR."""
FAST = Product("fast", Way.BOTH, EVERYONE, 30, 30, 1, method=EVIDENCE_ONLY, penalty_percent=100)
COMPENSATED = Product(
    "compensated", Way.BOTH, EVERYONE, 0, MTU, MTU, method=1, penalty_percent=100,
    compensation_micro_eur_per_wh=COMPENSATION,
)  # fmt: skip
PRODUCTS = (CONGESTION, CONGESTION_METERED, POOLED, VOLTAGE, FCR_N, FAST, COMPENSATED)
NUMBER = {product.name: number for number, product in enumerate(PRODUCTS)}


@dataclass
class Posted:
    """A request on the chain beside what the model knows of it."""

    number: int
    request: Request
    buyer: int
    seed: bytes
    offers: dict[int, Offer] = field(default_factory=dict)
    salts: dict[int, bytes] = field(default_factory=dict)


class FlexibilityHall:
    """Market, board, delivery, tokens, schedules and products, with money for DSO and TSO."""

    def __init__(self, market: Market, portfolios: Any = NOBODY, purse: int = 10**9) -> None:
        by, c, operator = {"from": market.operator}, market.contracts, market.operator
        self.whole, self.by = market, by
        self.tso, self.verifier = market.stranger, market.other_gateway
        market.give("TSO", self.tso)
        market.give("VERIFIER", self.verifier)
        base = (market.registry, market.clock, market.house)
        self.products = c.FlexibilityProducts.deploy(*base[:2], by)
        self.agents = c.Agents.deploy(market.registry, portfolios, by)
        self.schedules = c.Schedules.deploy(*base, self.agents, by)
        grid = (BAND.floor_micro_eur_per_wh, BAND.tick_micro_eur_per_wh, BAND.ticks)
        self.market = c.FlexibilityMarket.deploy((anchors(market), *grid, GROUP_SIZE), by)
        lists = (self.products, self.schedules)
        rules = (self.agents, BAND.ticks, REVEAL)
        self.requests = c.FlexibilityRequests.deploy((*base, self.market, *lists, *rules), by)
        self.token = c.FlexibilityToken.deploy(market.registry, self.market, by)
        self.delivery = c.FlexibilityDelivery.deploy(
            (
                *base, market.meters, self.market, *lists, portfolios, self.token,
                READING_WINDOW, WINDOW,
            ), by,
        )  # fmt: skip
        reviewed = (market.house, market.settlement, self.delivery)
        self.review = c.FlexibilityReview.deploy(*reviewed, by)
        self.market.connect(self.requests, self.delivery, self.token, by)
        self.schedules.connect(self.requests, by)
        market.house.revokeModule(market.auction, by)
        authorise(market, self.market)
        market.house.proposeModule(self.schedules, ORACLE, by)
        market.house.proposeModule(self.review, SETTLEMENT, by)
        chain.sleep(TIMELOCK)
        market.house.authoriseModule(self.schedules, {"from": operator})
        market.house.authoriseModule(self.review, {"from": operator})
        for product in PRODUCTS:
            self.products.add(product_tuple(product, MTU), by)
        market.fund({DSO: purse, TSO: purse, SUPPLIER: purse})
        for member in market.in_area(0):
            self.agents.allow(GATEWAY, PLENTY, member.sends)

    # --- one request ---------------------------------------------------------------------------

    def account(self, buyer: int | Member) -> Any:
        return {DSO: self.whole.dso, TSO: self.tso}.get(buyer) or buyer.account  # type: ignore[call-overload,union-attr]

    def terms(self, product: Product, way: Way, wh: int, tick: int, **other: Any) -> tuple:
        lot = lot_commitment(other.get("seed", SEED)) if product.declared else NO_SEED
        values = {
            "product": NUMBER[product.name], "zone": other.get("zone", 0), "way": int(way),
            "pay_as_bid": other.get("pay_as_bid", False), "wh": wh, "tick": tick,
            "closes_at": other.get("closes_at", P * MTU - 800),
            "only": getattr(other.get("only", 0), "number", other.get("only", 0)),
            "lot": other.get("lot", lot),
        }  # fmt: skip
        return tuple(values.values())

    def request(
        self,
        product: Product,
        way: Way,
        wh: int,
        tick: int,
        buyer: int | Member = DSO,
        area: int = 0,
        **other: Any,
    ) -> Posted:
        terms = self.terms(product, way, wh, tick, **other)
        tx = self.requests.request(area, P, terms, {"from": self.account(buyer)})
        house = isinstance(buyer, int)
        request = Request(product, way, wh, tick, other.get("pay_as_bid", False), house)
        number = fact(tx, "RequestPosted")[2]
        return Posted(number, request, buyer if house else buyer.number, other.get("seed", SEED))  # type: ignore[arg-type,union-attr]

    def declare(self, who: Member, wh: int) -> None:
        self.schedules.declare(P, [who.number], [wh], who.sends)

    def offer(
        self, posted: Posted, who: Member, tick: int, wh: int, by: Any = None, salt: bytes = SALT
    ) -> Any:
        """By its own account unless another one is given; agents: the gateway's is bit 32 and its number."""
        declared = posted.request.product.declared
        lot = salt_commitment(salt) if declared else NO_SEED
        tx = self.requests.offer(
            0, P, posted.number, [(who.number, tick, wh)], lot, {"from": by or who.account}
        )
        agent = fact(tx, "FlexibilityOffered")[6]
        if wh:
            if declared:
                posted.salts[agent] = salt
            drawn = self.drawn(posted, who, salt)
            posted.offers[who.number] = Offer(who.number, agent, tick, wh, drawn)
        else:
            posted.offers.pop(who.number, None)
        return tx

    def drawn(self, posted: Posted, who: Member, salt: bytes = SALT) -> int:
        return lot_drawn(posted.seed, salt, 0, P, posted.number, who.number)

    def close_requests(self) -> None:
        self.whole.clock.advanceTo(max(self.whole.clock.timestamp(), P * MTU - 800), self.by)

    def show(self, posted: Posted, withheld: Iterable[int] = ()) -> None:
        """Seed and salts of a closed request, but for those of some agents."""
        by = {"from": self.whole.supplier}
        if not posted.request.product.declared:
            return
        self.requests.showSeed(0, P, posted.number, posted.seed, by)
        for agent, salt in posted.salts.items():
            if agent not in withheld:
                self.requests.showSalt(0, P, posted.number, agent, salt, by)

    def clear(self, posted: Posted, groups: int = 99) -> Any:
        while True:
            tx = self.requests.clear(0, P, posted.number, groups, {"from": self.whole.supplier})
            if self.phase(posted) != OPEN:
                return tx

    def award(self, posted: Posted, groups: int = 99) -> list[TradeWord]:
        words = []
        while self.phase(posted) in (CLEARED, VOID):
            tx = self.market.award(0, P, posted.number, groups, {"from": self.whole.supplier})
            if "FlexibilityAwarded" in tx.events:
                words += fact(tx, "FlexibilityAwarded")[3]
        return [TradeWord.unpack(word) for word in words]

    def run(self, posted: Posted, groups: int = 99) -> list[TradeWord]:
        """From its close to its awards."""
        self.close_requests()
        self.show(posted)
        self.clear(posted, groups)
        return self.award(posted, groups)

    def judge(
        self, trades: Sequence[TradeWord], rejected: int = 0, group: int | None = None
    ) -> Any:
        group = self.market.ledgerOf(0, P)["judged"] if group is None else group
        words = [trade.pack() for trade in trades]
        verdict = (self.market, 0, P, group, words, rejected, ALGORITHM, REPORT, [])
        return self.whole.grid.judge(*verdict, {"from": self.whole.grid_oracle})

    # --- delivery ------------------------------------------------------------------------------

    def deliver(self, readings: Mapping[int, int], others: int | None = 0) -> None:
        """Deliver and meter the period; who is not named reads `others` (None: is missing)."""
        self.whole.deliver(P)
        everyone = {m.number: others for m in self.whole.members} if others is not None else {}
        self.whole.meter(P, everyone | readings)

    def verify(
        self, posted: Posted, baselines: Mapping[int, int], seconds: int | None = None
    ) -> Any:
        seconds = seconds or posted.request.product.evidence_seconds
        reports = [(who, wh, seconds, EVIDENCE) for who, wh in baselines.items()]
        return self.delivery.verify(0, P, posted.number, reports, {"from": self.verifier})

    def verify_declared(self, posted: Posted, participants: Iterable[int]) -> Any:
        by = {"from": self.whole.supplier}
        return self.delivery.verifyDeclared(0, P, posted.number, list(participants), by)

    # --- questions -----------------------------------------------------------------------------

    def phase(self, posted: Posted) -> int:
        return self.market.requestOf(0, P, posted.number)["phase"]

    def token_of_two(self, ann: Member, ben: Member) -> int:
        """Verified delivery of 700 Wh by the first at 40 µEUR each, and 300 by the second at 70."""
        posted = self.request(CONGESTION_METERED, Way.UP, 1_000, 10, pay_as_bid=True)
        self.offer(posted, ann, 4, 700)
        self.offer(posted, ben, 7, 300)
        self.judge(self.run(posted))
        self.deliver({ann.number: 700, ben.number: 300})
        self.verify(posted, {ann.number: 0, ben.number: 0})
        return self.token_of(posted)

    def token_of(self, posted: Posted) -> int:
        zone = self.market.requestOf(0, P, posted.number)["zone"]
        request = posted.request
        return token_id(NUMBER[request.product.name], zone, request.way, P)

    def balance(self, who: int | Member) -> int:
        return self.whole.house.balanceOf(getattr(who, "number", who))

    def reserved(self, who: Member) -> tuple[int, int]:
        return tuple(self.whole.house.accountInPeriod(who.number, P))[1:3]

    def position(self, who: Member) -> tuple[int, int]:
        return tuple(self.whole.house.accountInPeriod(who.number, P))[3:5]


def findings(tx: Any) -> list[tuple]:
    """Of a verification: (participant, delivered, off, paid, shared, penalty)."""
    return [row[:-1] for row in all_findings(tx)]


def all_findings(tx: Any) -> list[tuple]:
    """As `findings`, and last what the buyer gets of the penalty."""
    events = tx.events["LegVerified"]
    found = [tuple(event["result"]) for event in events]
    return [(f[0], *map(int, f[4:9]), int(f[11])) for f in found]
