"""Verification: against meter, schedule or evidence; deadlines; shares of aggregators; no Wh paid twice."""

import pytest
from brownie import chain

from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.model.flexibility.products import (
    CONGESTION,
    CONGESTION_METERED,
    FCR_N,
    VOLTAGE,
    Way,
)
from tests.contracts.flexibility_hall import (
    COMPENSATED,
    COMPENSATION,
    DSO,
    ENDED,
    EVIDENCE,
    FAST,
    MARGIN,
    NUMBER,
    SUPPLIER,
    TSO,
    WINDOW,
    FlexibilityHall,
    P,
    findings,
)
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import (
    FEED_IN,
    FEES_OF,
    HOLD_RATE,
    MTU,
    PURSE,
    READING_WINDOW,
    RETAIL,
)
from tests.contracts.refusal import fact, refusal
from tests.contracts.test_flexibility_market import refused_offer, seed_that_calls

PERMILLE = 800


@pytest.fixture(scope="module")
def contracts(market, tmp_path_factory, accounts):
    return deploy_contract("ContractList", tmp_path_factory, accounts)


@pytest.fixture(scope="module")
def hall(market, contracts):
    return FlexibilityHall(market, contracts.address)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


def awarded(hall, who, product=CONGESTION_METERED, way=Way.UP, wh=500, buyer=DSO, tick=4):
    """A leg of one participant, accepted by the DSO, the period not yet delivered."""
    posted = hall.request(product, way, wh, 10, buyer)
    hall.offer(posted, who, tick, wh)
    hall.judge(hall.run(posted))
    return posted


def refused_verify(hall, posted, reports, by=None):
    arguments = (0, P, posted.number, reports)
    return refusal(hall.delivery.verify, *arguments, by=by or hall.verifier)


# --- what counts as delivered ------------------------------------------------------------------


def test_what_flexibility_delivered_is_not_paid_again_as_imbalance(hall, people):
    """Who curtails pays for what it would have used, and is paid its price for what it did not."""
    ann = people[0]
    posted = awarded(hall, ann, way=Way.UP, wh=300)
    hall.deliver({ann.number: -700})
    hall.verify(posted, {ann.number: -1_000})
    hall.token.redeem([hall.token_of(posted)], ann.sends)
    hall.whole.settle(P)
    fees = FEES_OF[ann.zone][0]
    assert hall.balance(ann) == PURSE + 300 * 40 - 1_000 * (RETAIL + fees)
    assert hall.whole.money_sum() == 0


def test_delivery_downwards_is_bought_and_settles(hall, people):
    ann = people[0]
    posted = awarded(hall, ann, way=Way.DOWN, wh=300)
    hall.deliver({ann.number: 700})  # it would have injected 1,000
    hall.verify(posted, {ann.number: 1_000})
    assert hall.position(ann) == (0, 300)
    hall.token.redeem([hall.token_of(posted)], ann.sends)
    hall.whole.settle(P)
    assert hall.balance(ann) == PURSE + 300 * 40 + 1_000 * FEED_IN - 700 * FEES_OF[ann.zone][2]


@pytest.mark.parametrize("way", [Way.UP, Way.DOWN])
def test_the_supplier_is_compensated_at_the_products_price(hall, people, way):
    ann = people[0]
    buyer, supplier = hall.balance(TSO), hall.balance(SUPPLIER)
    posted = awarded(hall, ann, COMPENSATED, way, 300, TSO)
    hall.deliver({ann.number: 200 if way is Way.UP else -200})
    tx = hall.verify(posted, {ann.number: 0})
    paid, penalty = 200 * 40, 100 * (40 if way is Way.UP else 40 + COMPENSATION)
    moved = 200 * COMPENSATION * (1 if way is Way.UP else -1)
    assert fact(tx, "Compensated") == (0, P, posted.number, moved)
    assert hall.balance(TSO) == buyer - paid + penalty + moved
    assert hall.balance(SUPPLIER) == supplier - moved
    assert hall.balance(MARGIN) == paid


def test_downwards_the_energy_that_comes_with_it_is_at_stake_too(hall, people):
    """Who asks nothing for drawing energy, which it is given, still has something to lose."""
    ann, ben = people[:2]
    posted = hall.request(COMPENSATED, Way.DOWN, 500, 0)
    hall.offer(posted, ann, 0, 300)
    hall.offer(posted, ben, 0, 200)
    hall.judge(hall.run(posted))
    assert hall.balance(MARGIN) == 500 * COMPENSATION + 500 * COMPENSATION  # escrow and bonds
    hall.deliver({ann.number: -100, ben.number: -200})
    found = findings(hall.verify(posted, {ann.number: 0, ben.number: 0}))
    assert found == [
        (ann.number, 100, 200, 0, 0, 200 * COMPENSATION),
        (ben.number, 200, 0, 0, 0, 0),
    ]
    assert hall.balance(ann) == PURSE - 200 * COMPENSATION - 100 * HOLD_RATE
    assert hall.balance(MARGIN) == 0


def test_a_supplier_without_money_blocks_nobody(hall, people):
    ann = people[0]
    posted = awarded(hall, ann, COMPENSATED, Way.UP, 300)
    hall.whole.house.withdrawHouse(
        SUPPLIER, hall.balance(SUPPLIER) - 50, {"from": hall.whole.supplier}
    )
    hall.deliver({ann.number: 300})
    tx = hall.verify(posted, {ann.number: 0})
    assert fact(tx, "Compensated")[3] == 50
    assert hall.balance(SUPPLIER) == 0
    assert hall.phase(posted) == ENDED


def test_two_activations_share_one_response(hall, people):
    ann = people[0]
    first = hall.request(CONGESTION_METERED, Way.UP, 300, 10)
    second = hall.request(CONGESTION_METERED, Way.UP, 300, 10, TSO)
    for posted in (first, second):
        hall.offer(posted, ann, 4, 300)
    for posted in (first, second):
        hall.judge(hall.run(posted))
    hall.deliver({ann.number: 400})
    assert findings(hall.verify(second, {ann.number: 0})) == [(ann.number, 300, 0, 12_000, 0, 0)]
    assert findings(hall.verify(first, {ann.number: 0})) == [
        (ann.number, 100, 200, 4_000, 0, 8_000)
    ]
    assert hall.position(ann) == (400, 0)
    assert hall.token.supplyOf(hall.token_of(first))[0] == 400  # the same product, zone and period


@pytest.mark.parametrize(
    ("calls", "metered", "delivered", "off"),
    [
        (True, -530, 470, 30), (True, -440, 500, 60), (True, -1_010, 0, 510),
        (False, -530, 0, 470), (False, -1_100, 0, 100),
    ],
)  # fmt: skip
def test_a_schedule_is_verified_by_anyone_and_called_or_not(
    hall, people, calls, metered, delivered, off
):
    """Whatever is beside it costs: too little, too much, the other way, and anything at all uncalled."""
    ann, posted = lot_decided(hall, people, calls)
    hall.deliver({ann.number: metered})
    found = findings(hall.verify_declared(posted, [ann.number]))
    assert found == [(ann.number, delivered, off, delivered * 40, 0, off * 40 * 2)]
    assert hall.balance(ann) == PURSE - off * 40 * 2
    assert hall.phase(posted) == ENDED
    assert hall.reserved(ann) == (delivered, 0)


@pytest.mark.parametrize("calls", [True, False])
def test_who_hides_its_reading_from_its_schedule_pays_for_all_it_offered(hall, people, calls):
    """Who is not called too, or a lie would cost nothing once its reading is lost; no buyer gains."""
    ann, posted = lot_decided(hall, people, calls)
    dso, supplier = hall.balance(DSO), hall.balance(SUPPLIER)
    hall.deliver({people[5].number: 0}, others=None)
    hall.delivery.awaitVerification(0, P, hall.by)
    chain.sleep(READING_WINDOW + 1)
    found = findings(hall.verify_declared(posted, [ann.number]))
    assert found == [(ann.number, 0, 500, 0, 0, 500 * 40 * 2)]
    assert hall.balance(ann) == PURSE - 500 * 40 * 2
    assert hall.balance(SUPPLIER) == supplier + 500 * 40 * 2
    assert hall.balance(DSO) == dso + 500 * 100  # its escrow, and no more
    assert hall.reserved(ann) == (0, 0)


def test_who_stood_by_gives_back_no_energy_it_no_longer_kept(hall, people):
    """Its energy is free since the award: what it keeps for something else is left alone."""
    ann, ben = people[:2]
    other = hall.request(CONGESTION_METERED, Way.DOWN, 300, 10, ann)
    posted = hall.request(CONGESTION, Way.UP, 300, 10, seed=seed_that_calls(ann.number, False, 1))
    hall.declare(ann, 0)
    hall.offer(posted, ann, 4, 300)
    hall.offer(other, ben, 4, 300)
    hall.judge(hall.run(other))
    assert hall.run(posted) == []
    hall.deliver({})
    assert hall.reserved(ann) == (300, 0)
    hall.verify_declared(posted, [ann.number])
    assert hall.reserved(ann) == (300, 0)


def lot_decided(hall, people, calls):
    """500 Wh of one participant whose schedule is 1,000 Wh of use, called by lot or not."""
    ann = people[0]
    posted = hall.request(CONGESTION, Way.UP, 500, 10, seed=seed_that_calls(ann.number, calls))
    hall.declare(ann, -1_000)
    hall.offer(posted, ann, 4, 500)
    trades = hall.run(posted)
    if trades:
        hall.judge(trades)
    return ann, posted


def test_reserves_need_evidence_of_their_own_resolution(hall, people):
    ann, ben = people[:2]
    posted = hall.request(FCR_N, Way.BOTH, 60_000, 10, TSO)
    gateway = hall.whole.gateway
    for who in (ann, ben):
        hall.offer(posted, who, 4, 20_000, gateway)
    hall.judge(hall.run(posted))
    hall.whole.deliver(P)  # no meter is asked
    report = (ann.number, 19_000, MTU, EVIDENCE)
    assert refused_verify(hall, posted, [report]) == ("EvidenceTooCoarse", ann.number, MTU, 1)
    report = (ann.number, 19_000, 0, EVIDENCE)
    assert refused_verify(hall, posted, [report]) == ("EvidenceTooCoarse", ann.number, 0, 1)
    report = (ann.number, 19_000, 1, bytes(32))
    assert refused_verify(hall, posted, [report]) == ("NoEvidence", ann.number)
    found = findings(hall.verify(posted, {ann.number: 19_000, ben.number: 25_000}))
    assert [row[1:3] for row in found] == [(19_000, 1_000), (20_000, 0)]
    assert (hall.position(ann), hall.reserved(ann)) == ((0, 0), (0, 0))  # it moves no energy
    assert tuple(hall.token.supplyOf(hall.token_of(posted))) == (39_000, 39_000 * 40)


@pytest.mark.parametrize("product", [VOLTAGE, FAST])
def test_coarse_evidence_is_refused_for_reactive_and_fast_products(hall, people, product):
    ann = people[0]
    posted = awarded(hall, ann, product)
    hall.deliver({})
    needed = product.evidence_seconds
    report = (ann.number, 500, needed + 1, EVIDENCE)
    assert refused_verify(hall, posted, [report]) == (
        "EvidenceTooCoarse", ann.number, needed + 1, needed,
    )  # fmt: skip
    assert findings(hall.verify(posted, {ann.number: -5}))[0][1:3] == (0, 500)


def test_one_response_is_shown_once_by_evidence_too(hall, people):
    """What was promised to two buyers and delivered once is paid for once; reactive power apart."""
    ann = people[0]
    first, second = (hall.request(FAST, Way.UP, 300, 10, buyer) for buyer in (DSO, TSO))
    reactive = hall.request(VOLTAGE, Way.UP, 300, 10)
    for posted in (first, second, reactive):
        hall.offer(posted, ann, 4, 300)
    for posted in (first, second, reactive):
        hall.judge(hall.run(posted))
    hall.whole.deliver(P)
    assert findings(hall.verify(first, {ann.number: 400}))[0][1:3] == (300, 0)
    assert findings(hall.verify(second, {ann.number: 400}))[0][1:3] == (100, 200)
    assert findings(hall.verify(reactive, {ann.number: 300}))[0][1:3] == (300, 0)


# --- aggregators -------------------------------------------------------------------------------


def test_an_aggregator_offers_for_its_members_and_gets_its_share(hall, people, contracts, accounts):
    agent, ann, ben = people[:3]
    for who, may_trade in ((ann, True), (ben, False)):
        terms = (who.number, agent.number, PERMILLE, may_trade)
        transact(contracts.functions.set(*terms), accounts)
    posted = hall.request(CONGESTION_METERED, Way.UP, 500, 10)
    refused = refused_offer(hall, posted, ben, 4, 10, by=agent.account)
    assert refused == ("NotForAnother", ben.number, agent.number)
    hall.whole.give("AGGREGATOR", agent.account)
    refused = refused_offer(hall, posted, ben, 4, 10, by=agent.account)
    assert refused == ("NotItsAggregator", ben.number, P, agent.number, False)
    hall.agents.allow(agent.number, 333 * 100, ann.sends)
    hall.offer(posted, ann, 4, 333, agent.account)
    hall.judge(hall.run(posted))
    hall.deliver({ann.number: 333})
    tx = hall.verify(posted, {ann.number: 0})
    paid, shared = 333 * 40, 333 * 40 * 200 // 1_000
    assert findings(tx) == [(ann.number, 333, 0, paid, shared, 0)]
    assert hall.balance(agent) == PURSE + shared
    assert hall.token.claimOf(hall.token_of(posted), ann.account) == paid - shared
    assert hall.balance(MARGIN) == paid - shared


def test_without_portfolios_nobody_acts_for_another(market):
    hall = FlexibilityHall(market, NOBODY)
    ann, ben = market.in_area(0)[:2]
    posted = hall.request(CONGESTION_METERED, Way.UP, 500, 10)
    refused = refused_offer(hall, posted, ben, 4, 10, by=ann.account)
    assert refused == ("NotForAnother", ben.number, ann.number)
    refused = refused_offer(hall, posted, ben, 4, 10, by=market.stranger)
    assert refused == ("UnknownParticipant", market.stranger)


# --- time --------------------------------------------------------------------------------------


def test_a_missing_reading_is_waited_for_then_it_is_nothing_delivered(hall, people):
    ann, before, supplier = people[0], hall.balance(DSO), hall.balance(SUPPLIER)
    posted = awarded(hall, ann)
    hall.deliver({people[5].number: 0}, others=None)
    reports = [(ann.number, 0, MTU, EVIDENCE)]
    assert refused_verify(hall, posted, reports) == ("ReadingMissing", ann.number, P, 0)
    hall.delivery.awaitVerification(0, P, hall.by)
    deadline = hall.delivery.deadlineOf(0, P)
    chain.sleep(READING_WINDOW - 60)
    hall.delivery.awaitVerification(0, P, hall.by)  # it stays as it was
    assert hall.delivery.deadlineOf(0, P) == deadline
    assert refused_verify(hall, posted, reports) == ("ReadingMissing", ann.number, P, deadline)
    chain.sleep(61)
    tx = hall.verify(posted, {ann.number: 0})
    assert findings(tx) == [(ann.number, 0, 500, 0, 0, 20_000)]
    assert hall.balance(ann) == PURSE - 20_000
    assert hall.balance(DSO) == before
    assert hall.balance(SUPPLIER) == supplier + 20_000
    assert hall.phase(posted) == ENDED


def test_what_nobody_verifies_is_given_back(hall, people):
    """No verifier keeps a period from being settled, and its silence costs no seller."""
    ann, ben, before = *people[:2], hall.balance(DSO)
    posted = hall.request(CONGESTION_METERED, Way.UP, 700, 10)
    for who in (ann, ben):
        hall.offer(posted, who, 4, 350)
    hall.judge(hall.run(posted))
    lapse = (0, P, posted.number, [ann.number, ben.number])
    by = hall.whole.supplier
    assert refusal(hall.delivery.lapse, *lapse, by=by) == ("VerificationAwaitedStill", 0, P, WINDOW)
    hall.deliver({ann.number: 350})
    hall.delivery.awaitVerification(0, P, hall.by)
    until = hall.delivery.deadlineOf(0, P) + WINDOW
    chain.sleep(READING_WINDOW + WINDOW - 60)
    assert refusal(hall.delivery.lapse, *lapse, by=by) == ("VerificationAwaitedStill", 0, P, until)
    chain.sleep(61)
    hall.delivery.lapse(0, P, posted.number, [ann.number], {"from": by})
    assert hall.phase(posted) != ENDED
    hall.delivery.lapse(0, P, posted.number, [ben.number], {"from": by})
    assert hall.phase(posted) == ENDED
    assert (hall.balance(ann), hall.balance(DSO), hall.balance(MARGIN)) == (PURSE, before, 0)
    assert (hall.reserved(ann), hall.market.booked(0, P)) == ((0, 0), True)
    hall.whole.settle(P)


def test_nothing_is_verified_before_delivery_or_before_the_verdict(hall, people):
    ann = people[0]
    posted = hall.request(CONGESTION_METERED, Way.UP, 500, 10)
    hall.offer(posted, ann, 4, 500)
    hall.run(posted)
    reports = [(ann.number, 0, MTU, EVIDENCE)]
    assert refused_verify(hall, posted, reports) == ("NotDelivered", P)
    waits = refusal(hall.delivery.awaitVerification, 0, P, by=hall.verifier)
    assert waits == ("NotDelivered", P)
    hall.deliver({ann.number: 500})
    assert refused_verify(hall, posted, reports) == ("VerdictsAwaited", 0, P, posted.number, 1)


def test_a_leg_ends_once_and_by_its_own_method(hall, people):
    ann, ben = people[:2]
    posted = awarded(hall, ann)
    hall.deliver({ann.number: 500})
    report = (ann.number, 0, MTU, EVIDENCE)
    twice = refused_verify(hall, posted, [report, report])
    assert twice == ("NoLeg", ann.number, posted.number)
    nobody = refused_verify(hall, posted, [(ben.number, 0, MTU, EVIDENCE)])
    assert nobody == ("NoLeg", ben.number, posted.number)
    assert refusal(
        hall.delivery.verifyDeclared, 0, P, posted.number, [ann.number], by=hall.verifier
    ) == ("OtherMethod", NUMBER["congestion-metered"], 1)
    hall.verify(posted, {ann.number: 0})
    assert refused_verify(hall, posted, [report])[0] == "WrongPhase"


def test_a_declared_schedule_is_not_the_verifiers_to_state(hall, people):
    ann = people[0]
    posted = hall.request(CONGESTION, Way.UP, 500, 10)
    hall.whole.deliver(P)
    refused = refused_verify(hall, posted, [(ann.number, 0, MTU, EVIDENCE)])
    assert refused == ("OtherMethod", NUMBER["congestion"], 0)
    assert refused_verify(hall, posted, [], by=hall.whole.dso)[0] == "MissingRole"
