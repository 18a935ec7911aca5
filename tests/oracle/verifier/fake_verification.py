"""The chain's rules for verification, on disk so that they outlive a killed oracle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from oracle.verifier.feed import OpenLeg, Report
from tests.oracle.fake_chain import Refused


class VerificationChain:
    """Legs are open until they are verified or lapse, once."""

    def __init__(self, path: Path, legs: Iterable[tuple[int, OpenLeg]] = ()):
        self.path = path
        self.closed_for_readings = False
        self.late = False
        self.transactions: list[list] = []
        self.legs = {}
        if path.exists():
            facts = json.loads(path.read_text())
            self.transactions = facts["transactions"]
            legs = [(period, OpenLeg(**leg)) for period, leg in facts["legs"]]
        self.add(*legs)

    def add(self, *legs: tuple[int, OpenLeg]) -> None:
        for period, leg in legs:
            self.legs[period, leg.request, leg.participant] = leg
        self._save()

    def open_legs(self, period: int) -> Sequence[OpenLeg]:
        return [leg for (of, *_), leg in sorted(self.legs.items()) if of == period]

    def readings_closed(self, period: int) -> bool:
        return self.closed_for_readings

    def overdue(self, period: int) -> bool:
        return self.late

    def verify(self, period: int, request: int, reports: Sequence[Report]) -> str:
        rows = [
            [report.participant, report.baseline_wh, report.evidence_seconds, report.evidence.hex()]
            for report in reports
        ]
        return self._end("verify", period, request, rows)

    def verify_declared(self, period: int, request: int, participants: Sequence[int]) -> str:
        return self._end("declared", period, request, [[each] for each in participants])

    def lapse(self, period: int, request: int, participants: Sequence[int]) -> str:
        return self._end("lapse", period, request, [[each] for each in participants])

    def _end(self, how: str, period: int, request: int, rows: list[list]) -> str:
        for participant, *_ in rows:
            if self.legs.pop((period, request, participant), None) is None:
                raise Refused(f"NoLeg of {participant}")
        self.transactions.append([how, period, request, rows])
        self._save()
        return f"0x{len(self.transactions)}"

    def _save(self) -> None:
        legs = [[period, asdict(leg)] for (period, *_), leg in self.legs.items()]
        self.path.write_text(json.dumps({"transactions": self.transactions, "legs": legs}))
