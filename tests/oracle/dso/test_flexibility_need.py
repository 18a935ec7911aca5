"""The DSO's need of flexibility, and which of somebody else's the grid bears."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbourse.grid.assessment import Kind, excess_pu
from gridbourse.grid.errors import GridError
from gridbourse.grid.limits import Limits
from gridbourse.grid.network import Network
from gridbourse.grid.pandapower_check import PandapowerNetwork
from gridbourse.model.flexibility.baseline.delivery import Direction
from gridbourse.scenario.scenario import load
from oracle.common.errors import FeedError
from oracle.dso import flexibility_need
from oracle.dso.caps import propose_caps
from oracle.dso.flexibility_need import (
    Room,
    SoldLeg,
    needs,
    offered,
    reject_legs,
    relieve,
    still_needed,
    with_legs,
)
from oracle.dso.grid_check import GridView
from oracle.dso.zones import Zones
from tests.oracle.dso.feeders import MTU_SECONDS, NO_VAR, POINTS, feeder, wh
from tests.oracle.dso.test_caps import BROKEN

SCENARIOS = Path(__file__).parents[3] / "scenarios"
SEED = int(os.environ.get("GRIDBOURSE_SEED") or secrets.randbits(32))
LIMITS = Limits(v_min_pu=0.9, v_max_pu=1.1, loading_max=1.0)
HOURS = MTU_SECONDS / 3600
UP, DOWN = Direction.UP, Direction.DOWN
ZONES = Zones(
    dict(zip(POINTS, ["A", "A", "A end", "B"], strict=True)),
    {"MV": None, "A": "MV", "A end": "A", "B": "MV"},
)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    network = feeder(tmp_path_factory.mktemp("grid"))
    return GridView(network, POINTS, {p: i for i, p in enumerate(POINTS)}, LIMITS, MTU_SECONDS)


def excess_of(view, net_wh):
    return excess_pu(view.network.run(np.asarray(net_wh) / HOURS, NO_VAR), LIMITS)[0]


# --- the need ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kilowatts", BROKEN.values(), ids=BROKEN.keys())
def test_the_least_movement_keeps_the_limits_and_is_no_more_than_the_least_caps(view, kilowatts):
    schedule_wh = wh(*kilowatts)
    relief = relieve(view, ZONES, schedule_wh, NO_VAR)
    caps = propose_caps(view.network, schedule_wh, NO_VAR, LIMITS, MTU_SECONDS)
    assert relief.enough
    assert excess_of(view, schedule_wh + relief.moved_wh) <= 0
    # Curvature may cost a part of a percent on either way of searching.
    assert relief.total_wh <= 1.01 * caps.curtailed_wh + 4
    assert sum(need.wh for need in relief.needs) == relief.total_wh
    assert (relief.moved_wh * np.sign(schedule_wh) <= 0).all(), "only towards nothing"


@pytest.mark.parametrize("kilowatts", [(0, 20, 50, 0), (-80, -30, -5, 0), (30, 20, 20, 130)])
def test_a_hundredth_less_would_break_a_limit(view, kilowatts):
    schedule_wh = wh(*kilowatts)
    moved_wh = relieve(view, ZONES, schedule_wh, NO_VAR).moved_wh
    assert excess_of(view, schedule_wh + moved_wh * 99 // 100) > 0


def test_inside_the_limits_nothing_is_needed(view):
    assert needs(view, ZONES, wh(10, -10, 10, 0), NO_VAR) == []


def test_a_voltage_is_needed_where_the_sensitive_points_are(view):
    (need,) = needs(view, ZONES, wh(0, 20, 50, 0), NO_VAR)
    assert (need.zone, need.direction) == ("A", DOWN)
    assert need.violations[0].kind == Kind.OVERVOLTAGE
    assert set(need.sensitivity) == {"near", "middle", "far"}, "feeder B is in another zone"
    far, middle, near = (need.sensitivity[p] for p in ("far", "middle", "near"))
    assert far > 1.5 * middle > middle > 5 * near > 0
    moved = wh(0, 20, 50, 0) - [0, 0, 100, 0]
    before, after = excess_of(view, wh(0, 20, 50, 0)), excess_of(view, moved)
    assert (before - after) / 100 == pytest.approx(far, rel=0.02)


def test_an_overload_of_a_transformer_is_needed_behind_it_and_by_load_upwards(view):
    (need,) = needs(view, ZONES, wh(-80, -30, -5, 0), NO_VAR)
    assert (need.zone, need.direction, need.violations[0].name) == ("A", UP, "T2")
    values = list(need.sensitivity.values())
    assert min(values) == pytest.approx(max(values), rel=0.15)


def test_two_zones_have_a_need_each(view):
    found = needs(view, ZONES, wh(0, 20, 50, 130), NO_VAR)
    assert {(need.zone, need.direction) for need in found} == {("A", DOWN), ("B", DOWN)}


def test_offers_may_go_beyond_the_schedule_and_the_most_effective_is_asked(view):
    """A battery near the busbar and a boiler at the end; the end takes less energy."""
    offers = pd.DataFrame(
        [("near", "down", 50_000), ("far", "down", 1_000), ("far", "down", 4_000)],
        columns=["point_id", "direction", "wh"],
    )
    schedule_wh = wh(0, 35, 35, 0)
    room = offered(view, offers)
    assert room.down_wh.tolist() == [50_000, 0, 5_000, 0]
    relief = relieve(view, ZONES, schedule_wh, NO_VAR, room)
    assert relief.enough
    assert relief.moved_wh[0] == 0 < -relief.moved_wh[2]
    alone = Room(np.zeros(4, np.int64), np.array([50_000, 0, 0, 0]))
    assert relieve(view, ZONES, schedule_wh, NO_VAR, alone).total_wh > 3 * relief.total_wh


def test_offers_that_are_too_few_are_taken_whole_and_said_to_be_too_few(view):
    schedule_wh = wh(0, 20, 50, 0)
    room = Room(np.zeros(4, np.int64), np.array([0, 0, 500, 0]))
    relief = relieve(view, ZONES, schedule_wh, NO_VAR, room)
    assert not relief.enough
    assert relief.moved_wh.tolist() == [0, 0, -500, 0]
    assert 0 < excess_of(view, schedule_wh + relief.moved_wh) < excess_of(view, schedule_wh)


def test_points_nobody_speaks_for_are_not_asked(view):
    some = GridView(view.network, POINTS, {"middle": 1, "feeder B": 2}, LIMITS, MTU_SECONDS)
    relief = relieve(some, ZONES, wh(0, 30, 45, 0), NO_VAR)
    assert relief.enough
    assert np.flatnonzero(relief.moved_wh).tolist() == [1]


def test_no_operating_point_is_a_need_too(view):
    schedule_wh = wh(0, -500, -500, 0)
    relief = relieve(view, ZONES, schedule_wh, NO_VAR)
    assert relief.before is None
    assert relief.enough
    assert {need.direction for need in relief.needs} == {UP}
    assert {need.zone for need in relief.needs} <= {"A", "A end"}
    with pytest.raises(GridError, match="whatever moves"):
        relieve(view, ZONES, schedule_wh, NO_VAR, Room(*np.zeros((2, 4), np.int64)))


def test_what_is_still_needed_falls_to_nothing(view):
    schedule_wh = wh(0, 20, 50, 0)
    (need,) = needs(view, ZONES, schedule_wh, NO_VAR)
    half = [SoldLeg("far", DOWN, need.wh // 2)]
    (rest,) = still_needed(view, ZONES, schedule_wh, NO_VAR, half)
    assert rest.wh == pytest.approx(need.wh - need.wh // 2, rel=0.02)
    whole = [*half, SoldLeg("far", DOWN, rest.wh)]
    assert still_needed(view, ZONES, schedule_wh, NO_VAR, whole) == []


# --- somebody else's purchase -------------------------------------------------------------------------


def kept(legs, rejected):
    return [leg for place, leg in enumerate(legs) if place not in rejected]


def test_a_purchase_the_grid_bears_stays_whole(view):
    legs = [SoldLeg("far", UP, 1_000), SoldLeg("feeder B", UP, 5_000), SoldLeg("middle", UP, 500)]
    assert reject_legs(view, wh(0, 0, 0, 0), NO_VAR, legs) == []
    assert reject_legs(view, wh(0, 0, 0, 0), NO_VAR, []) == []


def test_in_merit_order_the_legs_beyond_the_limits_are_rejected(view):
    """The end takes some 45 kW alone; the other feeder does not care."""
    schedule_wh = wh(0, 0, 20, 0)
    legs = [
        SoldLeg("far", UP, 4_000), SoldLeg("far", UP, 4_000), SoldLeg("feeder B", UP, 10_000),
        SoldLeg("middle", UP, 12_000), SoldLeg("far", UP, 100),
    ]  # fmt: skip
    rejected = reject_legs(view, schedule_wh, NO_VAR, legs)
    assert rejected == [1, 3]
    assert excess_of(view, with_legs(view, schedule_wh, legs)) > 0
    assert excess_of(view, with_legs(view, schedule_wh, kept(legs, rejected))) <= 0


def test_where_limits_are_broken_already_a_purchase_may_help_but_not_harm(view):
    schedule_wh = wh(0, 20, 60, 0)
    legs = [
        SoldLeg("far", UP, 1),
        SoldLeg("far", DOWN, 2_000),
        SoldLeg("feeder B", UP, 100),
        SoldLeg("near", UP, 9),
    ]
    assert excess_of(view, schedule_wh) > 0
    assert reject_legs(view, schedule_wh, NO_VAR, legs) == [0]


def test_batches_change_nothing(view, monkeypatch):
    rng = np.random.default_rng(SEED)
    schedule_wh = wh(20, 10, 15, 60)
    legs = [
        SoldLeg(
            POINTS[rng.integers(4)], UP if rng.random() < 0.8 else DOWN, int(rng.integers(1, 3_000))
        )
        for _ in range(60)
    ]
    state, one_by_one = schedule_wh, []
    for place, leg in enumerate(legs):
        tried = with_legs(view, state, [leg])
        if excess_of(view, tried) + 1e-6 > 0:
            one_by_one.append(place)
        else:
            state = tried
    assert 0 < len(one_by_one) < len(legs), SEED
    for size in (1, 7, 256):
        monkeypatch.setattr(flexibility_need, "STATES", size)
        assert reject_legs(view, schedule_wh, NO_VAR, legs) == one_by_one, (SEED, size)


# --- the real grid -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rural3():
    """PV x 4, a zone for each feeder, and a period in which transformer and voltages are beyond."""
    fees = {
        f"{way}_fee_micro_eur_per_wh": fee
        for way, fee in (("import", 95), ("local", 40), ("export", 0))
    }
    feeders = {f"LV3.101 F{i}": {"parent": "LV3.101", **fees} for i in range(1, 10)}
    scenario = load(
        SCENARIOS / "rural3.toml", {"grid.points": "points.feeders.csv", "zones": feeders}
    )
    network = Network.load(scenario.grid_file, scenario.points)
    names = list(scenario.points.index)
    numbers = {name: i for i, name in enumerate(names)}
    view = GridView(network, names, numbers, scenario.limits, scenario.mtu_seconds)
    zones = Zones(scenario.points["zone"].to_dict(), scenario.zones)
    return scenario, view, zones, scenario.first_period + 40


def pandapower_inside(scenario, period, *states_wh):
    """By the second solver, which shares no code with the one that found the need."""
    second_opinion = PandapowerNetwork(scenario.pandapower_file, scenario.points)
    injection_w = np.array(states_wh) / scenario.mtu.hours
    var = np.tile(scenario.reactive_var(period), (len(states_wh), 1))
    return (excess_pu(second_opinion.run(injection_w, var), scenario.limits) <= 0).tolist()


def test_a_congested_feeder_is_relieved_by_bought_flexibility_by_pandapower_too(rural3):
    """The DSO buys the cheapest offers of the zones in need, and again what is still missing."""
    scenario, view, zones, period = rural3
    schedule_wh, var = scenario.net_wh(period), scenario.reactive_var(period)
    rng = np.random.default_rng(SEED)
    parts = [(p, int(w) // 3, int(rng.integers(1, 200))) for p, w in
             zip(view.points, schedule_wh, strict=True) for _ in range(3) if w > 0]  # fmt: skip
    offers = sorted(parts, key=lambda offer: offer[2])
    bought: list[SoldLeg] = []
    first = wanted = needs(view, zones, schedule_wh, var)
    assert {need.zone for need in first} > {"LV3.101"}, "a feeder's voltage, and the transformer"
    purchases = 0
    while wanted and purchases < 20:
        purchases += 1
        for need in wanted:
            left = need.wh
            for offer in [o for o in offers if zones.holds(need.zone, o[0])]:
                if left > 0:
                    wh_bought = min(left, offer[1])
                    offers.remove(offer)
                    if offer[1] > wh_bought:
                        offers.append((offer[0], offer[1] - wh_bought, offer[2]))
                    bought.append(SoldLeg(offer[0], need.direction, wh_bought))
                    left -= wh_bought
            offers.sort(key=lambda offer: offer[2])
        wanted = still_needed(view, zones, schedule_wh, var, bought)
    assert wanted == [], SEED
    assert purchases > 1, "the cheapest have less effect than the best placed"
    relieved_wh = with_legs(view, schedule_wh, bought)
    assert pandapower_inside(scenario, period, schedule_wh, relieved_wh) == [False, True], SEED
    assert sum(leg.wh for leg in bought) >= sum(need.wh for need in first)


def test_a_tso_purchase_does_not_break_the_distribution_grid_by_pandapower_too(rural3):
    """Batteries sold upwards in the afternoon, with the transformer still at 89 % of its rating."""
    scenario, view, _, _ = rural3
    period = scenario.first_period + 53  # inside the limits, near the transformer's rating
    schedule_wh, var = scenario.net_wh(period), scenario.reactive_var(period)
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(view.points))
    legs = [SoldLeg(view.points[i], UP, int(rng.integers(200, 1_500))) for i in order]
    rejected = reject_legs(view, schedule_wh, var, legs)
    assert 0 < len(rejected) < len(legs), SEED
    states = (
        schedule_wh, with_legs(view, schedule_wh, legs),
        with_legs(view, schedule_wh, kept(legs, rejected)),
    )  # fmt: skip
    assert pandapower_inside(scenario, period, *states) == [True, False, True], SEED


# --- bad input ---------------------------------------------------------------------------------------


def test_bad_input_is_refused_by_name(view):
    with pytest.raises(FeedError, match=r"leg of far: 0 Wh must be above 0"):
        SoldLeg("far", UP, 0)
    with pytest.raises(FeedError, match="leg 1: 'nowhere' is no connection point"):
        reject_legs(
            view, wh(0, 0, 0, 0), NO_VAR, [SoldLeg("far", UP, 1), SoldLeg("nowhere", UP, 1)]
        )
    with pytest.raises(FeedError, match=r"schedule_wh: \(3,\) must be \(4,\)"):
        needs(view, ZONES, np.zeros(3, np.int64), NO_VAR)
    with pytest.raises(FeedError, match="zone of far: 'C' is not a grid zone"):
        Zones({"far": "C"}, {"A": None})
    with pytest.raises(FeedError, match="'MV' above it is not a grid zone"):
        Zones({"far": "A"}, {"A": "MV"})
    with pytest.raises(FeedError, match="zone A: 'A' above it is not a grid zone, or is itself"):
        Zones({"far": "A"}, {"A": "B", "B": "A"})


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        (("nowhere", "up", 5), "offer 1: point_id 'nowhere'"),
        (("far", "sideways", 5), "offer 1: direction 'sideways' must be up or down"),
        (("far", "up", -5), "offer 1: wh -5 must be a whole number, not negative"),
        (("far", "up", 0.5), "offer 1: wh 0.5 must be a whole number, not negative"),
    ],
)
def test_bad_offers_are_refused_by_row(view, offer, reason):
    with pytest.raises(FeedError, match=reason):
        offered(view, pd.DataFrame([offer], columns=["point_id", "direction", "wh"]))
