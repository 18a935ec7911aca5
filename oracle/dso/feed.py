"""Brings the DSO's verdicts to the chain: on a cleared book, on groups of trades, on what flows besides.

A pool's book is accepted, or capped and cleared again.  Of a group of trades those are rejected that
the caps leave no room for.  What breaks limits without any trade is capped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from operator import le
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gridbourse.chain.bindings.checked_trades import SealedTrades
from gridbourse.grid.limits import Limits
from gridbourse.grid.network import Network
from gridbourse.model.trade import TradeWord
from oracle.common.errors import FeedError
from oracle.common.journal import Entry, Journal
from oracle.dso.flexibility_verdict import MovePort, judged_moves, moved_by
from oracle.dso.grid_check import GridFinding, GridView, Reals, Whole
from oracle.dso.trade_groups import Sums, TradePort, beyond_caps, net, with_trades
from oracle.dso.verdict import NumberedCaps, Verdict, read_report, scheduled_wh, write_report

FEED: Final = "grid"
FLEXIBILITY: Final = "flexibility"
"""Name in journal and reports of the market whose trades move what flows."""
SCHEDULE: Final = "schedule"
"""Stands for a market's name where what flows without a trade is capped."""


class GridPort(Protocol):
    """Interface of the chain to the feed, for one market area."""

    def round(self, period: int) -> int:
        """The round the period's book is in, counted from 0."""

    def judged(self, period: int, round_: int) -> bool:
        """Whether the chain has a whole verdict on this round, or on a later one."""

    def book_root(self, period: int) -> bytes:
        """Root of the cleared book, which the verdict binds."""

    def positions_wh(self, period: int) -> Mapping[int, int]:
        """Contract positions of the cleared book, participant number -> Wh (+ sells)."""

    def booked_wh(self, period: int) -> Sums:
        """Energy that all markets have booked."""

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

    def cap_schedule(self, period: int, caps: NumberedCaps, report_hash: bytes) -> str:
        """Caps what flows without a verdict on any trade; otherwise like :meth:`cap`."""


class StatePort(Protocol):
    """Interface to the feed of the contract that pays for curtailment."""

    def state(self, period: int, schedules_wh: Mapping[int, int]) -> None:
        """States what participants are expected to feed in, Wh by number; again changes nothing."""


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
        markets: Sequence[TradePort] = (),
        flexibility: MovePort | None = None,
        compensation: StatePort | None = None,
    ):
        """points: names of the connection points, in the order of every array and of ``network``.

        numbers: point -> participant number; points without one cannot be capped.  out: folder
        that gets the reports.  markets: whose trades are judged one by one; flexibility: the market
        whose trades move what flows.  compensation: what pays for curtailment, if anything does.
        """
        self._port = port
        self._journal = journal
        self._view = GridView(network, list(points), dict(numbers), limits, mtu_seconds)
        self._out = out
        self._flexibility, self._compensation = flexibility, compensation
        ports = [*markets, *([flexibility] if flexibility is not None else [])]
        self._markets: dict[str, TradePort] = {port.name: port for port in ports}

    # --- what a replay or a daemon asks for ------------------------------------------------------

    def check(self, period: int, schedule_wh: Whole, reactive_var: Reals) -> Verdict:
        """The verdict on the round the pool's book is in, posted; asking again changes nothing.

        schedule_wh: forecast net injection of every point, Wh (+ injects); reactive_var: var.
        Raises FeedError for a round another oracle has judged, GridError where the grid has no
        operating point whatever is curtailed.
        """
        # First the round, then what is left over: posting caps opens the next round, whose book
        # has to be cleared before there is anything to judge.
        round_ = self._port.round(period)
        self.resume(period)
        known = self._known(FEED, period)
        if round_ in known:
            verdict = read_report(known[round_].payload)
        elif self._port.judged(period, round_):
            raise FeedError(
                f"period {period}, round {round_}: has a verdict {self._journal.path} does not know"
            )
        else:
            verdict = self._judge_book(period, round_, schedule_wh, reactive_var)
            self._journal.prepare(FEED, period, round_, verdict.report)
        self._post(verdict)
        return verdict

    def check_trades(
        self, market: str, period: int, schedule_wh: Whole, reactive_var: Reals
    ) -> list[Verdict]:
        """Verdicts on every group of a market that waits for one, posted in order.

        Asking again judges only what was sealed since.  Raises what :meth:`check` raises.
        """
        self.resume(period)
        verdicts = []
        port = self._markets[market]
        for group in port.sealed(period):
            verdict = self._judge_group(port, period, group, schedule_wh, reactive_var)
            self._journal.prepare(_feed(market), period, group.number, verdict.report)
            self._post(verdict)
            verdicts.append(verdict)
        return verdicts

    def check_flexibility(
        self, period: int, schedule_wh: Whole, reactive_var: Reals
    ) -> list[Verdict]:
        """Verdicts on every group of flexibility that waits for one: no purchase may break the grid.

        See `oracle.dso.flexibility_need.reject_legs`. Raises FeedError where there is no such market.
        """
        self.resume(period)
        if self._flexibility is None:
            raise FeedError("flexibility: the feed has no such market")
        verdicts = []
        for group in self._flexibility.sealed(period):
            positions_wh = net(self._port.booked_wh(period))
            wanted_wh = self._view.wanted_wh(period, schedule_wh, positions_wh)
            verdict = judged_moves(
                self._view, period, group, self._flexibility.moves(period, group),
                wanted_wh + self.moved_wh(period), reactive_var, self._port.caps(period),
            )  # fmt: skip
            self._journal.prepare(_feed(FLEXIBILITY), period, group.number, verdict.report)
            self._post(verdict)
            verdicts.append(verdict)
        return verdicts

    def moved_wh(self, period: int) -> Whole:
        """Change of every point's net injection by accepted flexibility in a period, Wh."""
        return moved_by(self._view, self._known(_feed(FLEXIBILITY), period).values())

    def check_schedule(
        self, period: int, schedule_wh: Whole, reactive_var: Reals
    ) -> Verdict | None:
        """Caps on what flows besides and in spite of all verdicts on trades; None if none are needed.

        For the time after gate closure, when every trade has its verdict.
        """
        self.resume(period)
        found = self._find(period, schedule_wh, reactive_var, net(self._port.booked_wh(period)))
        if found.inside or found.caps_by_number == found.facts["caps_before"]:
            return None  # nothing more can be done where no lower cap would help
        version = len(self._known(_feed(SCHEDULE), period))
        verdict = _verdict(found, "capped", version, bytes(20), {"market": SCHEDULE})
        self._journal.prepare(_feed(SCHEDULE), period, version, verdict.report)
        self._post(verdict)
        return verdict

    def resume(self, period: int | None = None) -> None:
        """Posts what an interrupted run left in the journal, of one period or all of them."""
        for feed in (FEED, *map(_feed, (*self._markets, SCHEDULE))):
            for entry in self._journal.pending(feed):
                if period is None or entry.period == period:
                    self._post(read_report(entry.payload))

    # --- posting -------------------------------------------------------------------------------

    def _post(self, verdict: Verdict) -> None:
        """The chain is asked first: a verdict it has is not posted again."""
        self._save(verdict)
        feed = _feed(verdict.market) if verdict.market else FEED
        if self._on_chain(verdict):
            self._journal.confirm(feed, verdict.period, verdict.round)
        else:
            self._journal.confirm(feed, verdict.period, verdict.round, self._send(verdict))

    def _on_chain(self, verdict: Verdict) -> bool:
        if verdict.market == SCHEDULE:
            in_force = self._port.caps(verdict.period)
            return all(
                who in in_force and all(map(le, in_force[who], caps))
                for who, caps in verdict.caps.items()
            )
        if verdict.market:
            return self._markets[verdict.market].judged(verdict.period) > verdict.round
        return self._port.judged(verdict.period, verdict.round)

    def _send(self, verdict: Verdict) -> str:
        period, root, report_hash = verdict.period, verdict.book_root, verdict.report_hash
        if verdict.caps and self._compensation is not None:
            # Before the caps: so there is never one whose schedule was not stated in time.
            self._compensation.state(period, scheduled_wh(verdict, self._view.numbers))
        if verdict.market == SCHEDULE:
            return self._port.cap_schedule(period, verdict.caps, report_hash)
        if verdict.market:
            group = SealedTrades(verdict.round, root, verdict.trades)
            return self._markets[verdict.market].judge(
                period, group, list(verdict.rejected), verdict.caps, report_hash
            )
        if verdict.kind == "accepted":
            return self._port.accept(period, verdict.round, root, report_hash)
        return self._port.cap(period, verdict.round, root, verdict.caps, report_hash)

    def _known(self, feed: str, period: int) -> dict[int, Entry]:
        return {entry.version: entry for entry in self._journal.entries(feed, period)}

    # --- finding -------------------------------------------------------------------------------

    def _find(
        self, period: int, schedule_wh: Whole, reactive_var: Reals, positions_wh: Mapping[int, int]
    ) -> GridFinding:
        in_force, moved_wh = self._port.caps(period), self.moved_wh(period)
        return self._view.find(period, schedule_wh, reactive_var, positions_wh, in_force, moved_wh)

    def _judge_book(
        self, period: int, round_: int, schedule_wh: Whole, reactive_var: NDArray[np.float64]
    ) -> Verdict:
        positions_wh = net(self._port.booked_wh(period))
        for who, wh in self._port.positions_wh(period).items():
            positions_wh[who] = positions_wh.get(who, 0) + wh
        found = self._find(period, schedule_wh, reactive_var, positions_wh)
        kind = "accepted" if found.inside else "capped"
        return _verdict(found, kind, round_, self._port.book_root(period))

    def _judge_group(
        self, port: TradePort, period: int, group: SealedTrades, schedule_wh: Whole,
        reactive_var: Reals,
    ) -> Verdict:  # fmt: skip
        booked = self._port.booked_wh(period)
        promised = with_trades(booked, group.trades)
        found = self._find(period, schedule_wh, reactive_var, net(promised))
        rejected = beyond_caps(group.trades, booked, found.caps_by_number)
        kind = "capped" if not found.inside else "rejected" if rejected else "accepted"
        told = {
            "market": port.name,
            "trades": [list(trade) for trade in group.trades],
            "booked_wh": {int(who): list(sums) for who, sums in booked.items()},
            "rejected": rejected,
        }
        found.explanation.extend(self._why(group.trades[at], found, promised) for at in rejected)
        return _verdict(found, kind, group.number, group.root, told)

    def _why(self, trade: TradeWord, found: GridFinding, promised: Sums) -> str:
        """The sentence for a rejected trade; numbers before any of the group was rejected."""
        seller, buyer = (self._view.point_of[who] for who in (trade.seller, trade.buyer))
        line = f"{trade.wh:,} Wh from {seller} to {buyer} rejected"
        for who, name, way, side in (
            (trade.seller, seller, "export", 0), (trade.buyer, buyer, "import", 1),
        ):  # fmt: skip
            cap = found.caps_by_number.get(who)
            if cap is not None and promised[who][side] > cap[side]:
                verb = ("sold", "bought")[side]
                line += f": {name} {verb} {promised[who][side]:,} Wh, {way} cap {cap[side]:,} Wh"
        return line

    def _save(self, verdict: Verdict) -> None:
        """On disk before the chain has the hash, and never half of it."""
        self._out.mkdir(parents=True, exist_ok=True)
        name = f"{verdict.market}-" if verdict.market else ""
        path = self._out / f"{verdict.period}-{name}{verdict.round}.json"
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(verdict.report)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _feed(market: str) -> str:
    """The journal's name for the verdicts of a market."""
    return f"{FEED} {market}"


def _verdict(
    found: GridFinding, kind: str, round_: int, root: bytes, more: Mapping[str, Any] | None = None
) -> Verdict:
    facts = found.facts | {
        "kind": kind,
        "round": round_,
        "book_root": root.hex(),
        "explanation": found.explanation,
    }
    return read_report(write_report(facts | dict(more or {}), found.proposal))
