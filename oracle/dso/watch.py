"""The grid oracle as a process: looks what waits for the DSO on a live chain, and has it judged.

From the first order of a period until its delivery begins, in this order: the pool's book once it is
cleared; groups of trades, full ones while the gate is open, the last when it has closed; and, where
there is no pool, what flows beside all trades.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from gridbourse.chain.bindings.checked_trades import TradeDesk
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.node.connect import NetworkError
from gridbourse.chain.node.transactions import Reverted
from gridbourse.grid.network import Network
from gridbourse.metering.points import Holders, read_numbers
from gridbourse.scenario.scenario import Scenario
from gridbourse.text import many, moment, one_line
from oracle.common.daemon import told
from oracle.common.errors import FeedError, JournalError
from oracle.common.journal import Journal
from oracle.dso.feed import SCHEDULE, GridFeed
from oracle.dso.verdict import Verdict

log = logging.getLogger(__name__)

POOL: Final = "pool"
OURS: Final = ("MissingRole",)
"""What the chain refuses whatever the verdict is."""


class Task(NamedTuple):
    """Something to judge. state: what the chain says of it; it is another task once that changes.

    what: the pool, the schedule, or a market by its name.
    """

    what: str
    period: int
    gate_closed: bool
    state: tuple[int, ...]


@dataclass(frozen=True)
class Connected:
    """Who is behind which connection point, by the mapping kept beside the chain, read anew each time.

    points: of the DSO's grid. Who was onboarded elsewhere is left out, and said so once: what it trades is
    refused, and what others trade is judged.
    """

    market: Market
    mapping: Path
    points: Collection[str]
    _said: set[str] = field(default_factory=set)

    def at(self, period: int) -> Mapping[str, int]:
        """Participant number by point; ReadingError for a mapping that says no such thing."""
        numbers = self._of_the_grid(read_numbers(self.mapping))
        holders = Holders(numbers, lambda who: self.market.registry.read("membershipOf", who))
        found = {point: holders.at(point, period) for point in numbers}
        return {point: number for point, number in found.items() if number is not None}

    def _of_the_grid(self, numbers: Mapping[str, tuple[int, ...]]) -> Mapping[str, tuple[int, ...]]:
        for point in sorted(numbers.keys() - set(self.points) - self._said):
            self._said.add(point)
            log.warning("participant of %s: is no connection point of this grid", point)
        return {point: turns for point, turns in numbers.items() if point in self.points}


class GridWatch:
    """A feed of the daemon.  `refused`: what could not be judged so far, each of it logged.

    What was refused is tried again when its state on the chain has changed, and after a start.
    """

    name: Final = "grid"

    def __init__(
        self,
        market: Market,
        scenario: Scenario,
        desks: Sequence[TradeDesk],
        connected: Connected,
        journal: Journal,
        verdicts: Path,
    ):
        """scenario: what the DSO knows, its grid, limits and forecasts.  verdicts: folder of reports.

        Raises FeedError where the market's delivery periods are not the scenario's.
        """
        mtu_seconds = market.clock.read("mtuSeconds")
        if mtu_seconds != scenario.mtu_seconds:
            raise FeedError(
                f"scenario {scenario.name}: mtu_seconds {scenario.mtu_seconds}, the market on"
                f" record has {mtu_seconds}"
            )
        self._market, self._scenario, self._connected = market, scenario, connected
        self._network = Network.load(scenario.grid_file, scenario.points)
        self._desks = {desk.name: desk for desk in desks}
        self._journal, self._verdicts = journal, verdicts
        self.refused = 0
        self._refused: set[Task] = set()
        self._done: set[Task] = set()
        self._next: Task | None = None
        self._first_open = 0

    def due(self) -> bool:
        """Whether something waits for a verdict."""
        known = self._refused | self._done
        self._next = next((task for task in self._waiting() if task not in known), None)
        return self._next is not None

    def waits_for(self) -> str:
        """Which gate closes next, and how much cannot be judged as it stands."""
        opens = moment(round(self._scenario.mtu.start(self._first_open).timestamp()))
        refused = many(len(self._refused), "refused task")
        beside = f"; {refused} until the chain says otherwise" if self._refused else ""
        return f"nothing to judge before the gate of period {self._first_open} ({opens}) closes{beside}"

    def step(self) -> None:
        """Judge what waits first."""
        task, self._next = self._next, None
        if task is None:
            return
        # Not of this task alone: a mapping that cannot be read, a chain or a journal that is away.
        numbers = self._connected.at(task.period)
        try:
            verdicts = self._judge(task, numbers)
        except Reverted as refusal:
            if refusal.name in OURS:
                raise
            self._refuse(task, refusal)
        except (NetworkError, JournalError):
            raise
        except Exception as error:
            self._refuse(task, error)
        else:
            if task.what == SCHEDULE:
                self._done.add(task)  # nothing on the chain says so where no caps were needed
            for verdict in verdicts:
                _tell(task, verdict)

    # --- what waits ----------------------------------------------------------------------------

    def _waiting(self) -> Iterator[Task]:
        clock = self._market.clock
        now, first_open, last = (
            clock.read(name) for name in ("currentPeriod", "nextOpenPeriod", "lastOpenPeriod")
        )
        self._first_open = first_open
        for period in range(now + 1, last + 1):
            try:
                yield from self._of_period(period, gate_closed=period < first_open)
            except NetworkError:
                raise
            except Exception as error:
                self._refuse(Task("what waits", period, period < first_open, ()), error)

    def _of_period(self, period: int, gate_closed: bool) -> Iterator[Task]:
        """Trades wait while a pool is cleared: its verdict comes first, and what it booked counts."""
        if gate_closed and self._pool_is("cleared", period):
            round_ = self._market.grid.round(period)
            if not self._market.grid.judged(period, round_):
                yield Task(POOL, period, gate_closed, (round_,))
            return
        progress = {name: desk.market.progress(period) for name, desk in self._desks.items()}
        unjudged = {
            name: state
            for name, state in progress.items()
            if state.sealed > state.judged or (gate_closed and state.in_open_group)
        }
        for name, state in unjudged.items():
            groups = state.sealed + (state.in_open_group > 0)
            yield Task(name, period, gate_closed, (groups, state.judged))
        if gate_closed and not unjudged and self._market.pool is None:
            judged = tuple(state.judged for state in progress.values())
            yield Task(SCHEDULE, period, gate_closed, judged)

    def _pool_is(self, phase: str, period: int) -> bool:
        pool = self._market.pool
        return pool is not None and pool.phase(AREA, period) == phase

    # --- verdicts ------------------------------------------------------------------------------

    def _judge(self, task: Task, numbers: Mapping[str, int]) -> list[Verdict]:
        period, feed = task.period, self._feed(numbers)
        state = self._scenario.forecast_wh(period), self._scenario.forecast_var(period)
        if task.what == POOL:
            return [feed.check(period, *state)]
        if task.what == SCHEDULE:
            verdict = feed.check_schedule(period, *state)
            return [] if verdict is None else [verdict]
        if task.gate_closed:
            self._desks[task.what].seal(period)
        return feed.check_trades(task.what, period, *state)

    def _feed(self, numbers: Mapping[str, int]) -> GridFeed:
        """With those who are connected in the period."""
        return GridFeed(
            self._market.grid,
            self._journal,
            self._network,
            list(self._scenario.points.index),
            numbers,
            self._scenario.limits,
            self._scenario.mtu_seconds,
            self._verdicts,
            markets=list(self._desks.values()),
            compensation=self._market.compensation,
        )

    def _refuse(self, task: Task, error: Exception) -> None:
        """One line, once as long as the chain says the same of it; the others go on."""
        if task in self._refused:
            return
        self.refused += 1
        self._refused.add(task)
        log.debug("period %d, %s", task.period, task.what, exc_info=error)
        log.error("period %d, %s: %s", task.period, task.what, one_line(told(error)))


def _tell(task: Task, verdict: Verdict) -> None:
    what = f"{task.what}, round {verdict.round}"
    if verdict.trades:
        what = f"{task.what}, group {verdict.round} of {many(len(verdict.trades), 'trade')}"
        what += f", {len(verdict.rejected)} rejected"
    log.info("period %d, %s: %s", task.period, what, verdict.kind)
    for sentence in verdict.explanation:
        log.info("period %d, %s: %s", task.period, task.what, sentence)
