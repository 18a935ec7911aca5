"""A verdict of the DSO and its report: the canonical JSON whose hash goes on the chain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from eth_utils.crypto import keccak

from gridbourse.chain.bindings.grid_oracle import GridOracle
from gridbourse.grid.assessment import Assessment, Kind, Violation
from gridbourse.model.caps import NO_CAP, Caps
from gridbourse.model.trade import TradeWord
from oracle.dso.caps import CapProposal

ALGORITHM: Final = GridOracle.ALGORITHM
"""Version of how verdicts are found; a verdict names it, so raise it when one could differ."""

NumberedCaps = Mapping[int, tuple[int, int]]
"""participant number -> (export cap, import cap), Wh; NO_CAP = none."""


@dataclass(frozen=True)
class Verdict:
    """What the DSO says of one round of a period, or of one group of trades.

    market: whose trades, "" for a pool and for what flows without a trade.  round: of the pool, or
    the group's number.  book_root: what the verdict binds.  trades: of the group; rejected: places
    in it.
    curtailed_wh: what all caps in force take off the schedule.  before: the schedule under the caps
    so far; None where the grid has no operating point then.  after: under the new caps, None if
    there are none.  caps: all in force after the verdict, by participant number.
    """

    kind: Literal["accepted", "capped", "rejected"]
    period: int
    round: int
    book_root: bytes
    explanation: tuple[str, ...]
    curtailed_wh: int
    before: Assessment | None
    after: Assessment | None
    caps: NumberedCaps
    report: bytes
    market: str = ""
    trades: tuple[TradeWord, ...] = ()
    rejected: tuple[int, ...] = ()

    @property
    def report_hash(self) -> bytes:
        """keccak256 of the report."""
        return bytes(keccak(self.report))


def numbered(caps: Caps, points: Sequence[str], numbers: Mapping[str, int]) -> NumberedCaps:
    """The caps that bind, by participant number."""
    return {
        numbers[points[i]]: (int(caps.export_cap_wh[i]), int(caps.import_cap_wh[i]))
        for i in np.flatnonzero(caps.binding).tolist()
    }


def by_point(given: NumberedCaps, points: Sequence[str], numbers: Mapping[str, int]) -> Caps:
    """The reverse: arrays over the points, none where no number has a cap."""
    lanes = [given.get(numbers.get(point, -1), (NO_CAP, NO_CAP)) for point in points]
    return Caps(*np.array(lanes, dtype=np.int64).reshape(-1, 2).T.copy())


def write_report(facts: Mapping[str, Any], proposal: CapProposal | None) -> bytes:
    """Canonical JSON: sorted keys, no spaces, no NaN; the same verdict is the same bytes."""
    candidates = [] if proposal is None else proposal.candidates
    document = {
        **facts,
        "algorithm": ALGORITHM,
        "method": None if proposal is None else proposal.method,
        "feasible": True if proposal is None else proposal.feasible,
        "candidates": [
            {"method": c.method, "curtailed_wh": c.curtailed_wh, "feasible": c.feasible}
            for c in candidates
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_report(report: bytes) -> Verdict:
    """The verdict a report was written of."""
    facts = json.loads(report)
    return Verdict(
        facts["kind"],
        facts["period"],
        facts["round"],
        bytes.fromhex(facts["book_root"]),
        tuple(facts["explanation"]),
        facts["curtailed_wh"],
        _assessment(facts["before"]),
        _assessment(facts["after"]),
        {int(number): (out, into) for number, (out, into) in facts["caps"].items()},
        report,
        facts.get("market", ""),
        tuple(TradeWord(*trade) for trade in facts.get("trades", ())),
        tuple(facts.get("rejected", ())),
    )


def scheduled_wh(verdict: Verdict, numbers: Mapping[str, int]) -> dict[int, int]:
    """What whom the verdict caps is expected to inject, Wh by participant number: its forecast, and what
    flexibility that was bought moves of it; not what it has sold, which it could sell to itself."""
    facts = json.loads(verdict.report)
    schedule = dict(zip(facts["points"], facts["schedule_wh"], strict=True))
    moved = dict(zip(facts["points"], facts.get("moved_wh", ()), strict=False))
    return {
        number: schedule[point] + moved.get(point, 0)
        for point, number in numbers.items()
        if number in verdict.caps
    }


def told(assessment: Assessment | None) -> dict[str, Any] | None:
    """An assessment as JSON has it."""
    return None if assessment is None else asdict(assessment)


def _assessment(facts: dict[str, Any] | None) -> Assessment | None:
    if facts is None:
        return None
    violations = [
        Violation(**{**violation, "kind": Kind(violation["kind"])})
        for violation in facts["violations"]
    ]
    return Assessment(**{**facts, "violations": tuple(violations)})
