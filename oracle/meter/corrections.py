"""Readings of settled periods: the difference they make is booked, proven by the chain's own logs.

Whatever a period was settled on, and however long ago, its readings follow from the logs, so that any
group can be proven and corrected.  A *late* reading comes by itself: it takes the place of an
estimate, and never that of a reading.  Everything else is for somebody to decide (`scripts.correct`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from gridbourse.audit.history import History, read_history
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.encoding.commitment import ProofError
from gridbourse.chain.encoding.lanes import PER_GROUP, lanes64
from gridbourse.chain.node.connect import NetworkError
from gridbourse.chain.node.transactions import Reverted
from gridbourse.text import many, one_line
from oracle.common.daemon import told
from oracle.common.errors import JournalError
from oracle.common.journal import Entry, Journal
from oracle.meter.feed import LATE, decode

log = logging.getLogger(__name__)

OURS: Final = ("MissingRole",)
"""What the chain refuses whatever the readings are."""

ByPeriod = Mapping[int, Mapping[int, int]]
"""Readings, Wh (+ injects), by period and participant number."""


class Difference(NamedTuple):
    """What a correction comes to for one participant; micro_eur: change of its account."""

    period: int
    participant: int
    settled_wh: int
    corrected_wh: int
    micro_eur: int


def book_corrections(market: Market, rebuilt: Rebuilt, readings: ByPeriod) -> list[Difference]:
    """Correct settled readings to these; what stands as it should be is left alone.

    So it may be done again after an interruption anywhere.  ProofError, before anything is sent,
    where the logs do not give what the chain committed to, or a reading was not settled.
    """
    require_same_commitments(market, rebuilt, readings)
    return [
        difference
        for period, of_period in sorted(readings.items())
        for difference in _correct(market, rebuilt, period, of_period)
    ]


def require_same_commitments(market: Market, rebuilt: Rebuilt, readings: ByPeriod) -> None:
    """A proof made of logs that are not the chain's would only be refused: say so before."""
    for period, of_period in readings.items():
        commitment = rebuilt.metering.evidence.of(AREA, period)
        if commitment.value != market.settlement.commitment(AREA, period):
            raise ProofError(f"period {period}: the log does not give what the chain committed to")
        for group in {number // PER_GROUP for number in of_period}:
            commitment.leaf(group)


def _correct(
    market: Market, rebuilt: Rebuilt, period: int, readings: Mapping[int, int]
) -> Iterator[Difference]:
    """Group by group; a group that stands as it should be is left alone."""
    commitment = rebuilt.metering.evidence.of(AREA, period)
    for group in sorted({number // PER_GROUP for number in readings}):
        wanted = {number: wh for number, wh in readings.items() if number // PER_GROUP == group}
        leaf = commitment.leaf(group)
        corrected = leaf.corrected(wanted)
        if corrected == leaf:
            continue
        path, by = commitment.path(group), market.keys["meter oracle"]
        receipt = market.settlement.correct(by, AREA, leaf, path, corrected)
        commitment.replace(corrected)
        (event,) = market.house.events_in(receipt, "GroupCorrected")
        changes = dict(lanes64(group, event["deltas"]))
        for number, wh in wanted.items():
            if wh != (settled := leaf.readings_wh[number]):
                yield Difference(period, number, settled, wh, changes[number])


class SettledPeriods:
    """How far the settlement of a period is, also when its ring slot is a later one's."""

    def __init__(self, market: Market):
        self._settlement = market.settlement

    def begun(self, period: int) -> bool:
        """Whether any group is settled: what it was settled on is committed for ever."""
        return any(self._settlement.commitment(AREA, period))

    def done(self, period: int) -> bool:
        """Whether every group is settled, so that corrections are taken."""
        _, next_group, done, _ = self._settlement.read("progressOf", AREA, period)
        return done or (next_group == 0 and self.begun(period))


class LateReadings:
    """Books what the meter feed handed over: readings that came when their period was settled.

    A feed of the daemon.  What is to be booked is in the journal until it is known to be.
    `refused`: periods that could not be booked, each a line of the log; after a start they are tried again.
    """

    name: Final = "late readings"

    def __init__(self, market: Market, journal: Journal):
        self._market, self._journal = market, journal
        self._settled = SettledPeriods(market)
        self._stuck: set[int] = set()
        self.refused = 0

    def due(self) -> bool:
        """Whether readings of a period that is settled to its end wait."""
        return bool(self._waiting())

    def step(self) -> None:
        """Book all of them; a period in which that does not go is one line, and the others are booked."""
        waiting = self._waiting()
        history = read_history(self._market)
        for period, entries in groupby(waiting, key=lambda entry: entry.period):
            try:
                self._book(history, period, list(entries))
            except (NetworkError, JournalError):
                raise
            except Exception as error:
                if isinstance(error, Reverted) and error.name in OURS:
                    raise
                self._stuck.add(period)
                self.refused += 1
                log.debug("period %d", period, exc_info=True)
                log.error("period %d, late readings: %s", period, one_line(told(error)))

    def _book(self, history: History, period: int, entries: Sequence[Entry]) -> None:
        readings: dict[int, int] = {}
        for entry in entries:
            readings.update(_in_place_of_estimates(history, period, decode(entry.payload)))
        for difference in book_corrections(self._market, history.rebuilt, {period: readings}):
            log.info(
                "period %d, participant %d: %d Wh came late, %d Wh were settled, account %+d µEUR",
                difference.period,
                difference.participant,
                difference.corrected_wh,
                difference.settled_wh,
                difference.micro_eur,
            )
        for entry in entries:
            self._journal.confirm(entry.feed, entry.period, entry.version)

    def waits_for(self) -> str:
        """Which late readings cannot be booked yet; "" when there are none."""
        periods = sorted({entry.period for entry in self._journal.pending(LATE)})
        return (
            f"of {many(len(periods), 'period')}, until {periods[0]} is settled" if periods else ""
        )

    def _waiting(self) -> list[Entry]:
        """By period."""
        pending = [e for e in self._journal.pending(LATE) if e.period not in self._stuck]
        done = {period: self._settled.done(period) for period in {e.period for e in pending}}
        return [entry for entry in pending if done[entry.period]]


def _in_place_of_estimates(
    history: History, period: int, readings: Mapping[int, int]
) -> dict[int, int]:
    """The readings whose estimate still stands; says so of one that differs from a reading."""
    commitment = history.rebuilt.metering.evidence.of(AREA, period)
    estimates = history.estimates.get(period, {})
    late = {}
    for number, wh in readings.items():
        if not commitment.has(number):
            continue  # nobody in this period
        stands = commitment.leaf(number // PER_GROUP).readings_wh[number]
        if stands == estimates.get(number):
            late[number] = wh
        elif stands != wh:
            log.warning(
                "period %d, participant %d: %d Wh came late, but %d Wh stand, which are no estimate;"
                " scripts.correct is for that",
                *(period, number, wh, stands),
            )
    return late
