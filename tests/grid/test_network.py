"""The grid as a function of injections."""

from pathlib import Path

import numpy as np
import pytest

from gridbourse.grid.errors import GridError
from gridbourse.grid.network import Network
from gridbourse.grid.pandapower_check import PandapowerNetwork
from gridbourse.scenario.scenario import load
from tests.scenario import miniature

RURAL3 = Path(__file__).parents[2] / "scenarios" / "rural3.toml"


@pytest.fixture(scope="module")
def rural3():
    return load(RURAL3)


@pytest.fixture(scope="module")
def network(rural3):
    return Network.load(rural3.grid_file, rural3.points)


@pytest.fixture
def small(tmp_path):
    table = miniature.points().set_index("point_id")
    miniature.write(tmp_path)
    return Network.load(tmp_path / "data" / "grid.json", table)


@pytest.mark.parametrize(("season", "pv_factor"), [("summer", 4), ("winter", 1)])
def test_pandapower_finds_the_same_state(season, pv_factor, network):
    scenario = load(RURAL3, {"season": season, "pv_factor": pv_factor})
    periods = [scenario.first_period + hours * 4 for hours in (0, 6, 11, 13, 18)]
    injection_w = np.array([scenario.net_w(period) for period in periods])
    reactive_var = np.array([scenario.reactive_var(period) for period in periods])
    ours = network.run(injection_w, reactive_var)
    theirs = PandapowerNetwork(scenario.pandapower_file, scenario.points).run(
        injection_w, reactive_var
    )
    np.testing.assert_allclose(ours.u_pu, theirs.u_pu, atol=1e-8)
    np.testing.assert_allclose(ours.loading, theirs.loading, atol=1e-7)
    np.testing.assert_allclose(ours.exchange_w, theirs.exchange_w, atol=0.01)
    np.testing.assert_allclose(ours.losses_w, theirs.losses_w, atol=0.01)


def test_a_batch_is_its_states(rural3, network):
    periods = rural3.replayed[40:44]
    injection_w = np.array([rural3.net_w(period) for period in periods])
    reactive_var = np.array([rural3.reactive_var(period) for period in periods])
    batch = network.run(injection_w, reactive_var)
    for k in range(len(periods)):
        alone = network.run(injection_w[k], reactive_var[k])
        np.testing.assert_allclose(batch.state(k).u_pu, alone.u_pu, atol=1e-12)
        np.testing.assert_allclose(batch.state(k).losses_w, alone.losses_w, atol=1e-5)


def test_exchange_and_injections_cover_the_losses(network):
    injection_w = np.random.default_rng(1).normal(0, 4000, (20, 118))
    flow = network.run(injection_w, np.zeros_like(injection_w))
    assert (flow.losses_w > 1000).all()  # the iron of the transformer alone takes 1.2 kW
    np.testing.assert_allclose(flow.exchange_w + injection_w.sum(axis=1), flow.losses_w, atol=1e-3)


def test_a_point_lifts_the_voltage_at_its_own_node_most(network):
    idle = np.zeros(118)
    alone = idle.copy()
    alone[60] = 20_000.0
    lift = network.run(alone, idle).u_pu - network.run(idle, idle).u_pu
    assert lift[0, network.point_nodes[60]] == pytest.approx(lift.max(), rel=1e-6)
    assert lift.max() > 5 * np.median(lift)


def test_names_are_those_of_the_grid(network, small):
    assert network.node_names[0] == "MV1.101 Bus 12"
    assert network.branch_names[-1] == "MV1.101-LV3.101-Trafo"
    assert len(network.branch_names) == network.run(np.zeros(118), np.zeros(118)).loading.shape[1]
    assert small.branch_names == ["cable to the farm", "transformer 30", "transformer 31"]


def test_loading_is_the_current_over_the_rated_current(small):
    """20 kW at 400 V are 28.87 A: 29 % of the cable, and 20 % of 100 kVA."""
    flow = small.run(np.array([0.0, -20_000.0]), np.zeros(2))
    u = flow.u_pu[0, small.point_nodes[1]]
    assert flow.loading[0, 0] == pytest.approx(20_000 / (np.sqrt(3) * 400 * u) / 100, rel=1e-6)
    assert flow.loading[0, 1] < 0.01  # the other zone's transformer only magnetises
    load_a, magnetising_a = flow.loading[0, 0] * 100, 0.003 * 144.34
    assert load_a < flow.loading[0, 2] * 144.34 < load_a + magnetising_a


def test_voltage_collapse_is_an_error(small):
    with pytest.raises(GridError, match="no power flow solution"):
        small.run(np.array([0.0, -50e6]), np.zeros(2))


@pytest.mark.parametrize(
    ("injection_w", "rule"),
    [(np.zeros(3), "must be"), (np.array([np.nan, 0.0]), "finite")],
)
def test_injections_have_to_fit(small, injection_w, rule):
    with pytest.raises(GridError, match=rule):
        small.run(injection_w, np.zeros(len(injection_w)))


def _remove_node(grid):
    del grid["data"]["node"][3]


def _add_load(grid):
    load = {"id": 40, "node": 2, "status": 1, "type": 0, "p_specified": 5e3, "q_specified": 0}
    grid["data"]["sym_load"] = [load]


def _forget_rating(grid):
    del grid["data"]["line"][0]["i_n"]


def _move_line(grid):
    grid["data"]["line"][0]["to_node"] = 77


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda grid: grid["data"].pop("source"), "source: a grid needs at least one"),
        (_add_load, "sym_load: a grid file holds"),
        (_move_line, "line.to_node"),
        (_remove_node, "line.to_node"),
        (_forget_rating, "line cable to the farm: has no rated current"),
        (lambda grid: grid.update(data=[]), "is neither a power-grid-model input nor a pandapower"),
        (lambda grid: grid["data"].update(line=[{"id": "x"}]), "is not a power-grid-model input"),
    ],
)
def test_a_broken_grid_file_is_named(tmp_path, edit, message):
    miniature.write(tmp_path, edit_grid=edit)
    with pytest.raises(GridError, match=r"grid\.json: ") as refusal:
        Network.load(tmp_path / "data" / "grid.json", miniature.points().set_index("point_id"))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_point_outside_of_the_grid_is_named(tmp_path):
    path = miniature.write(tmp_path, edit_points=lambda table: table.replace({"node": {4: 5}}))
    with pytest.raises(GridError, match=r"grid\.json: point B1: node 5 is not in the grid"):
        load(path)


def test_an_island_is_left_out_and_no_place_for_a_point(tmp_path):
    def cut(grid):
        grid["data"]["line"][0]["from_status"] = 0

    miniature.write(tmp_path, edit_grid=cut)
    file, points = tmp_path / "data" / "grid.json", miniature.points().set_index("point_id")
    with pytest.raises(GridError, match=r"grid\.json: point B1: node 4 is cut off from every"):
        Network.load(file, points)
    network = Network.load(file, points.drop("B1"))
    assert network.node_names == ["node 1", "node 2", "node 3"]
    assert network.run(np.zeros(1), np.zeros(1)).u_pu.shape == (1, 3)


def test_pandapower_refuses_a_point_at_a_bus_it_does_not_have(rural3):
    points = rural3.points.replace({"node": {rural3.points["node"].iloc[4]: 999}})
    with pytest.raises(GridError, match=r"\.json: point P0005: bus 999 is not in the net"):
        PandapowerNetwork(rural3.pandapower_file, points)
