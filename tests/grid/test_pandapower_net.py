"""A pandapower file as grid: the same states as pandapower finds, or a refusal that says why."""

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

from gridbourse.grid.errors import GridError
from gridbourse.grid.network import Network
from gridbourse.grid.pandapower_check import PandapowerNetwork
from gridbourse.grid.readers import read_grid
from tests.grid import small_net

POINTS = pd.DataFrame({"node": [21, 22, 31, 32]}, index=["N1", "N2", "S1", "S2"])
INJECTION_W = np.array([[-20e3, -15e3, 30e3, 12e3], [60e3, 40e3, -50e3, -30e3]])
REACTIVE_VAR = np.array([[-6e3, -5e3, 0.0, 0.0], [0.0, 0.0, -15e3, -9e3]])


def written(tmp_path, edit=lambda net: None):
    net = small_net.net()
    edit(net)
    path = tmp_path / "net.json"
    pp.to_json(net, str(path))
    return path


def _ring_with_an_open_end(net):
    line = pp.create_line(net, 22, 32, 0.5, "NAYY 4x150 SE", name="tie")
    pp.create_switch(net, 22, line, "l", closed=False)


def _double_cables(net):
    net.line["parallel"] = 2
    net.line["df"] = 0.8
    net.trafo["parallel"] = 2


def _busbar_coupler(net):
    pp.create_bus(net, 0.4, index=23, name="north box")
    pp.create_switch(net, 22, 23, "b", closed=True)
    pp.create_bus(net, 0.4, index=24, name="spare box")
    pp.create_switch(net, 22, 24, "b", closed=False)


def _out_of_service(net):
    for bus in (23, 33):
        pp.create_bus(net, 0.4, index=bus, in_service=False)
        pp.create_line(net, bus - 1, bus, 0.1, "NAYY 4x150 SE")
    pp.create_bus(net, 0.4, index=40)
    pp.create_line(net, 32, 40, 0.1, "NAYY 4x150 SE", in_service=False)
    pp.create_transformer(net, 10, 33, "0.25 MVA 20/0.4 kV")


def _tap_on_the_low_side(net):
    net.trafo["tap_side"] = "lv"
    net.trafo["tap_pos"] = [2, 0]
    net.trafo.loc[1, "tap_changer_type"] = None  # in neutral position nothing hangs on it


def _sixty_hertz(net):
    net.f_hz = 60.0
    net.line["c_nf_per_km"] = 2000.0
    net.line["g_us_per_km"] = 5.0


@pytest.mark.parametrize(
    "edit",
    [
        lambda net: None,
        _ring_with_an_open_end,
        _double_cables,
        _busbar_coupler,
        _out_of_service,
        _tap_on_the_low_side,
        _sixty_hertz,
        lambda net: net.line.__setitem__("c_nf_per_km", 0.0),
        lambda net: net.bus.__setitem__("name", None),
    ],
)
def test_pandapower_finds_the_same_state(tmp_path, edit):
    path = written(tmp_path, edit)
    ours = Network.load(path, POINTS).run(INJECTION_W, REACTIVE_VAR)
    theirs = PandapowerNetwork(path, POINTS).run(INJECTION_W, REACTIVE_VAR)
    np.testing.assert_allclose(ours.u_pu, theirs.u_pu, atol=1e-8)
    np.testing.assert_allclose(ours.loading, theirs.loading, atol=1e-7)
    np.testing.assert_allclose(ours.exchange_w, theirs.exchange_w, atol=0.01)
    np.testing.assert_allclose(ours.losses_w, theirs.losses_w, atol=0.01)
    assert ours.u_pu.max() - ours.u_pu.min() > 0.04  # the states are no trifles


def test_names_and_numbers_are_those_of_the_file(tmp_path):
    grid = read_grid(written(tmp_path))
    assert grid.node_names.to_dict()[22] == "north end"
    assert list(grid.nodes.index) == [10, 20, 21, 22, 30, 31, 32]
    network = Network(grid, POINTS["node"])
    assert network.branch_names[0] == "cable 20"
    assert network.branch_names[-1] == "transformer south"
    assert [network.node_names[i] for i in network.point_nodes] == [
        "north middle", "north end", "south middle", "south end",
    ]  # fmt: skip


def test_nothing_flows_but_what_the_points_inject(tmp_path):
    idle = Network.load(written(tmp_path), POINTS).run(np.zeros(4), np.zeros(4))
    assert idle.exchange_w == pytest.approx(idle.losses_w, abs=1e-3)
    assert idle.losses_w < 2000  # the iron of two transformers; the file's own load is 20 kW


def _two_sources_behind_a_switch(net):
    pp.create_bus(net, 20.0, index=11)
    pp.create_switch(net, 10, 11, "b")
    pp.create_ext_grid(net, 11, vm_pu=1.01)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda net: net.trafo.__setitem__("tap_changer_type", None),
            "trafo 0: tap_changer_type: None: with this pandapower 3 ignores or turns the tap",
        ),
        (lambda net: net.trafo.__setitem__("tap_changer_type", "Ideal"), "Ideal: with this"),
        (lambda net: net.trafo.__setitem__("tap_step_degree", 2.0), "turns the phase"),
        (lambda net: net.trafo.__setitem__("tap_pos", -1.5), "tap_pos: -1.5: must be a whole"),
        (lambda net: net.trafo.__setitem__("tap_pos", -3), "transformer.tap_pos"),
        (lambda net: net.trafo.__setitem__("shift_degree", 20.0), "shift_degree: 20.0: must be a"),
        (lambda net: net.trafo.__setitem__("df", 0.9), "trafo 0: df: 0.9: must be 1"),
        (
            lambda net: net.line.__setitem__("length_km", -1.0),
            "line 0: length_km: -1.0: must be a f",
        ),
        (
            lambda net: net.line.__setitem__("length_km", np.nan),
            "line 0: length_km: nan: must be a",
        ),
        (lambda net: net.bus.__setitem__("vn_kv", np.nan), "vn_kv: nan: must be a finite number"),
        (lambda net: net.trafo.__setitem__("sn_mva", np.nan), "trafo 0: sn_mva: nan: must be"),
        (lambda net: net.trafo.__setitem__("vn_lv_kv", 0.0), "trafo 0: vn_lv_kv: 0.0: must"),
        (lambda net: pp.create_gen(net, 22, p_mw=0.01), "gen: a grid is made of bus, line, trafo"),
        (lambda net: pp.create_shunt(net, 22, q_mvar=0.01), "shunt: a grid is made of"),
        (lambda net: net.line.__setitem__("max_i_ka", np.nan), "line cable 20: has no rated curr"),
        (lambda net: net.line.__setitem__("to_bus", 77), "line 0: to_bus: 77: is not the index"),
        (lambda net: net.bus.drop(22, inplace=True), "line 1: to_bus: 22: is not the index of"),
        (lambda net: net.ext_grid.drop(0, inplace=True), "ext_grid: a grid needs at least one"),
        (
            lambda net: pp.create_switch(net, 22, 32, "b", z_ohm=0.1),
            "switch 0: z_ohm: 0.1: a switch between buses cannot",
        ),
        (
            lambda net: net.bus.__setitem__(
                "vn_kv", net.bus["vn_kv"].where(net.bus.index != 22, 0.416)
            ),
            "line 1 (cable 21): joins bus 21 of 0.4 kV and bus 22 of 0.416 kV: a transformer is",
        ),
        (
            lambda net: pp.create_switch(net, 10, 22, "b"),
            "switch: joins bus 10 of 20 kV and bus 22 of 0.4 kV: a transformer is needed",
        ),
        (lambda net: net.trafo.__setitem__("i0_percent", -0.4), "i0_percent: -0.4: must be 0 or"),
        (lambda net: net.trafo.__setitem__("i0_percent", np.nan), "i0_percent: nan: must be a fi"),
        (lambda net: net.trafo.__setitem__("pfe_kw", -1.0), "trafo 0: pfe_kw: -1.0: must be 0"),
        (lambda net: net.trafo.__setitem__("vk_percent", np.nan), "vk_percent: nan: must be a fi"),
        (lambda net: net.line.__setitem__("r_ohm_per_km", np.nan), "r_ohm_per_km: nan: must be"),
        (lambda net: net.line.__setitem__("x_ohm_per_km", np.inf), "x_ohm_per_km: nan: must be"),
        (lambda net: net.line.__setitem__("c_nf_per_km", -1.0), "c_nf_per_km: -1.0: must be 0"),
        (lambda net: net.ext_grid.__setitem__("vm_pu", np.nan), "ext_grid 0: vm_pu: nan: must be"),
        (
            lambda net: pp.create_ext_grid(net, 10, vm_pu=1.03),
            "ext_grid 1: vm_pu: 1.03: another external grid holds this bus",
        ),
        (
            lambda net: pp.create_ext_grid(net, 10, vm_pu=1.02, va_degree=3.0),
            "ext_grid 1: va_degree: 3.0: another external grid holds this bus",
        ),
        (_two_sources_behind_a_switch, "ext_grid 1: vm_pu: 1.01: another external grid holds"),
    ],
)
def test_what_would_be_another_grid_is_refused(tmp_path, edit, message):
    with pytest.raises(GridError, match=r"net\.json: ") as refusal:
        Network.load(written(tmp_path, edit), POINTS)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_point_at_a_bus_out_of_service_is_named(tmp_path):
    path = written(tmp_path, lambda net: net.bus.__setitem__("in_service", net.bus.index != 32))
    with pytest.raises(GridError, match="point S2: south end is cut off from every source"):
        Network.load(path, POINTS)


def test_a_file_cut_short_is_no_net(tmp_path):
    path = written(tmp_path)
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(GridError, match="is not JSON"):
        read_grid(path)
    path.write_text('{"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": 5}')
    with pytest.raises(GridError, match="is not a pandapower net"):
        read_grid(path)
