"""Committed baselines, computed again from the published evidence and the hash on the chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
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
    """Evidence that is missing, differs from what was committed, or gives another baseline."""


@dataclass(frozen=True)
class Committed:
    """Baseline of one leg as the chain has it."""

    period: int
    participant: int
    baseline_wh: int
    evidence_seconds: int
    evidence: bytes


Ever = Callable[[int, int], Collection[int]]
"""Every reading that the chain ever had, Wh, by (participant, period)."""


def recomputed(folder: Path, committed: Committed, ever: Ever | None = None) -> Method:
    """Compute a committed baseline again from the file of its hash; the method that found it.

    ever: the chain's readings, which must include those of the evidence; None = not compared.
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


def compare_baselines(rebuilt: Rebuilt, folder: Path) -> None:
    """Compare every baseline that the verifier committed with the evidence it published."""
    market = rebuilt.flexibility
    if market is None:
        return
    ever = rebuilt.metering.ever
    for leg in market.verification.committed:
        where = f"period {leg.period}, participant {leg.participant}"
        product = market.requests.products[leg.product]
        if product.method == EVIDENCE_ONLY:
            continue  # no baseline: the meter's own log is the evidence
        of = Committed(
            leg.period, leg.participant, leg.baseline_wh, leg.evidence_seconds, leg.evidence
        )
        try:
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
