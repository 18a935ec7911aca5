"""What was delivered, what it pays, where it leaves positions, and that a false schedule never pays."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.model.caps import NO_CAP
from gridbourse.model.flexibility.baseline.delivery import (
    DeliveryError,
    Direction,
    Reward,
    deliver,
    delivered_wh,
    reward_micro_eur,
    shift,
)
from gridbourse.model.flexibility.baseline.schedule import (
    UntruthfulTerms,
    require_truthful,
    statement_micro_eur,
    truthful_share,
)
from gridbourse.model.settlement import Prices, settle

UP, DOWN = Direction.UP, Direction.DOWN
PRICES = Prices(retail=300, feed_in=80, import_fee=0, local_fee=0, export_fee=0)
MOST = 50_000


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


energy = st.integers(-MOST, MOST)
quantity = st.integers(0, MOST)
directions = st.sampled_from(Direction)


@pytest.mark.parametrize(
    ("case", "direction", "baseline", "metered", "delivered", "shortfall", "beside"),
    [
        ("delivers all", UP, -500, -400, 100, 0, 0),
        ("delivers a part", UP, -500, -460, 40, 60, 0),
        ("delivers more", UP, -500, -350, 100, 0, 50),
        ("goes the other way", UP, -500, -530, 0, 100, -30),
        ("does nothing", UP, -500, -500, 0, 100, 0),
        ("turns to injecting", UP, -50, 50, 100, 0, 0),
        ("withdraws more", DOWN, -500, -600, 100, 0, 0),
        ("injects less", DOWN, 300, 250, 50, 50, 0),
        ("injects more although down", DOWN, 300, 310, 0, 100, -10),
    ],
)
def test_a_response_is_split_into_what_was_asked_for_and_what_not(
    case, direction, baseline, metered, delivered, shortfall, beside
):
    found = deliver(array(100), array(baseline), array(metered), direction)

    parts = (found.delivered_wh, found.shortfall_wh, found.beside_wh)
    assert [int(part[0]) for part in parts] == [delivered, shortfall, beside], case


@given(rows=st.lists(st.tuples(quantity, energy, energy), min_size=1), direction=directions)
def test_no_watt_hour_of_a_response_is_lost_or_counted_twice(rows, direction):
    requested, baseline, metered = (array(*column) for column in zip(*rows, strict=True))

    found = deliver(requested, baseline, metered, direction)

    assert (found.delivered_wh + found.shortfall_wh == requested).all()
    assert (baseline + direction.value * (found.delivered_wh + found.beside_wh) == metered).all()
    assert (found.delivered_wh >= 0).all()
    assert (found.shortfall_wh >= 0).all()


def test_pay_and_penalty_by_hand():
    """100 of 100: 2,000; 40 of 100: 800 − 60 × 20 × 1.5; none, and a Wh the other way: − 3,000."""
    found = deliver(array(100, 100, 100), array(0, 0, 0), array(130, 40, -1), UP)

    assert reward_micro_eur(found, Reward(20, 150)).tolist() == [2_000, -1_000, -3_000]
    on_schedule = reward_micro_eur(found, Reward(20, 150, schedule=True)).tolist()
    assert on_schedule == [2_000 - 900, -1_000, -3_030]


@given(requested=quantity, response=energy, price=st.integers(0, 999), percent=st.integers(0, 400))
def test_missing_delivery_never_pays(requested, response, price, percent):
    reward = Reward(price, percent)
    found = deliver(array(requested), array(0), array(response), UP)
    pay = int(reward_micro_eur(found, reward)[0])

    assert pay <= max(0, min(response, requested)) * price
    missing = max(0, requested - max(0, response))
    assert pay <= requested * price - missing * price * (1 + Fraction(percent, 100))


# --- positions ----------------------------------------------------------------------------------


@given(
    rows=st.lists(st.tuples(energy, quantity, st.booleans()), min_size=1),
    buyer=energy,
)
def test_an_activation_moves_energy_and_makes_none(rows, buyer):
    positions, delivered, up = (np.array(column) for column in zip(*rows, strict=True))

    after = shift(positions, delivered, up, buyer)

    assert int(after.sellers_wh.sum()) + after.buyer_wh == int(positions.sum()) + buyer
    assert (np.abs(after.sellers_wh - positions) == delivered).all()


@given(contract=energy, baseline=energy, response=quantity, direction=directions)
def test_what_flexibility_delivered_is_not_paid_again_as_imbalance(
    contract, baseline, response, direction
):
    """With its position moved, a seller is settled as if it had done what its baseline says."""
    metered = array(baseline + direction.value * response)
    found = deliver(array(response), array(baseline), metered, direction)

    moved = shift(array(contract), found.delivered_wh, np.array([direction is UP]), 0)
    with_activation = settle(metered, moved.sellers_wh, array(NO_CAP), PRICES)
    without = settle(array(baseline), array(contract), array(NO_CAP), PRICES)

    assert int(with_activation.supplier[0]) == int(without.supplier[0])


# --- the declared schedule ----------------------------------------------------------------------


def statement(declared: int, requested: int, metered: int, direction: Direction, reward) -> int:
    found = deliver(array(requested), array(declared), array(metered), direction)
    one = statement_micro_eur(array(declared), array(metered), found, direction, PRICES, reward)
    return int(one[0])


def test_the_statement_of_a_schedule_by_hand():
    """Declares −500, is asked for 100 up. Price 20, all penalties once the price."""
    reward = Reward(20, 100, schedule=True)

    assert statement(-500, 0, -500, UP, reward) == -500 * 300
    assert statement(-500, 100, -400, UP, reward) == -400 * 300 + 100 * 20
    assert statement(-500, 100, -440, UP, reward) == -440 * 300 + 60 * 20 - 40 * 20
    assert statement(-500, 0, -440, UP, reward) == -500 * 300 + 60 * 80 - 60 * 20
    assert statement(-500, 0, -560, UP, reward) == -560 * 300 - 60 * 20
    # The contract moves by what is delivered: a shortfall is not bought back at the retail price too.
    assert statement(50, 100, 90, UP, reward) == 90 * 80 + 40 * 20 - 60 * 20


@given(
    truth=energy, declared=energy, response=quantity, requested=quantity, direction=directions,
    price=st.integers(0, 2_000), percent=st.integers(0, 400), less=st.fractions(0, 1, max_denominator=9),
)  # fmt: skip
def test_a_false_schedule_never_pays(
    truth, declared, response, requested, direction, price, percent, less
):
    """Whatever is declared and asked for: the true schedule, offering what it can do, is worth more.

    Expected over whether the period is activated, which is not known when the schedule is declared;
    the plant does the same either way.
    """
    reward = Reward(price, percent, schedule=True)
    share = truthful_share(reward) * less
    active = truth + direction.value * response

    def expected(schedule: int, offer: int) -> Fraction:
        activated = statement(schedule, offer, active, direction, reward)
        left_alone = statement(schedule, 0, truth, direction, reward)
        return share * activated + (1 - share) * left_alone

    require_truthful(reward, share)
    assert expected(declared, requested) <= expected(truth, response)


def test_it_pays_where_activation_is_too_certain_or_only_shortfall_costs():
    """So the bound of the share and the rule on everything off the schedule are both needed."""
    phantom = 100

    def gain(reward: Reward, share: Fraction) -> Fraction:
        false = [statement(-500 - phantom, asked, -500, UP, reward) for asked in (phantom, 0)]
        true = statement(-500, 0, -500, UP, reward)
        return share * (false[0] - true) + (1 - share) * (false[1] - true)

    dear = Reward(900, 100, schedule=True)
    assert gain(dear, Fraction(9, 10)) > 0 >= gain(dear, Fraction(1, 2))
    assert gain(Reward(900, 100), Fraction(1, 2)) > 0


def test_terms_that_would_reward_a_false_schedule_are_refused():
    assert truthful_share(Reward(20, 100, schedule=True)) == Fraction(1, 2)
    assert truthful_share(Reward(20, 300, schedule=True)) == Fraction(3, 4)
    require_truthful(Reward(20, 100, schedule=True), Fraction(1, 2))

    with pytest.raises(
        UntruthfulTerms, match=r"100 % on everything off .* 3/5 must not be above 1/2"
    ):
        require_truthful(Reward(20, 100, schedule=True), Fraction(3, 5))
    with pytest.raises(UntruthfulTerms, match=r"shortfall alone, activated_share 1/9 .* above 0"):
        require_truthful(Reward(20, 100), Fraction(1, 9))


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: deliver(array(1, -2), array(0, 0), array(0, 0), UP), "period 1: requested_wh -2"),
        (lambda: deliver(array(1), array(0, 0), array(0, 0), UP), r"\(1,\) and \(2,\)"),
        (lambda: delivered_wh(array(0), array(0, 0), UP), r"\(1,\) and \(2,\)"),
        (lambda: shift(array(0), array(0, 0), np.array([True]), 0), r"\(1,\) and \(2,\)"),
        (lambda: shift(array(0), array(-1), np.array([True]), 0), "seller 0: delivered -1"),
        (lambda: Reward(-1, 100), "must not be negative"),
        (lambda: Reward(1, -100), "must not be negative"),
    ],
)
def test_impossible_deliveries_are_refused(make, text):
    with pytest.raises(DeliveryError, match=text):
        make()
