"""Readings reach the chain once, whatever happens in between."""

import subprocess
import sys
from pathlib import Path

import pytest

from oracle.common.errors import FeedError
from oracle.common.journal import Journal
from oracle.meter.feed import FEED, MeterFeed
from tests.oracle.fake_chain import DeathClock, Killed, Killing, MeterChain, Refused, raise_killed
from tests.oracle.meter.killed_feed import CORRECTED, PERIOD, READINGS, run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def chain(tmp_path):
    return MeterChain(tmp_path / "chain.json")


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def feed(chain, journal):
    return MeterFeed(chain, journal, batch_size=3)


def test_batches_are_versions_in_turn(feed, chain, journal):
    assert feed.push(PERIOD, READINGS) == [f"0x{PERIOD}-{version}" for version in (1, 2, 3)]
    assert [len(batch) for batch in chain.batches[PERIOD]] == [3, 3, 1]
    assert chain.holds(PERIOD) == READINGS
    assert journal.pending() == []


def test_again_sends_nothing(feed, chain):
    feed.push(PERIOD, READINGS)
    assert feed.push(PERIOD, READINGS) == []
    assert feed.push(PERIOD, {0: READINGS[0]}) == []
    assert feed.correct(PERIOD, READINGS) == []
    assert feed.resume() == []
    assert chain.version(PERIOD) == 3


def test_late_readings_follow(feed, chain):
    feed.push(PERIOD, {0: 1, 1: 2})
    assert len(feed.push(PERIOD, {0: 1, 1: 2, 2: 3})) == 1
    assert chain.batches[PERIOD] == [{0: 1, 1: 2}, {2: 3}]


def test_a_changed_reading_is_refused_before_anything_is_sent(feed, chain):
    feed.push(PERIOD, {0: 1})
    with pytest.raises(
        FeedError, match=f"period {PERIOD}, participant 0: 2 Wh, but 1 Wh were sent"
    ):
        feed.push(PERIOD, {0: 2, 1: 5})
    assert chain.batches[PERIOD] == [{0: 1}]


def test_a_correction_sends_the_difference_as_a_new_version(feed, chain):
    feed.push(PERIOD, READINGS)
    feed.correct(PERIOD, CORRECTED)
    assert chain.holds(PERIOD) == CORRECTED
    assert chain.batches[PERIOD][3:] == [{0: 1, 3: 2, 5: 3}, {6: 4}]
    assert feed.push(PERIOD, READINGS) == []  # the file it came from is still there
    assert feed.push(PERIOD, CORRECTED) == []
    with pytest.raises(FeedError, match=r"7 Wh, but 1 Wh were sent"):
        feed.push(PERIOD, {0: 7})


def test_a_correction_can_be_taken_back(feed, chain):
    feed.push(PERIOD, {0: 1})
    feed.correct(PERIOD, {0: 2})
    feed.correct(PERIOD, {0: 1})
    assert chain.batches[PERIOD] == [{0: 1}, {0: 2}, {0: 1}]


def test_periods_do_not_touch_each_other(feed, chain):
    feed.push(PERIOD, {0: 1})
    feed.push(PERIOD + 1, {0: 2})
    assert chain.batches == {PERIOD: [{0: 1}], PERIOD + 1: [{0: 2}]}


@pytest.mark.parametrize("bad", [{-1: 5}, {0: 2**28}, {0: -(2**28)}, {0: 1.5}])
def test_what_fits_no_lane_is_refused(feed, chain, journal, bad):
    with pytest.raises(FeedError, match=f"period {PERIOD}, participant "):
        feed.push(PERIOD, bad)
    assert (chain.batches, journal.pending()) == ({}, [])


def test_batch_size_may_change_between_runs(chain, journal):
    MeterFeed(chain, journal, batch_size=2).push(PERIOD, READINGS)
    assert MeterFeed(chain, journal, batch_size=5).push(PERIOD, READINGS) == []
    with pytest.raises(FeedError, match="batch_size: 0"):
        MeterFeed(chain, journal, batch_size=0)


def test_versions_of_another_oracle_are_not_built_upon_unasked(feed, chain):
    chain.submit(PERIOD, 1, {0: 99})
    with pytest.raises(FeedError, match=r"the chain has version 1, .* knows 0"):
        feed.push(PERIOD, READINGS)
    feed.correct(PERIOD, READINGS)
    assert chain.holds(PERIOD) == READINGS


def test_what_a_reorganisation_took_back_is_sent_again(feed, chain):
    feed.push(PERIOD, READINGS)
    del chain.batches[PERIOD][1:]
    assert len(feed.push(PERIOD, READINGS)) == 2
    assert chain.holds(PERIOD) == READINGS


def test_a_batch_the_chain_refuses_can_be_withdrawn(feed, chain, journal, monkeypatch):
    feed.push(PERIOD, {0: 1})

    def refuse(*_):
        raise Refused("unknown meter")

    with monkeypatch.context() as patch:
        patch.setattr(chain, "submit", refuse)
        for _ in range(2):
            with pytest.raises(Refused):
                feed.push(PERIOD, {0: 1, 999: 5})
    assert feed.withdraw(PERIOD) == {999: 5}
    assert journal.pending() == []
    feed.push(PERIOD, {0: 1, 2: 5})
    assert chain.batches[PERIOD] == [{0: 1}, {2: 5}]


def instants(folder: Path) -> int:
    """How many instants an undisturbed run has; at each of them it will be killed."""
    folder.mkdir()
    clock = DeathClock(0, raise_killed)
    run(folder, clock)
    return clock.instants


def assert_sent_once(folder: Path) -> None:
    chain = MeterChain(folder / "chain.json")
    assert chain.holds(PERIOD) == CORRECTED
    assert [len(batch) for batch in chain.batches[PERIOD]] == [3, 3, 1, 3, 1]
    with Journal(folder / "journal.sqlite") as journal:
        assert journal.pending() == []
        assert [e.version for e in journal.entries(FEED, PERIOD)] == [1, 2, 3, 4, 5]


def test_killed_at_every_instant_it_loses_nothing_and_sends_nothing_twice(tmp_path):
    last = instants(tmp_path / "undisturbed")
    assert last > 20
    for instant in range(1, last + 1):
        folder = tmp_path / str(instant)
        folder.mkdir()
        with pytest.raises(Killed):
            run(folder, DeathClock(instant, raise_killed))
        run(folder, DeathClock(0, raise_killed))
        assert_sent_once(folder)


def test_killed_again_and_again_it_still_comes_through(tmp_path):
    """The n-th run is killed at its n-th instant, until one comes to its end."""
    for instant in range(1, 100):
        try:
            run(tmp_path, DeathClock(instant, raise_killed))
        except Killed:
            continue
        break
    assert 10 < instant < 99
    assert_sent_once(tmp_path)


def test_what_was_written_down_goes_out_without_its_source(chain, journal):
    killed = Killing(DeathClock(2, raise_killed), journal, ("prepare",))
    with pytest.raises(Killed):
        MeterFeed(chain, killed, batch_size=3).push(PERIOD, READINGS)
    assert chain.version(PERIOD) == 0
    MeterFeed(chain, journal).resume()
    assert chain.holds(PERIOD) == READINGS


@pytest.mark.parametrize("at", [0.15, 0.4, 0.65, 0.9])
def test_a_process_ended_from_outside(tmp_path, at):
    instant = max(1, round(at * instants(tmp_path / "undisturbed")))
    command = [sys.executable, "-m", "tests.oracle.meter.killed_feed", str(tmp_path), str(instant)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    run(tmp_path, DeathClock(0, raise_killed))
    assert_sent_once(tmp_path)
