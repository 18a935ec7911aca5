"""The cycle of an oracle: look what is due, do it, wait; bear with a chain that is away."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from gridbourse.chain.connect import NetworkError

log = logging.getLogger(__name__)


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

    A feed whose chain does not answer rests 1, 2, 4, … cycles, the others go on.  Any other
    exception ends the daemon: an oracle does not go on after what it does not understand.
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
                seat.resting = min(2**seat.failures, self._most_rest)
                seat.failures += 1
                log.warning("%s rests for %d cycles: %s", seat.feed.name, seat.resting, error)

    def stop(self) -> None:
        """Asks the daemon to end; may be called from anywhere."""
        self._stopping.set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        log.info("%s: stopping", signal.Signals(number).name)
        self.stop()
