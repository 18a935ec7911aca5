"""An aggregator's schedule over its members: cheapest together, inside the grid, ready for errors."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.errors import ModelError
from gridbourse.scheduling.home import Block, Home, HomePrices, manage
from gridbourse.scheduling.portfolio import ForecastError, GridLimits, schedule
from gridbourse.scheduling.storage import battery, vehicle

PERIODS = 3


def ints(*values):
    return np.array(values, dtype=np.int64)


def store(state_wh, power=2, wear=1):
    return battery("battery", PERIODS, float(state_wh), 0, 4, power, 1.0, wear)


def flat(buy=30, sell=10):
    return HomePrices(np.full(PERIODS, buy), np.full(PERIODS, sell))


def enumerated(homes, prices):
    """The least cost of every whole schedule of one lossless battery a home."""
    ways = []
    for home in homes:
        (storage,) = home.storages
        span = range(-int(storage.max_out_wh[0]), int(storage.max_in_wh[0]) + 1)
        mine = []
        for drawn in itertools.product(span, repeat=PERIODS):
            states = storage.state_wh + np.cumsum(drawn)
            if (states >= storage.low_wh).all() and (states <= storage.high_wh).all():
                wear = storage.wear_micro_eur_per_wh * sum(-min(d, 0) for d in drawn)
                mine.append((home.base_wh - np.array(drawn), wear))
        ways.append(mine)
    return min(
        prices.cost_micro_eur(sum(net for net, _ in some)) + sum(wear for _, wear in some)
        for some in itertools.product(*ways)
    )


bases = st.lists(st.integers(-3, 3), min_size=PERIODS, max_size=PERIODS)


@settings(max_examples=8)
@given(
    first=bases,
    second=bases,
    buy=st.lists(st.integers(10, 30), min_size=PERIODS, max_size=PERIODS),
    sell=st.lists(st.integers(0, 10), min_size=PERIODS, max_size=PERIODS),
    states=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_the_schedule_is_the_cheapest_of_all(first, second, buy, sell, states):
    homes = [
        Home(name, ints(*base), [store(state, power=1)])
        for name, base, state in zip("ab", (first, second), states, strict=True)
    ]
    prices = HomePrices(ints(*buy), ints(*sell))
    assert schedule(homes, prices).cost_micro_eur(prices) == enumerated(homes, prices)


@settings(max_examples=20)
@given(
    members=st.lists(st.tuples(bases, st.integers(0, 4)), min_size=1, max_size=4),
    buy=st.lists(st.integers(10, 30), min_size=PERIODS, max_size=PERIODS),
    sell=st.lists(st.integers(0, 10), min_size=PERIODS, max_size=PERIODS),
)
def test_together_members_never_pay_more_than_alone(members, buy, sell):
    prices = HomePrices(ints(*buy), ints(*sell))
    homes = [
        Home(f"h{n}", ints(*base), [store(state)], [Block("wash", ints(1, 2), 0, 1)])
        for n, (base, state) in enumerate(members)
    ]
    alone = sum(manage(home, prices).cost_micro_eur(prices) for home in homes)
    together = schedule(homes, prices)
    assert together.cost_micro_eur(prices) <= alone
    assert together.net_wh.tolist() == sum(s.net_wh for s in together.schedules.values()).tolist()


def test_a_surplus_next_door_is_not_bought_from_afar():
    homes = [Home("sun", ints(2, 0, 0)), Home("shade", ints(0, -2, 0), [store(0)])]
    result = schedule(homes, flat())
    assert result.schedules["shade"].paths["battery"].drawn_wh.tolist() == [2, -2, 0]
    assert result.position_wh.tolist() == [0, 0, 0]
    assert result.cost_micro_eur(flat()) == 2


def limited(value, limit, per_wh, names=("line",)):
    return GridLimits(names, np.array(value, dtype=float), np.array(per_wh, dtype=float),
                      np.array(limit, dtype=float), 1e6)  # fmt: skip


def cars(count):
    present = np.array([True, True, False])
    return [
        Home(f"car{n}", ints(0, 0, 0), [vehicle("ev", present, 0.0, 100, 10, 10, 10, 1.0)])
        for n in range(count)
    ]


def test_limits_of_the_grid_spread_the_charging():
    """Two cars want the first, cheap period; the line carries 12 Wh of the 20."""
    prices = HomePrices(ints(10, 20, 30), ints(0, 0, 0))
    free = schedule(cars(2), prices)
    assert free.net_wh.tolist() == [-20, 0, 0]
    line = limited([[0.0]] * 3, [12.0], [[-1.0], [-1.0]])
    bound = schedule(cars(2), prices, line)
    assert bound.net_wh.tolist() == [-12, -8, 0]
    assert bound.over == {}
    assert bound.cost_micro_eur(prices) == 12 * 10 + 8 * 20


def test_what_members_inject_anyway_is_in_the_grids_value_once():
    prices = HomePrices(ints(10, 20, 30), ints(0, 0, 0))
    homes = [*cars(2), Home("house", ints(-5, -5, -5))]
    line = limited([[5.0]] * 3, [17.0], [[-1.0]] * 3)
    result = schedule(homes, prices, line)
    assert result.net_wh.tolist() == [-17, -13, -5]
    assert result.over == {}


def test_comfort_goes_before_the_grid_and_what_is_over_is_named():
    prices = HomePrices(ints(10, 20, 30), ints(0, 0, 0))
    tight = limited([[0.0]] * 3, [4.0], [[-1.0], [-1.0]])
    result = schedule(cars(2), prices, tight)
    assert not any(one.shortfalls for one in result.schedules.values())
    assert result.over == {"line": pytest.approx(12.0)}


def test_who_weighs_more_on_the_line_charges_later():
    prices = HomePrices(ints(10, 20, 30), ints(0, 0, 0))
    line = limited([[0.0]] * 3, [10.0], [[-1.0], [-0.1]])
    result = schedule(cars(2), prices, line)
    assert result.schedules["car1"].net_wh.tolist() == [-10, 0, 0]
    assert result.schedules["car0"].net_wh[0] == -9


def errors(scenarios, weights, short=50, long=0):
    return ForecastError(np.array(scenarios, dtype=np.int64), np.array(weights),
                         np.full(PERIODS, short), np.full(PERIODS, long))  # fmt: skip


def test_the_position_is_the_quantile_that_prices_of_imbalance_ask_for():
    """The newsvendor: a shortfall costs 50 − 30 more, a surplus 30 − 0 less than what was bought, so
    it buys until the share of scenarios that would still lack energy falls to 30 / 50."""
    homes = [Home("home", ints(-10, -10, -10))]
    prices = flat(buy=30, sell=0)
    scenarios = [[-4] * 3, [-2] * 3, [0] * 3, [2] * 3, [4] * 3]
    result = schedule(homes, prices, error=errors(scenarios, [0.2] * 5))
    assert set(result.position_wh.tolist()) <= {-8, -9, -10}
    costs = {}
    for bought in range(5, 16):
        beside = np.array([error[0] - 10 + bought for error in scenarios])
        costs[bought] = 30 * bought + 0.2 * 50 * np.maximum(-beside, 0).sum()
    assert result.cost_micro_eur(prices, errors(scenarios, [0.2] * 5)) == pytest.approx(
        3 * min(costs.values())
    )


def test_without_error_scenarios_change_nothing():
    homes = [Home("home", ints(2, -3, 1), [store(2)])]
    none = errors([[0, 0, 0]], [1.0])
    plain, careful = schedule(homes, flat()), schedule(homes, flat(), error=none)
    assert careful.position_wh.tolist() == plain.position_wh.tolist()
    assert careful.cost_micro_eur(flat(), none) == plain.cost_micro_eur(flat())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (lambda h: ([], flat()), "portfolio: has no member"),
        (lambda h: ([h, h], flat()), "two members have one name"),
        (lambda h: ([h], flat(), limited([[0.0]], [1.0], [[1.0]])), "value has the shape"),
        (lambda h: ([h], flat(), limited([[0.0]] * 3, [1.0], [[1.0]] * 2)), "per_wh has the shape"),
        (lambda h: ([h], flat(), None, errors([[0] * 3], [0.5])), "weights sum to 0.5"),
        (lambda h: ([h], flat(), None, errors([[0] * 3], [1.0], short=29)), "short is below"),
        (lambda h: ([h], flat(), None, errors([[0] * 3], [1.0], long=11)), "long is above"),
    ],
)
def test_portfolios_that_can_not_be_are_refused(arguments, words):
    with pytest.raises(ModelError, match=words):
        schedule(*arguments(Home("h", ints(0, 0, 0))))
