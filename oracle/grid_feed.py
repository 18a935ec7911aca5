"""Brings the DSO's verdict on a cleared book to the chain: accepted, or capped and cleared again.

What flows if nobody curtails is the forecast of every connection point, traded or not, participant
or not; where a participant's contract is more than its forecast, the contract counts, since that is
what it means to deliver.  Caps bind market and residual alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.periods import Mtu
from gridbourse.scenario.errors import GridError
from gridbourse.scenario.network import Network
from gridbourse.scenario.rules import Limits
from oracle.assessment import Assessment, assess
from oracle.caps import CapProposal, propose_caps
from oracle.errors import FeedError
from oracle.explanation import all_kept, explain
from oracle.journal import Journal
from oracle.verdict import (
    NumberedCaps,
    Verdict,
    by_point,
    numbered,
    read_report,
    told,
    write_report,
)

FEED: Final = "grid"


class GridPort(Protocol):
    """What the feed needs of the chain, for one market area."""

    def round(self, period: int) -> int:
        """The round the period's book is in, counted from 0."""

    def judged(self, period: int, round_: int) -> bool:
        """Whether the chain has a whole verdict on this round, or on a later one."""

    def book_root(self, period: int) -> bytes:
        """What the verdict binds: the root of the cleared book."""

    def positions_wh(self, period: int) -> Mapping[int, int]:
        """Contract positions of the cleared book, participant number -> Wh (+ sells)."""

    def caps(self, period: int) -> NumberedCaps:
        """Caps in force, participant number -> (export, import), Wh."""

    def accept(self, period: int, round_: int, book_root: bytes, report_hash: bytes) -> str:
        """Accepts the round; its transaction hash once mined."""

    def cap(
        self,
        period: int,
        round_: int,
        book_root: bytes,
        caps: NumberedCaps,
        report_hash: bytes,
    ) -> str:
        """Caps the round: ``caps`` are all that are in force then, absent = none.

        Returns the last transaction's hash once mined.  Called again after an interruption in
        between its transactions, it brings the rest.
        """


class GridFeed:
    """Finds verdicts and posts each once, whatever happens in between.

    A verdict is found once: its report is in the journal before it is posted, and a restarted feed
    posts that very report.
    """

    def __init__(
        self,
        port: GridPort,
        journal: Journal,
        network: Network,
        points: Sequence[str],
        numbers: Mapping[str, int],
        limits: Limits,
        mtu_seconds: int,
        out: Path,
    ):
        """points: names of the connection points, in the order of every array and of ``network``.

        numbers: point -> participant number; points without one cannot be capped.  out: folder
        that gets the reports, ``<period>-<round>.json``.
        """
        if strangers := sorted(set(numbers) - set(points)):
            raise FeedError(f"participant of {strangers[0]}: is no connection point of this grid")
        self._port = port
        self._journal = journal
        self._network = network
        self._points = list(points)
        self._numbers = dict(numbers)
        self._limits = limits
        self._mtu_seconds = mtu_seconds
        self._hours = Mtu(mtu_seconds).hours
        self._out = out

    def check(
        self,
        period: int,
        schedule_wh: NDArray[np.int64],
        reactive_var: NDArray[np.float64],
    ) -> Verdict:
        """The verdict on the round the period is in, posted; asking again changes nothing.

        schedule_wh: forecast net injection of every point, Wh (+ injects); reactive_var: var.
        Raises FeedError for a round another oracle has judged, GridError where the grid has no
        operating point whatever is curtailed.
        """
        for name, given in (("schedule_wh", schedule_wh), ("reactive_var", reactive_var)):
            if given.shape != (len(self._points),):
                raise FeedError(f"{name}: {given.shape} must be ({len(self._points)},)")
        # First the round, then what is left over: posting caps opens the next round, whose book
        # has to be cleared before there is anything to judge.
        round_ = self._port.round(period)
        self.resume(period)
        known = {entry.version: entry for entry in self._journal.entries(FEED, period)}
        if round_ in known:
            verdict = read_report(known[round_].payload)
        elif self._port.judged(period, round_):
            raise FeedError(
                f"period {period}, round {round_}: has a verdict {self._journal.path} does not know"
            )
        else:
            verdict = read_report(self._judge(period, round_, schedule_wh, reactive_var))
            self._journal.prepare(FEED, period, round_, verdict.report)
        self._post(verdict)
        return verdict

    def resume(self, period: int | None = None) -> None:
        """Posts what an interrupted run left in the journal, of one period or all of them."""
        for entry in self._journal.pending(FEED):
            if period is None or entry.period == period:
                self._post(read_report(entry.payload))

    def _post(self, verdict: Verdict) -> None:
        """The chain is asked first: a verdict it has is not posted again."""
        period, round_ = verdict.period, verdict.round
        self._save(verdict)
        if self._port.judged(period, round_):
            self._journal.confirm(FEED, period, round_)
            return
        root, report_hash = verdict.book_root, verdict.report_hash
        if verdict.kind == "accepted":
            tx_hash = self._port.accept(period, round_, root, report_hash)
        else:
            tx_hash = self._port.cap(period, round_, root, verdict.caps, report_hash)
        self._journal.confirm(FEED, period, round_, tx_hash)

    def _judge(
        self,
        period: int,
        round_: int,
        schedule_wh: NDArray[np.int64],
        reactive_var: NDArray[np.float64],
    ) -> bytes:
        positions_wh = self._port.positions_wh(period)
        in_force = by_point(self._port.caps(period), self._points, self._numbers)
        wanted_wh = self._wanted_wh(period, schedule_wh, positions_wh)
        held_wh = in_force.clip(wanted_wh)
        before = self._assess(held_wh, reactive_var)
        kind: Literal["accepted", "capped"]
        if before is not None and before.inside:
            kind, caps, after, proposal = "accepted", in_force, None, None
            explanation = [all_kept(before)]
        else:
            proposal = self._propose(held_wh, reactive_var)
            kind, caps = "capped", in_force.tightened(proposal.caps)
            after = self._assess(caps.clip(wanted_wh), reactive_var)
            explanation = explain(
                self._network, self._points, held_wh, reactive_var, self._hours, before, proposal
            )
        facts: dict[str, Any] = {
            "kind": kind,
            "period": period,
            "round": round_,
            "book_root": self._port.book_root(period).hex(),
            "explanation": explanation,
            "curtailed_wh": int(np.abs(wanted_wh - caps.clip(wanted_wh)).sum()),
            "before": told(before),
            "after": told(after),
            "caps": numbered(caps, self._points, self._numbers),
            "caps_before": numbered(in_force, self._points, self._numbers),
            "points": self._points,
            "schedule_wh": [int(wh) for wh in schedule_wh],
            "reactive_var": [float(var) for var in reactive_var],
            "positions_wh": {int(n): int(wh) for n, wh in positions_wh.items()},
            "mtu_seconds": self._mtu_seconds,
            "limits": asdict(self._limits),
        }
        return write_report(facts, proposal)

    def _wanted_wh(
        self, period: int, schedule_wh: NDArray[np.int64], positions_wh: Mapping[int, int]
    ) -> NDArray[np.int64]:
        """The schedule, or the contract where that is more; a small purchase hides no export."""
        if strangers := sorted(set(positions_wh) - set(self._numbers.values())):
            raise FeedError(f"period {period}: participant {strangers[0]} has no connection point")
        contract_wh = np.array(
            [positions_wh.get(self._numbers.get(point, -1), 0) for point in self._points],
            dtype=np.int64,
        )
        return np.where(np.abs(contract_wh) > np.abs(schedule_wh), contract_wh, schedule_wh)

    def _assess(
        self, net_wh: NDArray[np.int64], reactive_var: NDArray[np.float64]
    ) -> Assessment | None:
        try:
            return assess(self._network, net_wh / self._hours, reactive_var, self._limits)
        except GridError:
            return None

    def _propose(self, net_wh: NDArray[np.int64], reactive_var: NDArray[np.float64]) -> CapProposal:
        cappable = np.array([point in self._numbers for point in self._points])
        return propose_caps(
            self._network, net_wh, reactive_var, self._limits, self._mtu_seconds, cappable
        )

    def _save(self, verdict: Verdict) -> None:
        """On disk before the chain has the hash, and never half of it."""
        self._out.mkdir(parents=True, exist_ok=True)
        path = self._out / f"{verdict.period}-{verdict.round}.json"
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(verdict.report)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
