"""Batteries, vehicles and buildings as one storage; whole set-points that keep every bound in reach."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.errors import ModelError
from gridbourse.scheduling.storage import (
    Building,
    Viable,
    allowed,
    battery,
    heat_pump,
    vehicle,
    whole_path,
)

HOURS = 0.25
BUILDING = Building(loss_w_per_k=150, capacity_wh_per_k=8_000, cop=3, low_c=20, high_c=22)


def some_battery(state_wh=500.0, periods=8):
    return battery("battery", periods, state_wh, 100, 1_000, 200, 0.81, 30)


def overnight(state_wh=2_000.0, charger_wh=700):
    at_home = np.array([True] * 6 + [False] * 4 + [True] * 2)
    return vehicle("ev", at_home, state_wh, 8_000, 5_000, 3_000, charger_wh, 0.9)


def warm(celsius=21.0, outdoor=0.0, periods=12, power_wh=500):
    outdoors = np.full(periods, outdoor)
    return heat_pump("heat_pump", BUILDING, BUILDING.state_wh(celsius), power_wh, outdoors, HOURS)


def test_a_battery_loses_half_on_the_way_in_and_half_on_the_way_out():
    storage = some_battery()
    assert storage.step(0, 500, 100) == pytest.approx(500 + 90)
    assert storage.step(0, 590, -81) == pytest.approx(500)


def test_a_vehicle_leaves_with_what_it_needs_and_comes_back_with_less():
    storage = overnight()
    path = whole_path(storage, Viable.of(storage), np.full(12, 0.0))
    assert path.state_wh[5] >= 5_000
    assert path.state_wh[6] == pytest.approx(path.state_wh[5] - 3_000)
    assert not path.off_wh.any()
    assert not path.drawn_wh[6:10].any()


def test_what_a_vehicle_lacks_it_charges_elsewhere_and_that_is_told():
    storage = overnight(charger_wh=100)
    path = whole_path(storage, Viable.of(storage), np.full(12, 0.0))
    assert path.drawn_wh[:6].tolist() == [100] * 6
    assert path.off_wh[5] == pytest.approx(2_000 + 600 * math.sqrt(0.9) - 5_000)
    assert path.state_wh[5] == 5_000


def test_a_building_cools_as_the_first_order_model_says():
    storage = warm(celsius=21, outdoor=0)
    after = BUILDING.temperature_c(storage.step(0, storage.state_wh, 0))
    assert after == pytest.approx(21 * math.exp(-150 * HOURS / 8_000))


def test_heat_that_makes_up_for_the_losses_holds_the_temperature():
    outdoor, hold = 5.0, 20.5
    storage = warm(outdoor=outdoor)
    drawn = BUILDING.loss_w_per_k * (hold - outdoor) / BUILDING.cop * HOURS
    at = BUILDING.state_wh(hold)
    rest = storage.retain[0] * at + storage.inflow_wh[0]
    assert rest + storage.gain[0] * drawn == pytest.approx(at)


def test_a_cold_night_is_prepared_for():
    """The pump is too weak for the night, so the house must be warm when it begins."""
    outdoor = np.array([10.0] * 6 + [-25.0] * 6)
    storage = heat_pump("heat_pump", BUILDING, 0.0, 500, outdoor, HOURS)
    path = whole_path(storage, Viable.of(storage), np.zeros(12))
    assert not path.off_wh.any()
    assert path.drawn_wh[:6].sum() > storage.max_in_wh[0]


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["battery", "ev", "heat"]),
    wanted=st.lists(st.floats(-900, 900), min_size=12, max_size=12),
    start=st.floats(0, 1),
)
def test_rounding_never_breaks_a_bound_that_could_be_kept(kind, wanted, start):
    storage = {
        "battery": lambda: some_battery(100 + 900 * start, 12),
        "ev": lambda: overnight(1_500 + 3_500 * start),
        "heat": lambda: warm(20 + 2 * start),
    }[kind]()
    path = whole_path(storage, Viable.of(storage), wanted)
    assert path.drawn_wh.dtype == np.int64
    assert not path.off_wh.any()
    assert (path.drawn_wh <= storage.max_in_wh).all()
    assert (path.drawn_wh >= -storage.max_out_wh).all()
    state = storage.state_wh
    for at, drawn in enumerate(path.drawn_wh.tolist()):
        state = storage.step(at, state, drawn)
        assert storage.low_wh[at] - 1e-6 <= state <= storage.high_wh[at] + 1e-6


def test_the_remainder_is_carried_on():
    storage = some_battery(500, 8)
    wanted = np.full(8, 33.3)
    path = whole_path(storage, Viable.of(storage), wanted)
    assert np.abs(np.cumsum(path.drawn_wh) - np.cumsum(wanted)).max() <= 1
    assert set(path.drawn_wh.tolist()) == {33, 34}


def test_what_is_allowed_is_all_that_keeps_later_bounds_and_nothing_else():
    """Against every whole Wh, followed by the best that can be done."""
    storage = overnight(state_wh=1_900)
    viable = Viable.of(storage)
    least, most = allowed(storage, viable, 0, storage.state_wh)
    for drawn in range(0, 701, 25):
        state = storage.step(0, storage.state_wh, drawn)
        for at in range(1, 6):
            state = min(storage.step(at, state, 700), 8_000)
        assert (state >= 5_000) == (least <= drawn <= most), drawn


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: battery("b", 4, 0, 0, 10, 5, 1.2, 0), "round_trip 1.2 must lie in"),
        (lambda: battery("b", 4, 0, 20, 10, 5, 0.9, 0), "b, period 0: low_wh is above high_wh"),
        (lambda: battery("b", 4, 0, 0, 10, 5, 0.9, -1), "wear must not be negative"),
        (
            lambda: vehicle("v", np.array([True]), 0, 10, 20, 5, 5, 0.9),
            "needed_wh 20 ≤ battery_wh 10",
        ),
        (
            lambda: heat_pump("h", Building(1, 1, 1, 22, 20), 0, 5, np.zeros(2), 0.25),
            "comfort band 22..20 °C is empty",
        ),
        (
            lambda: heat_pump("h", Building(0, 1, 1, 20, 22), 0, 5, np.zeros(2), 0.25),
            "must be above 0",
        ),
    ],
)
def test_devices_that_can_not_be_are_refused(make, words):
    with pytest.raises(ModelError, match=words.replace("(", r"\(").replace(".", r"\.")):
        make()
