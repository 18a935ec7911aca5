"""Attacks by way of readings that were wrong when flexibility was verified, and are corrected later.

The measure is the same period lived twice: verified on a wrong reading and corrected, or verified right.
"""

import pytest
from brownie import chain

from gridbourse.model.flexibility.products import CONGESTION, CONGESTION_METERED, Way
from gridbourse.model.flexibility.review import book
from tests.contracts.any_state import require_sound
from tests.contracts.flexibility_hall import (
    COMPENSATED,
    DSO,
    SUPPLIER,
    TSO,
    FlexibilityHall,
    P,
)
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import FEED_IN, READING_WINDOW, RETAIL
from tests.contracts.refusal import fact, refusal
from tests.contracts.reviews import Reviews
from tests.contracts.test_flexibility_delivery import awarded
from tests.contracts.test_flexibility_market import seed_that_calls

ANN, AGENT = 0, 4
"""Places of the seller and of its aggregator among the members."""


@pytest.fixture(scope="module")
def contracts(market, tmp_path_factory, accounts):
    """Ann's aggregator gets a fifth."""
    found = deploy_contract("ContractList", tmp_path_factory, accounts)
    seller, aggregator = (market.in_area(0)[place].number for place in (ANN, AGENT))
    transact(found.functions.set(seller, aggregator, 800, False), accounts)
    return found


@pytest.fixture(scope="module")
def hall(market, contracts):
    return FlexibilityHall(market, contracts.address)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


@pytest.fixture
def reviews(hall, people):
    return Reviews(hall, {people[ANN].number: (people[AGENT].number, 800)})


def verified(hall, reviews, posted, who, reading, baseline=0, redeems=True):
    """Delivered, verified on a reading, redeemed and settled."""
    hall.deliver({who.number: reading})
    reviews.verify(posted, {who.number: baseline})
    if redeems and hall.token.balanceOf(who.account, hall.token_of(posted)):
        hall.token.redeem([hall.token_of(posted)], who.sends)
    reviews.settle()


def wealth(hall):
    return list(hall.whole.house.balances(hall.whole.registry.seatLimit()))


def refused_review(hall, *arguments):
    return refusal(hall.review.review, *arguments, by=hall.whole.stranger)


# --- who gained by a wrong reading ---------------------------------------------------------------


def test_a_seller_cannot_keep_what_a_false_reading_paid_it(hall, people, reviews):
    """Its meter's key says 500 Wh more than there were; it redeems its tokens before the truth comes."""
    ann = people[ANN]
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 500)
    rich = hall.balance(ann)
    reviews.correct({ann.number: 0})
    kept = hall.balance(ann)
    # Charged as if it had sold what it did not deliver, and still paid for it: the review ends both.
    tx = reviews.review(reviews.legs[0])

    fees = 60
    back, penalty = 500 * 40 * 800 // 1_000, 500 * 40
    assert hall.balance(ann) == kept + 500 * (RETAIL + fees) - back - penalty < rich
    assert fact(tx, "LegReviewed")[3:5] == (ann.number, 0)
    assert hall.whole.money_sum() == 0


@pytest.mark.parametrize("buyer", [DSO, TSO, "ben"])
@pytest.mark.parametrize("way", [Way.UP, Way.DOWN], ids=["up", "down"])
@pytest.mark.parametrize(("said", "true"), [(500, 130), (130, 500), (-20, 500), (500, -20)])
def test_nobody_can_gain_or_lose_by_what_a_reading_said_first(
    hall, people, reviews, buyer, way, said, true
):
    """Every account, whoever sells, shares, buys, balances or has the grid, ends as if the first reading had
    been the true one."""
    ann, sign = people[ANN], 1 if way is Way.UP else -1
    terms = (COMPENSATED, way, 300, people[1] if buyer == "ben" else buyer)
    verified(hall, reviews, awarded(hall, ann, *terms), ann, sign * said)
    reviews.correct({ann.number: sign * true})
    wrong = wealth(hall)
    assert reviews.review_all() == 1
    corrected = wealth(hall)
    require_sound(hall.whole)

    chain.revert()
    verified(hall, Reviews(hall, reviews.contracts), awarded(hall, ann, *terms), ann, sign * true)
    assert wealth(hall) == corrected != wrong


@pytest.mark.parametrize("calls", [True, False], ids=["called", "stands by"])
@pytest.mark.parametrize(("said", "true"), [(-530, -1_000), (-1_000, -500)])
def test_nobody_can_gain_or_lose_by_a_schedule_held_against_a_wrong_reading(
    hall, people, reviews, calls, said, true
):
    ann = people[ANN]

    def live(kept, reading):
        posted = hall.request(CONGESTION, Way.UP, 500, 10, seed=seed_that_calls(ann.number, calls))
        hall.declare(ann, -1_000)
        hall.offer(posted, ann, 4, 500)
        if trades := hall.run(posted):
            hall.judge(trades)
        hall.deliver({ann.number: reading})
        kept.verify_declared(posted, [ann.number])
        if hall.token.balanceOf(ann.account, hall.token_of(posted)):
            hall.token.redeem([hall.token_of(posted)], ann.sends)
        kept.settle()

    live(reviews, said)
    reviews.correct({ann.number: true})
    assert reviews.review_all() == 1
    corrected = wealth(hall)
    chain.revert()
    live(Reviews(hall, reviews.contracts), true)
    assert wealth(hall) == corrected


def test_a_buyer_cannot_keep_the_damages_of_a_reading_that_was_wrong(hall, people, reviews):
    """Its seller delivered; the first reading said it had not, and the bond went to the buyer."""
    ann = people[ANN]
    start, dso = hall.balance(ann), hall.balance(DSO)
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 0)
    assert hall.balance(DSO) == dso + 500 * 40
    reviews.correct({ann.number: 500})
    reviews.review_all()
    assert hall.balance(DSO) == dso - 500 * 40
    assert hall.balance(ann) == start + 500 * 40 * 800 // 1_000
    assert hall.balance(people[AGENT]) == start + 500 * 40 * 200 // 1_000


def test_a_later_version_before_settlement_reopens_what_was_verified(hall, people, reviews):
    """No correction is needed: the reading that counts is the one the period was settled on."""
    ann = people[ANN]
    start = hall.balance(ann)
    posted = awarded(hall, ann)
    hall.deliver({ann.number: 500})
    reviews.verify(posted, {ann.number: 0})
    hall.whole.meter(P, {ann.number: 0})
    reviews.settle()
    assert reviews.review_all() == 1
    hall.token.redeem([hall.token_of(posted)], ann.sends)  # a claim to what was paid stays one
    assert hall.balance(ann) == start - 500 * 40
    assert hall.whole.money_sum() == 0


def test_a_seller_cannot_escape_by_handing_its_tokens_on(hall, people, reviews):
    """Who bought them bought a claim to money in the margin account: the seller of the leg gives back."""
    ann, ben = people[:2]
    start, bens = hall.balance(ann), hall.balance(ben)
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 500, redeems=False)
    token, claim = hall.token_of(posted), 500 * 40 * 800 // 1_000
    hall.token.safeTransferFrom(ann.account, ben.account, token, 500, b"", ann.sends)
    reviews.correct({ann.number: 0})
    reviews.review_all()
    hall.token.redeem([token], ben.sends)
    assert hall.balance(ben) == bens + claim
    assert hall.balance(ann) == start - claim - 500 * 40


# --- one response, paid once ---------------------------------------------------------------------


def test_two_legs_cannot_both_be_paid_for_a_response_that_was_corrected(hall, people, reviews):
    """100 Wh were read and 400 delivered, which two legs of 300 wanted: 100 of them are of the second."""
    ann = people[ANN]
    both = [hall.request(CONGESTION_METERED, Way.UP, 300, 10, buyer) for buyer in (DSO, TSO)]
    for posted in both:
        hall.offer(posted, ann, 4, 300)
    for posted in both:
        hall.judge(hall.run(posted))
    hall.deliver({ann.number: 100})
    for posted in both:
        reviews.verify(posted, {ann.number: 0})
    reviews.settle()
    reviews.correct({ann.number: 400})
    reviews.legs.reverse()  # in whatever order they are reviewed
    assert reviews.review_all() == 2
    delivered = [one.stands.delivered_wh for one in reviews.stand.values()]
    assert delivered == [300, 100]
    assert reviews.review_all() == 0


# --- what is refused -----------------------------------------------------------------------------


def test_nobody_can_review_twice(hall, people, reviews):
    ann = people[ANN]
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 500)
    leg = reviews.legs[0]
    assert refused_review(hall, *reviews.arguments(leg)) == ("NothingToReview", ann.number, P, 500)
    reviews.correct({ann.number: 130})
    stale = reviews.arguments(leg)
    reviews.review(leg)
    rich = wealth(hall)
    assert refused_review(hall, *stale)[0] == "ProofDoesNotMatch"
    assert refused_review(hall, *reviews.arguments(leg)) == ("NothingToReview", ann.number, P, 130)
    reviews.correct({ann.number: 500})
    reviews.review(leg)
    reviews.correct({ann.number: 130})
    reviews.review(leg)
    assert wealth(hall) == rich


def test_nobody_can_review_by_a_reading_that_does_not_stand(hall, people, reviews):
    ann = people[ANN]
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 500)
    leg = reviews.legs[0]
    stale = reviews.arguments(leg)
    reviews.correct({ann.number: 0})
    assert refused_review(hall, *stale)[0] == "ProofDoesNotMatch"
    forged = stale[2]._replace(leaf=stale[2].leaf.corrected({ann.number: 1}))
    assert refused_review(hall, *stale[:2], forged, stale[3])[0] == "ProofDoesNotMatch"


def test_nobody_can_review_a_leg_that_was_not_verified_so(hall, people, reviews):
    ann = people[ANN]
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 500)
    reviews.correct({ann.number: 0})
    leg, path, *evidence = reviews.arguments(reviews.legs[0])
    forgeries = (
        leg._replace(price_micro_eur_per_wh=4_000),
        leg._replace(buyer=people[1].number),
        leg._replace(baseline_wh=-9_000),
        leg._replace(before_wh=1),
        leg._replace(number=1),
    )
    for forged in forgeries:
        assert refused_review(hall, forged, path, *evidence)[0] == "NotVerified"
    other = evidence[0]._replace(leaf=evidence[0].leaf._replace(period=P + 1))
    assert refused_review(hall, leg, path, other, evidence[1]) == ("OfAnotherPeriod", P, P + 1)
    other = evidence[0]._replace(leaf=evidence[0].leaf._replace(group=3))
    assert refused_review(hall, leg, path, other, evidence[1]) == ("OfAnotherGroup", ann.number, 3)


def test_nobody_can_review_before_the_period_is_settled(hall, people, reviews):
    ann = people[ANN]
    posted = awarded(hall, ann)
    hall.deliver({ann.number: 500})
    reviews.verify(posted, {ann.number: 0})
    hall.whole.meter(P, {ann.number: 0})
    reviews.settled.extend([reviews._leaf(group) for group in (2, 3)])
    assert refused_review(hall, *reviews.arguments(reviews.legs[0])) == ("NotSettled", 0, P)


def test_who_hid_its_reading_cannot_choose_a_better_one_later(hall, people, reviews):
    """It is ruled without a reading once the window is over; a correction changes its imbalance alone."""
    ann = people[ANN]
    posted = awarded(hall, ann)
    hall.deliver({people[5].number: 0}, others=None)
    hall.delivery.awaitVerification(0, P, hall.by)
    chain.sleep(READING_WINDOW + 1)
    reviews.verify(posted, {ann.number: 0})
    assert reviews.legs == []
    assert bytes(hall.delivery.verifiedOf(0, P)) == bytes(32)


def test_nobody_can_move_positions_but_a_module_that_settles(hall, people, reviews):
    ann = people[ANN]
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 500)
    leaf, path = reviews.evidence(ann.number)
    reposition = hall.whole.settlement.reposition
    for caller in (ann.account, hall.whole.operator, hall.whole.meter_oracle):
        refused = refusal(reposition, 0, leaf, path, ann.number, 5, 0, by=caller)
        assert refused == ("MayNotSettle", caller)


def test_no_module_can_move_positions_beyond_what_they_are(hall, people, reviews, accounts):
    ann = people[ANN]
    posted = awarded(hall, ann)
    verified(hall, reviews, posted, ann, 500)
    leaf, path = reviews.evidence(ann.number)
    hall.whole.authorise(accounts[9], 2)
    reposition, by = hall.whole.settlement.reposition, accounts[9]
    refused = refusal(reposition, 0, leaf, path, ann.number, -501, 0, by=by)
    assert refused == ("PositionOutOfRange", ann.number, -1)
    refused = refusal(reposition, 0, leaf, path, ann.number, 0, 1 << 28, by=by)
    assert refused == ("PositionOutOfRange", ann.number, 1 << 28)
    refused = refusal(reposition, 0, leaf, path, people[5].number, 1, 0, by=by)
    assert refused == ("OfAnotherGroup", people[5].number, leaf.group)
    refused = refusal(reposition, 0, leaf._replace(positions=0), path, ann.number, 1, 0, by=by)
    assert refused[0] == "ProofDoesNotMatch"


# --- solvency ------------------------------------------------------------------------------------


@pytest.mark.parametrize("buyer", [DSO, TSO])
def test_a_review_cannot_pay_out_other_peoples_deposits(hall, people, reviews, buyer):
    """Buyer and supplier have taken all they may out before the review: what it credits waits."""
    ann, agent, house = people[ANN], people[AGENT], hall.whole.house
    posted = awarded(hall, ann, way=Way.DOWN, buyer=buyer)
    verified(hall, reviews, posted, ann, 0)
    reviews.correct({ann.number: -500})
    for account, by in ((DSO, hall.whole.dso), (TSO, hall.tso), (SUPPLIER, hall.whole.supplier)):
        house.withdrawHouse(account, house.spendableOf(account), {"from": by})
    before = hall.balance(ann), hall.balance(agent)
    found = reviews.due(reviews.legs[0])
    reviews.review(reviews.legs[0])
    require_sound(hall.whole)
    assert hall.balance(buyer) < 0
    assert (hall.balance(ann), hall.balance(agent)) == before
    assert house.waitingOf(agent.number) == 500 * 40 * 200 // 1_000
    assert house.waitingOf(ann.number) == 500 * (300 + 60 - 20) + found.changes[1][1]
    assert hall.whole.money_sum() == 0

    hall.whole.fund({buyer: 10**6, SUPPLIER: 10**6})
    house.payWaiting([ann.number, agent.number], {"from": hall.whole.stranger})
    assert hall.balance(ann) == before[0] + 500 * (300 + 60 - 20) + found.changes[1][1]
    assert house.waitingMicroEur() == 0


def test_a_tso_in_debt_is_stood_in_for_like_anybody_else(hall, people, reviews):
    """Its money is no house money: what it owes the supplier covers, and what it brings pays its debt off."""
    ann, house = people[ANN], hall.whole.house
    posted = awarded(hall, ann, buyer=TSO)
    verified(hall, reviews, posted, ann, 0)
    reviews.correct({ann.number: 500})
    house.withdrawHouse(TSO, hall.balance(TSO), {"from": hall.tso})
    money = hall.whole.ledger()
    found = reviews.due(reviews.legs[0])
    tx = reviews.review(reviews.legs[0])
    assert fact(tx, "DebtIncurred") == (TSO, P, -500 * 80)
    assert house.debtsMicroEur() == 500 * 80
    assert [change for change in found.changes if change[0] == TSO] == [(TSO, -500 * 80)]
    # What the sold position changes in the seller's imbalance comes besides: 500 Wh at the feed-in tariff.
    energy = 500 * (FEED_IN - 5)
    money.credit({ann.number: -energy}, 500 * FEED_IN, -500 * 5)
    book(money, found)
    assert house.coverMicroEur() == money.cover
    assert house.debtsMicroEur() == money.debts == 500 * 80
    hall.whole.fund({TSO: 500 * 80})
    assert (hall.balance(TSO), house.debtsMicroEur()) == (0, 0)
    require_sound(hall.whole)
