"""The cycle of an oracle: look what is due, do it, wait; bear with a chain that is away; stop when told.

**Stopping.** A signal handler runs between any two instructions of the main thread, which may hold any
lock: it takes none.  It sets plain attributes and starts a timer of the kernel; a wake-up descriptor,
written below Python, ends the wait.  A step that does not end by itself, because a receipt or a node's
answer does not come, is broken off when the timer has run: what it was about to send is in the journal.
"""

from __future__ import annotations

import logging
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

from gridbourse.chain.node.connect import NetworkError
from gridbourse.errors import GridbourseError
from gridbourse.text import many, one_line

log = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 8.0
"""How long after a signal the step in hand may go on."""
AGAIN_S: Final = 1.0
"""A step that swallowed the order to break off gets it again."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


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

    def waits_for(self) -> str:
        """Why nothing is due, right after `due` said so; "" for nothing worth a line."""


class BrokenOff(BaseException):
    """Raised in the midst of a step that did not end in time; nothing below the daemon handles it."""


@dataclass
class _Seat:
    feed: Feed
    failures: int = 0
    resting: int = 0
    said: str = ""

    def say(self, level: int, why: str, *more: str) -> None:
        """A line when the reason to wait is another than before, and none when it is the same."""
        if why != self.said and why:
            log.log(level, "%s: %s", self.feed.name, " ".join((why, *more)))
        self.said = why


class Daemon:
    """Runs feeds until told to stop.

    A feed whose chain does not answer rests 1, 2, 4, … cycles, the others go on.  So does one that
    meets what it does not understand, with a line of the log as an error: it tries again, and nobody
    else waits for it.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        poll_s: float = 2.0,
        most_rest: int = 32,
        stop_within_s: float = STOP_WITHIN_S,
    ):
        """poll_s: seconds between cycles; most_rest: cycles a feed rests at most.

        stop_within_s: how long after a signal the step in hand may go on before it is broken off.
        """
        self._seats = [_Seat(feed) for feed in feeds]
        self._poll_s = poll_s
        self._most_rest = most_rest
        self._stop_within_s = stop_within_s
        self._stopping = False
        self._signal: int | None = None
        self._waker: socket.socket | None = None

    def run(self) -> None:
        """Cycles until :meth:`stop`; the step in hand is finished first."""
        with self._waking() as woken:
            self._cycles(woken)

    def run_until_signal(self) -> None:
        """Like :meth:`run`, ended by SIGINT or SIGTERM; only in the main thread."""
        try:
            with self._waking() as woken, self._signals():
                self._cycles(woken)
        except BrokenOff:
            log.warning(
                "broken off in the midst of a step: the journal finishes it at the next start"
            )
        if self._signal is not None:
            log.info("%s: stopping", signal.Signals(self._signal).name)

    def cycle(self) -> None:
        """Every feed that does not rest does all its due steps."""
        for seat in self._seats:
            if seat.resting > 0:
                seat.resting -= 1
                continue
            try:
                while not self._stopping and seat.feed.due():
                    seat.feed.step()
                    seat.said = ""
                seat.failures = 0
                if not self._stopping:
                    seat.say(logging.INFO, seat.feed.waits_for())
            except NetworkError as error:
                self._rest(seat, logging.WARNING, str(error))
            except Exception as error:
                log.debug("%s", seat.feed.name, exc_info=True)
                self._rest(seat, logging.ERROR, told(error))

    def _rest(self, seat: _Seat, level: int, why: str) -> None:
        seat.resting = min(2**seat.failures, self._most_rest)
        seat.failures += 1
        seat.say(level, one_line(why), f"(rests for {many(seat.resting, 'cycle')})")

    def stop(self) -> None:
        """Asks the daemon to end; may be called from any thread."""
        self._stopping = True
        if (waker := self._waker) is not None:
            with suppress(
                OSError
            ):  # full, so that it wakes anyway; or closed, so that it has ended
                waker.send(b"\0")

    # --- waiting and signals --------------------------------------------------------------------

    def _cycles(self, woken: socket.socket) -> None:
        while not self._stopping:
            self.cycle()
            if not self._stopping:
                select.select([woken], [], [], self._poll_s)
                with suppress(BlockingIOError):  # woken by nothing but the time
                    woken.recv(4096)

    @contextmanager
    def _waking(self) -> Iterator[socket.socket]:
        """What ends the wait: a byte from :meth:`stop`, or from the interpreter at a signal."""
        woken, waker = socket.socketpair()
        with woken, waker:
            woken.setblocking(False)
            waker.setblocking(False)
            self._waker = waker
            try:
                yield woken
            finally:
                self._waker = None

    @contextmanager
    def _signals(self) -> Iterator[None]:
        assert self._waker is not None, "inside of _waking"
        former = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
        former_fd = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGALRM, self._break_off)
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in former.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(former_fd)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """No lock, no log, no allocation that matters: attributes and one system call."""
        self._stopping = True
        if self._signal is None:
            self._signal = number
            signal.setitimer(signal.ITIMER_REAL, self._stop_within_s, AGAIN_S)

    def _break_off(self, number: int, frame: FrameType | None) -> None:
        raise BrokenOff
