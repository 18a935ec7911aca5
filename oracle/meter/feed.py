"""Brings meter readings to the chain in batches; every batch is the next version of its period.

A reading that comes when its period is being settled, or was, may have been estimated: it is handed
over, in the journal, to who books the difference (`oracle.meter.corrections`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from gridbourse.model.caps import NO_CAP
from oracle.common.errors import FeedError, SettledError
from oracle.common.journal import FOUND_ON_CHAIN, Entry, Journal

FEED: Final = "meters"
LATE: Final = "late readings"
"""What the journal calls the readings handed over; settled on an estimate, unless they were in time."""
BATCH_SIZE: Final = 700
"""Readings in a transaction; a multiple of the seven that share a storage word on-chain."""
MOST_WH: Final = NO_CAP
"""Largest reading either way that fits the chain's lanes."""


class MeterPort(Protocol):
    """What the feed needs of the chain."""

    def version(self, period: int) -> int:
        """How many batches of the period the chain has; 0 = none."""

    def submit(self, period: int, version: int, readings: Mapping[int, int]) -> str:
        """Sends a batch, participant number -> net Wh (+ injects); its transaction hash once mined.

        Must refuse any version but the next one.
        """


class SettlementPort(Protocol):
    """What the feed needs to know of settlement."""

    def begun(self, period: int) -> bool:
        """Whether any of the period is settled; then only missing readings are taken."""

    def done(self, period: int) -> bool:
        """Whether all of the period is settled; then nothing needs to be sent any more."""


class MeterFeed:
    """Sends readings, once, whatever happens in between.

    Everything to be sent is in the journal first.  What a period holds follows from there: a
    reading *stands* as its newest version says.  Assumes that no other oracle writes readings, and
    says so where the chain shows that one did.
    """

    def __init__(
        self,
        port: MeterPort,
        journal: Journal,
        batch_size: int = BATCH_SIZE,
        settlement: SettlementPort | None = None,
        capacity_wh: Callable[[int], int] = lambda number: MOST_WH,
    ):
        """batch_size: most readings in one transaction.

        capacity_wh: what a participant's connection carries in a period; nothing beyond it is sent.
        settlement: None where nothing is settled before its readings are in, as in a replay.
        """
        if batch_size < 1:
            raise FeedError(f"batch_size: {batch_size} must be at least 1")
        self._port = port
        self._journal = journal
        self._batch_size = batch_size
        self._settlement = settlement
        self._capacity_wh = capacity_wh

    def push(self, period: int, readings: Mapping[int, int]) -> list[str]:
        """Sends the readings the period does not have yet; doing it again sends nothing.

        readings: participant number -> net Wh of the period (+ injects).
        Returns the hashes of the transactions sent now; readings of a settled period are handed
        over instead.  Raises FeedError, before anything is sent, for a reading that differs from
        the one sent before: see :meth:`correct`.
        """
        self._check(period, readings)
        sent = self._deliver(period)
        known = self._journal.entries(FEED, period)
        self._refuse_unknown_versions(period, known)
        first, stands = _first_sent(known), standing(known)
        for number, wh in readings.items():
            if number in first and wh not in (first[number], stands[number]):
                raise FeedError(
                    f"period {period}, participant {number}: {wh} Wh, but {stands[number]} Wh"
                    " were sent; a correction has to be asked for"
                )
        return sent + self._send(period, {n: wh for n, wh in readings.items() if n not in first})

    def correct(self, period: int, readings: Mapping[int, int]) -> list[str]:
        """Sends what differs from the readings that stand, as new versions.

        Returns the hashes of the transactions sent now; doing it again sends nothing.  Raises
        SettledError, before anything is sent, once the period is being settled.
        """
        self._check(period, readings)
        if self._settlement is not None and self._settlement.begun(period):
            raise SettledError(
                f"period {period}: is settled, or being settled; once it is, scripts.correct"
                " corrects it by proof"
            )
        sent = self._deliver(period)
        stands = standing(self._journal.entries(FEED, period))
        changed = {n: wh for n, wh in readings.items() if stands.get(n) != wh}
        return sent + self._send(period, changed)

    def resume(self) -> list[str]:
        """Sends what an interrupted run left in the journal: the first thing after a start."""
        return [tx_hash for period in self.pending() for tx_hash in self._deliver(period)]

    def pending(self) -> list[int]:
        """Periods of which the journal holds what the chain is not known to have."""
        return sorted({entry.period for entry in self._journal.pending(FEED)})

    def withdraw(self, period: int) -> dict[int, int]:
        """Strikes out the batches of a period that the chain refuses, so that others can follow.

        Only after their transactions are known to have failed.  Returns the readings struck out,
        participant number -> net Wh.
        """
        on_chain = self._port.version(period)
        refused = [
            entry
            for entry in self._journal.entries(FEED, period)
            if entry.version > on_chain and not entry.confirmed
        ]
        for entry in reversed(refused):
            self._journal.discard(FEED, period, entry.version)
        return standing(refused)

    def _send(self, period: int, readings: Mapping[int, int]) -> list[str]:
        if not readings:
            return []
        ordered = sorted((int(number), int(wh)) for number, wh in readings.items())
        starts = range(0, len(ordered), self._batch_size)
        payloads = [_encode(dict(ordered[at : at + self._batch_size])) for at in starts]
        # The chain forgets how many it had when the period's ring slot is used again.
        last = max(self._port.version(period), _newest(self._journal.entries(FEED, period)))
        self._journal.prepare(FEED, period, last + 1, *payloads)
        return self._deliver(period)

    def _deliver(self, period: int) -> list[str]:
        """Brings the chain up to the journal: the chain says where to go on."""
        over = self._settlement is not None and self._settlement.done(period)
        on_chain = self._port.version(period)
        sent = []
        for entry in self._journal.entries(FEED, period):
            missing = entry.version > on_chain and not over
            if entry.confirmed and not missing:
                continue
            tx_hash = FOUND_ON_CHAIN
            if missing:
                tx_hash = self._port.submit(period, entry.version, decode(entry.payload))
                sent.append(tx_hash)
            self._hand_over(entry)
            self._journal.confirm(FEED, period, entry.version, tx_hash)
        return sent

    def _hand_over(self, entry: Entry) -> None:
        """Asked after the readings were sent, and before they count as sent: none slips through.

        Readings that were in time after all do no harm: they are no estimates.
        """
        if self._settlement is None or not self._settlement.begun(entry.period):
            return
        known = self._journal.entries(LATE, entry.period)
        if all(entry.payload != late.payload for late in known):
            self._journal.prepare(LATE, entry.period, _newest(known) + 1, entry.payload)

    def _check(self, period: int, readings: Mapping[int, int]) -> None:
        for number, wh in readings.items():
            where = f"period {period}, participant {number}"
            if number < 0 or int(number) != number:
                raise FeedError(f"{where}: is not a participant number")
            if int(wh) != wh or abs(wh) > MOST_WH:
                raise FeedError(
                    f"{where}: {wh} is not a whole number of Wh up to {MOST_WH} either way"
                )
            if abs(wh) > (limit := self._capacity_wh(number)):
                raise FeedError(
                    f"{where}: {wh:,} Wh is more than the {limit:,} Wh it is connected for"
                )

    def _refuse_unknown_versions(self, period: int, known: list[Entry]) -> None:
        on_chain, newest = self._port.version(period), _newest(known)
        if on_chain > newest:
            raise FeedError(
                f"period {period}: the chain has version {on_chain}, {self._journal.path} knows"
                f" {newest}; another oracle wrote, or this is not the journal:"
                " ask for a correction to say what stands"
            )


def _newest(entries: list[Entry]) -> int:
    return entries[-1].version if entries else 0


def _first_sent(entries: list[Entry]) -> dict[int, int]:
    return standing(entries[::-1])


def standing(entries: list[Entry]) -> dict[int, int]:
    """Readings that stand by the messages of a period, participant number -> net Wh."""
    return {number: wh for entry in entries for number, wh in decode(entry.payload).items()}


def _encode(readings: Mapping[int, int]) -> bytes:
    return json.dumps(sorted(readings.items()), separators=(",", ":")).encode()


def decode(payload: bytes) -> dict[int, int]:
    """Readings of a message in the journal, participant number -> net Wh."""
    return dict(json.loads(payload))
