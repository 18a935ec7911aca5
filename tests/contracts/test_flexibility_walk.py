"""Random walks through whole periods of flexibility: after every step the chain is the model's mirror."""

import random

import numpy as np
import pytest
from brownie import chain

from gridbourse.model.caps import NO_CAP
from gridbourse.model.flexibility_products import (
    CONGESTION,
    CONGESTION_METERED,
    VOLTAGE,
    Buyers,
    Way,
)
from gridbourse.model.settlement import settle
from tests.contracts.flexibility_hall import (
    COMPENSATED,
    DSO,
    FAST,
    MARGIN,
    POOLED,
    SUPPLIER,
    TSO,
    WINDOW,
    FlexibilityHall,
    P,
    findings,
)
from tests.contracts.flexibility_mirror import Life, Mirror, pick
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import MTU, READING_WINDOW

EARLY, LATE = P * MTU - 800, P * MTU - 400
PRODUCTS = (CONGESTION, CONGESTION_METERED, POOLED, COMPENSATED, FAST, VOLTAGE)
PERMILLE = 733


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
            buyers.append(draw.choice(self.people))
        closes_at = (
            LATE if self.hall.whole.clock.timestamp() >= EARLY else draw.choice((EARLY, LATE))
        )
        posted = self.hall.request(
            product, draw.choice((Way.UP, Way.DOWN)), draw.randint(1, 2_500), draw.randint(0, 30),
            draw.choice(buyers), pay_as_bid=draw.random() < 0.5, closes_at=closes_at,
            seed=draw.randbytes(32),
        )  # fmt: skip
        self.mirror.posted(posted, closes_at)
        return True

    def offer(self) -> bool:
        draw, time = self.draw, self.hall.whole.clock.timestamp()
        open_ = [life for life in self.mirror.lives if life.closes_at > time]
        if not open_:
            return False
        life, who = draw.choice(open_), draw.choice(self.people)
        former = life.posted.offers.get(who.number)
        wh = draw.choice((0, draw.randint(1, 900))) if former else draw.randint(1, 900)
        if not self.mirror.may_offer(life, who.number, wh):
            return False
        if life.posted.request.product.declared and not former:
            self.hall.declare(who, draw.randint(-900, 900))
        by = draw.choice((None, self.hall.whole.gateway))
        self.hall.offer(life.posted, who, draw.randint(0, life.posted.request.tick), wh, by)
        self.mirror.offered(life, who.number, former, wh)
        return True

    def clear(self) -> bool:
        time = self.hall.whole.clock.timestamp()
        closed = [x for x in self.mirror.lives if x.closes_at <= time and not x.cleared]
        if not closed:
            return False
        life = self.draw.choice(closed)
        self.hall.clear(life.posted, self.draw.choice((1, 2, 9)))
        self.mirror.clear(life)
        return True

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

    def judge(self) -> bool:
        if not self.pages:
            return False
        life, page = self.pages.pop(0)
        rejected = self.draw.choice((0, 0, self.draw.randrange(1 << len(page))))
        self.hall.judge(page, rejected)
        self._decided(life, page, rejected)
        return True

    def _decided(self, life: Life, page, rejected: int) -> None:
        life.waiting.remove(page)
        for i, trade in enumerate(page):
            if rejected >> i & 1:
                who = trade.buyer if life.way is Way.DOWN else trade.seller
                self.mirror.rejected(life, who)
        self.mirror.end_if_done(life)

    # --- after delivery ------------------------------------------------------------------------

    def verify(self) -> bool:
        lives = [life for life in self.live() if life.legs]
        if not lives:
            return False
        life = self.draw.choice(lives)
        some = [
            w for w in life.legs if not life.metered or self.readings[w] is not None or self.late
        ]
        chosen = self.draw.sample(some, self.draw.randint(0, len(some)))
        if not chosen:
            return False
        return self._verify(life, chosen)

    late = False

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
            shared = self.mirror.verified(life, who, found)
            delivered += found.delivered_wh
            expected.append(
                (who, found.delivered_wh, found.off_wh, found.paid_micro_eur, shared,
                 found.penalty_micro_eur)
            )  # fmt: skip
        assert findings(tx) == expected
        self.mirror.compensate(life, delivered)
        self.mirror.end_if_done(life)
        return True

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
        self.pages = []
        self.request()
        self.mirror.check()
        for _ in range(18):
            self.step(self.request, self.offer, self.offer, self.offer, self.offer)
        hall.whole.clock.advanceTo(EARLY, hall.by)
        for _ in range(14):
            self.step(self.request, self.offer, self.offer, self.clear, self.award, self.judge)
        hall.whole.clock.advanceTo(LATE, hall.by)
        while any(not life.awarded for life in self.mirror.lives) or self.pages:
            self.step(self.clear, self.award, self.judge)
        for who in self.by_number:
            self.readings[who] = draw.choice((None, *[draw.randint(-900, 900)] * 4))
        hall.deliver({w: wh for w, wh in self.readings.items() if wh is not None}, others=None)
        hall.delivery.awaitVerification(0, P, hall.by)
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

    def _lapse(self, life: Life) -> None:
        legs = list(life.legs)
        self.hall.delivery.lapse(0, P, life.posted.number, legs, self.hall.by)
        for who in legs:
            self.mirror.lapsed(life, who)
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
        estimate = [p if r is None else r for r, p in zip(reading, position.tolist(), strict=True)]
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


@pytest.mark.parametrize("seed", range(8))
def test_any_walk_keeps_money_energy_and_tokens_accounted_for(hall, contracts, seed):
    walk = Walk(hall, contracts[1], seed)
    walk.run()
    assert {"request", "offer", "clear", "award"} <= walk.seen
    assert pick(walk.draw, walk.mirror.lives).ended
