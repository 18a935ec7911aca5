"""The cycle of an oracle: look what is due, do it, wait; bear with a chain that is away."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from gridbourse.chain.connect import NetworkError
from gridbourse.errors import GridbourseError
from gridbourse.words import one_line

log = logging.getLogger(__name__)


def told(error: Exception) -> str:
    """An exception in words: of ours its message, of others kind and place as well."""
    if isinstance(error, GridbourseError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f" ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})"
    return f"{type(error).__name__}: {error}{place}"


class Feed(Protocol):
    """Something with work to do from time to time."""

    @property
    def name(self) -> str:
        """What the log calls it."""

    def due(self) -> bool:
        """Whether there is a step to do now; asks clock and chain, changes nothing."""

    def step(self) -> None:
        """One unit of work, safe to do again after an interruption anywhere in it."""


@dataclass
class _Seat:
    feed: Feed
    failures: int = 0
    resting: int = 0


class Daemon:
    """Runs feeds until told to stop.

    A feed whose chain does not answer rests 1, 2, 4, … cycles, the others go on.  So does one that
    meets what it does not understand, with a line of the log as an error: it tries again, and nobody
    else waits for it.
    """

    def __init__(self, feeds: Sequence[Feed], poll_s: float = 2.0, most_rest: int = 32):
        """poll_s: seconds between cycles; most_rest: cycles a feed rests at most."""
        self._seats = [_Seat(feed) for feed in feeds]
        self._poll_s = poll_s
        self._most_rest = most_rest
        self._stopping = threading.Event()

    def run(self) -> None:
        """Cycles until :meth:`stop`; the step in hand is finished first."""
        while not self._stopping.is_set():
            self.cycle()
            self._stopping.wait(self._poll_s)

    def run_until_signal(self) -> None:
        """Like :meth:`run`, ended by SIGINT or SIGTERM; only in the main thread."""
        former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in former:
            signal.signal(number, self._on_signal)
        try:
            self.run()
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def cycle(self) -> None:
        """Every feed that does not rest does all its due steps."""
        for seat in self._seats:
            if seat.resting > 0:
                seat.resting -= 1
                continue
            try:
                while not self._stopping.is_set() and seat.feed.due():
                    seat.feed.step()
                seat.failures = 0
            except NetworkError as error:
                self._rest(seat, logging.WARNING, str(error))
            except Exception as error:
                log.debug("%s", seat.feed.name, exc_info=True)
                self._rest(seat, logging.ERROR, told(error))

    def _rest(self, seat: _Seat, level: int, why: str) -> None:
        seat.resting = min(2**seat.failures, self._most_rest)
        seat.failures += 1
        cycles = "1 cycle" if seat.resting == 1 else f"{seat.resting} cycles"
        log.log(level, "%s rests for %s: %s", seat.feed.name, cycles, one_line(why))

    def stop(self) -> None:
        """Asks the daemon to end; may be called from anywhere."""
        self._stopping.set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        log.info("%s: stopping", signal.Signals(number).name)
        self.stop()
