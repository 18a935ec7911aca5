"""A home's schedule against brute force, and what must hold of every schedule."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.errors import ModelError
from gridbourse.scheduling.home import Block, Home, HomePrices, manage, moved
from gridbourse.scheduling.storage import Building, battery, heat_pump, vehicle

PERIODS = 4


def prices(buy, sell):
    return HomePrices(np.array(buy, dtype=np.int64), np.array(sell, dtype=np.int64))


def ints(*values):
    return np.array(values, dtype=np.int64)


def small_battery(state_wh=2.0, wear=0, periods=PERIODS):
    return battery("battery", periods, state_wh, 0, 6, 2, 1.0, wear)


def enumerated(home, tariff):
    """The cheapest of every whole schedule of a lossless battery and every start of the blocks."""
    (storage,) = home.storages
    best = np.inf
    steps = range(-int(storage.max_out_wh[0]), int(storage.max_in_wh[0]) + 1)
    starts = [range(block.first, block.last + 1) for block in home.blocks]
    for drawn in itertools.product(steps, repeat=len(home.base_wh)):
        states = storage.state_wh + np.cumsum(drawn)
        if (states < storage.low_wh).any() or (states > storage.high_wh).any():
            continue
        wear = storage.wear_micro_eur_per_wh * -min(0, *(min(d, 0) for d in drawn))
        wear = storage.wear_micro_eur_per_wh * sum(-d for d in drawn if d < 0)
        for begun in itertools.product(*starts):
            net = home.base_wh - np.array(drawn)
            for block, start in zip(home.blocks, begun, strict=True):
                net[start : start + len(block.load_wh)] -= block.load_wh
            best = min(best, tariff.cost_micro_eur(net) + wear)
    return best


@settings(max_examples=25)
@given(
    base=st.lists(st.integers(-4, 4), min_size=PERIODS, max_size=PERIODS),
    buy=st.lists(st.integers(10, 40), min_size=PERIODS, max_size=PERIODS),
    sell=st.lists(st.integers(0, 10), min_size=PERIODS, max_size=PERIODS),
    wear=st.integers(0, 12),
    start=st.integers(0, 6),
    load=st.lists(st.integers(1, 3), min_size=1, max_size=2),
)
def test_the_schedule_is_the_cheapest_of_all(base, buy, sell, wear, start, load):
    block = Block("wash", ints(*load), 0, PERIODS - len(load))
    home = Home("home", ints(*base), [small_battery(float(start), wear)], [block])
    tariff = prices(buy, sell)
    assert manage(home, tariff).cost_micro_eur(tariff) == enumerated(home, tariff)


def test_a_battery_buys_cheap_and_serves_dear_hours():
    home = Home("home", ints(0, 0, -2, -2), [small_battery(0.0)])
    tariff = prices([10, 10, 50, 50], [5] * 4)
    schedule = manage(home, tariff)
    assert schedule.paths["battery"].drawn_wh.tolist() == [2, 2, -2, -2]
    assert schedule.cost_micro_eur(tariff) == 40


def test_wear_and_losses_must_pay():
    tariff = prices([10, 10, 50, 50], [5] * 4)
    home = Home("home", ints(0, 0, -2, -2), [small_battery(0.0, wear=41)])
    assert not manage(home, tariff).paths["battery"].drawn_wh.any()


def test_a_block_runs_as_a_whole_where_it_is_cheapest():
    home = Home("home", ints(0, 0, 0, 0), (), [Block("wash", ints(3, 1), 0, 2)])
    schedule = manage(home, prices([20, 30, 10, 31], [5] * 4))
    assert schedule.starts == {"wash": 2}
    assert schedule.net_wh.tolist() == [0, 0, -3, -1]


def test_a_block_that_does_not_fit_its_connection_is_told_by_name():
    block = Block("wash", ints(300), 0, 3)
    schedule = manage(
        Home("home", ints(0, 0, 0, 0), (), [block], 100, 100), prices([9] * 4, [5] * 4)
    )
    assert schedule.starts == {"wash": None}
    assert "home: wash is 300 Wh short of" in str(schedule.shortfalls[0])


def test_comfort_goes_before_money():
    building = Building(150, 8_000, 3, 20, 22)
    outdoor = np.full(12, -5.0)
    cheap_late = prices([60_000] * 11 + [1], [0] * 12)
    pump = heat_pump("heat_pump", building, 100.0, 600, outdoor, 0.25)
    schedule = manage(Home("home", np.zeros(12, np.int64), [pump]), cheap_late)
    assert not schedule.shortfalls
    assert (schedule.paths["heat_pump"].state_wh >= -1e-6).all()


def test_comfort_that_can_not_be_kept_is_missed_least_and_named():
    building = Building(150, 8_000, 3, 20, 22)
    pump = heat_pump("heat_pump", building, 0.0, 50, np.full(6, -10.0), 0.25)
    schedule = manage(Home("home", np.zeros(6, np.int64), [pump]), prices([300] * 6, [80] * 6))
    path = schedule.paths["heat_pump"]
    assert path.drawn_wh.tolist() == [50] * 6
    assert (path.off_wh < 0).all()
    assert {(each.device, each.period) for each in schedule.shortfalls} == {
        ("heat_pump", at) for at in range(6)
    }


def test_given_set_points_win_within_comfort_and_not_beyond():
    at_home = np.array([True] * 4 + [False] * 2)
    ev = vehicle("ev", at_home, 0.0, 1_000, 300, 300, 100, 1.0)
    tariff = prices([300, 300, 300, 10, 300, 300], [0] * 6)
    base = np.zeros(6, np.int64)
    free = manage(Home("home", base, [ev]), tariff)
    assert free.paths["ev"].drawn_wh[3] == 100
    target = np.array([100.0, 100, 100, 0, np.nan, np.nan])
    told = manage(Home("home", base, [ev], targets_wh={"ev": target}), tariff)
    assert told.paths["ev"].drawn_wh.tolist() == [100, 100, 100, 0, 0, 0]
    never = np.array([0.0, 0, 0, 0, np.nan, np.nan])
    kept = manage(Home("home", base, [ev], targets_wh={"ev": never}), tariff)
    assert kept.paths["ev"].drawn_wh[:4].sum() == 300


def test_moving_costs_what_is_bought_again():
    """Charged a period later for 300 instead of 200 a Wh; the energy of the first is another's."""
    ev = vehicle("ev", np.array([True, True, False]), 0.0, 1_000, 100, 100, 100, 1.0)
    home = Home("home", ints(0, 0, 0), [ev])
    tariff = prices([200, 300, 300], [80] * 3)
    net = manage(home, tariff).net_wh
    assert net.tolist() == [-100, 0, 0]
    ((cost, drawn), (too_far, _)) = moved(home, tariff, 0, int(net[0]), [40, 300])
    assert cost == pytest.approx(40 * 300, abs=1)
    assert drawn["ev"] == pytest.approx(60)
    assert too_far == np.inf


def test_a_moved_battery_pays_losses_and_wear():
    storage = battery("battery", 2, 100.0, 0, 200, 100, 0.81, 7)
    home = Home("home", ints(0, -50), [storage])
    tariff = prices([400, 400], [0, 0])
    ((cost, _),) = moved(home, tariff, 0, 0, [45])
    # 45 Wh now take 50 Wh of state; the 50 Wh left give 45 of the 50 Wh later.
    assert cost == pytest.approx(5 * 400 + 45 * 7 - 5 * 7, abs=1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: prices([10, 10], [5, 11]), "prices, period 1: sell price is above buy price"),
        (lambda: prices([10], [-1]), "period 0: sell price must not be negative"),
        (lambda: Home("h", ints(0, 0), [small_battery()]), "h: battery has 4 of 2 periods"),
        (lambda: Home("h", ints(0, 0), (), [Block("w", ints(1, 1), 0, 1)]), "w could end after"),
        (lambda: Home("h", ints(*[0] * 4), [small_battery()] * 2), "two devices are named battery"),
        (lambda: Home("h", ints(0), targets_wh={"x": np.zeros(1)}), "h: no storage is named x"),
        (lambda: Block("w", ints(1), 2, 1), "w: no start in 2..1"),
    ],
)
def test_homes_that_can_not_be_are_refused(make, words):
    with pytest.raises(ModelError, match=words):
        make()
