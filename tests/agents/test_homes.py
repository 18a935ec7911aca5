"""Homes through time: they keep what they promise, move what they offer, and stay comfortable."""

import numpy as np
import pytest

from gridbourse.agents.homes import Homes
from gridbourse.agents.homes_comparison import account
from gridbourse.agents.plant import Plant, energy_gap_wh
from gridbourse.grid.network import Network
from gridbourse.model.caps import Caps
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load
from gridbourse.scheduling.portfolio import schedule
from tests.scenario import miniature
from tests.scenario.test_devices import BATTERY, EV, HEAT, HOMES

WINTER = {"low_c": 30, "high_c": 33, "start_c": 31}
"""A band that needs heat in June, when the miniature is."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return miniature.write(tmp_path_factory.mktemp("homes"))


def scenario_with(path, **changes):
    homes = HOMES | {"heat_pump": HEAT | WINTER} | changes
    return load(path, {"homes": {k: v for k, v in homes.items() if v is not None}})


def homes_with(path, **changes):
    return Homes(scenario_with(path, **changes))


def run(homes, count, before=lambda homes, period: None):
    planned, delivered = [], []
    for period in range(homes.first, homes.first + count):
        before(homes, period)
        planned.append(homes.planned_wh(period))
        delivered.append(homes.deliver(period))
    return np.array(planned), np.array(delivered)


def test_a_day_is_delivered_as_planned_and_every_comfort_kept(path):
    homes = homes_with(path)
    planned, delivered = run(homes, 96)
    np.testing.assert_array_equal(planned, delivered)
    assert all(not done.off_wh for home in homes.households.values() for done in home.done)
    drawn = {k: sum(d.drawn_wh.get(k, 0) for h in homes.households.values() for d in h.done)
             for k in ("ev", "heat_pump", "shiftable")}  # fmt: skip
    assert drawn["shiftable"] == 750
    assert drawn["heat_pump"] > 0
    # It leaves once, with 30 kWh, and takes 8 kWh: charged again by the next morning or not yet.
    assert drawn["ev"] >= 8_000


def test_the_same_calls_have_the_same_answers(path):
    first, second = homes_with(path), homes_with(path)
    for homes in (first, second):
        homes.planned_wh(homes.first + 3)
        homes.activate(homes.first + 3, "A1", -100)
    assert first.offers(first.first + 4).equals(second.offers(second.first + 4))
    np.testing.assert_array_equal(run(first, 40)[1], run(second, 40)[1])


def test_what_was_promised_stays_when_it_is_asked_ahead(path):
    homes = homes_with(path)
    ahead = [homes.planned_wh(homes.first + k) for k in range(12)]
    _, delivered = run(homes, 12)
    np.testing.assert_array_equal(ahead, delivered)


def test_every_offer_can_be_delivered_and_comfort_is_kept_after_it(path):
    """Each home, each direction, in full, at several hours; then the day goes on."""
    tried = 0
    for k in (2, 20, 50, 80):
        for direction, sign in (("up", 1), ("down", -1)):
            homes = homes_with(path)
            run(homes, k)
            period = homes.first + k
            planned = homes.planned_wh(period)
            offers = homes.offers(period)
            mine = offers[offers["direction"] == direction]
            for point, wh in zip(mine["point_id"], mine["wh"], strict=True):
                homes.activate(period, point, sign * int(wh))
                tried += 1
            moved = {p: sign * int(w) for p, w in zip(mine["point_id"], mine["wh"], strict=True)}
            wanted = planned + [moved.get(p, 0) for p in homes.scenario.points.index]
            np.testing.assert_array_equal(homes.planned_wh(period), planned)
            np.testing.assert_array_equal(homes.deliver(period), wanted)
            for later in range(period + 1, period + 30):
                np.testing.assert_array_equal(homes.planned_wh(later), homes.deliver(later))
            assert all(not d.off_wh for home in homes.households.values() for d in home.done)
    assert tried >= 8


def test_more_than_offered_is_refused(path):
    homes = homes_with(path)
    period = homes.first
    for point, rows in homes.offers(period).groupby("point_id"):
        for direction, sign in (("up", 1), ("down", -1)):
            most = int(rows.loc[rows["direction"] == direction, "wh"].sum())
            with pytest.raises(ScenarioError, match=f"{point}: cannot move"):
                homes.activate(period, str(point), sign * (most + 1))
    with pytest.raises(ScenarioError, match="C1: is not a home with devices"):
        homes.activate(period, "C1", 1)
    homes.deliver(period)
    with pytest.raises(ScenarioError, match=f"A1: period {period} is delivered"):
        homes.activate(period, "A1", 1)
    with pytest.raises(ScenarioError, match=f"homes: period {period} comes where {period + 1}"):
        homes.deliver(period)


def test_an_offer_is_worth_what_it_costs_to_charge_again(path):
    """B1's vehicle delays its charge: for each Wh it does not take now it buys one at 300 + 95."""
    only_ev = {"battery": None, "heat_pump": None, "shiftable": None}
    homes = homes_with(path, **only_ev)
    offers = homes.offers(homes.first).set_index(["point_id", "direction"])
    assert offers.loc[("B1", "up"), "wh"] == 2_000
    assert offers.loc[("B1", "up"), "cost_micro_eur_per_wh"] in (395, 396)


def test_devices_give_way_to_caps_before_anything_is_held_back(path):
    scenario = scenario_with(path)
    plant = Plant.of(scenario, Network.load(scenario.grid_file, scenario.points))
    period = scenario.first_period
    caps = Caps(np.array([200, 10**6]), np.array([10**6, 900]))
    delivery = plant.deliver(period, caps)
    assert delivery.readings_wh[1] >= -900
    assert delivery.readings_wh[0] <= 200
    # The battery takes what it can of A1's 1,100 Wh, B1's vehicle waits.
    assert delivery.devices_wh[0] < -800
    assert delivery.curtailed_wh.tolist() == [0, 0]


def test_readings_show_the_set_points_and_the_transformer_accounts_for_them(path):
    scenario = scenario_with(path)
    plant = Plant.of(scenario, Network.load(scenario.grid_file, scenario.points))
    for period in range(scenario.first_period, scenario.first_period + 8):
        delivery = plant.deliver(period)
        np.testing.assert_array_equal(
            delivery.readings_wh, scenario.net_wh(period) + delivery.devices_wh
        )
        assert abs(energy_gap_wh(delivery.readings_wh, delivery.flow, 0.25)) < 0.5


def dark_afternoon(table):
    return table.assign(pv_w=table["pv_w"].where(table["start"].str[11:13].astype(int) < 12, 0))


def test_a_battery_takes_up_what_the_forecast_missed(tmp_path):
    """A1 produces 100 Wh more than yesterday, and lacks energy later: its battery takes them, unless it
    may not. Where they were worth more sold, it leaves them."""
    sunny = miniature.write(tmp_path, edit_profiles=dark_afternoon)
    for changes, more in (
        ({"balances": True}, 100),
        ({"balances": False}, 0),
        ({"wear_micro_eur_per_wh": 400}, 0),
    ):
        homes = homes_with(sunny, battery=BATTERY | {"power_w": 4400} | changes, shiftable=None)
        period = homes.first
        planned = homes.planned_wh(period)[0]
        delivered = homes.deliver(period, homes.scenario.net_wh(period))[0]
        assert planned - delivered == more


def test_an_aggregator_steers_what_it_may_within_comfort(path):
    homes = homes_with(path, control="direct")
    period = homes.first
    homes.set_points(
        period, {("A1", "battery"): -123, ("B1", "ev"): -2_000, ("B1", "heat_pump"): 0}
    )
    homes.deliver(period)
    assert homes.households["A1"].done[0].drawn_wh["battery"] == 123
    assert homes.households["B1"].done[0].drawn_wh["ev"] == 2_000
    with pytest.raises(ScenarioError, match="A1: ev: the home has no such storage"):
        homes.set_points(period + 1, {("A1", "ev"): 0})
    homes.planned_wh(period + 1)
    with pytest.raises(ScenarioError, match=f"A1: period {period + 1} is promised already"):
        homes.set_points(period + 1, {("A1", "battery"): 0})


def test_no_set_point_leaves_a_home_cold_or_a_car_empty(path):
    """Told never to draw anything, all day."""
    homes = homes_with(path, control="direct")
    for period in range(homes.first, homes.first + 96):
        homes.set_points(period, {("B1", "ev"): 0, ("B1", "heat_pump"): 0})
    run(homes, 24)
    assert all(not done.off_wh for done in homes.households["B1"].done)
    assert sum(done.drawn_wh["ev"] for done in homes.households["B1"].done) > 8_000


def test_in_mixed_control_the_rest_stays_with_the_home(path):
    homes = homes_with(path, control="mixed", direct_kinds=["ev"])
    homes.set_points(homes.first, {("B1", "ev"): -1_500})
    with pytest.raises(ScenarioError, match="B1: heat_pump: is steered by its home"):
        homes.set_points(homes.first, {("B1", "heat_pump"): 0})
    alone = homes_with(path)
    homes.deliver(homes.first), alone.deliver(alone.first)
    told, own = (h.households["B1"].done[0].drawn_wh for h in (homes, alone))
    assert told["ev"] == 1_500
    assert told["heat_pump"] == own["heat_pump"]


def test_by_price_alone_nobody_else_steers(path):
    homes = homes_with(path)
    assert homes.members() == {}
    with pytest.raises(ScenarioError, match="steered by its home"):
        homes.set_points(homes.first, {("B1", "ev"): 0})


def test_the_aggregators_schedule_is_what_the_homes_then_do(path):
    homes = homes_with(path, control="direct")
    members = homes.members()
    prices = homes.world.prices("LV.A", range(homes.first, homes.first + 144))
    decided = schedule(list(members.values()), prices)
    for k in range(16):
        wanted = {
            (point, name): -int(path_.drawn_wh[k])
            for point, one in decided.schedules.items()
            for name, path_ in one.paths.items()
        }
        homes.set_points(homes.first + k, wanted)
    run(homes, 16)
    for point, home in homes.households.items():
        for name, path_ in decided.schedules[point].paths.items():
            assert [d.drawn_wh[name] for d in home.done] == path_.drawn_wh[:16].tolist()


def test_a_run_on_the_wall_clock_is_once_a_day(path):
    """Two local days and the hours around them: one run of the machine a day, ever."""
    homes = homes_with(path, battery=None, ev=None, heat_pump=None)
    run(homes, 90)
    loads = [done.drawn_wh["shiftable"] for done in homes.households["A1"].done]
    assert sum(loads) == 750
    start = loads.index(225)
    assert loads[start : start + 4] == [225, 225, 225, 75]
    assert 24 <= start <= 72  # 08:00 to 20:00 in Berlin


def test_what_homes_did_is_accounted_for_beside_no_manager(path):
    cheap_night = [100] * 6 + [300] * 18
    scenario = scenario_with(path, buy_micro_eur_per_wh=cheap_night)
    plant = Plant.of(scenario, Network.load(scenario.grid_file, scenario.points))
    delivered = {
        p: plant.deliver(p) for p in range(scenario.first_period, scenario.first_period + 88)
    }
    table = account(plant.homes, delivered)
    assert list(table.index) == ["A1", "B1"]
    for row, point in enumerate(table.index):
        readings = np.array([d.readings_wh[row] for d in delivered.values()])
        zone = scenario.points.at[point, "zone"]
        prices = plant.homes.world.prices(
            zone, range(scenario.first_period, scenario.first_period + 88)
        )
        assert table.at[point, "cost_managed_micro_eur"] == prices.cost_micro_eur(readings)
        base = np.array([scenario.net_wh(p)[row] for p in delivered])
        devices = table.loc[point, [c for c in table if c.endswith("_managed_wh") and c.split("_")[0]
                                    in ("battery", "ev", "heat", "shiftable")]].sum()  # fmt: skip
        assert (base - readings).sum() == devices
    assert table.at["A1", "pv_wh"] == 88 * 1350
    assert table.at["B1", "missed_unmanaged_wh"] == 0
    assert table["shiftable_managed_wh"].sum() == table["shiftable_unmanaged_wh"].sum() == 750
    assert table.at["B1", "cost_managed_micro_eur"] < table.at["B1", "cost_unmanaged_micro_eur"]


def test_a_charger_too_small_is_told_as_a_shortfall(path):
    """A charger too small for the need: the shortfall is told, and by name."""
    homes = homes_with(path, ev=EV | {"charger_w": 400, "start_wh": 1_000})
    run(homes, 24)
    missed = [done.off_wh for done in homes.households["B1"].done if done.off_wh]
    assert [set(one) for one in missed] == [{"ev"}]
    assert missed[0]["ev"] < -20_000
