"""Random walks through whole periods of flexibility: after every step the chain is the model's mirror."""

import random

import numpy as np
import pytest
from brownie import chain

from gridbourse.model.caps import NO_CAP
from gridbourse.model.flexibility.products import (
    CONGESTION,
    CONGESTION_METERED,
    VOLTAGE,
    Buyers,
    Way,
)
from gridbourse.model.settlement import estimate_wh, settle
from tests.contracts.flexibility_hall import (
    COMPENSATED,
    DSO,
    FAST,
    MARGIN,
    POOLED,
    REVEAL,
    SUPPLIER,
    TSO,
    WINDOW,
    FlexibilityHall,
    P,
    findings,
)
from tests.contracts.flexibility_mirror import Life, Mirror, pick
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import CAPACITY_WH, MTU, READING_WINDOW, VERDICT_WINDOW

EARLY, LATE = P * MTU - 800, P * MTU - 430
PRODUCTS = (
    CONGESTION,
    CONGESTION,
    CONGESTION_METERED,
    POOLED,
    COMPENSATED,
    COMPENSATED,
    FAST,
    VOLTAGE,
)
PERMILLE = 733
SEEDS = (0, 1, 6, 8, 11, 13, 14)
"""Together these come across all of the below."""
BRANCHES = {
    "request", "offer", "clear", "award", "judge", "verify", "transfer", "redeem",
    "a participant asks", "by gateway", "taken back", "suspended",
    "awarded", "in part", "lost", "too small", "stands by", "withheld", "seed withheld", "damages",
    "beside", "rejected", "expired", "void", "lapsed", "missing reading", "evidence",
    "bond is all", "credited before", "shared", "up", "down", "supplier pays", "supplier is paid",
    "supplier is short",
}  # fmt: skip
"""What walks come across, all of them together."""
REACHED: dict[int, set[str]] = {}
"""By seed."""


@pytest.fixture(scope="module")
def contracts(market, tmp_path_factory, accounts):
    """The first participant is the aggregator of two others."""
    listed = deploy_contract("ContractList", tmp_path_factory, accounts)
    aggregator, *rest = market.in_area(0)
    found = {who.number: (aggregator.number, PERMILLE) for who in rest[:2]}
    for who, (number, permille) in found.items():
        transact(listed.functions.set(who, number, permille, True), accounts)
    return listed.address, found


@pytest.fixture(scope="module")
def hall(market, contracts):
    return FlexibilityHall(market, contracts[0])


class Walk:
    """One period, from requests to redeemed tokens, by one seed."""

    def __init__(self, hall: FlexibilityHall, contracts, seed: int) -> None:
        self.hall, self.draw = hall, random.Random(seed)
        self.mirror = Mirror(hall, contracts)
        self.people = self.mirror.people
        self.by_number = {member.number: member for member in self.people}
        self.readings: dict[int, int | None] = {}
        self.seen: set[str] = set()
        self.way = self.draw.choice((Way.UP, Way.DOWN))  # more often than the other

    def step(self, *choices) -> None:
        choice = self.draw.choice(choices)
        if choice():
            self.seen.add(choice.__name__)
            self.mirror.check()

    def live(self) -> list[Life]:
        return [life for life in self.mirror.lives if not life.ended]

    # --- before delivery -----------------------------------------------------------------------

    def request(self) -> bool:
        draw = self.draw
        product = draw.choice(PRODUCTS)
        buyers = [DSO]
        if product.buyers & Buyers.TSO:
            buyers.append(TSO)
        if product.buyers & Buyers.PARTICIPANTS:
            asked = [life.posted.buyer for life in self.mirror.lives]
            buyers.append(draw.choice([w for w in self.people if asked.count(w.number) < 2]))
        buyer = draw.choice(buyers)
        if not isinstance(buyer, int):
            self.seen.add("a participant asks")
        closes_at = (
            LATE if self.hall.whole.clock.timestamp() >= EARLY else draw.choice((EARLY, LATE))
        )
        posted = self.hall.request(
            product, draw.choice((self.way, self.way, Way.UP, Way.DOWN)), draw.randint(100, 2_500),
            draw.randint(1, 30), buyer, pay_as_bid=draw.random() < 0.5, closes_at=closes_at,
            seed=draw.randbytes(32),
        )  # fmt: skip
        self.mirror.posted(posted, closes_at)
        return True

    def offer(self) -> bool:
        draw, time = self.draw, self.hall.whole.clock.timestamp()
        open_ = [life for life in self.mirror.lives if life.closes_at > time]
        if not open_:
            return False
        of = draw.choice((self.people, self.people[:4]))  # some offer more often than others
        life, some = draw.choice(open_), draw.sample(of, draw.randint(2, 4))
        taken = [self._offer(life, who) for who in some]
        return any(taken)

    def _offer(self, life: Life, who) -> bool:
        draw = self.draw
        former = life.posted.offers.get(who.number)
        wh = draw.choice((0, draw.randint(1, 900))) if former else draw.randint(1, 900)
        if not self.mirror.may_offer(life, who.number, wh):
            return False
        if life.posted.request.product.declared and not former:
            self.hall.declare(who, draw.randint(-900, 900))
        own = former is not None and former.agent == who.number  # stands whatever an agent says
        by = draw.choice((None, self.hall.whole.gateway))
        if own or not life.posted.request.house:  # here everybody's gateway is the buyer's too
            by = None
        self.seen |= {"by gateway"} if by else set()
        self.seen |= {"taken back"} if not wh else set()
        self.hall.offer(life.posted, who, draw.randint(0, life.posted.request.tick), wh, by)
        self.mirror.offered(life, who.number, former, wh)
        return True

    def clear(self) -> bool:
        time = self.hall.whole.clock.timestamp()
        closed = [
            life for life in self.mirror.lives
            if life.closes_at <= time and not life.cleared and life not in self.forgotten
            and (life.shown or not life.posted.request.product.declared)
        ]  # fmt: skip
        if not closed:
            return False
        life = self.draw.choice(closed)
        self.hall.clear(life.posted, self.draw.choice((1, 2, 9)))
        self.mirror.clear(life)
        self.seen |= {outcome.value for outcome in life.outcomes.values()}
        for leg in life.legs.values():
            if leg.wh < life.posted.offers[leg.participant].wh:
                self.seen.add("in part")
        return True

    forgotten: list

    def award(self) -> bool:
        ready = [life for life in self.mirror.lives if life.cleared and not life.awarded]
        if not ready:
            return False
        life = self.draw.choice(ready)
        first = self.hall.market.ledgerOf(0, P)["groups"]
        trades = self.hall.award(life.posted, self.draw.choice((1, 2, 9)))
        self.mirror.award(life)
        sizes = [
            self.hall.market.sealedGroupOf(0, P, group)["count"]
            for group in range(first, self.hall.market.ledgerOf(0, P)["groups"])
        ]
        for size in sizes:
            page, trades = trades[:size], trades[size:]
            self.pages.append((life, page))
            life.waiting.append(page)
        assert not trades
        return True

    pages: list
    verdicts = 1_000

    def judge(self) -> bool:
        if not self.pages or not self.verdicts:
            return False
        self.verdicts -= 1
        life, page = self.pages.pop(0)
        rejected = self.draw.choice((0, 0, self.draw.randrange(1 << len(page))))
        self.hall.judge(page, rejected)
        self._decided(life, page, rejected)
        return True

    def _decided(self, life: Life, page, rejected: int) -> None:
        life.waiting.remove(page)
        self.seen |= {"rejected"} if rejected else set()
        for i, trade in enumerate(page):
            if rejected >> i & 1:
                who = trade.buyer if life.way is Way.DOWN else trade.seller
                self.mirror.rejected(life, who)
        self.mirror.end_if_done(life)

    # --- after delivery ------------------------------------------------------------------------

    def verify(self) -> bool:
        lives = [life for life in self.live() if life.legs and life is not self.unverified]
        if not lives:
            return False
        life = self.draw.choice(lives)
        some = [
            w for w in life.legs if not life.metered or self.readings[w] is not None or self.late
        ]
        if not some:
            return False
        chosen = self.draw.sample(some, self.draw.randint(1, len(some)))
        return self._verify(life, chosen)

    late = False
    unverified: Life | None = None

    def _verify(self, life: Life, chosen: list[int]) -> bool:
        hall, product = self.hall, life.posted.request.product
        if product.declared:
            stated = {who: hall.schedules.scheduleOf(P, who)[1] for who in chosen}
            tx = hall.verify_declared(life.posted, chosen)
        else:
            stated = {who: self.draw.randint(-900, 900) for who in chosen}
            tx = hall.verify(life.posted, stated)
        expected, delivered = [], 0
        for who in chosen:
            found = self.mirror.find(life, who, stated[who], self.readings[who])
            self._note(life, who, found)
            shared = self.mirror.verified(life, who, found, self.readings[who] is not None)
            delivered += found.delivered_wh
            expected.append(
                (who, found.delivered_wh, found.off_wh, found.paid_micro_eur, shared,
                 found.penalty_micro_eur)
            )  # fmt: skip
        assert findings(tx) == expected
        supplier = self.mirror.money[SUPPLIER]
        self.mirror.compensate(life, delivered)
        paid = supplier - self.mirror.money[SUPPLIER]
        if paid:
            self.seen.add("supplier pays" if paid > 0 else "supplier is paid")
        if life.way is Way.UP and life.posted.request.house and life.metered:
            due = delivered * product.compensation_micro_eur_per_wh
            self.seen |= {"supplier is short"} if paid < due else set()
        self.mirror.end_if_done(life)
        return True

    def _note(self, life: Life, who: int, found) -> None:
        leg, mirror = life.legs[who], self.mirror
        self.seen.add(life.way.name.lower())
        for name, there in (
            ("evidence", not life.metered),
            ("missing reading", life.metered and self.readings[who] is None),
            ("bond is all", 0 < found.penalty_micro_eur == leg.bond_micro_eur),
            ("credited before", mirror.credited[who, life.reactive] > 0 and found.delivered_wh > 0),
            ("damages", found.damages_micro_eur > 0),
            ("beside", found.penalty_micro_eur > found.damages_micro_eur),
            ("shared", who in mirror.contracts and found.paid_micro_eur > 0),
        ):
            if there:
                self.seen.add(name)

    def transfer(self) -> bool:
        held = self._holdings()
        if not held:
            return False
        token, who = self.draw.choice(held)
        to = self.draw.choice([*self.people])
        wh = self.draw.randint(0, self.mirror.tokens[token][who][0])
        sender = self.by_number[who]
        self.hall.token.safeTransferFrom(sender.account, to.account, token, wh, b"", sender.sends)
        self.mirror.transferred(token, who, to.number, wh)
        return True

    def redeem(self) -> bool:
        held = self._holdings()
        if not held:
            return False
        token, who = self.draw.choice(held)
        self.hall.token.redeem([token], self.by_number[who].sends)
        self.mirror.redeemed(token, who)
        return True

    def _holdings(self) -> list[tuple[int, int]]:
        tokens = self.mirror.tokens.items()
        return sorted((t, who) for t, held in tokens for who, pair in held.items() if pair[0])

    # --- the whole -----------------------------------------------------------------------------

    def run(self) -> None:
        hall, draw = self.hall, self.draw
        self.pages, self.forgotten = [], []
        self.request()
        self.mirror.check()
        for _ in range(12):
            self.step(self.request, *[self.offer] * 4)
        hall.whole.clock.advanceTo(EARLY, hall.by)
        self._show()
        for _ in range(12):
            self.step(self.request, self.offer, self.offer, self.clear, self.award, self.judge)
        hall.whole.clock.advanceTo(LATE, hall.by)
        self._neglect()
        self._show()
        while self._due():
            self.step(self.clear, self.award, self.judge)
        for who in self.by_number:
            self.readings[who] = draw.choice((None, *[draw.randint(-900, 900)] * 4))
        hall.deliver({w: wh for w, wh in self.readings.items() if wh is not None}, others=None)
        self.mirror.silent = not any(wh is not None for wh in self.readings.values())
        self._void()
        self._expire()
        hall.delivery.awaitVerification(0, P, hall.by)
        if self.live() and draw.random() < 0.5:
            self.unverified = draw.choice(self.live())
        for _ in range(14):
            self.step(self.verify, self.verify, self.transfer, self.redeem)
        chain.sleep(READING_WINDOW + 1)
        self.late = True
        for _ in range(6):
            self.step(self.verify, self.verify, self.transfer, self.redeem)
        chain.sleep(WINDOW + 1)
        for life in self.live():
            self._lapse(life)
        self._settle()
        for token, who in self._holdings():
            hall.token.redeem([token], self.by_number[who].sends)
            self.mirror.redeemed(token, who)
        assert hall.balance(MARGIN) == 0

    def _neglect(self) -> None:
        """No seed, no verdict, no money of the supplier; and somebody is suspended."""
        hall, draw, supplier = self.hall, self.draw, self.mirror.money[SUPPLIER]
        open_ = [life for life in self.mirror.lives if not life.cleared]
        if open_ and draw.random() < 0.5:
            silent = [one for one in open_ if one.posted.request.product.declared]
            self.forgotten = [draw.choice(silent or open_)]
        self.verdicts = draw.choice((1_000, 1_000, draw.randint(1, 3)))
        if draw.random() < 0.75:
            left = draw.randint(0, 20_000) // 10
            hall.whole.house.withdrawHouse(SUPPLIER, supplier - left, {"from": hall.whole.supplier})
            self.mirror.money[SUPPLIER] = left
        if draw.random() < 0.5:
            hall.whole.registry.suspend(draw.choice(self.people).number, hall.by)
            self.seen.add("suspended")
        self.mirror.check()

    def _show(self) -> None:
        """Seeds and salts of all that is closed by now, but for a salt here and there."""
        time = self.hall.whole.clock.timestamp()
        late = False
        for life in self.mirror.lives:
            closed = life.closes_at <= time and not life.shown and life not in self.forgotten
            if not closed or not life.posted.request.product.declared:
                continue
            agents = sorted(life.posted.salts)
            if agents and self.draw.random() < 0.3:
                life.withheld = {self.draw.choice(agents)}
            self.hall.show(life.posted, life.withheld)
            life.shown, late = True, late or bool(life.withheld)
        if late:
            self.hall.whole.clock.advanceTo(time + REVEAL, self.hall.by)

    def _due(self) -> bool:
        lives = [life for life in self.mirror.lives if life not in self.forgotten]
        return any(not life.awarded for life in lives) or bool(self.pages and self.verdicts)

    def _void(self) -> None:
        for life in self.forgotten:
            self.hall.clear(life.posted, 1)
            self.mirror.void(life)
            assert self.hall.award(life.posted, self.draw.choice((1, 9))) == []
            self.mirror.award(life)
            self.mirror.check()
            self.seen.add("void")
            declared = life.posted.request.product.declared
            self.seen |= {"seed withheld"} if declared and not life.shown else set()

    def _expire(self) -> None:
        if self.pages:
            chain.sleep(VERDICT_WINDOW + 1)
        for life, page in self.pages:
            group = self.hall.market.ledgerOf(0, P)["judged"]
            self.hall.market.expire(0, P, group, [trade.pack() for trade in page], self.hall.by)
            self._decided(life, page, (1 << len(page)) - 1)
            self.mirror.check()
            self.seen.add("expired")

    def _lapse(self, life: Life) -> None:
        legs = list(life.legs)
        self.hall.delivery.lapse(0, P, life.posted.number, legs, self.hall.by)
        for who in legs:
            self.mirror.lapsed(life, who)
        self.seen.add("lapsed")
        self.mirror.end_if_done(life)
        self.mirror.check()

    def _settle(self) -> None:
        """By the model: meter against what was delivered, which is paid for no second time."""
        hall, mirror = self.hall, self.mirror
        assert hall.market.booked(0, P)
        hall.whole.settlement.awaitReadings(0, P, hall.by)
        chain.sleep(READING_WINDOW + 1)
        hall.whole.settle(P)
        numbers = list(self.by_number)
        position = np.array([mirror.sold[w] - mirror.bought[w] for w in numbers])
        reading = [self.readings[w] for w in numbers]
        capacities = np.full(len(numbers), CAPACITY_WH)
        worst = estimate_wh(position, capacities, hall.whole.silent_permille).tolist()
        estimate = [e if r is None else r for r, e in zip(reading, worst, strict=True)]
        charges = settle(
            np.array(estimate), position, np.full(len(numbers), NO_CAP),
            hall.whole.prices_of(self.people),
        )  # fmt: skip
        for who, delta in zip(numbers, charges.delta.tolist(), strict=True):
            mirror.money[who] += delta
            assert hall.balance(who) == mirror.money[who]  # nothing is held any more
        mirror.money[SUPPLIER] += int(charges.supplier.sum())
        mirror.money[DSO] += int(charges.dso.sum())
        assert hall.balance(SUPPLIER) == mirror.money[SUPPLIER]
        assert hall.balance(DSO) == mirror.money[DSO]
        assert hall.whole.money_sum() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_any_walk_keeps_money_energy_and_tokens_accounted_for(hall, contracts, seed):
    walk = Walk(hall, contracts[1], seed)
    walk.run()
    assert pick(walk.draw, walk.mirror.lives).ended
    REACHED[seed] = walk.seen


def test_the_walks_come_across_everything():
    if len(REACHED) < len(SEEDS):
        pytest.skip("only all walks together come across everything")
    assert set.union(*REACHED.values()) >= BRANCHES
