"""Both markets of partners lived at random in one clearing house: money and energy add up.

A shadow in Python keeps what should be reserved, traded and set aside. Hypothesis draws the actions;
a refusal is part of life, but only by the rule that belongs to it.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from brownie import chain
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gridbourse.chain.bindings.over_the_counter import Deal
from gridbourse.model.over_the_counter import DealOutcome, Margins, SupplierPrices, step
from gridbourse.model.trade import TradeWord
from tests.contracts.bilateral_markets import MAX_OPEN, MIN_WH, Neighbours, judge
from tests.contracts.bilateral_markets import Counter as Otc
from tests.contracts.market import (
    FEED_IN,
    FIRST,
    HOLD_RATE,
    HORIZON,
    RETAIL,
    RING,
    VERDICT_WINDOW,
    Market,
    Member,
)
from tests.contracts.refusal import ask
from tests.contracts.test_market_life import perhaps

MEMBERS = 6
PURSE = 5_000_000  # backs some 13 000 Wh: one connection's worth, so that money runs out
CAPACITY_WH = 12_000
MARGIN = 6
BILATERAL, OTC = "bilateral", "over the counter"
PRICES = SupplierPrices(RETAIL, FEED_IN)

MEMBER = st.integers(0, MEMBERS - 1)
PAIR = st.lists(MEMBER, min_size=2, max_size=2, unique=True)
AHEAD = st.integers(1, HORIZON)
ENERGY = st.integers(MIN_WH, 7_000)
PRICE = st.integers(0, RETAIL)
DEALT = st.one_of(ENERGY, st.sampled_from((9_000, CAPACITY_WH, CAPACITY_WH + 1)))
PERCENT = st.sampled_from((50, 100, 100, 1, 0, 101))  # of what both limits leave
LISTING = ("InsufficientMoney", "InDebt", "AboveConnectionCapacity", "TooManyOpen", "RingSlotBusy")


@dataclass
class Listed:
    """A listing of the shadow; `wh` is what should be left."""

    member: Member
    is_request: bool
    wh: int
    limit: int


@dataclass
class Concluded:
    """A deal of the shadow and what should be left of its margins."""

    deal: Deal
    left: Margins
    done: set[int] = field(default_factory=set)

    def due(self, now: int) -> list[int]:
        """Periods it may be performed in."""
        open_ = range(now + 1, now + HORIZON + 1)
        return [p for p in self.deal.terms.periods if p in open_ and p not in self.done]


class PartnersLife(RuleBasedStateMachine):
    """Every action there is, on the periods around a clock that moves on."""

    seen: ClassVar[Counter[object]] = Counter()
    """What happened in all lives, to tell that it did happen."""

    def __init__(self, market: Market, neighbours: Neighbours, counter: Otc) -> None:
        super().__init__()
        chain.snapshot()
        self.market, self.neighbours, self.counter = market, neighbours, counter
        self.modules = {BILATERAL: neighbours.contract, OTC: counter.contract}
        self.now, self.settled, self.salt = FIRST, FIRST, 0
        self.board: dict[int, list[Listed]] = defaultdict(list)  # by period
        self.waiting: dict[tuple[str, int], list[TradeWord]] = defaultdict(list)
        self.accepted: dict[int, list[TradeWord]] = defaultdict(list)
        self.deals: list[Concluded] = []

    def teardown(self) -> None:
        chain.revert()

    def member(self, number: int) -> Member:
        return next(m for m in self.market.members if m.number == number)

    # --- neighbours ----------------------------------------------------------------------------

    @rule(pair=PAIR, ahead=AHEAD, offered=ENERGY, asked=ENERGY, least=PRICE, most=PRICE,
          share=PERCENT, towards=PERCENT)  # fmt: skip
    def meet(self, pair, ahead, offered, asked, least, most, share, towards):
        """Lists an offer and a request, and pairs the newest of each side."""
        period = self.now + ahead
        self.list_one(pair[0], period, False, offered, least)
        self.list_one(pair[1], period, True, asked, most)
        newest = [[n for p, n in self.on_board(side) if p == period][-1:] for side in (False, True)]
        if all(newest):
            self.pair(period, newest[0][0], newest[1][0], share, towards)

    def list_one(self, who: int, period: int, is_request: bool, wh: int, limit: int) -> None:
        member = self.market.members[who]
        limit = min(limit + 150 * is_request, RETAIL)  # so that many can be paired
        ours = [o for o in self.board[period] if o.member == member and o.wh]
        draft = (member.number, is_request, wh, limit, 0, 0, 0)
        with perhaps(*LISTING):
            number = self.neighbours.list_own(period, member, draft)
            assert number == len(self.board[period])
            assert len(ours) < MAX_OPEN
            self.board[period].append(Listed(member, is_request, wh, limit))

    def on_board(self, *sides: bool) -> list[tuple[int, int]]:
        """(period, number) of the open listings of these sides whose gate is open."""
        return [
            (period, number)
            for period, listings in self.board.items()
            for number, listed in enumerate(listings)
            if listed.wh and period > self.now and listed.is_request in sides
        ]

    @precondition(lambda self: self.on_board(False, True))
    @rule(data=st.data())
    def withdraw_one(self, data):
        period, number = data.draw(st.sampled_from(self.on_board(False, True)))
        listed = self.board[period][number]
        self.neighbours.contract.withdraw(0, period, [number], listed.member.sends)
        listed.wh = 0

    def two_sided(self) -> list[int]:
        """Periods with an offer and a request to pair."""
        sides = ({period for period, _ in self.on_board(side)} for side in (False, True))
        return sorted(set.intersection(*sides))

    @precondition(lambda self: self.two_sided())
    @rule(data=st.data(), share=PERCENT, towards=PERCENT,
          swap=st.sampled_from([False] * 9 + [True]))  # fmt: skip
    def pair_two(self, data, share, towards, swap):
        period = data.draw(st.sampled_from(self.two_sided()))
        first, second = (
            data.draw(st.sampled_from([n for p, n in self.on_board(side) if p == period]))
            for side in (swap, not swap)
        )
        self.pair(period, first, second, share, towards)

    def pair(self, period: int, first: int, second: int, share: int, towards: int) -> None:
        offer, request = self.board[period][first], self.board[period][second]
        wh = min(offer.wh, request.wh) * share // 100
        price = max(0, offer.limit + (request.limit - offer.limit) * towards // 100)
        fits = (
            request.is_request > offer.is_request
            and offer.member != request.member
            and 0 < wh <= min(offer.wh, request.wh)
            and offer.limit <= price <= request.limit
        )
        refusals = (
            "NotAnOffer", "NotARequest", "SelfTrade", "EmptyPairing", "NothingPaired",
            "PriceBelowOffer", "PriceAboveRequest",
        )  # fmt: skip
        with perhaps(*refusals * (not fits)):
            self.neighbours.pair(period, (first, second, wh, price))
            assert fits
            offer.wh -= wh
            request.wh -= wh
            self.seen["paired"] += 1
            trade = TradeWord(offer.member.number, request.member.number, wh, price)
            self.waiting[BILATERAL, period].append(trade)

    @precondition(lambda self: self.closed())
    @rule(data=st.data(), count=st.integers(1, 4))
    def release_some(self, data, count):
        period = data.draw(st.sampled_from(self.closed()))
        released = self.neighbours.contract.boardOf(0, period)["released"]
        with perhaps(*["NothingToRelease"] * (released == len(self.board[period]))):
            by = {"from": self.market.stranger}
            self.neighbours.contract.release(0, period, count, by)
            for listed in self.board[period][released : released + count]:
                listed.wh = 0

    def closed(self) -> list[int]:
        """Periods behind gate closure that are not settled."""
        return list(range(self.settled + 1, self.now + 1))

    # --- over the counter ----------------------------------------------------------------------

    @rule(pair=PAIR, ahead=AHEAD,
          count=st.integers(1, 3), wh=DEALT, price=PRICE,
          margins=st.tuples(*[st.integers(0, 900_000)] * 2), at_once=st.booleans())  # fmt: skip
    def conclude(self, pair, ahead, count, wh, price, margins, at_once):
        self.salt += 1
        seller, buyer = (self.market.members[i] for i in pair)
        deal = self.counter.deal(
            seller, buyer, self.now + ahead, count=count, wh=wh, price_micro_eur_per_wh=price,
            seller_margin_micro_eur=margins[0], buyer_margin_micro_eur=margins[1],
            salt=self.salt.to_bytes(32, "big"),
        )  # fmt: skip
        with perhaps("InsufficientMoney"):
            self.counter.conclude(deal)
            self.deals.append(Concluded(deal, Margins(*margins)))
            if at_once:
                self.perform(self.deals[-1], self.now + ahead)

    def performable(self) -> list[tuple[Concluded, int]]:
        return [(c, period) for c in self.deals for period in c.due(self.now)]

    @precondition(lambda self: self.performable())
    @rule(data=st.data())
    def perform_one(self, data):
        self.perform(*data.draw(st.sampled_from(self.performable())))

    def perform(self, concluded: Concluded, period: int) -> None:
        terms = concluded.deal.terms
        sold = self.able(terms.seller, period, terms.wh, 0)
        bought = self.able(terms.buyer, period, 0, terms.wh)
        with perhaps("RingSlotBusy"):
            self.counter.perform(concluded.deal, period)
            concluded.done.add(period)
            self.seen[sold, bought] += 1
            if sold and bought:
                trade = TradeWord(terms.seller, terms.buyer, terms.wh, terms.price_micro_eur_per_wh)
                self.waiting[OTC, period].append(trade)
                return
            outcome = {
                (False, True): DealOutcome.SELLER_DEFAULTS,
                (True, False): DealOutcome.BUYER_DEFAULTS,
                (False, False): DealOutcome.BOTH_DEFAULT,
            }[sold, bought]
            concluded.left = step(terms, period, concluded.left, outcome, PRICES).left

    def able(self, number: int, period: int, out: int, into: int) -> bool:
        """Whether the clearing house should take another reservation."""
        sell, buy = self.reserved(period)[number]
        hold = into * HOLD_RATE
        free = self.market.house.balanceOf(number)
        return max(sell + out, buy + into) <= CAPACITY_WH and free >= max(0, hold)

    @precondition(lambda self: self.closable())
    @rule(data=st.data())
    def close(self, data):
        concluded = data.draw(st.sampled_from(self.closable()))
        self.counter.close(concluded.deal)
        self.deals.remove(concluded)

    def closable(self) -> list[Concluded]:
        return [c for c in self.deals if c.deal.terms.periods[-1] <= self.now]

    # --- verdicts, time, settlement ------------------------------------------------------------

    def undecided(self) -> list[tuple[str, int]]:
        return [place for place, trades in self.waiting.items() if trades]

    @precondition(lambda self: self.undecided())
    @rule(data=st.data(), verdict=st.sampled_from(("accept", "accept", "reject", "none in time")))
    def decide_the_next(self, data, verdict):
        place = data.draw(st.sampled_from(self.undecided()))
        clock, (_, period) = self.market.clock, place
        overdue = clock.currentPeriod() >= period  # delivery has begun: no verdict comes any more
        if overdue or (verdict == "none in time" and clock.gateClosed(period)):
            self.expire(*place)
        else:
            self.decide(*place, verdict == "accept")

    def decide(self, name: str, period: int, accept: bool) -> None:
        module, trade = self.modules[name], self.waiting[name, period].pop(0)
        group = module.ledgerOf(0, period)["judged"]
        judge(self.market, module, period, [trade], rejected=(group,) * (not accept))
        if accept:
            self.accepted[period].append(trade)

    def expire(self, name: str, period: int) -> None:
        module, trade = self.modules[name], self.waiting[name, period].pop(0)
        group = module.ledgerOf(0, period)["judged"]
        chain.sleep(VERDICT_WINDOW + 1)
        module.expire(0, period, group, [trade.pack()], {"from": self.market.stranger})

    @rule()
    def pass_gate_closure(self):
        self.now += 1
        self.market.close_gate(self.now)

    @precondition(
        lambda self: len(self.closed()) > 1
    )  # once it is delivered the next gate is closed
    @rule(data=st.data(), accept=st.booleans())
    def settle_the_oldest(self, data, accept):
        """All the way, whatever is still open in it, so that ring slots come round."""
        period = self.settled + 1
        self.settled = period
        if self.occupant(period) > period:
            return  # nobody did anything in it, and its slot is taken
        for name in (BILATERAL, OTC):
            while self.waiting[name, period]:
                self.decide(name, period, accept)
        self.market.trade(period)
        self.market.deliver(period)
        drawn = data.draw(st.lists(st.integers(-9_000, 9_000), min_size=6, max_size=6))
        readings = {m.number: wh for m, wh in zip(self.market.members, drawn, strict=True)}
        self.market.meter(period, readings)
        self.market.settle(period)

    def occupant(self, period: int) -> int:
        """The period that holds this one's ring slot."""
        return self.market.house.periodAt(0, period % RING)["period"]

    @rule(who=MEMBER, amount=st.integers(1, PURSE))
    def deposit(self, who, amount):
        self.market.fund({self.market.members[who].number: amount})

    @rule(who=MEMBER, share=st.floats(0, 1))
    def spend(self, who, share):
        member = self.market.members[who]
        free = self.market.house.balanceOf(member.number)
        if free > 0:
            self.market.house.withdraw(int(free * share), member.sends)

    # --- what always holds ---------------------------------------------------------------------

    @invariant()
    def money_is_all_there(self):
        assert self.market.money_sum() == 0

    @invariant()
    def the_margin_account_is_what_is_left_of_the_margins(self):
        for concluded in self.deals:
            assert Margins(*self.counter.left(concluded.deal)) == concluded.left
        margins = sum(c.left.seller + c.left.buyer for c in self.deals)
        assert self.market.house.balanceOf(MARGIN) == margins

    @invariant()
    def reservations_are_listings_and_trades(self):
        live = range(self.settled + 1, self.now + HORIZON + 1)
        periods = [p for p in live if self.occupant(p) == p]
        seats = [(p, m.number) for p in periods for m in self.market.members]
        told = ask(*((self.market.house.accountInPeriod, n, p) for p, n in seats))
        for (period, number), (_, *energies) in zip(seats, told, strict=True):
            booked = sums_of(self.market.members, self.accepted[period])
            expected = (*self.reserved(period)[number], *booked[number])
            assert tuple(energies) == expected, (period, number)

    def reserved(self, period: int) -> dict[int, tuple[int, int]]:
        """(sell, buy) Wh by participant: open listings, and trades that were not rejected."""
        trades = [*self.accepted[period]]
        for name in (BILATERAL, OTC):
            trades += self.waiting[name, period]
        sums = sums_of(self.market.members, trades)
        for listed in self.board[period]:
            sums[listed.member.number][listed.is_request] += listed.wh
        return {number: tuple(both) for number, both in sums.items()}


def sums_of(members: list[Member], trades: list[TradeWord]) -> dict[int, list[int]]:
    sums = {member.number: [0, 0] for member in members}
    for trade in trades:
        sums[trade.seller][0] += trade.wh
        sums[trade.buyer][1] += trade.wh
    return sums


@pytest.fixture(scope="module")
def partners(market):
    """One area, little money, narrow connections, and both markets."""
    small = Market(market.contracts).admit(MEMBERS, purse=PURSE, capacity=CAPACITY_WH)
    return small, Neighbours.open(small), Otc.open(small)


def test_whatever_partners_do_money_and_energy_stay_accounted_for(partners):
    run_state_machine_as_test(
        lambda: PartnersLife(*partners),
        settings=settings(
            max_examples=17,  # Hypothesis begins with ten short ones
            stateful_step_count=50,
            derandomize=True,  # the same lives every time, so that what they saw can be told
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=HealthCheck.all(),
        ),
    )
    seen = PartnersLife.seen
    assert seen["paired"] > 5
    assert seen[True, True], seen
    assert seen[False, True] + seen[False, False], "a seller in default"
    assert seen[True, False] + seen[False, False], "a buyer in default"
