"""The flexibility market's rules: who wins, what delivery pays, and that neither lies nor gaps pay."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gridbourse.model.call_auction import Band
from gridbourse.model.flexibility.baseline.delivery import (
    Direction,
    Reward,
    deliver,
    reward_micro_eur,
)
from gridbourse.model.flexibility.baseline.schedule import UntruthfulTerms, truthful_share
from gridbourse.model.flexibility.market import (
    EvidenceTooCoarse,
    Finding,
    Leg,
    Offer,
    Outcome,
    Request,
    aggregators_part,
    bond_micro_eur,
    called,
    claim_moved,
    clear,
    compensation_micro_eur,
    escrow_micro_eur,
    kind,
    lot_terms,
    may_promise,
    require_truthful,
    salt_withheld_micro_eur,
    seed_withheld_micro_eur,
    verify,
    verify_by_evidence,
    within,
    within_allowance,
)
from gridbourse.model.flexibility.products import (
    BASELINES,
    CONGESTION,
    CONGESTION_METERED,
    FCR_D,
    FCR_N,
    FFR,
    MFRR,
    PRODUCTS,
    VOLTAGE,
    Buyers,
    Product,
    ProductError,
    Way,
)
from gridbourse.model.settlement import Prices

BAND, MTU = Band(0, 10, 50), 900
MOST = 1_000


def metered(wh=1_000, tick=30, **other):
    return Request(CONGESTION_METERED, Way.UP, wh, tick, **other)


# --- clearing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_small_books_cover_most_at_the_least_cost(seed):
    """Against every way to take whole Wh of the offers: most energy first, then the least own cost."""
    draw = random.Random(seed)
    product = replace(CONGESTION_METERED, minimum_bid_w=draw.choice((0, 12)))  # 3 Wh
    request = Request(product, Way.UP, draw.randint(1, 8), 4, pay_as_bid=True)
    offers = [
        Offer(8 + i, draw.choice((8 + i, 99)), draw.randint(0, 4), draw.randint(1, 3))
        for i in range(draw.randint(0, 5))
    ]
    found = clear(request, offers, BAND, MTU)

    least = product.minimum_bid_wh(MTU)
    pools = {o.agent: sum(p.wh for p in offers if p.agent == o.agent) for o in offers}
    open_ = [o for o in offers if pools[o.agent] >= least]
    takings = itertools.product(*(range(o.wh + 1) for o in open_))
    best = min(
        (-sum(taken), sum(wh * BAND.price(o.tick) for wh, o in zip(taken, open_, strict=True)))
        for taken in takings
        if sum(taken) <= request.wh
    )
    cost = sum(leg.wh * leg.price_micro_eur_per_wh for leg in found.legs)
    assert (-found.volume_wh, cost) == best
    assert sum(leg.wh for leg in found.legs) == found.volume_wh


def test_offers_of_one_agent_reach_the_minimum_together():
    request = Request(MFRR, Way.UP, 400_000, 30)  # 1 MW: 250,000 Wh in a quarter-hour
    offers = [Offer(8, 99, 1, 200_000), Offer(9, 99, 1, 50_000), Offer(10, 10, 0, 249_999)]
    found = clear(request, offers, BAND, MTU)
    assert found.outcomes == (Outcome.AWARDED, Outcome.AWARDED, Outcome.TOO_SMALL)
    assert found.volume_wh == 250_000


def test_who_stands_by_is_not_called_but_keeps_its_bond():
    request = Request(CONGESTION, Way.UP, 1_000, 30)
    offers = [Offer(8, 8, 5, 400, drawn=199), Offer(9, 9, 3, 300, drawn=200)]
    found = clear(request, offers, BAND, MTU)
    assert found.outcomes == (Outcome.AWARDED, Outcome.STANDS_BY)
    assert [(leg.wh, leg.price_micro_eur_per_wh) for leg in found.legs] == [(400, 50), (300, 50)]
    assert found.legs[1].bond_micro_eur == 300 * 300 * 2


def test_who_stands_by_keeps_up_what_it_might_have_won_and_no_more():
    """Never more than was asked for, and nothing where it would have been too dear."""
    called_ = Offer(8, 8, 5, 400, drawn=0)
    dear, cheap, same = (Offer(9, 9, tick, 900, drawn=299) for tick in (6, 4, 5))
    for asked, offer, stands in ((300, dear, 0), (300, cheap, 300), (300, same, 300)):
        found = clear(Request(CONGESTION, Way.UP, asked, 30), [called_, offer], BAND, MTU)
        assert [leg.wh for leg in found.legs] == [300, stands][: 1 + bool(stands)]
        outcome = Outcome.STANDS_BY if stands else Outcome.LOST
        assert found.outcomes == (Outcome.AWARDED, outcome)
    short = clear(Request(CONGESTION, Way.UP, 500, 30), [called_, dear], BAND, MTU)
    assert [leg.wh for leg in short.legs] == [400, 500]


def test_a_salt_withheld_costs_what_could_be_lost_and_a_seed_what_could_be_paid():
    request = Request(CONGESTION, Way.UP, 500, 30)
    offers = [Offer(8, 8, 5, 400, withheld=True), Offer(9, 9, 5, 900, drawn=0)]
    found = clear(request, offers, BAND, MTU)
    assert found.outcomes == (Outcome.WITHHELD, Outcome.AWARDED)
    assert [leg.participant for leg in found.legs] == [9]
    assert salt_withheld_micro_eur(request, 400, BAND) == 400 * 300 * 2
    assert salt_withheld_micro_eur(request, 900, BAND) == 500 * 300 * 2
    assert seed_withheld_micro_eur(request, 400, BAND) == 400 * 300
    assert seed_withheld_micro_eur(request, 900, BAND) == 500 * 300
    assert seed_withheld_micro_eur(request, 0, BAND) == 0
    down = replace(request, way=Way.DOWN)
    assert seed_withheld_micro_eur(down, 900, BAND) == 500 * (300 + 395)


def test_no_false_schedule_pays_whatever_the_others_lots():
    """Over its own lot alone, each book of the others held: called it wins what clearing gives it, not called
    it stands by with what clearing leaves it; withholding is worse than either."""
    draw = random.Random(11)
    q = Fraction(CONGESTION.penalty_percent, 100 + CONGESTION.penalty_percent)
    gained = 0
    for _ in range(400):
        request = Request(CONGESTION, Way.UP, draw.randint(1, 900), 30, draw.random() < 0.5)
        others = [
            Offer(9 + i, 9 + i, draw.randint(0, 30), draw.randint(1, 400), draw.randrange(300))
            for i in range(3)
        ]
        own, lie = Offer(8, 8, draw.randint(1, 30), draw.randint(1, 900)), draw.randint(-400, 900)

        def earned(drawn: int, own=own, others=others, request=request, lie=lie) -> int:
            legs = clear(request, [own._replace(drawn=drawn), *others], BAND, MTU).legs
            mine = [leg for leg in legs if leg.participant == 8]
            found = [verify(leg, CONGESTION, Way.UP, -lie, 0) for leg in mine]
            return sum(one.paid_micro_eur - one.penalty_micro_eur for one in found)

        assert q * earned(0) + (1 - q) * earned(299) <= 0
        worst = -salt_withheld_micro_eur(request, own.wh, BAND)
        assert worst <= min(earned(0), earned(299))
        gained += earned(0) > 0
    assert gained > 50, "called a lie does pay: the other side of the lot takes it back"


def test_a_buyers_damages_end_at_the_penalty_on_what_it_asked_for():
    draw = random.Random(12)
    for _ in range(300):
        request = Request(CONGESTION, Way.UP, draw.randint(1, 900), 30, draw.random() < 0.5)
        offers = [
            Offer(8 + i, 8 + i, draw.randint(0, 30), draw.randint(1, 900), draw.randrange(300))
            for i in range(5)
        ]
        legs = clear(request, offers, BAND, MTU).legs
        found = [
            verify(leg, CONGESTION, Way.UP, 0, draw.choice((None, draw.randint(-900, 900))))
            for leg in legs
        ]
        rounded = len(legs)
        assert (
            sum(one.damages_micro_eur for one in found)
            <= bond_micro_eur(request, request.wh, BAND) + rounded
        )
        assert all(0 <= one.damages_micro_eur <= one.penalty_micro_eur for one in found)
        for leg, one in zip(legs, found, strict=True):
            assert not (leg.stands_by and one.damages_micro_eur)


def test_what_agents_put_at_risk_stays_within_the_allowance():
    assert within_allowance(0, 0, 100, 100)
    assert not within_allowance(0, 0, 101, 100)
    assert not within_allowance(60, 0, 41, 100)
    assert within_allowance(60, 20, 60, 100)
    assert within_allowance(60, 60, 50, 0), "less than before passes"


def test_the_lot_calls_the_share_at_which_no_false_schedule_pays():
    for percent in (1, 50, 100, 200, 333):
        share = Fraction(sum(called(d, percent) for d in range(100 + percent)), 100 + percent)
        assert share == truthful_share(Reward(10, percent, schedule=True))


def test_an_offer_costs_who_stands_by_at_least_what_it_would_have_been_paid():
    """For every book of the others: called and winning never pays more than standing by costs a Wh."""
    draw = random.Random(3)
    for _ in range(300):
        request = Request(CONGESTION, Way.UP, draw.randint(1, 900), 30, draw.random() < 0.5)
        others = [Offer(9 + i, 9 + i, draw.randint(0, 30), draw.randint(1, 400)) for i in range(3)]
        own = Offer(8, 8, draw.randint(0, 30), draw.randint(1, 400))
        rest = [o._replace(drawn=draw.randrange(300)) for o in others]
        by_call = clear(request, [own._replace(drawn=0), *rest], BAND, MTU)
        by_lot = clear(request, [own._replace(drawn=299), *rest], BAND, MTU)
        if by_call.outcomes[0] is Outcome.AWARDED:
            paid = by_call.legs[0].price_micro_eur_per_wh
            assert paid <= by_lot.legs[0].price_micro_eur_per_wh


def test_zones_below_may_offer_and_no_others():
    parents = {0: 0, 1: 0, 2: 1, 3: 0}
    assert [within(zone, 1, parents) for zone in range(4)] == [False, True, True, False]
    assert all(within(zone, 0, parents) for zone in parents)


def test_a_connection_is_promised_once_and_one_way():
    up, down = (kind(CONGESTION_METERED, way, MTU) for way in (Way.UP, Way.DOWN))
    fcr, schedule = kind(FCR_D, Way.UP, MTU), kind(CONGESTION, Way.UP, MTU)
    assert may_promise(0, down, up, 100, 100)
    assert may_promise(40, up, up, 60, 100)
    assert not may_promise(40, up, up, 61, 100)
    assert not may_promise(1, down, up, 1, 100)
    assert not may_promise(1, fcr, up, 1, 100)
    assert not may_promise(1, schedule, schedule, 1, 100)


# --- delivery ------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [False, True])
def test_pay_and_penalty_are_those_the_baselines_are_safe_under(declared):
    """Below the bond: what `gridbourse.model.flexibility.baseline` says of this reward, Wh for Wh."""
    product = CONGESTION if declared else CONGESTION_METERED
    draw = random.Random(5)
    for _ in range(300):
        way = draw.choice((Way.UP, Way.DOWN))
        price, wh = draw.randint(0, 300), draw.randint(1, MOST)
        baseline, meter = draw.randint(-MOST, MOST), draw.randint(-MOST, MOST)
        product = replace(product, compensation_micro_eur_per_wh=0)
        found = verify(Leg(8, wh, price, 10**12), product, way, baseline, meter)
        direction = Direction.UP if way is Way.UP else Direction.DOWN
        one = (np.array([value]) for value in (wh, baseline, meter))
        reward = Reward(price, product.penalty_percent, schedule=declared)
        expected = reward_micro_eur(deliver(*one, direction), reward)
        assert found.paid_micro_eur - found.penalty_micro_eur == expected[0]


@pytest.mark.parametrize("able_wh", [0, 60, 100])
def test_no_false_schedule_pays_with_lot_and_bond(able_wh):
    """Expected over the lot, shares exact: who can move `able_wh` never earns more than by offering that on
    a true schedule, whatever it offers and declares."""
    request = Request(CONGESTION, Way.UP, 500, 30)
    percent = CONGESTION.penalty_percent
    q = Fraction(percent, 100 + percent)
    for wh, price, off in itertools.product(
        (1, 60, 100, 499), (10, 300), (-900, -37, 0, 1, 40, 60, 100, 439, 800)
    ):
        bond = bond_micro_eur(request, wh, BAND)
        legs = (Leg(8, wh, price, bond, stands_by) for stands_by in (False, True))
        on, waiting = (
            verify(leg, CONGESTION, Way.UP, -off, meter)
            for leg, meter in zip(legs, (able_wh, 0), strict=True)
        )
        expected = q * (on.paid_micro_eur - on.penalty_micro_eur)
        expected -= (1 - q) * waiting.penalty_micro_eur
        assert expected <= q * able_wh * price


def test_bonds_and_pay_are_those_no_lie_gains_under():
    """What `test_schedule_lot.py` finds safe is what this market pays, to the µEUR."""
    draw = random.Random(8)
    for _ in range(300):
        way, wh = draw.choice((Way.UP, Way.DOWN)), draw.randint(1, MOST)
        product = replace(CONGESTION, compensation_micro_eur_per_wh=draw.randint(0, 500))
        tick = draw.randint(0, 30)
        request = Request(product, way, wh, draw.randint(tick, 30))
        terms = lot_terms(product, way, BAND.price(tick), BAND.price(request.tick))
        bond = bond_micro_eur(request, wh, BAND)
        assert bond == terms.bond_micro_eur(wh)
        leg = Leg(8, wh, BAND.price(tick), bond, draw.random() < 0.3)
        found = verify(leg, product, way, draw.randint(-MOST, MOST), draw.randint(-MOST, MOST))
        expected = terms.reward_micro_eur(found.delivered_wh, found.off_wh, wh)
        assert found.paid_micro_eur - found.penalty_micro_eur == expected


def test_products_that_would_reward_a_lie_are_refused():
    fees, shipped = (np.array([95, 10]), np.array([40, 40]), np.array([0, 80])), BAND
    for product in PRODUCTS:
        require_truthful(product, shipped, Prices(300, 80, *fees))
    less = replace(CONGESTION, compensation_micro_eur_per_wh=394)
    with pytest.raises(UntruthfulTerms, match="product congestion: compensation: 394"):
        require_truthful(less, BAND, Prices(300, 80, *fees))
    require_truthful(replace(less, directions=Way.UP), BAND, Prices(300, 80, *fees))
    require_truthful(replace(less, method=1), BAND, Prices(300, 80, *fees))
    with pytest.raises(UntruthfulTerms, match="product congestion: feed-in: 79"):
        require_truthful(CONGESTION, BAND, Prices(300, 79, *fees))


def test_a_second_leg_is_paid_only_what_the_first_was_not():
    first, second = Leg(8, 300, 10, 10**9), Leg(8, 300, 20, 10**9)
    one = verify(first, CONGESTION_METERED, Way.UP, -1_000, -600)
    two = verify(second, CONGESTION_METERED, Way.UP, -1_000, -600, one.delivered_wh)
    assert (one.delivered_wh, two.delivered_wh, two.off_wh) == (300, 100, 200)


def test_a_missing_reading_is_nothing_delivered_and_costs():
    found = verify(Leg(8, 300, 10, 10**9), CONGESTION_METERED, Way.UP, 0, None)
    assert (found.delivered_wh, found.paid_micro_eur, found.penalty_micro_eur) == (0, 0, 3_000)
    waiting = verify(Leg(8, 300, 10, 10**9, stands_by=True), CONGESTION, Way.UP, 0, None)
    assert waiting.penalty_micro_eur == 6_000
    assert (found.damages_micro_eur, waiting.damages_micro_eur) == (0, 0)
    nobodys = verify(Leg(8, 300, 10, 10**9), CONGESTION_METERED, Way.UP, 0, None, silent=True)
    assert nobodys == Finding(0, 0, 0, 0, 0)


def test_a_penalty_of_parts_of_a_micro_euro_is_rounded_up():
    product = replace(CONGESTION, penalty_percent=33)
    found = verify(Leg(8, 1, 10, 10**9), product, Way.UP, 0, 0)
    assert (found.delivered_wh, found.penalty_micro_eur) == (0, 4), (
        "a third of 10, and no Wh is free"
    )


def test_a_penalty_ends_at_the_bond():
    found = verify(Leg(8, 10, 10, 150), CONGESTION, Way.UP, 0, -5_000)
    assert found.penalty_micro_eur == 150


@pytest.mark.parametrize("product", [FCR_N, FCR_D, FFR, VOLTAGE])
def test_what_a_quarter_hour_cannot_prove_needs_finer_evidence(product):
    leg = Leg(8, 300, 10, 10**9)
    with pytest.raises(EvidenceTooCoarse, match=product.name):
        verify_by_evidence(leg, product, 300, MTU)
    with pytest.raises(EvidenceTooCoarse):
        verify_by_evidence(leg, product, 300, 0)
    found = verify_by_evidence(leg, product, 350, product.evidence_seconds)
    assert (found.delivered_wh, found.penalty_micro_eur) == (300, 0)
    assert not product.metered(MTU)


# --- money ---------------------------------------------------------------------------------------


def test_escrow_holds_whatever_a_request_comes_to_cost():
    down = replace(CONGESTION_METERED, compensation_micro_eur_per_wh=90)
    request = Request(down, Way.DOWN, 100, 30)
    assert escrow_micro_eur(request, BAND) == 100 * (300 + 90)
    assert escrow_micro_eur(replace(request, way=Way.UP), BAND) == 100 * 300
    assert escrow_micro_eur(replace(request, house=False), BAND) == 100 * 300


def test_the_supplier_compensates_and_never_beyond_what_it_has():
    product = replace(CONGESTION_METERED, compensation_micro_eur_per_wh=90)
    up = Request(product, Way.UP, 100, 30)
    assert compensation_micro_eur(up, 10, 10_000) == 900
    assert compensation_micro_eur(up, 10, 500) == 500
    assert compensation_micro_eur(up, 10, -5) == 0
    assert compensation_micro_eur(replace(up, way=Way.DOWN), 10, 0) == -900
    assert compensation_micro_eur(replace(up, house=False), 10, 10_000) == 0


def test_shares_and_claims_lose_nothing():
    assert (aggregators_part(1_001, 800), aggregators_part(99, 1_000)) == (200, 0)
    claim, held, moved = 1_000, 7, []
    for wh in (3, 2, 2):
        moved.append(claim_moved(claim, held, wh))
        claim, held = claim - moved[-1], held - wh
    assert (sum(moved), claim, held) == (1_000, 0, 0)
    assert claim_moved(5, 0, 0) == 0


# --- products ------------------------------------------------------------------------------------


def test_the_products_are_sound_and_named_once():
    for product in PRODUCTS:
        product.require_sound(MTU)
        assert product.declared == (product is CONGESTION)
        assert product.metered(MTU) == (product.method in BASELINES)
    assert len({product.name for product in PRODUCTS}) == len(PRODUCTS)
    assert (MFRR.minimum_bid_wh(MTU), FCR_N.minimum_bid_wh(MTU)) == (250_000, 25_000)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"buyers": Buyers(0)}, "needs a buyer"),
        ({"evidence_seconds": 0}, "needs evidence"),
        ({"symmetric": True}, "one reading cannot show both"),
        ({"symmetric": True, "evidence_seconds": 1, "directions": Way.UP, "method": 255}, "both ways"),
        ({"reactive": True}, "no reading proves it"),
        ({"evidence_seconds": 1, "method": 255, "compensation_micro_eur_per_wh": 1}, "moves no energy"),
        ({"penalty_percent": 0}, "without penalty"),
    ],
)  # fmt: skip
def test_products_that_prove_nothing_are_refused(change, rule):
    bad: Product = replace(CONGESTION, **change)
    with pytest.raises(ProductError, match=f"product congestion: .*{rule}"):
        bad.require_sound(MTU)
