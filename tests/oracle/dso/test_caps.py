"""Caps keep the limits, bind only whom they name, and take little."""

import numpy as np
import pytest

from gridbourse.grid.assessment import assess, excess_pu
from gridbourse.grid.errors import GridError
from gridbourse.grid.limits import Limits
from gridbourse.model.caps import NO_CAP
from oracle.dso.caps import EVERYBODY, propose_caps
from oracle.dso.explanation import explain
from tests.oracle.dso.feeders import MTU_SECONDS, NO_VAR, POINTS, feeder, wh

LIMITS = Limits(v_min_pu=0.9, v_max_pu=1.1, loading_max=1.0)
HOURS = MTU_SECONDS / 3600

BROKEN = {
    "overvoltage at the end": (0, 20, 50, 0),
    "overload of one transformer": (30, 20, 20, 130),
    "undervoltage": (0, -30, -60, 0),
    "overload by load": (-80, -30, -5, 0),
    "one exports too much, the other imports too much": (40, 40, 40, -120),
    "exports here, imports there, only exports at fault": (-30, 30, 95, 0),
    "voltages collapse": (0, -500, -500, 0),
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return feeder(tmp_path_factory.mktemp("grid"))


def propose(network, schedule_wh, cappable=None, limits=LIMITS):
    return propose_caps(network, schedule_wh, NO_VAR, limits, MTU_SECONDS, cappable)


def excess_of(network, net_wh):
    return excess_pu(network.run(np.asarray(net_wh) / HOURS, np.zeros(np.shape(net_wh))), LIMITS)


@pytest.mark.parametrize("kilowatts", BROKEN.values(), ids=BROKEN.keys())
def test_caps_keep_the_limits_and_take_less_than_everything(network, kilowatts):
    schedule_wh = wh(*kilowatts)
    proposal = propose(network, schedule_wh)
    caps, left_wh = proposal.caps, proposal.caps.clip(schedule_wh)
    assert proposal.feasible
    assert excess_of(network, left_wh)[0] <= 0
    assert proposal.curtailed_wh == np.abs(schedule_wh - left_wh).sum()
    assert 0 < proposal.curtailed_wh < proposal.everybody_wh
    best = min(c.curtailed_wh for c in proposal.candidates if c.feasible)
    assert proposal.curtailed_wh == best
    assert caps.export_cap_wh.dtype == caps.import_cap_wh.dtype == np.int64
    assert ((caps.export_cap_wh < schedule_wh) | (caps.export_cap_wh == NO_CAP)).all()
    assert ((caps.import_cap_wh < -schedule_wh) | (caps.import_cap_wh == NO_CAP)).all()


def test_every_candidate_is_what_it_says(network):
    schedule_wh = wh(40, 40, 40, -120)
    for candidate in propose(network, schedule_wh).candidates:
        excess = excess_of(network, candidate.kept_wh)[0]
        assert candidate.feasible == (excess <= -1e-6)
        assert candidate.curtailed_wh == np.abs(schedule_wh - candidate.kept_wh).sum()
        assert (np.abs(candidate.kept_wh) <= np.abs(schedule_wh)).all()
        assert (candidate.kept_wh * schedule_wh >= 0).all()
        if candidate.method.startswith(EVERYBODY):
            assert np.isin(candidate.kept_wh, [0, *schedule_wh]).all()


def test_factor_and_ceiling_are_as_large_as_can_be(network):
    schedule_wh = wh(0, 20, 50, 0)
    found = {c.method: c.kept_wh for c in propose(network, schedule_wh).candidates}
    factor, ceiling = found["proportional (exports)"], found["ceiling (exports)"]
    np.testing.assert_allclose(
        factor[1:3] / schedule_wh[1:3], factor[2] / schedule_wh[2], rtol=1e-3
    )
    assert (ceiling == np.minimum(schedule_wh, ceiling.max())).all()
    for kept_wh, more_wh in ((factor, [0, 2, 5, 0]), (ceiling, [0, 0, 1, 0])):
        assert excess_of(network, kept_wh)[0] <= 0 < excess_of(network, kept_wh + more_wh)[0] + 2e-6


@pytest.mark.parametrize(
    "kilowatts", [(0, 60, 60, 0), (0, -60, -60, 0), (0, -500, -500, 0), (0, 20, 50, 0)]
)
def test_no_pair_of_caps_on_a_grid_of_them_takes_less(network, kilowatts):
    """Brute force over what two points keep, in 80 steps of the schedule."""
    schedule_wh = wh(*kilowatts)
    levels = [np.linspace(0, schedule_wh[i], 81).astype(np.int64) for i in (1, 2)]
    kept_wh = np.zeros((81 * 81, len(POINTS)), dtype=np.int64)
    kept_wh[:, 1:3] = np.stack(np.meshgrid(*levels), axis=-1).reshape(-1, 2)
    drop_pu = np.abs(kept_wh) @ [0, 0.16, 0.32, 0] / HOURS / 400.0**2
    kept_wh = kept_wh[drop_pu < 0.2]  # beyond 0.25, half of the voltage is gone and it collapses
    inside = excess_of(network, kept_wh) <= 0
    fewest = np.abs(schedule_wh - kept_wh[inside]).sum(axis=1).min()
    assert propose(network, schedule_wh).curtailed_wh <= fewest


def test_a_schedule_inside_the_limits_needs_no_caps(network):
    proposal = propose(network, wh(10, -10, 10, 0))
    assert (proposal.curtailed_wh, proposal.method) == (0, "nothing")
    assert not proposal.caps.binding.any()


def test_who_cannot_be_capped_is_not(network):
    schedule_wh, cappable = wh(0, 20, 50, 0), np.array([True, True, False, True])
    proposal = propose(network, schedule_wh, cappable)
    assert proposal.feasible
    assert proposal.caps.binding.tolist() == [False, True, False, False]
    assert proposal.curtailed_wh > propose(network, schedule_wh).curtailed_wh


def test_where_nothing_helps_the_caps_break_the_limits_least_and_say_so(network):
    schedule_wh, cappable = wh(0, 20, 70, 0), np.array([True, True, False, True])
    proposal = propose(network, schedule_wh, cappable)
    assert not proposal.feasible
    assert proposal.everybody_wh is None
    left_wh = proposal.caps.clip(schedule_wh)
    assert left_wh[1] == 0, "the only one that can help stops altogether"
    assert 0 < excess_of(network, left_wh)[0] < excess_of(network, schedule_wh)[0]
    told = explain(
        network,
        POINTS,
        schedule_wh,
        NO_VAR,
        HOURS,
        assess(network, schedule_wh / HOURS, NO_VAR, LIMITS),
        proposal,
    )
    assert any("nothing tried brings the grid inside its limits" in sentence for sentence in told)


def test_with_nobody_to_cap_nothing_is_capped(network):
    proposal = propose(network, wh(0, 20, 70, 0), np.zeros(4, dtype=bool))
    assert not proposal.feasible
    assert not proposal.caps.binding.any()


def test_no_operating_point_whatever_is_curtailed(network):
    with pytest.raises(GridError, match="whatever is curtailed"):
        propose(network, wh(0, -500, -500, 0), np.array([True, False, False, True]))


def test_the_explanation_names_place_cause_and_caps(network):
    schedule_wh = wh(0, 20, 50, -10)
    proposal = propose(network, schedule_wh)
    before = assess(network, schedule_wh / HOURS, NO_VAR, LIMITS)
    told = explain(network, POINTS, schedule_wh, NO_VAR, HOURS, before, proposal)
    assert told[0].startswith(f"node 5 at {before.u_max_pu:.4f} pu (above the limit of 1.100 pu")
    assert "caused most by far (feeds in 50.0 kW, " in told[0]
    assert "middle (feeds in 20.0 kW, " in told[0]
    assert "feeder B" not in told[0]
    assert f"curtails least, {proposal.curtailed_wh:,} Wh" in told[1]
    assert "everybody to zero (exports) 17,500 Wh" in told[1]
    cap_wh = proposal.caps.export_cap_wh[2]
    assert told[2:] == [f"far capped at {cap_wh:,} Wh of export (scheduled 12,500 Wh)"]


def test_who_draws_causes_undervoltage_and_who_feeds_in_does_not(network):
    schedule_wh = wh(0, 10, -60, 0)
    proposal = propose(network, schedule_wh)
    before = assess(network, schedule_wh / HOURS, NO_VAR, LIMITS)
    told = explain(network, POINTS, schedule_wh, NO_VAR, HOURS, before, proposal)
    assert told[0].endswith(
        f"by {before.violations[0].over:.4f}), caused most by far (draws 60.0 kW, 100 % of it)"
    )


def test_a_collapse_is_explained_too(network):
    schedule_wh = wh(0, -500, -500, 0)
    proposal = propose(network, schedule_wh)
    told = explain(network, POINTS, schedule_wh, NO_VAR, HOURS, None, proposal)
    assert "no operating point" in told[0]
    assert "of import (scheduled 125,000 Wh)" in told[-1]
