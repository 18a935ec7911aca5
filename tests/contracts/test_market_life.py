"""A market lived at random: whatever is done, in whatever order, money and energy add up.

Hypothesis draws the actions; a refusal is part of life, but only by the rule that belongs to it. Now and then
each key does its worst, and a stranger ends what is open, on a state that is thrown away again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from brownie import chain
from brownie.exceptions import VirtualMachineError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gridbourse.chain.encoding.lanes import MISSING_WH, OFFER
from tests.contracts.any_state import (
    everybody_takes,
    require_anyone_can_end,
    require_sound_whatever_a_key_signs,
)
from tests.contracts.market import (
    BOOKED,
    CLEARED,
    DSO,
    FIRST,
    HOLD_RATE,
    HORIZON,
    MAX_ROUNDS,
    OPEN,
    READING_WINDOW,
    RING,
    SUPPLIER,
    VERDICT_WINDOW,
    VOID,
    Market,
    Member,
)
from tests.contracts.refusal import ask
from tests.model.books import LAST

AREAS = (0, 1)
GROUPS_OF = {0: [2, 3], 1: [4]}
PURSE = 4_000_000  # backs some 11,000 Wh: an order or two, so that money runs out
MEMBERS = 8
Place = tuple[int, int]  # (period, area)
MEMBER = st.integers(0, MEMBERS - 1)
SIDE = st.sampled_from((0, 1))
TICK = st.one_of(st.integers(20, 24), st.integers(0, LAST))  # most meet, some do not
ENERGY = st.integers(1, 5_000)
GROUPS = st.integers(1, 2)
AHEAD = st.integers(1, HORIZON)
AMOUNT = st.integers(1, PURSE)
DISPUTE_WINDOW = 86_400
PLACING = (
    "InsufficientMoney",
    "InDebt",
    "AboveConnectionCapacity",
    "RingSlotBusy",
    "CreditNotCovered",
)


@contextmanager
def perhaps(*refusals: str) -> Iterator[None]:
    """Lets an action be refused by these errors, and by no other."""
    try:
        yield
    except VirtualMachineError as error:
        name = str(error.revert_msg).split(":")[0]
        if name not in refusals:
            raise


@dataclass
class Sight:
    """All there is to see of a market at one moment, asked for in few requests."""

    slots: dict[Place, Any]
    sessions: dict[Place, Any]
    progress: dict[Place, Any]
    orders: dict[tuple[int, Member], Any]
    accounts: dict[tuple[int, Member], Any]

    @classmethod
    def of(cls, market: Market) -> "Sight":
        house, settlement = market.house, market.settlement
        asked = list(product(AREAS, range(RING)))
        answers = ask(*((house.periodAt, *each) for each in asked))
        slots = {
            (slot["period"], area): slot
            for (area, _), slot in zip(asked, answers, strict=True)
            if slot["period"]
        }
        places = list(slots)
        seats = [(p, m) for p, area in places for m in market.members if m.area == area]

        def by_place(method: Any) -> dict[Place, Any]:
            return dict(zip(places, ask(*((method, a, p) for p, a in places)), strict=True))

        def by_seat(method: Any) -> dict[tuple[int, Member], Any]:
            answers = ask(*((method, m.number, p) for p, m in seats))
            return dict(zip(seats, map(tuple, answers), strict=True))

        return cls(
            slots,
            by_place(market.auction.sessionOf),
            by_place(settlement.progressOf),
            by_seat(market.auction.orderOf),
            by_seat(house.accountInPeriod),
        )

    def finished(self, place: Place) -> bool:
        return self.slots[place]["settled"]


class MarketLife(RuleBasedStateMachine):
    """Every action there is, on the periods around a clock that moves on."""

    def __init__(self, market: Market, look_every: int) -> None:
        super().__init__()
        self.look_every = look_every
        chain.snapshot()
        self.market = market
        self.house, self.auction = market.house, market.auction
        self.now = FIRST
        self.steps = 0
        self.by_anyone = {"from": market.stranger}
        self.sight = Sight.of(market)

    def teardown(self) -> None:
        chain.revert()

    def member(self, index: int) -> Member:
        return self.market.members[index]

    def closed(self, *phases: int) -> list[Place]:
        """Areas of closed periods whose auction is in one of these phases."""
        return [
            (period, area)
            for (period, area), session in self.sight.sessions.items()
            if period <= self.now and session["phase"] in phases
        ]

    def begun(self, period: int) -> bool:
        """Whether its delivery has begun, by the clock: metering moves it too."""
        return period <= self.market.clock.currentPeriod()

    def unsettled(self) -> list[Place]:
        booked = [place for place in self.closed(BOOKED) if place[0] < self.now]
        return [place for place in booked if not self.sight.progress[place]["done"]]

    # --- orders --------------------------------------------------------------------------------

    @rule(who=MEMBER, ahead=AHEAD, side=SIDE, tick=TICK, wh=ENERGY)
    def place(self, who, ahead, side, tick, wh):
        with perhaps(*PLACING):
            sends = self.member(who).sends
            self.auction.place(self.now + ahead, side, tick, wh, sends)

    @rule(ahead=AHEAD, rows=st.dictionaries(MEMBER, st.tuples(SIDE, TICK, ENERGY), min_size=1))
    def place_batches(self, ahead, rows):
        period = self.now + ahead
        for area in AREAS:
            orders = {self.member(i): order for i, order in rows.items()}
            orders = {m: order for m, order in orders.items() if m.area == area}
            sequences = [self.auction.orderOf(m.number, period)[3] for m in orders]
            if orders:
                with perhaps(*PLACING):
                    self.market.place(period, orders, max(sequences) + 1)

    @rule(who=MEMBER, ahead=AHEAD)
    def cancel(self, who, ahead):
        with perhaps("NoOrder"):
            self.auction.cancel(self.now + ahead, self.member(who).sends)

    @rule()
    def pass_gate_closure(self):
        """The gate of the next period closes, and the present one has been delivered."""
        self.now += 1
        self.market.close_gate(self.now)

    # --- clearing and verdict ------------------------------------------------------------------

    @precondition(lambda self: self.closed(OPEN))
    @rule(data=st.data())
    def clear(self, data):
        period, area = data.draw(st.sampled_from(self.closed(OPEN)))
        self.market.clear(period, area)

    @precondition(lambda self: self.closed(CLEARED))
    @rule(data=st.data(), share=st.floats(0, 1), who=st.sets(MEMBER, min_size=1))
    def cap(self, data, share, who):
        period, area = data.draw(st.sampled_from(self.closed(CLEARED)))
        caps = {}
        for member in map(self.member, who):
            lane = self.market.grid.capsOf(period, member.group) >> (56 * member.lane)
            present = (lane >> 28 & (1 << 28) - 1, lane & (1 << 28) - 1)
            if member.area == area:
                caps[member] = tuple(int(min(cap, 9_000) * share) for cap in present)
        # What was accepted stands, and nobody is capped for what has flown.
        with perhaps("OtherBook", *["DeliveryBegun"] * self.begun(period)):
            self.market.cap(period, caps, area)

    @precondition(lambda self: self.closed(CLEARED))
    @rule(data=st.data(), groups=GROUPS)
    def accept_and_book_some(self, data, groups):
        period, area = data.draw(st.sampled_from(self.closed(CLEARED)))
        begun = self.begun(period)  # then nothing is accepted any more, and only what was is booked
        with perhaps("OtherBook", *["DeliveryBegun"] * begun):
            self.market.accept(period, area)
        with perhaps(*["NotAccepted"] * begun):
            self.market.book(period, area, groups)

    @precondition(lambda self: self.closed(CLEARED))
    @rule(data=st.data())
    def wait_in_vain_for_a_verdict(self, data):
        period, area = data.draw(st.sampled_from(self.closed(CLEARED)))
        if period == self.now:  # once delivery has begun nobody has to wait
            chain.sleep(VERDICT_WINDOW + 1)
        with perhaps("VerdictAwaited"):  # accepted before
            self.auction.expire(area, period, {"from": self.market.stranger})

    @precondition(lambda self: self.closed(VOID))
    @rule(data=st.data())
    def book_without_trade(self, data):
        period, area = data.draw(st.sampled_from(self.closed(VOID)))
        self.market.book(period, area)

    # --- metering and settlement ---------------------------------------------------------------

    @rule(data=st.data(), who=st.sets(MEMBER, min_size=1), back=st.integers(1, 3))
    def meter(self, data, who, back):
        period = self.now - back
        readings = {self.member(i).number: data.draw(st.integers(-9_000, 9_000)) for i in who}
        with perhaps("SettlementBegun", "RingSlotBusy"):
            self.market.deliver(period)
            self.market.meter(period, readings)

    @precondition(lambda self: self.unsettled())
    @rule(data=st.data(), groups=GROUPS)
    def settle_some(self, data, groups):
        period, area = data.draw(st.sampled_from(self.unsettled()))
        self.market.deliver(period)
        with perhaps("ReadingMissing"):
            self.market.settle(period, area, groups)

    @precondition(lambda self: self.unsettled())
    @rule(data=st.data())
    def settle_on_estimates(self, data):
        period, area = data.draw(st.sampled_from(self.unsettled()))
        self.market.deliver(period)
        self.market.settlement.awaitReadings(area, period, {"from": self.market.stranger})
        chain.sleep(READING_WINDOW + 1)
        self.market.settle(period, area)

    def oldest(self, area: int) -> Place:
        """The oldest period of an area that is not finished, or the one under way."""
        places = (p for p in self.sight.slots if p[1] == area and not self.sight.finished(p))
        return min(places, default=(self.now, area))

    @precondition(lambda self: min(self.oldest(area)[0] for area in AREAS) < self.now)
    @rule(area=st.sampled_from(AREAS))
    def finish_the_oldest(self, area):
        """The oldest period of an area goes all the way, so that its ring slots come round."""
        period, _ = place = self.oldest(area)
        if period >= self.now:
            return
        self.market.deliver(period)
        read = self.market.meters.readingOf
        members = self.market.in_area(area)
        missing = [m for m in members if read(area, period, m.number) == MISSING_WH]
        if missing:
            self.market.meter(period, {m.number: 100 - 7 * m.number for m in missing})
        self.market.end(period, area)
        if not self.sight.progress[place]["done"]:
            self.market.settle(period, area)

        assert Sight.of(self.market).finished(place)

    # --- money ---------------------------------------------------------------------------------

    @rule(who=MEMBER, amount=AMOUNT)
    def deposit(self, who, amount):
        self.market.fund({self.member(who).number: amount})

    @rule(who=MEMBER, amount=AMOUNT)
    def withdraw(self, who, amount):
        member = self.member(who)
        free = self.house.balanceOf(member.number)
        with perhaps(*["InsufficientMoney"] * (free < amount)):
            self.house.withdraw(amount, member.sends)
            assert self.house.balanceOf(member.number) == free - amount

    @rule(account=st.sampled_from((SUPPLIER, DSO)), amount=AMOUNT)
    def withdraw_of_the_house(self, account, amount):
        by = {SUPPLIER: self.market.supplier, DSO: self.market.dso}[account]
        most = self.house.spendableOf(account)
        with perhaps(*["InsufficientMoney", "HouseMustCover"] * (most < amount)):
            self.house.withdrawHouse(account, amount, {"from": by})

    @precondition(lambda self: self.house.setAsideMicroEur())
    @rule(wait=st.integers(0, DISPUTE_WINDOW), cancels=st.booleans())
    def end_the_oldest_withdrawal(self, wait, cancels):
        numbers = range(1, self.house.withdrawals() + 1)
        number = next(n for n in numbers if self.house.withdrawalOf(n)["amountMicroEur"])
        due = self.house.withdrawalOf(number)
        if cancels:
            self.house.cancelWithdrawal(number, {"from": due["recipient"]})
            return
        chain.sleep(wait)
        chain.mine()
        early = ["WithdrawalWaits"] * (chain.time() < due["readyAt"] + 1)
        with perhaps(*early, *["HouseMustCover"] * (due["account"] < 6)):
            self.house.finishWithdrawal(number, {"from": self.market.stranger})

    @rule()
    def pay_what_waits(self):
        self.house.payWaiting([m.number for m in self.market.members], self.by_anyone)

    @rule(who=MEMBER, limit=st.sampled_from((0, 300_000)))
    def give_credit(self, who, limit):
        self.house.setCreditLimit(self.member(who).number, limit, {"from": self.market.treasurer})

    @rule(amount=AMOUNT)
    def guarantee(self, amount):
        self.market.fund({SUPPLIER: amount})

    # --- what always holds ---------------------------------------------------------------------

    @invariant()
    def all_money_is_there_and_every_period_can_end(self):
        """Whatever any key signs next, and without any key: looked at now and then, for it takes time."""
        self.steps += 1
        if self.steps % self.look_every:
            return
        places = sorted(p for p in self.sight.slots if not self.sight.finished(p))
        periods = sorted({period for period, _ in places})
        require_sound_whatever_a_key_signs(self.market, periods or [self.now])
        everybody_takes(self.market)
        for period, area in places:
            if period < self.now:
                self.market.deliver(period)
                require_anyone_can_end(self.market, period, [area])

    @invariant()
    def everything_adds_up(self):
        self.sight = Sight.of(self.market)
        self.money_is_all_there()
        for place in self.sight.slots:
            self.holds_are_those_of_the_participants(place)
            self.reservations_are_the_open_orders(place)

    def money_is_all_there(self) -> None:
        """Conservation, and solvency: what all could take out at once is there. What is owed is known."""
        ledger = self.market.ledger()
        total, held, owed = ask(
            (self.house.moneySum, self.market.registry.seatLimit()),
            (self.market.currency.balanceOf, self.house.address),
            (self.house.debtsMicroEur,),
        )
        assert total == ledger.money_sum == 0
        assert owed == ledger.debts
        assert held == ledger.deposits - ledger.withdrawals
        assert ledger.gap <= 0
        for period, holds in ledger.holds.items():
            assert holds + ledger.trades[period] >= 0

    def holds_are_those_of_the_participants(self, place: Place) -> None:
        slot, (period, area) = self.sight.slots[place], place
        if self.sight.finished(place):
            assert (slot["holdsMicroEur"], slot["tradesMicroEur"]) == (0, 0)
            return
        set_aside, members = 0, self.market.in_area(area)
        payments = ask(*((self.house.paymentOf, m.number, period) for m in members))
        for member, payment in zip(members, payments, strict=True):
            held, _, buy, _, _ = self.sight.accounts[period, member]
            assert held == buy * HOLD_RATE
            settled = self.sight.progress[place]["nextGroup"]
            is_settled = GROUPS_OF[area].index(member.group) < settled
            set_aside += -payment if is_settled else held
        assert set_aside == slot["holdsMicroEur"] + slot["tradesMicroEur"]

    def reservations_are_the_open_orders(self, place: Place) -> None:
        period, area = place
        traded = [0, 0]
        for member in self.market.in_area(area):
            side, _, wh, _ = self.sight.orders[period, member]
            _, sell, buy, sold, bought = self.sight.accounts[period, member]
            assert (sell, buy) == ((wh, 0) if side == OFFER else (0, wh))
            assert sold <= sell
            assert bought <= buy
            traded[0] += sold
            traded[1] += bought
        if place in self.closed(BOOKED):
            assert traded[0] == traded[1]


@pytest.fixture(scope="module")
def small_market(market):
    """Two areas, three groups, and little money."""
    return Market(market.contracts, dispute_window=DISPUTE_WINDOW).admit(
        5, 3, purse=PURSE, guarantee=PURSE
    )


def live(market, lives: int, steps: int, look_every: int) -> int:
    """How many steps were taken in all lives together."""
    all_lives: list[MarketLife] = []

    def life() -> MarketLife:
        all_lives.append(MarketLife(market, look_every))
        return all_lives[-1]

    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=HealthCheck.all(),
        ),
    )
    return sum(life.steps for life in all_lives)


def test_whatever_happens_money_and_energy_stay_accounted_for(small_market):
    live(small_market, lives=17, steps=50, look_every=25)  # Hypothesis begins with ten short ones


@pytest.mark.assurance
def test_five_thousand_steps_leave_all_money_there_and_every_period_to_end(small_market):
    steps = 0
    while steps < 5_000:
        steps += live(
            small_market, lives=25, steps=150, look_every=10
        )  # what Hypothesis has room for


def test_a_period_is_capped_no_more_often_than_there_are_rounds(small_market):
    """The life above may void a period only by running out of rounds."""
    period = FIRST + 1
    small_market.close_gate(period)
    for _ in range(MAX_ROUNDS):
        small_market.clear(period)
        small_market.cap(period, {small_market.members[0]: (0, 0)})

    assert small_market.auction.sessionOf(0, period)["phase"] == VOID
