"""Committed baselines, computed again by anyone from the published evidence and the chain's hash."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_utils.crypto import keccak

from gridbourse.audit.core.errors import AuditError
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.model.flexibility.baseline.canonical import read
from gridbourse.model.flexibility.baseline.compute import baseline
from gridbourse.model.flexibility.baseline.errors import BaselineError
from gridbourse.model.flexibility.baseline.evidence import Evidence
from gridbourse.model.flexibility.baseline.methods import Method
from gridbourse.model.flexibility.products import BASELINES, EVIDENCE_ONLY


class EvidenceError(AuditError):
    """Evidence that is missing, is not what was committed, or says something else."""


@dataclass(frozen=True)
class Committed:
    """Commitment of one leg on the chain."""

    period: int
    participant: int
    baseline_wh: int
    evidence_seconds: int
    evidence: bytes


Ever = Callable[[int, int], Collection[int]]
"""(participant, period) -> every reading the chain ever had of it, Wh."""


def recomputed(folder: Path, committed: Committed, ever: Ever | None = None) -> Method:
    """Computes a committed baseline again from the file of its hash; the method it was found by.

    ever: the chain's readings, which those of the evidence must be among; None = not looked at.
    Raises EvidenceError naming the leg and what is wrong.
    """
    leg = f"period {committed.period}, participant {committed.participant}"
    path = folder / f"{committed.evidence.hex()}.json"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"{leg}: {path.name}: cannot be read ({error.strerror})") from error
    if keccak(data) != committed.evidence:
        raise EvidenceError(f"{leg}: {path.name}: is not what was committed")
    try:
        method, evidence = read(data)
        found = baseline(method, evidence)
    except BaselineError as error:
        raise EvidenceError(f"{leg}: {path.name}: {error}") from error
    if evidence.point != f"participant {committed.participant}":
        raise EvidenceError(f"{leg}: {path.name}: is of {evidence.point}")
    if evidence.event[-1] != committed.period:
        raise EvidenceError(f"{leg}: {path.name}: is of period {evidence.event[-1]}")
    if evidence.mtu.seconds != committed.evidence_seconds:
        raise EvidenceError(
            f"{leg}: {path.name}: is of {evidence.mtu.seconds} s, {committed.evidence_seconds} s"
            " were committed"
        )
    if (wh := int(found.wh[-1])) != committed.baseline_wh:
        raise EvidenceError(
            f"{leg}: {path.name}: comes to {wh:,} Wh, {committed.baseline_wh:,} Wh were committed"
        )
    if ever is not None:
        _require_the_chains(evidence, committed.participant, ever, f"{leg}: {path.name}")
    return method


def compare_baselines(rebuilt: Rebuilt, folders: Sequence[Path]) -> None:
    """Every baseline the verifiers committed, from the evidence published in the folder of each area."""
    market = rebuilt.flexibility
    if market is None:
        return
    ever = rebuilt.metering.ever
    for leg in market.verification.committed:
        where = f"period {leg.period}, participant {leg.participant}"
        product = market.requests.products[leg.product]
        if product.method == EVIDENCE_ONLY:
            continue  # no baseline: the evidence is the meter's own log
        of = Committed(
            leg.period, leg.participant, leg.baseline_wh, leg.evidence_seconds, leg.evidence
        )
        try:
            folder = folders[min(rebuilt.members.area_of(leg.participant) or 0, len(folders) - 1)]
            method = recomputed(folder, of, lambda who, period: ever[who, period])
        except EvidenceError as error:
            rebuilt.findings.require("baseline", where, False, str(error))
            continue
        rebuilt.findings.compare(
            "baseline", f"method, {where}", method.name, BASELINES[product.method].name
        )


def _require_the_chains(evidence: Evidence, participant: int, ever: Ever, where: str) -> None:
    for period, wh, present in _readings(evidence):
        known = ever(participant, period)
        if present and wh not in known:
            told = " or ".join(f"{each:,}" for each in sorted(known)) or "no"
            raise EvidenceError(f"{where}: has {wh:,} Wh of period {period}, the chain {told} Wh")


def _readings(evidence: Evidence) -> Iterator[tuple[int, int, bool]]:
    readings = evidence.readings
    rows = enumerate(zip(readings.wh, readings.present, strict=True), start=readings.first_period)
    for period, (wh, present) in rows:
        yield period, int(wh), bool(present)
