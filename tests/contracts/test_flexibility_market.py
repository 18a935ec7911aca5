"""The flexibility market is its model: requests, offers, lots, clearing, awards, verdicts."""

import random

import pytest
from brownie import chain

from gridbourse.chain.bindings.flexibility import NO_SEED, lot_drawn, salt_commitment
from gridbourse.model.flexibility.market import (
    bond_micro_eur,
    clear,
    escrow_micro_eur,
    kind,
    may_promise,
)
from gridbourse.model.flexibility.products import (
    CONGESTION,
    CONGESTION_METERED,
    FCR_N,
    VOLTAGE,
    Way,
)
from tests.contracts.flexibility_hall import (
    BAND,
    COMPENSATED,
    DSO,
    ENDED,
    FAST,
    MARGIN,
    POOLED,
    REVEAL,
    SALT,
    SUPPLIER,
    TSO,
    FlexibilityHall,
    P,
)
from tests.contracts.market import CAPACITY_WH, FEES_OF, MTU, PURSE, VERDICT_WINDOW
from tests.contracts.refusal import refusal


@pytest.fixture(scope="module")
def hall(market):
    return FlexibilityHall(market)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


# --- the contract is the model -----------------------------------------------------------------


def expected_trades(posted, cleared):
    """(injects, withdraws, Wh, price) in participant order."""
    rows = []
    for leg in cleared.legs:
        if leg.stands_by:
            continue
        pair = (leg.participant, posted.buyer)
        pair = pair[::-1] if posted.request.way is Way.DOWN else pair
        rows.append((*pair, leg.wh, leg.price_micro_eur_per_wh))
    return rows


@pytest.mark.parametrize("seed", range(16))
def test_random_requests_are_the_models(hall, people, seed):
    draw = random.Random(seed)
    product = draw.choice((CONGESTION, CONGESTION_METERED, POOLED, COMPENSATED))
    way, buyer = draw.choice((Way.UP, Way.DOWN)), draw.choice((DSO, TSO, people[-1]))
    posted = hall.request(
        product, way, draw.randint(100, 3_000), draw.randint(1, 40), buyer,
        pay_as_bid=draw.random() < 0.5, seed=bytes([seed]) * 32,
    )  # fmt: skip
    if buyer is people[-1]:
        hall.whole.registry.giveMandate(0, buyer.sends)
    request = posted.request
    escrow = escrow_micro_eur(request, BAND)
    assert hall.balance(MARGIN) == escrow
    gateway = hall.whole.gateway
    for who in draw.sample(people[:-1], draw.randint(1, 9)):
        if product.declared:
            hall.declare(who, draw.randint(-900, 900))
        for by in draw.choice(((None,), (gateway,), (gateway, None), (gateway, gateway))):
            tick = draw.randint(max(0, request.tick - 3), request.tick)
            hall.offer(posted, who, tick, draw.randint(0, 900), by)
    offers = [posted.offers[number] for number in sorted(posted.offers)]
    bonds = sum(bond_micro_eur(request, offer.wh, BAND) for offer in offers)
    assert hall.balance(MARGIN) == escrow + bonds
    trades = hall.run(posted, draw.choice((1, 2, 9)))

    cleared = clear(request, offers, BAND, MTU)
    assert [tuple(trade) for trade in trades] == expected_trades(posted, cleared)
    volume, margin = hall.market.outcomeOf(0, P, posted.number)
    assert volume == cleared.volume_wh
    if cleared.margin:
        assert tuple(margin) == (
            cleared.margin.tick, cleared.margin.accepted_wh, cleared.margin.offered_wh,
        )  # fmt: skip
    numbers = [member.number for member in people]
    legs = zip(numbers, hall.market.legsOf(0, P, posted.number, numbers), strict=True)
    found = {who: tuple(leg) for who, leg in legs if leg["wh"]}
    assert found == {
        leg.participant: (leg.wh, leg.price_micro_eur_per_wh, leg.bond_micro_eur, leg.stands_by)
        for leg in cleared.legs
    }
    kept = sum(leg.bond_micro_eur for leg in cleared.legs)
    ended = hall.phase(posted) == ENDED
    assert ended == (not cleared.legs)
    assert hall.balance(MARGIN) == (0 if ended else escrow + kept)
    won = {leg.participant: leg.wh for leg in cleared.legs if not leg.stands_by}
    for member in people[:-1]:
        wh = won.get(member.number, 0)
        assert hall.reserved(member) == ((wh, 0) if way is Way.UP else (0, wh))
    assert hall.whole.money_sum() == 0


def test_promises_are_the_models(hall, people):
    """Offers of one participant to many requests: what the model refuses is refused, and no more."""
    draw = random.Random(1)
    who = people[0]
    hall.declare(who, 0)
    choices = [
        (CONGESTION, Way.UP), (CONGESTION, Way.UP), (CONGESTION_METERED, Way.UP),
        (CONGESTION_METERED, Way.DOWN), (COMPENSATED, Way.UP), (FAST, Way.UP),
    ]  # fmt: skip
    posts = [hall.request(product, way, 1_000, 10) for product, way in choices]
    kinds = [kind(product, way, MTU) for product, way in choices]
    promised: dict[int, int] = {}
    refused = taken = 0
    for _ in range(60):
        at, wh = draw.randrange(len(posts)), draw.choice((0, 0, 900, 9_000, 20_000))
        others = {i: w for i, w in promised.items() if i != at and w}
        present = kinds[next(iter(others), 0)]
        fits = may_promise(sum(others.values()), present, kinds[at], wh, CAPACITY_WH)
        if not fits and wh > promised.get(at, 0):
            found = refused_offer(hall, posts[at], who, 5, wh)
            assert found[0] in ("PromisedOtherwise", "PromisedAboveCapacity")
            refused += 1
            continue
        hall.offer(posts[at], who, 5, wh)
        promised[at] = wh
        taken += 1
        assert sum(hall.reserved(who)) == sum(promised.values())
    assert refused > 10
    assert taken > 10


def refused_offer(hall, posted, who, tick, wh, by=None, area=0):
    rows = [(who.number, tick, wh)]
    lot = salt_commitment(SALT) if posted.request.product.declared else NO_SEED
    return refusal(hall.requests.offer, area, P, posted.number, rows, lot, by=by or who.account)


def test_reactive_power_is_promised_once_too_and_takes_no_energy(hall, people):
    ann = people[0]
    first, second = (hall.request(VOLTAGE, Way.UP, 40_000, 10) for _ in range(2))
    hall.offer(first, ann, 5, CAPACITY_WH - 10)
    assert hall.reserved(ann) == (0, 0)
    assert refused_offer(hall, second, ann, 5, 11) == (
        "PromisedAboveCapacity", ann.number, CAPACITY_WH + 1, CAPACITY_WH,
    )  # fmt: skip
    hall.offer(second, ann, 5, 10)
    energy = hall.request(CONGESTION_METERED, Way.DOWN, 40_000, 10)
    hall.offer(energy, ann, 5, 100)
    assert hall.reserved(ann) == (0, 100)


def test_symmetric_reserves_take_both_directions(hall, people):
    ann, ben = people[:2]
    posted = hall.request(FCR_N, Way.BOTH, 30_000, 10, TSO)
    hall.offer(posted, ann, 5, 15_000)
    hall.offer(posted, ben, 5, 12_000, hall.whole.gateway)
    assert hall.reserved(ann) == (15_000, 15_000)
    assert hall.run(posted) == []  # each agent alone misses 0.1 MW
    assert hall.reserved(ann) == (0, 0)
    assert hall.phase(posted) == ENDED
    assert hall.balance(MARGIN) == 0
    assert hall.balance(ann) == PURSE


def test_agents_change_and_take_their_pool_along(hall, people):
    ann, ben, carol = people[:3]
    posted = hall.request(POOLED, Way.UP, 900, 10)
    gateway = hall.whole.gateway
    for who in (ann, ben):
        hall.offer(posted, who, 5, 300, gateway)
    hall.offer(posted, carol, 5, 499)
    hall.offer(posted, ben, 5, 200, gateway)  # 500 together, as it has to be
    hall.offer(posted, ann, 5, 300)  # its own from now on: 300 and 200
    assert hall.run(posted) == []
    assert hall.phase(posted) == ENDED


# --- buyers, zones, bilateral ------------------------------------------------------------------


def test_a_participant_buys_energy_with_flexibility(hall, people):
    ann, ben = people[:2]
    posted = hall.request(CONGESTION_METERED, Way.UP, 500, 10, ben)
    assert hall.reserved(ben) == (0, 500)
    hall.offer(posted, ann, 4, 300)
    trades = hall.run(posted)
    hall.judge(trades)
    hall.deliver({ann.number: 250, ben.number: -250})
    hall.verify(posted, {ann.number: 0})
    assert (hall.position(ann), hall.position(ben)) == ((250, 0), (0, 250))
    assert (hall.reserved(ann), hall.reserved(ben)) == ((250, 0), (0, 250))
    hall.token.redeem([hall.token_of(posted)], ann.sends)
    hall.whole.settle(P)
    penalty = 50 * 40
    assert hall.balance(ann) == PURSE + 250 * 40 - penalty
    assert hall.balance(ben) == PURSE - 250 * 40 + penalty - 250 * FEES_OF[ben.zone][1]
    assert hall.whole.money_sum() == 0


def test_only_sellers_in_the_zone_or_below_it(hall, people):
    flat, feeder, street = people[:3]
    posted = hall.request(CONGESTION_METERED, Way.UP, 500, 10, zone=1)
    assert refused_offer(hall, posted, flat, 4, 10) == ("OutsideZone", flat.number, 0, 1)
    hall.offer(posted, feeder, 4, 10)
    hall.offer(posted, street, 4, 10)
    below = hall.request(CONGESTION_METERED, Way.UP, 500, 10, zone=2)
    assert refused_offer(hall, below, feeder, 4, 10) == ("OutsideZone", feeder.number, 1, 2)


def test_a_bilateral_request_is_for_one_seller(hall, people):
    ann, ben = people[:2]
    posted = hall.request(CONGESTION_METERED, Way.UP, 500, 10, only=ann)
    assert refused_offer(hall, posted, ben, 4, 10) == ("AskedOfAnother", ben.number, ann.number)
    hall.offer(posted, ann, 4, 10)


# --- verdicts ----------------------------------------------------------------------------------


def test_what_the_grid_does_not_bear_is_given_back(hall, people):
    ann, ben = people[:2]
    before = hall.balance(TSO)
    posted = hall.request(CONGESTION_METERED, Way.UP, 700, 10, TSO)
    hall.offer(posted, ann, 4, 300)
    hall.offer(posted, ben, 5, 300)
    trades = hall.run(posted)
    hall.judge(trades, rejected=0b01)
    assert hall.balance(ann) == PURSE
    assert (hall.reserved(ann), hall.reserved(ben)) == ((0, 0), (300, 0))
    assert hall.market.progressOf(0, P, posted.number)["open"] == 1
    hall.deliver({ben.number: 300})
    hall.verify(posted, {ben.number: 0})
    assert hall.balance(TSO) == before - 300 * 50


def test_without_a_verdict_everything_is_given_back(hall, people):
    ann, before = people[0], hall.balance(DSO)
    posted = hall.request(CONGESTION, Way.DOWN, 700, 10, seed=CALLS_EIGHT)
    hall.declare(ann, 0)
    hall.offer(posted, ann, 4, 300)
    (trade,) = hall.run(posted)
    hall.whole.deliver(P)
    chain.sleep(VERDICT_WINDOW + 1)
    hall.market.expire(0, P, 0, [trade.pack()], {"from": hall.whole.supplier})
    assert hall.phase(posted) == ENDED
    assert (hall.balance(ann), hall.balance(DSO), hall.balance(MARGIN)) == (PURSE, before, 0)
    assert hall.reserved(ann) == (0, 0)
    assert hall.market.booked(0, P)


def seed_that_calls(number, called, request=0):
    """A seed by which the lot of a request calls a participant, or does not."""
    seeds = (bytes([i]) * 32 for i in range(256))
    return next(
        s for s in seeds if (lot_drawn(s, SALT, 0, P, request, number) % 300 < 200) == called
    )


CALLS_EIGHT = seed_that_calls(8, True)


def test_a_request_nobody_clears_is_void_and_costs_nobody(hall, people):
    ann, before = people[0], hall.balance(DSO)
    posted = hall.request(CONGESTION, Way.UP, 700, 10)
    hall.declare(ann, 0)
    hall.offer(posted, ann, 4, 300)
    hall.close_requests()
    hall.show(posted)
    hall.whole.advance_to(P)
    hall.clear(posted)
    assert hall.award(posted) == []
    assert hall.phase(posted) == ENDED
    assert (hall.balance(ann), hall.balance(DSO), hall.balance(MARGIN)) == (PURSE, before, 0)


def test_a_seed_that_nobody_shows_ends_the_request_in_time_and_costs_its_buyer(hall, people):
    """Anyone ends it, the reveal window after its close; what it might have come to pay is lost."""
    ann, before, supplier = people[0], hall.balance(DSO), hall.balance(SUPPLIER)
    posted = hall.request(CONGESTION, Way.UP, 700, 10)
    hall.declare(ann, 0)
    hall.offer(posted, ann, 4, 300)
    hall.close_requests()
    closed, by = P * MTU - 800, hall.whole.stranger
    clear = (0, P, posted.number, 9)
    assert refusal(hall.requests.clear, *clear, by=by) == (
        "SeedAwaited", posted.number, closed + REVEAL,
    )  # fmt: skip
    hall.whole.clock.advanceTo(closed + REVEAL, hall.by)
    late = refusal(hall.requests.showSeed, 0, P, posted.number, posted.seed, by=by)
    assert late == ("ShownTooLate", posted.number, closed + REVEAL, closed + REVEAL)
    hall.clear(posted)
    assert hall.award(posted) == []
    assert hall.phase(posted) == ENDED
    assert (hall.balance(ann), hall.balance(MARGIN)) == (PURSE, 0)
    assert hall.balance(DSO) == before - 300 * 100
    assert hall.balance(SUPPLIER) == supplier + 300 * 100


def test_who_lost_by_lot_or_price_offers_no_declared_schedule_again(hall, people):
    """A second lot in the period would call it more often than its penalty bears."""
    ann, ben = people[:2]
    seed = seed_that_calls(ann.number, False)
    posted = hall.request(CONGESTION, Way.UP, 700, 10, seed=seed)
    later = hall.request(CONGESTION, Way.UP, 700, 10, closes_at=P * MTU - 430)
    plain = hall.request(CONGESTION_METERED, Way.UP, 700, 10, closes_at=P * MTU - 430)
    for who in (ann, ben):
        hall.declare(who, 0)
    hall.offer(posted, ann, 4, 300)
    hall.run(posted)
    for other in (later, plain):
        assert refused_offer(hall, other, ann, 4, 300) == ("PromisedOtherwise", ann.number, P)
    hall.offer(later, ben, 4, 300)
    assert hall.reserved(ann) == (0, 0)


def test_who_was_called_and_too_dear_offers_no_declared_schedule_again(hall, people):
    ann, ben = people[:2]
    seeds = (bytes([i]) * 32 for i in range(256))
    draws = lambda s: [lot_drawn(s, SALT, 0, P, 0, who.number) % 300 for who in (ann, ben)]  # noqa: E731
    seed = next(s for s in seeds if max(draws(s)) < 200)
    posted = hall.request(CONGESTION, Way.UP, 100, 10, seed=seed)
    later = hall.request(CONGESTION, Way.UP, 100, 10, closes_at=P * MTU - 430)
    for who, tick in ((ann, 4), (ben, 3)):
        hall.declare(who, 0)
        hall.offer(posted, who, tick, 100)
    (trade,) = hall.run(posted)
    assert trade.seller == ben.number
    assert refused_offer(hall, later, ann, 4, 100) == ("PromisedOtherwise", ann.number, P)


def test_who_was_called_and_rejected_offers_no_declared_schedule_again(hall, people):
    ann = people[0]
    seed = seed_that_calls(ann.number, True)
    posted = hall.request(CONGESTION, Way.UP, 700, 10, seed=seed)
    later = hall.request(CONGESTION, Way.UP, 700, 10, closes_at=P * MTU - 430)
    hall.declare(ann, 0)
    hall.offer(posted, ann, 4, 300)
    hall.judge(hall.run(posted), rejected=0b1)
    assert refused_offer(hall, later, ann, 4, 300) == ("PromisedOtherwise", ann.number, P)
    assert (hall.balance(ann), hall.reserved(ann)) == (PURSE, (0, 0))


def test_the_lot_calls_two_of_three_and_not_one_draw_more(hall, people):
    """At a penalty of 200 % the draws 0 to 199 of 300."""
    whos, draws = people[:4], (0, 199, 200, 299)
    posts = []
    for at, (who, drawn) in enumerate(zip(whos, draws, strict=True)):
        seeds = (i.to_bytes(32, "big") for i in range(1 << 16))
        seed = next(s for s in seeds if lot_drawn(s, SALT, 0, P, at, who.number) % 300 == drawn)
        posts.append(hall.request(CONGESTION, Way.UP, 100, 10, seed=seed))
        hall.declare(who, 0)
        hall.offer(posts[at], who, 4, 100)
    called = [len(hall.run(posted)) for posted in posts]
    assert called == [1, 1, 0, 0]


def test_who_lost_is_free_to_offer_again(hall, people):
    ann, ben = people[:2]
    posted = hall.request(CONGESTION_METERED, Way.UP, 100, 10)
    later = hall.request(CONGESTION_METERED, Way.DOWN, 700, 10, closes_at=P * MTU - 430)
    hall.offer(posted, ann, 4, 300)
    hall.offer(posted, ben, 3, 300)
    hall.run(posted)
    hall.offer(later, ann, 4, 300)
    assert hall.reserved(ann) == (0, 300)
    assert refused_offer(hall, later, ben, 4, 300)[0] == "PromisedOtherwise"


def test_a_schedule_stands_while_something_is_offered_on_it(hall, people):
    ann = people[0]
    posted = hall.request(CONGESTION, Way.UP, 700, 10)
    assert refused_offer(hall, posted, ann, 4, 300) == ("NoSchedule", ann.number, P)
    hall.declare(ann, -700)
    hall.offer(posted, ann, 4, 300)
    hall.offer(posted, ann, 5, 200)
    declare = (P, [ann.number], [-800])
    assert refusal(hall.schedules.declare, *declare, by=ann.account) == (
        "ScheduleFixed", ann.number, P,
    )  # fmt: skip
    hall.offer(posted, ann, 4, 0)
    hall.declare(ann, -800)
    assert tuple(hall.schedules.scheduleOf(P, ann.number)) == (True, -800)
