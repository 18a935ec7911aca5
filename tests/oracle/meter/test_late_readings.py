"""Readings that come when their period was settled on an estimate: it ends as if they had been in time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.encoding.commitment import ProofError
from gridbourse.index.history import read_history
from oracle.common.errors import FeedError, SettledError
from oracle.common.journal import Journal
from oracle.meter.corrections import LateReadings, book_corrections
from oracle.meter.feed import LATE
from tests.chains import back_to, forgotten, snapshot
from tests.invariants.ring_market import FIRST, NUMBERS, RING
from tests.oracle.fake_chain import DeathClock, Killed, raise_killed
from tests.oracle.meter.late import (
    ALL,
    ESTIMATE,
    LATE_ONES,
    TRUE,
    LateMarket,
    bring,
    meter_oracle,
    without,
)

EARLY = without(TRUE, *LATE_ONES)


@pytest.fixture(scope="module")
def delivered() -> LateMarket:
    return LateMarket()


@pytest.fixture
def market(delivered: LateMarket) -> Iterator[LateMarket]:
    """One period delivered and not metered, on a chain that forgets each test."""
    with forgotten(delivered.chain):
        yield delivered


@pytest.fixture(scope="module")
def in_time(delivered: LateMarket, tmp_path_factory: pytest.TempPathFactory) -> dict[int, int]:
    """Every account where no reading is late."""
    before = snapshot(delivered.chain)
    assert bring(delivered.market, tmp_path_factory.mktemp("in_time"), TRUE) == 0
    delivered.settle_groups(FIRST, ALL)
    accounts = delivered.accounts()
    back_to(delivered.chain, before)
    return accounts


def estimate(market: LateMarket, folder: Path) -> None:
    """Some readings in, the others estimated."""
    bring(market.market, folder, EARLY)
    market.deadline_passes(FIRST)
    market.settle_groups(FIRST, ALL)


def test_a_late_reading_takes_the_place_of_its_estimate(
    market: LateMarket, tmp_path: Path, in_time: dict[int, int]
) -> None:
    estimate(market, tmp_path)
    settled = market.accounts()
    assert all(settled[n] != in_time[n] for n in LATE_ONES)

    assert bring(market.market, tmp_path, TRUE) == 1

    assert market.accounts() == in_time
    history = read_history(market.market)
    assert history.rebuilt.findings.differences == []
    assert history.estimates == {FIRST: dict.fromkeys(LATE_ONES, ESTIMATE)}
    block = market.chain.w3.eth.block_number
    assert bring(market.market, tmp_path, TRUE) == 0
    assert market.chain.w3.eth.block_number == block


def test_a_period_settled_by_half_is_settled_to_its_end_first(
    market: LateMarket, tmp_path: Path, in_time: dict[int, int]
) -> None:
    """Of the late readings one is of a settled group, the other is in time after all."""
    bring(market.market, tmp_path, EARLY)
    market.deadline_passes(FIRST)
    market.settle_groups(FIRST, 1)
    with meter_oracle(market.market, tmp_path) as (feed, late):
        assert len(feed.push(FIRST, TRUE)) == 1
        assert not late.due()
        market.settle_groups(FIRST, ALL)
        assert late.due()
        late.step()
        assert not late.due()
    assert market.accounts() == in_time
    assert read_history(market.market).estimates == {FIRST: {9: ESTIMATE}}


def test_long_after_the_ring_slot_was_used_again(
    market: LateMarket, tmp_path: Path, in_time: dict[int, int]
) -> None:
    estimate(market, tmp_path)
    before = market.accounts()
    market.trade(FIRST + RING)
    market.meter(FIRST + RING, TRUE)
    market.settle_groups(FIRST + RING, ALL)
    assert market.market.meter.version(FIRST) == 0
    between = market.accounts()

    assert bring(market.market, tmp_path, TRUE) == 1

    after = market.accounts()
    assert {n: after[n] - between[n] for n in after} == {n: in_time[n] - before[n] for n in after}
    assert bring(market.market, tmp_path, TRUE) == 0


def test_killed_at_every_instant_it_is_booked_once(
    market: LateMarket, tmp_path: Path, in_time: dict[int, int]
) -> None:
    """Between submitting and handing over, handing over and correcting, the two groups, and noting it."""
    bring(market.market, tmp_path / "template", EARLY)
    market.deadline_passes(FIRST)
    market.settle_groups(FIRST, 1)
    undisturbed = DeathClock(0, raise_killed)
    marks = [snapshot(market.chain)]

    def life(folder: Path, clock: DeathClock) -> None:
        """The period is settled to its end while the oracle has its hands full."""
        with meter_oracle(market.market, folder, clock) as (feed, late):
            feed.push(FIRST, TRUE)
            if not market.market.settlement.done(FIRST_AREA, FIRST):
                market.settle_groups(FIRST, ALL)
            while late.due():
                late.step()

    def start(folder: Path) -> Path:
        marks.append(back_to(market.chain, marks.pop()))
        folder.mkdir()
        (folder / "meters.sqlite").write_bytes((tmp_path / "template/meters.sqlite").read_bytes())
        return folder

    life(start(tmp_path / "undisturbed"), undisturbed)
    assert market.accounts() == in_time
    assert undisturbed.instants >= 10
    for instant in range(1, undisturbed.instants + 1):
        folder = start(tmp_path / str(instant))
        with pytest.raises(Killed):
            life(folder, DeathClock(instant, raise_killed))
        market.chain._nonces.clear()
        life(folder, DeathClock(0, raise_killed))
        assert market.accounts() == in_time, instant
        with Journal(folder / "meters.sqlite") as journal:
            assert journal.pending() == []
            assert len(journal.entries(LATE, FIRST)) == 1


def test_what_was_corrected_meanwhile_stays(
    market: LateMarket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A late reading stands against an estimate, not against what somebody has decided."""
    estimate(market, tmp_path)
    rebuilt = read_history(market.market).rebuilt
    (difference,) = book_corrections(market.market, rebuilt, {FIRST: {9: -77}})
    assert difference[:4] == (FIRST, 9, ESTIMATE, -77)
    decided = market.accounts()

    bring(market.market, tmp_path, EARLY | {9: TRUE[9]})

    assert market.accounts() == decided
    assert f"participant 9: {TRUE[9]} Wh came late, but -77 Wh stand" in caplog.text


def test_a_journal_that_was_lost_takes_nothing_back(market: LateMarket, tmp_path: Path) -> None:
    """With the ring slot used again, nothing on the chain tells which readings were sent."""
    estimate(market, tmp_path)
    market.trade(FIRST + RING)
    market.meter(FIRST + RING, TRUE)
    market.settle_groups(FIRST + RING, ALL)
    rebuilt = read_history(market.market).rebuilt
    book_corrections(market.market, rebuilt, {FIRST: {8: 700, 9: TRUE[9], 14: TRUE[14]}})
    decided = market.accounts()
    bring(market.market, tmp_path / "another", TRUE)
    assert market.accounts() == decided


def test_a_correction_is_refused_once_settlement_has_begun(
    market: LateMarket, tmp_path: Path
) -> None:
    bring(market.market, tmp_path, TRUE)
    market.settle_groups(FIRST, 1)
    with meter_oracle(market.market, tmp_path) as (feed, late):
        with pytest.raises(SettledError, match=f"period {FIRST}: is settled, or being settled"):
            feed.correct(FIRST, TRUE | {17: 5})
        with pytest.raises(FeedError, match="a correction has to be asked for"):
            feed.push(FIRST, TRUE | {17: 5})
        assert not late.due()


def test_who_was_nobody_in_the_period_is_left_out(market: LateMarket, tmp_path: Path) -> None:
    """A seat that nobody has taken was settled with its group: there is nothing to correct."""
    estimate(market, tmp_path)
    settled = market.accounts()
    nobody = NUMBERS.stop
    bring(market.market, tmp_path, EARLY | {nobody: 0, nobody + 40: 7})
    assert market.accounts() == settled


def test_what_was_not_settled_is_not_corrected(market: LateMarket, tmp_path: Path) -> None:
    estimate(market, tmp_path)
    rebuilt = read_history(market.market).rebuilt
    before = market.chain.w3.eth.block_number
    for readings, said in (
        ({FIRST: {9: 1}, FIRST + 1: {9: 1}}, "group 2 was not settled"),
        ({FIRST: {9: 1, 99: 1}}, "group 24 was not settled"),
    ):
        with pytest.raises(ProofError, match=said):
            book_corrections(market.market, rebuilt, readings)
    rebuilt.metering.evidence.of(FIRST_AREA, FIRST).replace(
        rebuilt.metering.evidence.of(FIRST_AREA, FIRST).leaf(2).corrected({9: 1})
    )
    with pytest.raises(ProofError, match="does not give what the chain committed to"):
        book_corrections(market.market, rebuilt, {FIRST: {9: 2}})
    assert market.chain.w3.eth.block_number == before


def test_a_period_that_cannot_be_booked_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is wrong with one is a line; it is tried again after a start."""
    booked: list[int] = []

    class Late(LateReadings):
        def __init__(self, journal: Journal) -> None:
            self._journal, self._stuck, self.refused = journal, set(), 0
            self._market = None  # type: ignore[assignment]
            self._settled = type("All", (), {"done": staticmethod(lambda period: True)})()

        def _book(self, history: object, period: int, entries: object) -> None:
            if period == 2:
                raise ProofError("period 2: the log does not give what\nthe chain committed to")
            booked.append(period)
            self._journal.confirm(LATE, period, 1)

    monkeypatch.setattr("oracle.meter.corrections.read_history", lambda market, periods: None)
    with Journal(tmp_path / "j.sqlite") as journal:
        for period in (1, 2, 3):
            journal.prepare(LATE, period, 1, b"[[8,5]]")
        for start in (1, 2):
            late = Late(journal)
            while late.due():
                late.step()
            assert (booked, late.refused) == ([1, 3], 1)
            lines = [r.message for r in caplog.records if r.levelname == "ERROR"]
            assert len(lines) == start
    assert lines[0].startswith("period 2, late readings: period 2: the log does not give what\\n")
