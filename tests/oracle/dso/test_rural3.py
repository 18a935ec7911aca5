"""The DSO on the real grid: PV scaled up breaks limits, caps follow, a second solver confirms.

The seed is fresh in every run and named when a test fails; set GRIDBOURSE_SEED to repeat one.
"""

import os
import secrets
from pathlib import Path

import numpy as np
import pytest

from gridbourse.grid.assessment import assess, assess_flow, excess_pu
from gridbourse.grid.network import Network
from gridbourse.grid.pandapower_check import PandapowerNetwork
from gridbourse.scenario.scenario import load
from oracle.common.journal import Journal
from oracle.dso.caps import propose_caps
from oracle.dso.feed import GridFeed
from tests.oracle.fake_chain import GridChain

RURAL3 = Path(__file__).parents[3] / "scenarios" / "rural3.toml"
SEED = int(os.environ.get("GRIDBOURSE_SEED") or secrets.randbits(32))
HOURS_DRAWN = 4


@pytest.fixture(scope="module")
def drawn():
    """A scenario with its PV scaled up, and periods of it in which the schedule breaks a limit."""
    random = np.random.default_rng(SEED)
    scenario = load(RURAL3, {"pv_factor": round(float(random.uniform(4.0, 6.0)), 2)})
    network = Network.load(scenario.grid_file, scenario.points)
    periods = np.array(scenario.replayed)
    injection_w = np.array([scenario.forecast_wh(p) / scenario.mtu.hours for p in periods])
    reactive_var = np.array([scenario.reactive_var(p) for p in periods])
    broken = periods[excess_pu(network.run(injection_w, reactive_var), scenario.limits) > 0]
    assert len(broken) >= HOURS_DRAWN, f"seed {SEED}"
    return scenario, network, [int(p) for p in random.choice(broken, HOURS_DRAWN, replace=False)]


def test_unchecked_breaks_limits_and_caps_mend_it_by_pandapower_too(drawn):
    scenario, network, periods = drawn
    second_opinion = PandapowerNetwork(scenario.pandapower_file, scenario.points)
    for period in periods:
        schedule_wh, var = scenario.forecast_wh(period), scenario.reactive_var(period)
        proposal = propose_caps(network, schedule_wh, var, scenario.limits, scenario.mtu_seconds)
        capped_wh = proposal.caps.clip(schedule_wh)
        case = f"seed {SEED}, PV x {scenario.pv_factor}, period {period}"
        assert proposal.feasible, case
        assert 0 < proposal.curtailed_wh < proposal.everybody_wh, case
        for candidate in proposal.candidates:
            assert not candidate.feasible or proposal.curtailed_wh <= candidate.curtailed_wh, case
        states_w = np.array([schedule_wh, capped_wh]) / scenario.mtu.hours
        flow = second_opinion.run(states_w, np.array([var, var]))
        limits = scenario.limits
        inside = (
            (flow.u_pu >= limits.v_min_pu).all(axis=1)
            & (flow.u_pu <= limits.v_max_pu).all(axis=1)
            & (flow.loading <= limits.loading_max).all(axis=1)
        )
        assert inside.tolist() == [False, True], case


def test_the_two_solvers_name_the_same_violations(drawn):
    scenario, network, periods = drawn
    injection_w = scenario.forecast_wh(periods[0]) / scenario.mtu.hours
    var = scenario.reactive_var(periods[0])
    ours = assess(network, injection_w, var, scenario.limits)
    flow = PandapowerNetwork(scenario.pandapower_file, scenario.points).run(injection_w, var)
    theirs = assess_flow(network, flow, scenario.limits)
    assert [v.name for v in ours.violations] == [v.name for v in theirs.violations], SEED
    np.testing.assert_allclose(
        [v.value for v in ours.violations], [v.value for v in theirs.violations], atol=1e-7
    )


def test_the_feed_comes_to_an_acceptance(drawn, tmp_path):
    """Half of those without export stay away; contracts beyond the forecast make a second round."""
    scenario, network, periods = drawn
    names = list(scenario.points.index)
    schedule_wh = scenario.forecast_wh(periods[0])
    takes_part = (schedule_wh > 0) | (np.random.default_rng(SEED).random(len(names)) < 0.5)
    numbers = {name: i for i, name in enumerate(names) if takes_part[i]}
    sold_wh = {i: 2 * int(wh) for i, wh in enumerate(schedule_wh) if wh > 0}
    chain = GridChain()
    with Journal(tmp_path / "journal.sqlite") as journal:
        feed = GridFeed(
            chain,
            journal,
            network,
            names,
            numbers,
            scenario.limits,
            scenario.mtu_seconds,
            tmp_path / "out",
        )
        kinds = []
        for round_ in range(4):
            verdict = feed.check(periods[0], schedule_wh, scenario.reactive_var(periods[0]))
            kinds.append(verdict.kind)
            if verdict.kind == "accepted":
                break
            if round_ == 0:
                chain.positions = {n: wh for n, wh in sold_wh.items() if n not in verdict.caps}
    assert kinds == ["capped", "capped", "accepted"], SEED
    assert verdict.before.inside
    assert set(verdict.caps) <= set(numbers.values())
