"""Two hundred delivery periods lived at random on a chain, with the pure model beside it.

Everything that can happen to a period happens: orders replaced and cancelled, orders refused, caps
once and until no round is left, verdicts that never come, participants suspended, reinstated and
gone for good, readings late, missing and corrected - before settlement, after it, and when the ring
slot has long been rewritten - debts and what pays them off. After every step money adds up (see
`RingMarket.look`) and every account is the model's.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
from web3 import Web3

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Reverted
from gridbourse.model.caps import NO_CAP
from gridbourse.model.house_accounts import DSO_ACCOUNT, SUPPLIER_ACCOUNT
from gridbourse.model.ledger import Refused
from tests.invariants.model_market import NO_ORDER, ModelMarket, Order, Seat
from tests.invariants.ring_market import (
    CAPACITY_WH,
    DISPUTE_WINDOW,
    FIRST,
    NUMBERS,
    RING,
    ZONE_OF,
    RingMarket,
)

PERIODS = 200
PURSE = 1_500_000  # backs some 4,000 Wh: money runs out
SEED = 20_160_701


class Life:
    """One random life: what is drawn is done to the chain and to the model alike."""

    def __init__(self, w3: Web3, seed: int, steps: int = 0) -> None:
        self.draw = random.Random(seed)
        self.steps = steps
        self.holder_of: dict[int, str | int] = {}
        self.chain = RingMarket(w3)
        seats = {n: Seat(ZONE_OF[n], CAPACITY_WH) for n in NUMBERS}
        self.model = ModelMarket(seats, DISPUTE_WINDOW)
        self.sequences: Counter[tuple[int, int]] = Counter()
        self.settled: list[int] = []
        self.waiting: list[int] = []  # booked, not settled
        self.absurd: dict[int, dict[int, int]] = {}  # what those with an absurd reading really drew
        self.late: dict[int, dict[int, int]] = {}  # readings that come after settlement
        self.seen: Counter[str] = Counter()
        self.deposit(dict.fromkeys(NUMBERS, PURSE), "deposit")

    def check(self, what: str) -> None:
        """A step is over: the chain's own sums, and account by account against the model."""
        self.seen[what] += 1
        balances = self.chain.look()
        ledger = self.model.ledger
        assert balances == {n: self.model.money.get(n, 0) for n in range(self.chain.limit)}, what
        assert (ledger.money_sum, ledger.gap <= 0) == (0, True), what

    def check_ring(self) -> None:
        """What a period has set aside, in holds and open trades, is what the model has; so is what waits."""
        ledger = self.model.ledger
        for period, held in self.chain.ring().items():
            kept = ledger.holds.get(period, 0) + ledger.trades.get(period, 0)
            assert sum(held) == kept >= 0, period
        waiting = {who: credit for who, credit in ledger.waiting.items() if credit}
        assert self.chain.held_back() == (waiting, ledger.set_aside)

    def chance(self, share: float) -> bool:
        return self.draw.random() < share

    # --- one turn of the clock -------------------------------------------------------------------

    def turn(self, period: int) -> None:
        """The gate of `period` closes; the one before the last has been delivered."""
        for ahead in (period, period + 1):
            self.order(ahead)
        self.people(period)
        self.chain.close_gate(period)
        self.judge(period)
        if period - 2 >= FIRST:
            self.meter(period - 2)
        for waiting in list(self.waiting):
            overdue = period + 2 - waiting >= RING
            if waiting <= period - 2 and (overdue or self.chance(0.6)):
                self.settle(waiting)
        if self.settled and self.chance(0.3):
            self.correct(self.draw.choice(self.settled[-3:] if self.chance(0.4) else self.settled))
        self.money()
        self.check_ring()

    # --- orders ----------------------------------------------------------------------------------

    def any_order(self) -> Order:
        side = self.draw.choice((BID, OFFER))
        wh = self.draw.randint(1, 2_500 if self.chance(0.95) else 2 * CAPACITY_WH)
        return Order(side, self.draw.randrange(8, 24) if self.chance(0.8) else 0, wh)

    def order(self, period: int) -> None:
        """Through the gateway whoever may, then one by one whoever tries."""
        chosen = {n: self.any_order() for n in NUMBERS if self.chance(0.4)}
        fit = {n: o for n, o in chosen.items() if self.model.refusal(period, n, o) is None}
        if fit:
            for who, order in fit.items():
                self.seen["replacement"] += self.model.order(period, who).wh > 0
                self.sequences[period, who] += 1
                self.model.place(period, who, order)
            self.chain.place_batch(period, fit, {n: self.sequences[period, n] for n in fit})
            self.check("batch")
        if self.chance(0.5):
            self.order_alone(period, self.draw.choice(NUMBERS), self.any_order())
        placed = [n for n in NUMBERS if self.model.order(period, n).wh]
        if placed and self.chance(0.3):
            who = self.draw.choice(placed)
            self.chain.cancel(period, who)
            self.sequences[period, who] += 1
            self.model.place(period, who, NO_ORDER)
            self.check("cancel")

    def order_alone(self, period: int, who: int, order: Order) -> None:
        refusal = self.model.refusal(period, who, order)
        if refusal is not None:
            with pytest.raises(Reverted) as refused:
                self.chain.place(period, who, order)
            assert refused.value.name == refusal
            self.check(refusal)
            return
        self.chain.place(period, who, order)
        self.sequences[period, who] += 1
        self.model.place(period, who, order)
        self.check("order")

    def people(self, period: int) -> None:
        """Who may order changes; one leaves for good half-way."""
        who = self.draw.choice(NUMBERS)
        seat = self.model.seats[who]
        if period == FIRST + PERIODS // 2:
            self.chain.operate("leaveMarket", 12)
            gone = self.model.seats[12]
            gone.status = "left"
            gone.until = max(period, self.model.last_promised(12) + 1)
            self.check("leave")
        elif seat.status == "suspended":
            self.chain.operate("reinstate", who)
            seat.status = "active"
            self.check("reinstate")
        elif seat.status == "active" and self.chance(0.2):
            self.chain.operate("suspend", who)
            seat.status = "suspended"
            self.check("suspend")

    # --- verdicts --------------------------------------------------------------------------------

    def judge(self, period: int) -> None:
        """Cleared and judged until it is accepted, out of rounds, or left without a verdict."""
        while self.clear(period):
            fate = self.draw.random()
            if fate < 0.7:
                self.chain.accept(period)
                self.check("accept")
                break
            if fate < 0.78:
                self.chain.expire(period)
                self.model.void(period)
                self.check("expire")
                break
            caps = {n: self.any_caps() for n in NUMBERS if self.chance(0.5)}
            self.chain.cap(period, caps)
            self.model.cap(period, caps)
            self.check("cap")
        self.chain.book(period, self.draw.choice((1, 2, 9)))
        self.model.book(period)
        self.waiting.append(period)
        self.check("book")

    def any_caps(self) -> tuple[int, int]:
        return tuple(self.draw.choice((0, 400, 1_500, NO_CAP)) for _ in ("export", "import"))

    def clear(self, period: int) -> bool:
        """Whether there was a round left to clear in."""
        if self.chain.market.auction.phase(0, period) == "void":
            self.seen["void"] += 1
            return False
        found = self.chain.market.auction.clear(self.chain.keys["gateway"], 0, period)
        clearing = self.model.clear(period)
        assert found.matched_wh == clearing.crossing.volume_wh
        assert found.price_micro_eur_per_wh == clearing.price_micro_eur_per_wh
        self.check("clear")
        return True

    # --- metering and settlement -------------------------------------------------------------------

    def meter(self, period: int) -> None:
        """What was contracted, more or less; some readings are wrong at first, some are missing."""
        delivery = self.model.deliveries[period]
        true = {
            n: _carried(delivery.contracts.get(n, 0) + self.draw.randint(-600, 500))
            for n, seat in self.model.seats.items()
            if seat.is_member(period)
        }
        late = {n: wh for n, wh in true.items() if self.chance(0.05)}
        first = {
            n: self.draw.choice((5_000, -4_001))
            if self.chance(0.01)
            else _carried(wh + (self.draw.randint(-99, 99) if self.chance(0.1) else 0))
            for n, wh in true.items()
        }
        first = {n: wh for n, wh in first.items() if n not in late}
        gone = {n: 777 for n, seat in self.model.seats.items() if not seat.is_member(period)}
        self.chain.meter(
            period, first | gone
        )  # a meter that still talks of who left changes nothing
        absurd = {n for n, wh in first.items() if abs(wh) > CAPACITY_WH and self.chance(0.5)}
        self.seen["absurd"] += len(absurd)  # and nobody notices before the settlement
        wrong = {n: true[n] for n, wh in first.items() if wh != true[n] and n not in absurd}
        if wrong:
            self.chain.meter(period, wrong)
            self.seen["corrected before settlement"] += 1
        delivery.readings = {**first, **wrong}
        self.late[period] = late
        self.absurd[period] = {n: true[n] for n in absurd}
        self.check("meter")

    def settle(self, period: int) -> None:
        """On all readings, or on estimates of those that did not come in time."""
        late, delivery = self.late[period], self.model.deliveries[period]
        if late and self.chance(0.3):
            self.chain.meter(period, late)
            delivery.readings.update(late)
            self.check("late reading")
            late = {}
        if late or self.absurd[period]:
            with pytest.raises(Reverted) as refused:
                self.chain.settle(period, 9)
            assert refused.value.name == "ReadingMissing"
            self.chain.await_readings(period)
            self.check("estimate")
        self.chain.settle(period, self.draw.choice((1, 2, 9)))
        before = sum(self.model.ledger.waiting.values())
        self.model.settle(period)
        self.seen["waits"] += sum(self.model.ledger.waiting.values()) > before
        self.waiting.remove(period)
        self.settled.append(period)
        self.check("settle")

    def correct(self, period: int) -> None:
        """A reading that came too late, else what a meter was found to have got wrong."""
        settled = self.model.deliveries[period].settled_on
        true = self.late[period] | self.absurd[period]
        given = {n: wh for n, wh in true.items() if settled[n] != wh}
        if not given:
            chosen = self.draw.sample(list(settled), self.draw.randint(1, 3))
            given = {n: _carried(settled[n] + self.draw.randint(-400, 400)) for n in chosen}
        reused = period not in self.chain.ring()
        self.chain.correct(period, given)
        self.model.correct(period, given)
        self.check("corrected after ring reuse" if reused else "corrected after settlement")

    # --- money -----------------------------------------------------------------------------------

    def money(self) -> None:
        """Debts are paid off by deposits; some take money out; some are given credit."""
        owing = [n for n in NUMBERS if self.model.money[n] < 0]
        self.seen["debt"] += len(owing)
        if owing and self.chance(0.5):
            who = self.draw.choice(owing)
            self.deposit(
                {who: self.draw.choice((1_000, PURSE)) - self.model.money[who]}, "recovery"
            )
        who = self.draw.choice(NUMBERS)
        if self.chance(0.1):
            limit = self.draw.choice((0, 300_000))
            self.model.ledger.credit_limits[who] = limit
            self.chain.act("treasurer", "setCreditLimit", who, limit)
            self.check("credit")
        if self.chance(0.1):
            self.withdraw(who, who, self.draw.randint(1, PURSE))
        if self.chance(0.3):
            party, account = self.draw.choice(
                (("supplier", SUPPLIER_ACCOUNT), ("dso", DSO_ACCOUNT))
            )
            most = self.model.ledger.spendable(account)
            self.withdraw(party, account, most + self.draw.choice((0, 0, 1)))
        if self.model.ledger.on_the_way and self.chance(0.4):
            self.end_withdrawal(min(self.model.ledger.on_the_way))
        if sum(self.model.ledger.waiting.values()) and self.chance(0.5):
            self.pay_waiting()

    def deposit(self, amounts: dict[int, int], what: str) -> None:
        self.chain.deposit(amounts)
        for account, amount in amounts.items():
            self.model.ledger.deposit(account, amount)
        self.check(what)

    def withdraw(self, by: str | int, account: int, amount: int) -> None:
        house = () if isinstance(by, int) else (account,)
        function = "withdrawHouse" if house else "withdraw"
        rule = _rule(deepcopy(self.model.ledger).withdraw, account, amount, 0)
        if rule:
            with pytest.raises(Reverted) as refused:
                self.chain.act(by, function, *house, amount)
            assert refused.value.name == rule
            self.check("refused withdrawal")
            return
        self.chain.act(by, function, *house, amount)
        number = self.model.ledger.withdraw(account, amount, self.chain.now())
        self.holder_of[number] = by
        self.check("house withdrawal" if house else "withdrawal")

    def end_withdrawal(self, number: int) -> None:
        """Too early, or in time; or its holder takes it back."""
        ledger = self.model.ledger
        if self.chance(0.2):
            self.chain.act(self.holder_of[number], "cancelWithdrawal", number)
            ledger.cancel(number)
            self.check("withdrawal cancelled")
            return
        if self.chance(0.7):
            self.chain.wait(
                DISPUTE_WINDOW, mined=True
            )  # a refusal is explained at the block before
        refused = None
        try:
            self.chain.act("gateway", "finishWithdrawal", number)
        except Reverted as error:
            refused = error.name
        assert refused == _rule(deepcopy(ledger).finish, number, self.chain.now())
        if refused:
            self.check(refused)
            return
        ledger.finish(number, self.chain.now())
        self.check("withdrawal finished")

    def pay_waiting(self) -> None:
        order = self.draw.sample(NUMBERS, len(NUMBERS))
        self.chain.act("gateway", "payWaiting", order)
        self.seen["credit paid"] += len(self.model.ledger.pay_waiting(order))
        self.check("pay waiting")


def _rule(action: Callable[..., object], *arguments: int) -> str | None:
    """The rule by which the model refuses something; None when it goes through."""
    try:
        action(*arguments)
    except Refused as refused:
        return refused.rule
    return None


def _carried(wh: int) -> int:
    return max(-CAPACITY_WH, min(CAPACITY_WH, wh))


HAPPENINGS = {
    "batch", "order", "cancel", "replacement", "ParticipantNotActive", "InsufficientMoney", "InDebt",
    "AboveConnectionCapacity", "leave", "suspend", "reinstate", "accept", "expire", "cap", "void",
    "estimate", "late reading", "corrected before settlement", "corrected after settlement",
    "corrected after ring reuse", "debt", "recovery", "credit", "withdrawal", "refused withdrawal",
    "house withdrawal", "withdrawal finished", "withdrawal cancelled", "WithdrawalWaits", "absurd",
    "waits", "credit paid",
}  # fmt: skip


@pytest.fixture(scope="module")
def w3() -> Iterator[Web3]:
    """A node of its own: ten times faster than the chain inside the process."""
    with session("devnet-child") as connection:
        yield connection


def live(life: Life) -> None:
    """Until two hundred periods, or as many steps as are asked for, are lived and settled."""
    period = FIRST
    while period < FIRST + PERIODS or sum(life.seen.values()) < life.steps:
        life.turn(period)
        period += 1
    while life.waiting:
        last = life.waiting[-1]
        life.chain.close_gate(last + 2)
        for delivered in range(max(life.late) + 1, last + 1):
            life.meter(delivered)
        life.settle(life.waiting[0])
    assert {what for what in HAPPENINGS if not life.seen[what]} == set(), life.seen
    traded = sum(sum(map(abs, d.contracts.values())) for d in life.model.deliveries.values())
    assert traded > 100_000, "the market is no still life"
    assert life.chain.checker.findings.compared["commitment"] > PERIODS


def test_two_hundred_periods_are_the_models_to_the_micro_euro(w3: Web3) -> None:
    live(Life(w3, SEED))


@pytest.mark.assurance
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_thousand_steps_are_the_models_to_the_micro_euro(w3: Web3, seed: int) -> None:
    live(Life(w3, seed, steps=5_000))
