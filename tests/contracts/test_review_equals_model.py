"""Random flexibility, verified on readings that turn out wrong, corrected and reviewed in any order.

Each review is what the model says of it. In the end nothing is left of what was read first: every account
is what it is in a life whose first readings were the last ones of this.
"""

import random

import pytest
from brownie import chain

from gridbourse.model.flexibility.products import CONGESTION_METERED, Way
from tests.contracts.any_state import require_sound
from tests.contracts.flexibility_hall import (
    BAND,
    COMPENSATED,
    DSO,
    POOLED,
    TSO,
    FlexibilityHall,
    P,
)
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.reviews import Reviews

SEEDS = range(4)
SELLERS, AGGREGATORS, BUYERS = range(4), (4, 5), (6, 7)
"""Places among the members."""
PRODUCTS = (CONGESTION_METERED, COMPENSATED, POOLED)


@pytest.fixture(scope="module")
def terms(market):
    """Every other seller has an aggregator."""
    people = market.in_area(0)
    return {
        people[seller].number: (people[AGGREGATORS[seller // 2 % 2]].number, 613 + 127 * seller)
        for seller in SELLERS
        if seller % 2
    }


@pytest.fixture(scope="module")
def hall(market, terms, tmp_path_factory, accounts):
    contracts = deploy_contract("ContractList", tmp_path_factory, accounts)
    for who, (aggregator, permille) in terms.items():
        transact(contracts.functions.set(who, aggregator, permille, False), accounts)
    return FlexibilityHall(market, contracts.address)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


def ask(hall, people, draw):
    """Two to four requests, one way each seller; the legs that are awarded."""
    way, posted = draw.choice((Way.UP, Way.DOWN)), []
    buyers = [DSO, TSO, *(people[place] for place in BUYERS)]
    for _ in range(draw.randint(2, 4)):
        product, wh = draw.choice(PRODUCTS), draw.randint(500, 1_500)
        request = hall.request(product, way, wh, BAND.ticks - 1, draw.choice(buyers))
        for place in draw.sample(SELLERS, draw.randint(2, 4)):
            wh = max(draw.randint(100, 900), 500 if product is POOLED else 0)
            hall.offer(request, people[place], draw.randint(0, 20), wh)
        posted.append(request)
    hall.close_requests()
    for request in posted:
        if trades := hall.run(request):
            hall.judge(trades)
    return posted


def live(hall, people, reviews, seed, readings):
    """Ask, deliver, verify by each its baseline, redeem, settle."""
    draw = random.Random(seed)
    posted = ask(hall, people, draw)
    hall.deliver(readings)
    baselines = {people[place].number: draw.randint(-700, 700) for place in SELLERS}
    draw.shuffle(posted)
    for request in posted:
        legs = hall.market.legsOf(0, P, request.number, list(baselines))
        mine = [who for who, leg in zip(baselines, legs, strict=True) if leg[0]]
        draw.shuffle(mine)
        if mine:
            reviews.verify(request, {who: baselines[who] for who in mine})
    for token in sorted({hall.token_of(request) for request in posted}):
        for person in people:
            if hall.token.balanceOf(person.account, token):
                hall.token.redeem([token], person.sends)
    reviews.settle()


def read(people, draw):
    return {people[place].number: draw.randint(-1_500, 1_500) for place in SELLERS}


def wealth(hall):
    return list(hall.whole.house.balances(hall.whole.registry.seatLimit()))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_reviews_are_the_models_and_leave_nothing_of_a_wrong_reading(
    hall, people, terms, seed
):
    draw, reviews = random.Random(1_000 + seed), Reviews(hall, terms)
    live(hall, people, reviews, seed, read(people, draw))
    readings, reviewed = {}, 0
    for _ in range(3):
        readings = read(people, draw)
        reviews.correct(readings)
        draw.shuffle(reviews.legs)
        reviewed += reviews.review_all()
        require_sound(hall.whole)
    assert reviewed > 0
    corrected = wealth(hall)

    chain.revert()
    live(hall, people, Reviews(hall, terms), seed, readings)
    assert wealth(hall) == corrected
