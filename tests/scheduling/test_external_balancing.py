"""Pooled demand response in the balancing market: sizes, areas, price, delivery, sharing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility.baseline.delivery import Direction
from gridbourse.model.periods import Mtu
from gridbourse.scheduling.external_balancing import (
    DEMAND_TURN_UP,
    AreasPooled,
    BalancingProduct,
    BalancingTerms,
    Bid,
    BidTooSmall,
    MemberOffer,
    Response,
    Sharing,
    accepted,
    proceeds,
    qualify,
)

HALF_HOUR = Mtu(1800)
UP, DOWN = Direction.UP, Direction.DOWN
EUR = 1_000_000
BY_CONTRIBUTION = BalancingTerms(Sharing.CONTRIBUTION, "aggregator")
ANY_SIZE = BalancingProduct("any size", 0, 0, penalty_percent=100)


def offer(member, wh, price_eur=50, site=None, area="GB"):
    return MemberOffer(member, site or member, area, wh, int(price_eur * EUR))


def bid(*offers, direction=UP):
    return Bid("b", 800_000, direction, offers)


def moved(wh, baseline_wh=-1_000_000):
    """A response of so many Wh upwards."""
    return Response(baseline_wh, baseline_wh + wh)


# --- sizes and areas ----------------------------------------------------------------------------------


def test_a_bid_below_a_megawatt_is_refused_and_one_of_a_megawatt_is_not():
    """1 MW over half an hour is 500,000 Wh."""
    assert qualify(bid(offer("plant", 500_000)), DEMAND_TURN_UP, HALF_HOUR).left_out == {}
    with pytest.raises(BidTooSmall, match=r"bid b: 999,998 W is below the 1,000,000 W of demand"):
        qualify(bid(offer("plant", 499_999)), DEMAND_TURN_UP, HALF_HOUR)
    assert qualify(bid(offer("plant", 250_000)), DEMAND_TURN_UP, Mtu(900)).bid.wh == 250_000


def test_members_of_a_site_count_together_and_a_small_site_is_left_out():
    homes = [offer(f"home {i}", 5_000, site="homes") for i in range(9)]
    pooled = bid(offer("plant", 490_000), *homes)
    with pytest.raises(BidTooSmall, match="980,000 W without homes is below"):
        qualify(pooled, DEMAND_TURN_UP, HALF_HOUR)
    whole = bid(offer("plant", 490_000), *homes, offer("home 9", 5_000, site="homes"))
    assert qualify(whole, DEMAND_TURN_UP, HALF_HOUR).bid == whole
    large = bid(offer("plant", 500_000), *homes)
    found = qualify(large, DEMAND_TURN_UP, HALF_HOUR)
    assert [each.member for each in found.bid.offers] == ["plant"]
    assert found.left_out == {"homes": 90_000}


def test_two_areas_are_never_pooled():
    with pytest.raises(AreasPooled, match="bid b: pools the areas REE and REN"):
        bid(offer("a", 400_000, area="REN"), offer("b", 400_000, area="REE"))


def test_a_bid_asks_its_dearest_members_price_and_is_taken_up_to_the_markets():
    pooled = bid(offer("a", 10, 40), offer("b", 10, 60.5))
    assert pooled.price_micro_eur_per_mwh == 60_500_000
    assert accepted(pooled, 60_500_000)
    assert not accepted(pooled, 60_499_999)
    with pytest.raises(ModelError, match="asks 60500000 µEUR/MWh, the market pays 60499999"):
        proceeds(pooled, ANY_SIZE, HALF_HOUR, 60_499_999, {}, BY_CONTRIBUTION)


# --- proceeds by hand -------------------------------------------------------------------------------------


def test_proceeds_by_hand():
    """Pay-as-cleared at 80: 300 + 100 of 500 kWh. 32 EUR pay, 8 EUR penalty, which the short bear."""
    pooled = bid(offer("a", 300_000), offer("b", 150_000), offer("c", 50_000))
    answers = {"a": moved(300_000), "b": moved(100_000)}
    found = proceeds(pooled, DEMAND_TURN_UP, HALF_HOUR, 80 * EUR, answers, BY_CONTRIBUTION)
    assert (found.delivered_wh, found.pay_micro_eur) == (400_000, 32 * EUR)
    assert found.penalty_micro_eur == 8 * EUR
    assert [s.delivered_wh for s in found.shares] == [300_000, 100_000, 0]
    assert [s.missing_wh for s in found.shares] == [0, 50_000, 50_000]
    assert [s.net_micro_eur for s in found.shares] == [24 * EUR, 4 * EUR, -4 * EUR]
    assert found.account_micro_eur == 0


def test_downwards_is_more_withdrawal():
    pooled = bid(offer("a", 500_000), direction=DOWN)
    answers = {"a": Response(-100_000, -600_000)}
    found = proceeds(pooled, DEMAND_TURN_UP, HALF_HOUR, 60 * EUR, answers, BY_CONTRIBUTION)
    assert (found.delivered_wh, found.net_micro_eur) == (500_000, 30 * EUR)


def test_members_stand_in_for_each_other_and_are_paid_for_it():
    pooled = bid(offer("a", 300_000), offer("b", 200_000))
    answers = {"a": moved(450_000), "b": moved(100_000)}
    found = proceeds(pooled, DEMAND_TURN_UP, HALF_HOUR, 100 * EUR, answers, BY_CONTRIBUTION)
    assert (found.delivered_wh, found.penalty_micro_eur) == (500_000, 0)
    assert [s.pay_micro_eur for s in found.shares] == [40 * EUR, 10 * EUR]


def test_who_goes_the_other_way_takes_from_the_pool():
    pooled = bid(offer("a", 300_000), offer("b", 200_000))
    answers = {"a": moved(300_000), "b": moved(-100_000)}
    found = proceeds(pooled, DEMAND_TURN_UP, HALF_HOUR, 100 * EUR, answers, BY_CONTRIBUTION)
    assert found.delivered_wh == 200_000
    assert [s.delivered_wh for s in found.shares] == [200_000, 0]
    assert [s.penalty_micro_eur for s in found.shares] == [0, 30 * EUR]


def test_equal_shares_go_to_who_delivered_and_marginal_ones_to_who_is_needed():
    """Without a or b the pool is below 1 MW, without c it is not."""
    pooled = bid(offer("a", 300_000), offer("b", 200_000), offer("c", 50_000), offer("d", 10))
    answers = {"a": moved(300_000), "b": moved(200_000), "c": moved(50_000)}
    product = replace(DEMAND_TURN_UP, minimum_site_w=0)

    def pays(sharing):
        terms = BalancingTerms(sharing, "aggregator")
        found = proceeds(pooled, product, HALF_HOUR, 100 * EUR, answers, terms)
        return [share.pay_micro_eur / EUR for share in found.shares]

    assert pays(Sharing.EQUAL) == pytest.approx([55 / 3, 55 / 3, 55 / 3, 0])
    whole = 2 * 550_000 + 50_000
    expected = [55 * 550_000 / whole, 55 * 550_000 / whole, 55 * 50_000 / whole, 0]
    assert pays(Sharing.MARGINAL) == pytest.approx(expected)


def test_the_commission_goes_to_the_named_account():
    pooled = bid(offer("a", 500_000))
    terms = BalancingTerms(Sharing.CONTRIBUTION, "aggregator", commission_permille=100)
    found = proceeds(pooled, DEMAND_TURN_UP, HALF_HOUR, 100 * EUR, {"a": moved(500_000)}, terms)
    assert (found.shares[0].pay_micro_eur, found.account_micro_eur) == (45 * EUR, 5 * EUR)


# --- whatever comes --------------------------------------------------------------------------------------


@st.composite
def pools(draw):
    """(bid, responses, market price, terms): some members do not answer, some the other way."""
    members = draw(st.integers(1, 6))
    offers = [
        offer(f"m{i}", draw(st.integers(1, 600_000)), draw(st.integers(-100, 50)))
        for i in range(members)
    ]
    direction = draw(st.sampled_from([UP, DOWN]))
    responses = {
        each.member: Response(
            draw(st.integers(-(2**28), 2**28)), draw(st.integers(-(2**28), 2**28))
        )
        if draw(st.booleans())
        else moved(direction.value * draw(st.integers(0, 2 * each.wh)))
        for each in offers
        if draw(st.integers(0, 4))
    }
    pooled = bid(*offers, direction=direction)
    above = draw(st.integers(0, 300 * EUR))
    terms = BalancingTerms(
        draw(st.sampled_from(list(Sharing))), "aggregator", draw(st.integers(0, 1000))
    )
    return pooled, responses, pooled.price_micro_eur_per_mwh + above, terms


@settings(max_examples=200)
@given(pools())
def test_no_micro_euro_and_no_watt_hour_is_made_or_lost(pool):
    pooled, responses, price, terms = pool
    found = proceeds(pooled, ANY_SIZE, HALF_HOUR, price, responses, terms)
    assert 0 <= found.delivered_wh <= pooled.wh
    assert sum(share.delivered_wh for share in found.shares) == found.delivered_wh
    paid = sum(share.net_micro_eur for share in found.shares)
    assert paid + found.account_micro_eur == found.net_micro_eur
    exact = found.delivered_wh * price
    assert 0 <= exact - found.pay_micro_eur * 1_000_000 < 1_000_000
    assert sum(share.penalty_micro_eur for share in found.shares) == found.penalty_micro_eur
    for share, each in zip(found.shares, pooled.offers, strict=True):
        response = responses.get(each.member)
        if response is None:
            assert share.delivered_wh == 0
            assert share.pay_micro_eur == 0
            assert share.missing_wh == each.wh
    if terms.commission_permille == 0 and found.delivered_wh and terms.sharing != Sharing.MARGINAL:
        assert found.account_micro_eur == 0


@settings(max_examples=150)
@given(pools(), st.integers(0, 5), st.integers(1, 600_000))
def test_missing_delivery_never_pays(pool, who, less):
    """A member that delivers less of its own offer never gets more, whatever the others do."""
    pooled, responses, price, _ = pool
    each = pooled.offers[who % len(pooled.offers)]
    sign = pooled.direction.value
    responses = {
        o.member: moved(sign * o.wh) if o.member != each.member else None for o in pooled.offers
    }
    wh = max(0, each.wh - less)
    price = max(price, 0)
    full = responses | {each.member: moved(sign * each.wh)}
    part = responses | {each.member: moved(sign * wh)}
    nets = [
        next(
            share.net_micro_eur
            for share in proceeds(
                pooled, ANY_SIZE, HALF_HOUR, price, answers, BY_CONTRIBUTION
            ).shares
            if share.member == each.member
        )
        for answers in (full, part)
    ]
    assert nets[1] <= nets[0] + 1  # a µEUR may move between members by rounding


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: offer("a", 0), "offer of a: 0 Wh must be above 0"),
        (lambda: bid(), "bid b: has no offer"),
        (lambda: bid(offer("a", 1), offer("a", 2)), "bid b: member a is there twice"),
        (
            lambda: BalancingTerms(Sharing.EQUAL, "x", 1001),
            "commission_permille: 1001 is not in 0..1000",
        ),
        (lambda: BalancingProduct("p", 1, -1, 1), "p: minimum_site_w -1 is negative"),
    ],
)
def test_bad_input_is_refused_by_name(build, reason):
    with pytest.raises(ModelError, match=reason):
        build()
