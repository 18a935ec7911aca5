"""What is broken, where, and by how much."""

import numpy as np
import pytest

from gridbourse.grid.assessment import Kind, assess, excess_pu
from gridbourse.grid.errors import GridError
from gridbourse.grid.limits import Limits
from gridbourse.grid.sensitivities import sensitivities
from tests.oracle.dso.feeders import NO_VAR, feeder

LIMITS = Limits(v_min_pu=0.9, v_max_pu=1.1, loading_max=1.0)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return feeder(tmp_path_factory.mktemp("grid"), rated_a=100.0)


def kw(*values):
    return 1e3 * np.array(values, dtype=float)


def test_a_quiet_grid_is_inside(network):
    state = assess(network, kw(5, -5, 5, 5), NO_VAR, LIMITS)
    assert state.inside
    assert 0.99 < state.u_min_pu < state.u_max_pu < 1.02
    assert 0.0 < state.loading_max < 0.2


def test_overvoltage_at_the_far_end(network):
    state = assess(network, kw(0, 0, 60, 0), NO_VAR, LIMITS)
    worst = state.violations[0]
    assert (worst.kind, worst.name) == (Kind.OVERVOLTAGE, "node 5")
    assert worst.value == state.u_max_pu == pytest.approx(1.1 + worst.over)
    assert str(worst) == (
        f"node 5 at {worst.value:.4f} pu (above the limit of 1.100 pu by {worst.over:.4f})"
    )


def test_undervoltage_and_every_overload_worst_first(network):
    state = assess(network, kw(-40, 0, -62, 0), NO_VAR, LIMITS)
    assert [(v.kind, v.name) for v in state.violations] == [
        (Kind.OVERLOAD, "T2"),
        (Kind.OVERLOAD, "cable near-middle"),
        (Kind.OVERLOAD, "cable middle-far"),
        (Kind.UNDERVOLTAGE, "node 5"),
    ]
    overs = [v.over for v in state.violations]
    assert overs == sorted(overs, reverse=True)
    assert min(overs) > 0
    assert str(state.violations[0]) == f"T2 at {100 * state.loading_max:.1f} % (limit 100 %)"
    assert state.violations[-1].over == pytest.approx(0.9 - state.u_min_pu)


def test_the_band_is_the_one_given(network):
    injection_w = kw(0, 0, 20, 0)
    value = assess(network, injection_w, NO_VAR, LIMITS).u_max_pu
    assert assess(network, injection_w, NO_VAR, Limits(0.9, value + 1e-6, 1.0)).inside
    assert not assess(network, injection_w, NO_VAR, Limits(0.9, value - 1e-6, 1.0)).inside


def test_the_excess_of_a_batch_is_its_worst_violation(network):
    states = np.array([kw(5, -5, 5, 5), kw(0, 0, 60, 0), kw(-40, 0, -65, 0)])
    excess = excess_pu(network.run(states, np.zeros_like(states)), LIMITS)
    assert excess[0] < 0
    for k in (1, 2):
        assert excess[k] == pytest.approx(
            assess(network, states[k], NO_VAR, LIMITS).violations[0].over
        )


def test_a_grid_that_collapses_has_no_assessment(network):
    with pytest.raises(GridError):
        assess(network, kw(0, -500, -500, 0), NO_VAR, LIMITS)


def test_sensitivities_foretell_the_power_flow(network):
    here, points = kw(10, -5, 20, -30), np.arange(4)
    at = sensitivities(network, here, NO_VAR, points)
    step = kw(0.5, -0.3, 0.4, 0.2)
    there = network.run(here + step, NO_VAR)
    np.testing.assert_allclose(at.u_pu + step @ at.du_per_w, there.u_pu[0], atol=2e-5)
    np.testing.assert_allclose(at.loading + step @ at.dl_per_w, there.loading[0], atol=2e-4)
    assert np.abs(there.u_pu[0] - at.u_pu).max() > 3e-4
