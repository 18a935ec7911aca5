"""Measurement and verification: baselines of what was activated, committed once, for anyone to recompute.

Of each leg that waits, the evidence is written to a file named by its keccak-256, the report is put into
the journal, and only then it is sent.  A restarted feed sends what the journal holds, less what the chain
has: no baseline is found twice, and none is committed that cannot be recomputed.  Where there are too few
days, or a reading is missing, nothing is sent and the leg is said to be unverified, and why; it is looked
at again until the chain's window is over, after which it is given back.

Legs on declared schedules need no oracle: the schedule is on the chain.  The feed brings them to an end all
the same, which anyone may.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

from eth_utils.crypto import keccak

from gridbourse.model.flexibility.baseline.canonical import canonical
from gridbourse.model.flexibility.baseline.compute import baseline
from gridbourse.model.flexibility.baseline.errors import BaselineError
from gridbourse.model.flexibility.baseline.methods import NUMBERED, Declared, numbered
from oracle.common.journal import FOUND_ON_CHAIN, Entry, Journal
from oracle.verifier.evidence import Calendar, EvidenceBuilder, History

log = logging.getLogger(__name__)

FEED: Final = "flexibility"
ACTIVATED: Final = "activated"
"""What the journal calls the participants that were called in a period."""
DECLARED: Final = next(n for n, method in enumerate(NUMBERED) if isinstance(method, Declared))
BATCH_SIZE: Final = 50
"""Legs in a transaction."""


@dataclass(frozen=True)
class OpenLeg:
    """A leg whose delivery waits for verification.

    method: its product's, as `methods.numbered` has it; evidence_seconds: what the product asks for.
    called: whether it was awarded; otherwise it stands by with its declared schedule.
    """

    request: int
    participant: int
    method: int
    evidence_seconds: int
    called: bool


@dataclass(frozen=True)
class Report:
    """What is committed of one leg: baseline Wh (+ injects), resolution and hash of its evidence.

    Of a leg on a declared schedule it is the participant that counts; evidence is empty then.
    """

    participant: int
    baseline_wh: int
    evidence_seconds: int
    evidence: bytes


class VerificationPort(Protocol):
    """What the feed needs of the chain, for one market area."""

    def open_legs(self, period: int) -> Sequence[OpenLeg]:
        """The legs of a delivered period that wait for verification, by request and participant."""

    def readings_closed(self, period: int) -> bool:
        """Whether the time for readings is over: what is missing then counts as nothing delivered."""

    def overdue(self, period: int) -> bool:
        """Whether the time for verification is over."""

    def verify(self, period: int, request: int, reports: Sequence[Report]) -> str:
        """Verifies legs against committed baselines; the transaction's hash once mined."""

    def verify_declared(self, period: int, request: int, participants: Sequence[int]) -> str:
        """Verifies legs against the schedules on the chain; the transaction's hash once mined."""

    def lapse(self, period: int, request: int, participants: Sequence[int]) -> str:
        """Ends legs that are overdue; the transaction's hash once mined."""


@dataclass(frozen=True)
class Unverified:
    """A leg that could not be verified yet; error: the name of what was missing."""

    leg: OpenLeg
    error: str
    reason: str


@dataclass(frozen=True)
class _Batch:
    """Reports on legs of one request: one entry of the journal."""

    request: int
    declared: bool
    reports: tuple[Report, ...]

    def encoded(self) -> bytes:
        rows = [asdict(report) | {"evidence": report.evidence.hex()} for report in self.reports]
        facts = {"request": self.request, "declared": self.declared, "reports": rows}
        return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decoded(cls, payload: bytes) -> _Batch:
        facts = json.loads(payload)
        reports = (
            Report(**(row | {"evidence": bytes.fromhex(row["evidence"])}))
            for row in facts["reports"]
        )
        return cls(facts["request"], facts["declared"], tuple(reports))


class FlexibilityFeed:
    """Verifies what waits, whatever happens in between."""

    name: Final = FEED

    def __init__(
        self,
        port: VerificationPort,
        journal: Journal,
        history: History,
        calendar: Calendar,
        out: Path,
        batch_size: int = BATCH_SIZE,
    ):
        """out: folder that gets the evidence, one file per hash."""
        self._port = port
        self._journal = journal
        self._builder = EvidenceBuilder(history, calendar)
        self._calendar = calendar
        self._out = out
        self._batch_size = batch_size

    def verify(self, period: int) -> list[Unverified]:
        """Verifies the legs of a delivered period; doing it again looks at what is left.

        Returns what could not be verified yet.
        """
        self._builder.forget()
        legs = self._port.open_legs(period)
        self._remember(period, legs)
        self.resume(period)
        prepared = self._prepared(period)
        activated = self._activated(period)
        missing: list[Unverified] = []
        fresh = [leg for leg in legs if (leg.request, leg.participant) not in prepared]
        for (request, declared), group in groupby(
            fresh, key=lambda leg: (leg.request, leg.method == DECLARED)
        ):
            reports = [
                report
                for leg in group
                if (report := self._report(period, leg, activated, missing)) is not None
            ]
            for at in range(0, len(reports), self._batch_size):
                batch = _Batch(request, declared, tuple(reports[at : at + self._batch_size]))
                self._journal.prepare(FEED, period, self._next(period), batch.encoded())
        self.resume(period)
        for each in missing:
            log.warning(
                "period %d, request %d, participant %d: not verified, %s: %s",
                period, each.leg.request, each.leg.participant, each.error, each.reason,
            )  # fmt: skip
        return missing

    def expire(self, period: int) -> list[str]:
        """Ends what nobody verified in time; the hashes of the transactions sent now."""
        if not self._port.overdue(period):
            return []
        return [
            self._port.lapse(period, request, participants[at : at + self._batch_size])
            for request, legs in groupby(self._port.open_legs(period), key=lambda leg: leg.request)
            for participants in [[leg.participant for leg in legs]]
            for at in range(0, len(participants), self._batch_size)
        ]

    def resume(self, period: int | None = None) -> None:
        """Sends what an interrupted run left in the journal, of one period or all of them."""
        for entry in self._journal.pending(FEED):
            if period is None or entry.period == period:
                self._post(entry)

    # --- sending -----------------------------------------------------------------------------

    def _post(self, entry: Entry) -> None:
        """The chain is asked first: a leg it has closed is not verified again."""
        batch = _Batch.decoded(entry.payload)
        waiting = {
            leg.participant
            for leg in self._port.open_legs(entry.period)
            if leg.request == batch.request
        }
        left = [report for report in batch.reports if report.participant in waiting]
        tx_hash = FOUND_ON_CHAIN
        if left and batch.declared:
            participants = [report.participant for report in left]
            tx_hash = self._port.verify_declared(entry.period, batch.request, participants)
        elif left:
            tx_hash = self._port.verify(entry.period, batch.request, left)
        self._journal.confirm(FEED, entry.period, entry.version, tx_hash)

    # --- finding -----------------------------------------------------------------------------

    def _report(
        self, period: int, leg: OpenLeg, activated: Mapping[int, Sequence[int]],
        missing: list[Unverified],
    ) -> Report | None:  # fmt: skip
        """What to commit of a leg; None, and the reason in `missing`, where that cannot be said yet."""
        seconds = self._calendar.mtu.seconds
        if leg.evidence_seconds < seconds:
            reason = f"needs evidence each {leg.evidence_seconds} s, readings are of {seconds} s"
            missing.append(Unverified(leg, "EvidenceTooCoarse", reason))
            return None
        metered = self._builder.has_reading(leg.participant, period)
        if not metered and not self._port.readings_closed(period):
            missing.append(Unverified(leg, "MissingReading", f"period {period} is not metered yet"))
            return None
        if leg.method == DECLARED:
            return Report(leg.participant, 0, seconds, b"")
        try:
            method = numbered(leg.method)
            evidence = self._builder.evidence(
                leg.participant, period, method, activated.get(leg.participant, ())
            )
            found = baseline(method, evidence)
        except BaselineError as error:
            missing.append(Unverified(leg, type(error).__name__, str(error)))
            return None
        data = canonical(method, evidence)
        self._save(data)
        return Report(leg.participant, int(found.wh[-1]), seconds, bytes(keccak(data)))

    def _activated(self, period: int) -> dict[int, list[int]]:
        """Periods up to this one in which participants were called, as far back as any method looks."""
        last = self._calendar.day_of(period).periods.stop
        day = 86_400 // self._calendar.mtu.seconds
        found: dict[int, list[int]] = {}
        back = range(last - (_LOOKBACK_DAYS + 1) * day, period + 1)
        for entry in self._journal.between(ACTIVATED, back):
            for participant in json.loads(entry.payload):
                found.setdefault(participant, []).append(entry.period)
        return found

    def _remember(self, period: int, legs: Sequence[OpenLeg]) -> None:
        """Who was called, in the journal: a later event's baseline leaves these periods out."""
        known = self._journal.entries(ACTIVATED, period)
        held = {who for entry in known for who in json.loads(entry.payload)}
        fresh = sorted({leg.participant for leg in legs if leg.called} - held)
        if fresh:
            version = known[-1].version + 1 if known else 1
            self._journal.prepare(ACTIVATED, period, version, json.dumps(fresh).encode())
        for entry in self._journal.entries(ACTIVATED, period):
            if not entry.confirmed:
                self._journal.confirm(ACTIVATED, period, entry.version)  # there is nothing to send

    def _prepared(self, period: int) -> set[tuple[int, int]]:
        """(request, participant) of every report in the journal."""
        batches = (_Batch.decoded(entry.payload) for entry in self._journal.entries(FEED, period))
        return {(b.request, report.participant) for b in batches for report in b.reports}

    def _next(self, period: int) -> int:
        known = self._journal.entries(FEED, period)
        return known[-1].version + 1 if known else 1

    def _save(self, data: bytes) -> None:
        """On disk before the chain has the hash, and never half of it."""
        self._out.mkdir(parents=True, exist_ok=True)
        path = self._out / f"{keccak(data).hex()}.json"
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


_LOOKBACK_DAYS: Final = 45
"""The longest of the named methods."""
