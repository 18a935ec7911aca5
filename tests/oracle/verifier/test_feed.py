"""Baselines are committed once, can be recomputed by anyone, and are not made up where data lack."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from eth_utils.crypto import keccak

from gridbourse.audit.compare.baselines import Committed, EvidenceError, recomputed
from gridbourse.model.flexibility.baseline.canonical import read
from gridbourse.model.flexibility.baseline.compute import baseline
from gridbourse.model.flexibility.baseline.errors import ImpossibleMethod
from gridbourse.model.flexibility.baseline.methods import (
    CAISO_10_OF_10,
    DECLARED_SCHEDULE,
    METER_BEFORE_METER_AFTER,
    METHODS,
    NUMBERED,
    PJM_SAME_DAY_3_PLUS_2,
    numbered,
)
from oracle.common.journal import Journal
from oracle.meter.feed import MeterFeed
from oracle.verifier.evidence import JournalHistory
from oracle.verifier.feed import FEED, FlexibilityFeed, OpenLeg
from tests.oracle.fake_chain import DeathClock, Killed, MeterChain, Refused, raise_killed
from tests.oracle.verifier.fake_verification import VerificationChain
from tests.oracle.verifier.killed_feed import CALENDAR, LEGS, METER_BEFORE, PERIOD, Habits, run

ROOT = Path(__file__).parents[3]
CAISO, SAME_DAY = NUMBERED.index(CAISO_10_OF_10), NUMBERED.index(PJM_SAME_DAY_3_PLUS_2)
DAY = 96


class Told:
    """Readings by (participant, period); `usual` where nothing is told, from `first` until `last`."""

    def __init__(self, first=0, last=2**40, usual=-100, **_):
        self.first, self.last, self.usual, self.told = first, last, usual, {}

    def readings(self, period):
        if not self.first <= period <= self.last:
            return {}
        return {who: self.told.get((who, period), self.usual) for who in (1, 2)}


def leg(participant=1, method=METER_BEFORE, seconds=900, request=1, called=True):
    return OpenLeg(request, participant, method, seconds, called)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def make(tmp_path, journal):
    def feed(history, *legs, batch_size=50):
        chain = VerificationChain(tmp_path / "chain.json", legs)
        return FlexibilityFeed(
            chain, journal, history, CALENDAR, tmp_path / "evidence", batch_size
        ), chain  # fmt: skip

    return feed


def committed(chain, at=0):
    """What the chain has of the first leg of a transaction."""
    _, period, _, rows = chain.transactions[at]
    participant, wh, seconds, evidence = rows[0]
    return Committed(period, participant, wh, seconds, bytes.fromhex(evidence))


# --- baselines -----------------------------------------------------------------------------------


def test_the_reading_before_is_committed_with_the_hash_of_its_evidence(make, tmp_path):
    history = Told()
    history.told = {(1, PERIOD - 1): -730, (1, PERIOD): -30}
    feed, chain = make(history, (PERIOD, leg()))
    assert feed.verify(PERIOD) == []
    found = committed(chain)
    assert (found.participant, found.baseline_wh, found.evidence_seconds) == (1, -730, 900)
    assert recomputed(tmp_path / "evidence", found) == METER_BEFORE_METER_AFTER
    (file,) = (tmp_path / "evidence").iterdir()
    assert keccak(file.read_bytes()) == found.evidence
    _, evidence = read(file.read_bytes())
    assert len(evidence.readings.wh) == 2, "no more is told than the method looks at"


def test_ten_of_ten_where_the_days_are_there(make, tmp_path):
    """Ten working days at -100, and the day's own window a tenth higher: scaled by a tenth."""
    history = Told()
    for period in range(PERIOD - 16, PERIOD - 4):
        history.told[1, period] = -110
    feed, chain = make(history, (PERIOD, leg(method=CAISO)))
    assert feed.verify(PERIOD) == []
    found = committed(chain)
    assert found.baseline_wh == -110
    assert recomputed(tmp_path / "evidence", found) == CAISO_10_OF_10


def test_days_and_periods_of_activation_are_left_out(make):
    """Activated on the day before, and in the quarter-hour before: neither is a habit."""
    history = Told()
    history.told |= {(1, PERIOD - DAY): -9_000, (1, PERIOD - 1): -5}
    legs = [(period, leg()) for period in (PERIOD - DAY, PERIOD - 1)]
    feed, chain = make(history, *legs, (PERIOD, leg(method=CAISO)), (PERIOD, leg(2)))
    for period in (PERIOD - DAY, PERIOD - 1, PERIOD):
        assert feed.verify(period) == []
    by_who = {row[0]: row[1] for _, period, _, rows in chain.transactions[2:] for row in rows}
    assert by_who == {1: -100, 2: -100}
    chain.add((PERIOD, leg(request=3)))
    assert feed.verify(PERIOD) == []
    assert committed(chain, -1).baseline_wh == -100, "meter before both activated quarter-hours"


def test_too_few_days_are_a_named_error_and_the_leg_is_given_back(make):
    """A week of data has five working days before the event, but here it is three."""
    history = Told(first=PERIOD - 3 * DAY)
    feed, chain = make(history, (PERIOD, leg(method=CAISO)), (PERIOD, leg(2)))
    (unverified,) = feed.verify(PERIOD)
    assert (unverified.leg.participant, unverified.error) == (1, "TooFewDays")
    assert "needs 5 eligible days of the 45 before, there are" in unverified.reason
    assert [row[0] for _, _, _, rows in chain.transactions for row in rows] == [2]
    assert feed.expire(PERIOD) == []
    chain.late = True
    assert len(feed.expire(PERIOD)) == 1
    assert chain.transactions[-1] == ["lapse", PERIOD, 1, [[1]]]
    assert feed.expire(PERIOD) == []


def test_readings_after_the_event_are_waited_for(make):
    history = Told(last=PERIOD + 5)
    feed, chain = make(history, (PERIOD, leg(method=SAME_DAY)))
    (unverified,) = feed.verify(PERIOD)
    assert unverified.error == "MissingReading"
    history.last = PERIOD + 12
    assert feed.verify(PERIOD) == []
    assert committed(chain).baseline_wh == -100


def test_a_reading_that_is_missing_is_waited_for_and_then_is_nothing_delivered(make):
    history = Told(last=PERIOD - 1)
    feed, chain = make(history, (PERIOD, leg()))
    assert [each.error for each in feed.verify(PERIOD)] == ["MissingReading"]
    chain.closed_for_readings = True
    assert feed.verify(PERIOD) == []
    assert committed(chain).baseline_wh == -100


def test_what_the_meter_cannot_prove_is_not_verified_by_it(make):
    feed, chain = make(Told(), (PERIOD, leg(seconds=1)))
    chain.add((PERIOD, leg(2, method=255, request=2)))
    coarse, unknown = feed.verify(PERIOD)
    assert (coarse.error, unknown.error) == ("EvidenceTooCoarse", "ImpossibleMethod")
    assert chain.transactions == []


def test_declared_schedules_are_verified_too_called_or_not(make):
    declared = [(PERIOD, leg(who, method=0, called=who == 1)) for who in (1, 2)]
    feed, chain = make(Told(), *declared)
    assert feed.verify(PERIOD) == []
    assert chain.transactions == [["declared", PERIOD, 1, [[1], [2]]]]
    chain.add((PERIOD + 1, leg(1)), (PERIOD + 1, leg(2)))
    assert feed.verify(PERIOD + 1) == []
    events = [len(read(file.read_bytes())[1].event) for file in feed._out.iterdir()]
    assert sorted(events) == [1, 2], "who stood by was not activated"


def test_the_history_is_what_the_meter_feed_sent(make, journal, tmp_path):
    meters = MeterFeed(MeterChain(tmp_path / "meters.json"), journal)
    for period, wh in ((PERIOD - 1, -400), (PERIOD, -100)):
        meters.push(period, {1: wh})
    meters.correct(PERIOD - 1, {1: -450})
    feed, chain = make(JournalHistory(journal), (PERIOD, leg()))
    assert feed.verify(PERIOD) == []
    assert committed(chain).baseline_wh == -450


def test_methods_have_numbers_that_stay():
    assert set(NUMBERED) == set(METHODS)
    assert numbered(0) == DECLARED_SCHEDULE
    names = [method.name for method in NUMBERED]
    assert names == [
        "declared-schedule", "pjm-high-4-of-5", "caiso-10-of-10", "nyiso-high-5-of-10",
        "meter-before-meter-after", "pjm-same-day-3-plus-2",
    ]  # fmt: skip
    with pytest.raises(ImpossibleMethod, match=r"method: 6 is not in 0\.\.5"):
        numbered(6)


# --- anyone recomputes --------------------------------------------------------------------------------


@pytest.fixture
def published(make, tmp_path):
    feed, chain = make(Told(), (PERIOD, leg()))
    feed.verify(PERIOD)
    return tmp_path / "evidence", committed(chain)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"baseline_wh": -99}, r"comes to -100 Wh, -99 Wh were committed"),
        ({"participant": 2}, r"participant 2: \w+.json: is of participant 1"),
        ({"period": PERIOD + 1}, f"is of period {PERIOD}"),
        ({"evidence_seconds": 1}, "is of 900 s, 1 s were committed"),
        ({"evidence": bytes(32)}, "0000.json: cannot be read"),
    ],
)
def test_what_was_committed_otherwise_is_named(published, change, reason):
    folder, found = published
    with pytest.raises(EvidenceError, match=reason):
        recomputed(folder, Committed(**(vars(found) | change)))


def test_evidence_that_was_changed_or_is_not_the_chains_is_named(published):
    folder, found = published
    recomputed(folder, found, lambda who, period: [-7, -100])
    with pytest.raises(
        EvidenceError, match=rf"has -100 Wh of period {PERIOD - 1}, the chain -7 Wh"
    ):
        recomputed(folder, found, lambda who, period: [-7])
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes().replace(b"-100", b"-900"))
    with pytest.raises(EvidenceError, match="is not what was committed"):
        recomputed(folder, found)


def test_bytes_that_are_no_evidence_are_named(tmp_path):
    data = b"{}"
    (tmp_path / f"{keccak(data).hex()}.json").write_bytes(data)
    with pytest.raises(EvidenceError, match="evidence: cannot be read"):
        recomputed(tmp_path, Committed(PERIOD, 1, 0, 900, bytes(keccak(data))))


# --- once, whatever happens ------------------------------------------------------------------------------


def test_asking_again_sends_nothing(make):
    feed, chain = make(Told(), (PERIOD, leg()), (PERIOD, leg(2)))
    for _ in range(3):
        assert feed.verify(PERIOD) == []
    assert len(chain.transactions) == 1


def test_a_baseline_in_the_journal_is_not_found_anew(make, monkeypatch):
    """A correction that comes in between changes nothing: the evidence is of the first time."""
    history = Told()
    feed, chain = make(history, (PERIOD, leg()))
    with monkeypatch.context() as patch:
        patch.setattr(chain, "verify", lambda *_: (_ for _ in ()).throw(Refused("down")))
        with pytest.raises(Refused):
            feed.verify(PERIOD)
    history.told[1, PERIOD - 1] = -999
    feed.verify(PERIOD)
    assert committed(chain).baseline_wh == -100


def instants(folder: Path) -> int:
    folder.mkdir()
    clock = DeathClock(0, raise_killed)
    run(folder, clock)
    return clock.instants


def assert_verified_once(folder: Path) -> None:
    """Every leg was closed by one transaction, on what anyone recomputes, and nothing is left."""
    chain = VerificationChain(folder / "chain.json")
    assert chain.open_legs(PERIOD) == []
    ended = [row[0] for _, _, _, rows in chain.transactions for row in rows]
    assert sorted(ended) == sorted(each.participant for _, each in LEGS)
    for how, period, _, rows in chain.transactions:
        for participant, wh, seconds, evidence in rows if how == "verify" else ():
            assert wh == Habits().readings(PERIOD - 1)[participant]
            found = Committed(period, participant, wh, seconds, bytes.fromhex(evidence))
            recomputed(folder / "evidence", found)
    with Journal(folder / "journal.sqlite") as journal:
        assert journal.pending() == []
        assert len(journal.entries(FEED, PERIOD)) == 4


def test_killed_at_every_instant_it_loses_nothing_and_sends_nothing_twice(tmp_path):
    last = instants(tmp_path / "undisturbed")
    assert last > 30
    for instant in range(1, last + 1):
        folder = tmp_path / str(instant)
        folder.mkdir()
        with pytest.raises(Killed):
            run(folder, DeathClock(instant, raise_killed))
        run(folder, DeathClock(0, raise_killed))
        assert_verified_once(folder)


@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
def test_a_process_ended_from_outside(tmp_path, at):
    instant = max(1, round(at * instants(tmp_path / "undisturbed")))
    program = "tests.oracle.verifier.killed_feed"
    command = [sys.executable, "-m", program, str(tmp_path), str(instant)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    run(tmp_path, DeathClock(0, raise_killed))
    assert_verified_once(tmp_path)


def test_over_a_real_week_every_baseline_is_the_models(make, tmp_path):
    """Profiles of a summer week: each committed baseline equals the model's on the same evidence."""
    from gridbourse.scenario.scenario import load

    profiles = load(ROOT / "scenarios" / "semiurb5.toml").profiles
    net_wh = np.rint((profiles.pv_w - profiles.load_w).to_numpy()[:, :12] / 4).astype(int)
    week = {int(period): dict(enumerate(row)) for period, row in
            zip(profiles.periods, net_wh.tolist(), strict=True)}  # fmt: skip

    class Week:
        def readings(self, period):
            return week.get(period, {})

    period = CALENDAR.day(date(2016, 7, 26)).periods[18 * 4]
    legs = [(period, leg(who, method=1 + who % 5)) for who in range(12)]
    feed, chain = make(Week(), *legs)
    unverified = {each.leg.participant for each in feed.verify(period)}
    assert unverified == {who for who in range(12) if 1 + who % 5 in (2, 3)}, "too few days"
    rows = [row for _, _, _, rows in chain.transactions for row in rows]
    assert {row[0] for row in rows} | unverified == set(range(12))
    for who, wh, _, evidence in rows:
        method, given = read((tmp_path / "evidence" / f"{evidence}.json").read_bytes())
        assert method == numbered(1 + who % 5)
        assert wh == int(baseline(method, given).wh[-1])
        for at in np.flatnonzero(given.readings.present).tolist():
            assert given.readings.wh[at] == week[given.readings.first_period + at][who]
