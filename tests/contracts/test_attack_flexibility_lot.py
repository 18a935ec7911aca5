"""Attacks on the lot and on penalties: by a buyer, by who withholds, by a meter oracle that is silent."""

import random

import pytest
from brownie import chain

from gridbourse.chain.bindings.flexibility import lot_drawn, salt_commitment
from gridbourse.model.flexibility.market import bond_micro_eur
from gridbourse.model.flexibility.products import CONGESTION, CONGESTION_METERED, Way
from tests.contracts.flexibility_hall import (
    BAND,
    DSO,
    ENDED,
    GATEWAY,
    MARGIN,
    REVEAL,
    SALT,
    SUPPLIER,
    WINDOW,
    FlexibilityHall,
    P,
    all_findings,
)
from tests.contracts.market import CAPACITY_WH, MTU, PURSE, READING_WINDOW
from tests.contracts.refusal import refusal

TICK = 10
BOND = 500 * 100 * 2
"""Of 500 Wh at the ceiling, at a penalty of twice the price."""


@pytest.fixture(scope="module")
def hall(market):
    return FlexibilityHall(market)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


def seeds():
    return (i.to_bytes(32, "big") for i in range(1 << 16))


def salts():
    return (i.to_bytes(16, "big") for i in range(1 << 16))


def calls(seed, who, salt=SALT):
    return lot_drawn(seed, salt, 0, P, 0, who.number) % 300 < 200


# --- the buyer ---------------------------------------------------------------------------------


def test_a_buyer_cannot_choose_by_its_seed_who_stands_by(hall, people):
    """Ground before anything was offered, it is as good as any other: the salts of the sellers, which it can
    not know, decide. Before, it found one by which everybody stands by."""
    sellers = people[:6]
    ground = next(s for s in seeds() if not any(calls(s, who, bytes(16)) for who in sellers))
    posted = hall.request(CONGESTION, Way.UP, 3_000, TICK, seed=ground)
    draw, drawn = random.Random(4), {}
    for who in sellers:
        salt = draw.randbytes(16)
        hall.declare(who, -600)
        hall.offer(posted, who, TICK, 500, salt=salt)
        drawn[who.number] = calls(ground, who, salt)
    trades = hall.run(posted)
    assert {trade.seller for trade in trades} == {who for who, called in drawn.items() if called}
    shares = [sum(calls(ground, sellers[0], draw.randbytes(16)) for _ in range(3_000)) / 3_000]
    assert abs(shares[0] - 2 / 3) < 0.05


def test_a_buyer_cannot_farm_forecast_errors(hall, people):
    """Whoever stands by owes what its schedule was off to the supplier; the buyer gets damages for what it
    was sold and did not get, and pays for what it got. Before, all 60 Wh of errors below were its."""
    buyer, *sellers = people[:4]
    seed = next(s for s in seeds() if [calls(s, who) for who in sellers] == [True, False, False])
    posted = hall.request(CONGESTION, Way.UP, 1_500, TICK, buyer, seed=seed)
    for who in sellers:
        hall.declare(who, -1_000)
        hall.offer(posted, who, TICK, 500)
    hall.judge(hall.run(posted))
    supplier = hall.balance(SUPPLIER)
    metered = dict(zip((who.number for who in sellers), (-480, -1_025, -975), strict=True))
    hall.deliver({**metered, buyer.number: 0})
    found = all_findings(hall.verify_declared(posted, list(metered)))
    price = TICK * 10
    assert [row[-1] for row in found] == [0, 0, 0]  # the one that was called gave more than it owed
    assert [row[5] for row in found] == [20 * price * 2, 25 * price * 2, 25 * price * 2]
    assert hall.balance(SUPPLIER) == supplier + 70 * price * 2
    hold = 500 * 360  # of the energy it bought, until settlement
    assert hall.balance(buyer) == PURSE - 500 * price - hold


@pytest.mark.parametrize("asked_wh", [100, 700])
def test_the_penalties_of_a_request_cannot_bring_its_buyer_more_than_the_penalty_on_what_it_asked_for(
    hall, people, asked_wh
):
    """Whatever everybody offers and however far it is off, called or not."""
    posted = hall.request(CONGESTION, Way.UP, asked_wh, TICK)
    for who in people:
        hall.declare(who, -20_000)
        hall.offer(posted, who, TICK, 2_000)
    trades = hall.run(posted)
    hall.judge(trades)
    before = hall.balance(DSO)
    hall.deliver({who.number: -CAPACITY_WH for who in people})
    legs = hall.market.legsOf(0, P, posted.number, [who.number for who in people])
    open_ = [who.number for who, leg in zip(people, legs, strict=True) if leg["wh"]]
    found = all_findings(hall.verify_declared(posted, open_))
    most = bond_micro_eur(posted.request, asked_wh, BAND)
    assert sum(row[-1] for row in found) == most
    assert hall.balance(DSO) == before + asked_wh * TICK * 10 + most  # escrow and damages
    assert max(row[5] for row in found) <= most
    assert len(found) > len(trades)  # some stood by, and lost no more each than that
    assert hall.balance(MARGIN) == 0


# --- who withholds -----------------------------------------------------------------------------


def offered(hall, people, **other):
    posted = hall.request(CONGESTION, Way.UP, 500, TICK, **other)
    for who in people[:3]:
        hall.declare(who, -1_000)
        hall.offer(posted, who, TICK, 500)
    hall.close_requests()
    return posted


def test_a_seller_cannot_gain_by_keeping_its_salt(hall, people):
    """Shown the seed it knows its own lot and nobody else's. Kept back, the salt costs the bond, the most
    that any schedule could; and the others' lots are drawn all the same, a minute later."""
    ann, *others = people[:3]
    supplier = hall.balance(SUPPLIER)
    seed = next(s for s in seeds() if all(calls(s, who) for who in others))
    posted = offered(hall, people, seed=seed)
    hall.show(posted, withheld={ann.number})
    shown_at = hall.whole.clock.timestamp()
    clear = (0, P, posted.number, 9)
    waits = refusal(hall.requests.clear, *clear, by=hall.whole.stranger)
    assert waits == ("SaltAwaited", posted.number, ann.number, shown_at + REVEAL)
    hall.whole.clock.advanceTo(shown_at + REVEAL, hall.by)
    late = (0, P, posted.number, ann.number, SALT)
    refused = refusal(hall.requests.showSalt, *late, by=ann.account)
    assert refused == ("ShownTooLate", posted.number, shown_at + REVEAL, shown_at + REVEAL)
    hall.clear(posted)
    tx = hall.market.award(0, P, posted.number, 99, hall.by)
    event = tx.events["LotWithheld"]
    assert (event["account"], event["amountMicroEur"]) == (ann.number, BOND)
    assert hall.balance(ann) == PURSE - BOND
    assert hall.reserved(ann) == (0, 0)
    assert hall.balance(SUPPLIER) == supplier + BOND
    won = [hall.market.legsOf(0, P, posted.number, [who.number])[0]["wh"] for who in others]
    assert sum(won) == 500


def test_a_salt_kept_back_under_a_small_request_costs_no_more_than_was_asked_for(hall, people):
    """So an agent that keeps it back in its principal's name, 25 kWh for 100 asked, takes 100 Wh's bond."""
    ann, gateway = people[0], hall.whole.gateway
    posted = hall.request(CONGESTION, Way.UP, 100, TICK)
    hall.schedules.declare(P, [ann.number], [0], {"from": gateway})
    hall.offer(posted, ann, TICK, 10_000, gateway)
    hall.close_requests()
    hall.show(posted, withheld={GATEWAY})
    hall.whole.clock.advanceTo(P * MTU - 800 + REVEAL, hall.by)
    hall.clear(posted)
    hall.award(posted)
    assert hall.balance(ann) == PURSE - 100 * 100 * 2
    assert hall.phase(posted) == ENDED


def test_a_buyer_cannot_gain_by_keeping_its_seed(hall, people):
    """It shows it before any salt, so it knows nothing of the lot; kept back it costs all that the request
    could have come to cost, and everybody else gets everything back."""
    before, supplier = hall.balance(DSO), hall.balance(SUPPLIER)
    posted = offered(hall, people)
    refused = refusal(
        hall.requests.showSalt, 0, P, posted.number, people[0].number, SALT, by=people[0].account
    )
    assert refused == ("SeedAwaited", posted.number, P * MTU - 800 + REVEAL)
    hall.whole.clock.advanceTo(P * MTU - 800 + REVEAL, hall.by)
    hall.requests.clear(0, P, posted.number, 1, {"from": hall.whole.stranger})
    assert hall.award(posted) == []
    assert [hall.balance(who) for who in people[:3]] == [PURSE] * 3
    assert hall.balance(DSO) == before - 500 * 100
    assert hall.balance(SUPPLIER) == supplier + 500 * 100
    assert (hall.phase(posted), hall.balance(MARGIN)) == (ENDED, 0)
    assert hall.market.booked(0, P) is False  # the gate is open still
    hall.whole.close_gate(P)
    assert hall.market.booked(0, P)


def test_a_seed_nobody_offered_under_costs_nothing(hall):
    before = hall.balance(DSO)
    posted = hall.request(CONGESTION, Way.UP, 500, TICK)
    hall.close_requests()
    hall.whole.clock.advanceTo(P * MTU - 800 + REVEAL, hall.by)
    hall.clear(posted)
    hall.award(posted)
    assert (hall.balance(DSO), hall.phase(posted)) == (before, ENDED)


def test_a_copied_commitment_does_not_copy_the_lot(hall, people):
    """Whoever commits to another's salt is drawn apart, and can show it only once the other has."""
    ann, ben = people[:2]
    draws = [[calls(seed, who, SALT) for who in (ann, ben)] for _, seed in zip(range(500), seeds())]  # noqa: B905
    assert {tuple(pair) for pair in draws} == {(a, b) for a in (True, False) for b in (True, False)}


def test_a_salt_is_bound_before_the_seed_is_known(hall, people):
    ann = people[0]
    posted = offered(hall, people)
    hall.requests.showSeed(0, P, posted.number, posted.seed, hall.by)
    chosen = next(s for s in salts() if calls(posted.seed, ann, s))
    lot = salt_commitment(chosen)
    rows = [(ann.number, TICK, 500)]
    refused = refusal(hall.requests.offer, 0, P, posted.number, rows, lot, by=ann.account)
    assert refused[0] == "RequestClosed"
    refused = refusal(
        hall.requests.showSalt, 0, P, posted.number, ann.number, chosen, by=ann.account
    )
    assert refused[:3] == ("OtherSalt", posted.number, ann.number)


# --- the meter oracle, and readings ------------------------------------------------------------


def sold(hall, who, wh=500):
    posted = hall.request(CONGESTION_METERED, Way.UP, wh, TICK)
    hall.offer(posted, who, 4, wh)
    hall.judge(hall.run(posted))
    return posted


def test_a_silent_meter_oracle_cannot_give_the_dso_any_bond(hall, people):
    """No reading of the whole area: nobody unplugs all its meters. Nothing is paid and nothing is lost."""
    ann, before, supplier = people[0], hall.balance(DSO), hall.balance(SUPPLIER)
    posted = sold(hall, ann)
    far = hall.whole.in_area(1)
    hall.deliver(
        {who.number: 5 for who in far}, others=None
    )  # another area's say nothing of this one
    hall.delivery.awaitVerification(0, P, hall.by)
    chain.sleep(READING_WINDOW + 1)
    found = all_findings(hall.verify(posted, {ann.number: 0}))
    assert found == [(ann.number, 0, 0, 0, 0, 0, 0)]
    assert hall.balance(ann) == PURSE
    assert (hall.balance(DSO), hall.balance(SUPPLIER)) == (before, supplier)
    assert (hall.phase(posted), hall.balance(MARGIN)) == (ENDED, 0)


def test_a_reading_left_out_cannot_bring_the_buyer_anything(hall, people):
    """Who unplugs loses the bond all the same, or unplugging would pay; it is the supplier's."""
    ann, before, supplier = people[0], hall.balance(DSO), hall.balance(SUPPLIER)
    posted = sold(hall, ann)
    hall.deliver({people[1].number: 0}, others=None)
    hall.delivery.awaitVerification(0, P, hall.by)
    chain.sleep(READING_WINDOW + 1)
    found = all_findings(hall.verify(posted, {ann.number: 0}))
    assert found == [(ann.number, 0, 500, 0, 0, 500 * 40, 0)]
    assert hall.balance(ann) == PURSE - 500 * 40
    assert (hall.balance(DSO), hall.balance(SUPPLIER)) == (before, supplier + 500 * 40)


@pytest.mark.parametrize("wh", [CAPACITY_WH + 1, -CAPACITY_WH - 1])
def test_a_reading_beyond_the_connection_cannot_be_paid_for(hall, people, wh):
    ann = people[0]
    posted = hall.request(CONGESTION_METERED, Way.UP, 20_000, TICK)
    hall.offer(posted, ann, 4, 20_000)
    hall.judge(hall.run(posted))
    hall.deliver({ann.number: wh, people[1].number: 0}, others=None)
    report = [(ann.number, 0, MTU, b"\x01" * 32)]
    refused = refusal(hall.delivery.verify, 0, P, posted.number, report, by=hall.verifier)
    assert refused == ("ReadingMissing", ann.number, P, 0)
    hall.delivery.awaitVerification(0, P, hall.by)
    chain.sleep(READING_WINDOW + 1)
    found = all_findings(hall.verify(posted, {ann.number: 0}))
    assert found == [(ann.number, 0, 20_000, 0, 0, 20_000 * 40, 0)]


def test_no_request_holds_settlement_beyond_its_windows(hall, people):
    """Nobody verifies, the meters are silent, the buyer is idle: anyone ends it two windows later."""
    ann = people[0]
    posted = sold(hall, ann)
    hall.whole.deliver(P)
    hall.delivery.awaitVerification(0, P, {"from": hall.whole.stranger})
    chain.sleep(hall.delivery.longestWaitSeconds() + 1)
    assert hall.delivery.longestWaitSeconds() == READING_WINDOW + WINDOW
    hall.delivery.lapse(0, P, posted.number, [ann.number], {"from": hall.whole.stranger})
    assert hall.market.booked(0, P)
    assert hall.balance(ann) == PURSE
