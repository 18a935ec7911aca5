"""The DSO's verdicts: what is judged, what is posted, and that it is posted once."""

import json

import numpy as np
import pytest
from eth_utils import keccak

from gridbourse.grid.limits import Limits
from gridbourse.model.caps import NO_CAP
from oracle.common.errors import FeedError
from oracle.common.journal import Journal
from oracle.dso.feed import GridFeed
from tests.oracle.dso.feeders import MTU_SECONDS, NO_VAR, POINTS, feeder, wh
from tests.oracle.fake_chain import DeathClock, GridChain, Killed, Killing, Refused, raise_killed

LIMITS = Limits(v_min_pu=0.9, v_max_pu=1.1, loading_max=1.0)
PERIOD = 1_600_000
NUMBERS = {"near": 4, "middle": 9, "far": 2}  # feeder B takes no part
QUIET, SUNNY = wh(5, 10, 10, -20), wh(0, 20, 50, 0)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return feeder(tmp_path_factory.mktemp("grid"))


@pytest.fixture
def chain():
    return GridChain()


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def feed_on(network, journal, tmp_path):
    def build(port, outbox=journal, numbers=NUMBERS):
        return GridFeed(
            port, outbox, network, POINTS, numbers, LIMITS, MTU_SECONDS, tmp_path / "out"
        )

    return build


@pytest.fixture
def feed(feed_on, chain):
    return feed_on(chain)


def test_a_quiet_schedule_is_accepted(feed, chain, journal):
    root = chain.book_root(PERIOD)
    verdict = feed.check(PERIOD, QUIET, NO_VAR)
    assert (verdict.kind, verdict.round, verdict.curtailed_wh) == ("accepted", 0, 0)
    assert verdict.before.inside
    assert verdict.after is None
    assert verdict.explanation[0].startswith("all limits are kept: voltages from ")
    assert chain.posts == [("accept", PERIOD, 0, root, verdict.report_hash)]
    assert journal.pending() == []


def test_caps_then_acceptance(feed, chain):
    first = feed.check(PERIOD, SUNNY, NO_VAR)
    assert (first.kind, first.round) == ("capped", 0)
    assert not first.before.inside
    assert first.after.inside
    assert 0 < first.curtailed_wh < SUNNY.sum()
    ((number, (export_wh, import_wh)),) = chain.caps(PERIOD).items()
    assert (number, import_wh) == (NUMBERS["far"], NO_CAP)
    assert export_wh == 12_500 - first.curtailed_wh
    assert f"far capped at {export_wh:,} Wh of export (scheduled 12,500 Wh)" in first.explanation

    second = feed.check(PERIOD, SUNNY, NO_VAR)
    assert (second.kind, second.round) == ("accepted", 1)
    assert second.curtailed_wh == first.curtailed_wh, "the caps in force still take it"
    assert second.caps == first.caps
    assert [post[:3] for post in chain.posts] == [("cap", PERIOD, 0), ("accept", PERIOD, 1)]


def test_asking_again_changes_nothing(feed, chain):
    verdict = feed.check(PERIOD, QUIET, NO_VAR)
    assert feed.check(PERIOD, QUIET, NO_VAR) == verdict
    assert feed.check(PERIOD, SUNNY, NO_VAR) == verdict, "the round has its verdict"
    assert len(chain.posts) == 1


def test_the_report_holds_what_it_takes_to_judge_again(feed, chain, tmp_path):
    chain.positions = {NUMBERS["middle"]: 100, NUMBERS["near"]: -100}
    verdict = feed.check(PERIOD, SUNNY, NO_VAR)
    report = (tmp_path / "out" / f"{PERIOD}-0.json").read_bytes()
    assert keccak(report) == verdict.report_hash == chain.posts[0][4]
    facts = json.loads(report)
    assert facts["points"] == POINTS
    assert facts["schedule_wh"] == SUNNY.tolist()
    assert facts["positions_wh"] == {"9": 100, "4": -100}
    assert facts["limits"] == {"v_min_pu": 0.9, "v_max_pu": 1.1, "loading_max": 1.0}
    assert (facts["period"], facts["round"], facts["algorithm"]) == (PERIOD, 0, 1)
    methods = {c["method"]: c for c in facts["candidates"]}
    assert methods[facts["method"]]["curtailed_wh"] == verdict.curtailed_wh
    assert json.dumps(facts, sort_keys=True, separators=(",", ":")).encode() == report


def test_a_contract_beyond_the_schedule_counts_in_its_direction(feed, chain):
    """far sells 12,500 Wh although it expects to use 250: delivered, they are too much."""
    schedule_wh = wh(0, 20, -1, 0)
    chain.positions = {NUMBERS["far"]: 12_500}
    verdict = feed.check(PERIOD, schedule_wh, NO_VAR)
    assert verdict.kind == "capped"
    assert verdict.before.violations[0].name == "node 5"
    assert set(verdict.caps) == {NUMBERS["far"]}


@pytest.mark.parametrize("position_wh", [12_000, 0, -1, -12_500])
def test_a_contract_within_the_schedule_takes_nothing_from_it(feed, chain, position_wh):
    """Selling less than one exports, or buying a little, leaves the export to flow all the same."""
    without = feed.check(PERIOD + 1, SUNNY, NO_VAR)
    chain.positions = {NUMBERS["far"]: position_wh}
    verdict = feed.check(PERIOD, SUNNY, NO_VAR)
    assert verdict.before == without.before
    assert verdict.caps == without.caps


def test_who_buys_more_than_it_would_export_draws(feed, chain):
    chain.positions = {NUMBERS["far"]: -20_000}
    assert feed.check(PERIOD, SUNNY, NO_VAR).before.u_min_pu < 0.9


def test_caps_only_fall(feed, chain):
    """The second round asks for more than the first cap allowed; another point must give way."""
    feed.check(PERIOD, SUNNY, NO_VAR)
    former = dict(chain.caps(PERIOD))
    chain.positions = {NUMBERS["middle"]: 20_000, NUMBERS["far"]: 20_000}
    verdict = feed.check(PERIOD, SUNNY, NO_VAR)
    assert (verdict.kind, verdict.round) == ("capped", 1)
    assert verdict.after.inside
    for number, (export_wh, _) in former.items():
        assert verdict.caps[number][0] <= export_wh


def test_caps_in_force_stay_where_the_verdict_has_no_use_for_them(feed, chain):
    chain.in_force[PERIOD] = {NUMBERS["near"]: (7, NO_CAP)}
    verdict = feed.check(PERIOD, SUNNY, NO_VAR)
    assert set(verdict.caps) == {NUMBERS["near"], NUMBERS["far"]}
    assert verdict.caps[NUMBERS["near"]] == (7, NO_CAP)


def test_who_takes_no_part_is_not_capped(feed, chain):
    verdict = feed.check(PERIOD, wh(0, 0, 0, 130), NO_VAR)
    assert verdict.kind == "capped"
    assert verdict.caps == {}
    assert any("nothing tried brings the grid inside" in line for line in verdict.explanation)
    assert not verdict.after.inside
    assert chain.round(PERIOD) == 1, "the market runs into its fallback"


def test_a_schedule_without_operating_point(feed):
    verdict = feed.check(PERIOD, wh(0, -500, -500, 0), NO_VAR)
    assert verdict.before is None
    assert verdict.after.inside
    assert "no operating point" in verdict.explanation[0]


def test_strangers_are_refused(feed, feed_on, chain):
    with pytest.raises(FeedError, match="participant of elsewhere: is no connection point"):
        feed_on(chain, numbers={"elsewhere": 1})
    chain.positions = {77: 5}
    with pytest.raises(FeedError, match="participant 77 has no connection point"):
        feed.check(PERIOD, QUIET, NO_VAR)
    assert chain.posts == []


def test_a_verdict_of_another_oracle_is_not_doubled(feed, chain):
    chain.accept(PERIOD, 0, chain.book_root(PERIOD), b"other")
    with pytest.raises(
        FeedError, match=f"period {PERIOD}, round 0: has a verdict .* does not know"
    ):
        feed.check(PERIOD, QUIET, NO_VAR)


def verdicts(feed):
    """To the acceptance, the way every start of this oracle goes."""
    feed.resume()
    while feed.check(PERIOD, SUNNY, NO_VAR).kind != "accepted":
        pass


def test_killed_at_every_instant_each_round_has_one_verdict(feed_on, tmp_path):
    calls = ("round", "judged", "accept", "cap"), ("prepare", "confirm")

    def run(name, clock, chain):
        with Journal(tmp_path / f"{name}.sqlite") as journal:
            verdicts(feed_on(Killing(clock, chain, calls[0]), Killing(clock, journal, calls[1])))

    undisturbed, clock = GridChain(), DeathClock(0, raise_killed)
    run("undisturbed", clock, undisturbed)
    assert [post[0] for post in undisturbed.posts] == ["cap", "accept"]
    assert clock.instants > 15
    for instant in range(1, clock.instants + 1):
        chain = GridChain()
        with pytest.raises(Killed):
            run(str(instant), DeathClock(instant, raise_killed), chain)
        run(str(instant), DeathClock(0, raise_killed), chain)
        assert chain.posts == undisturbed.posts, "the same reports, each once"


def test_a_restarted_oracle_posts_the_verdict_it_had_found(feed_on, chain, journal, monkeypatch):
    def refuse(*_):
        raise Refused("node is away")

    with monkeypatch.context() as patch:
        patch.setattr(chain, "cap", refuse)
        with pytest.raises(Refused):
            feed_on(chain).check(PERIOD, SUNNY, NO_VAR)
    (entry,) = journal.pending()
    verdict = feed_on(chain).check(PERIOD, QUIET, NO_VAR)  # the forecast has changed meanwhile
    assert chain.posts[0][0] == "cap"
    assert chain.posts[0][4] == keccak(entry.payload)
    assert (verdict.kind, verdict.round) == ("capped", 0), "round 1 is for the next clearing"
    assert journal.pending() == []


def test_the_schedule_has_one_value_per_point(feed):
    with pytest.raises(FeedError, match=r"schedule_wh: \(3,\) must be \(4,\)"):
        feed.check(PERIOD, np.zeros(3, dtype=np.int64), NO_VAR)
