"""The cycle does what is due, bears with a chain that is away, and ends when told."""

import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.connect import NetworkError
from gridbourse.errors import GridbourseError
from oracle.common.daemon import AGAIN_S, STOP_WITHIN_S, BrokenOff, Daemon
from tests.guard import GUARD_S

NEVER = 3_600
"""Seconds nobody waits for."""


class Chores:
    """A feed with so many steps to do, some of which fail."""

    def __init__(self, steps, fails=(), name="chores"):
        self.name = name
        self.left = steps
        self.fails = list(fails)
        self.attempts = 0
        self.idle = "nothing to do"

    def due(self):
        return self.left > 0

    def step(self):
        self.attempts += 1
        if self.fails:
            raise self.fails.pop(0)
        self.left -= 1

    def waits_for(self):
        return self.idle


def test_a_cycle_does_all_that_is_due():
    first, second = Chores(3), Chores(2)
    Daemon([first, second]).cycle()
    assert (first.left, second.left) == (0, 0)


def test_a_feed_without_chain_rests_ever_longer_and_the_others_go_on():
    away, well = Chores(1, [NetworkError("away")] * 4), Chores(0)
    daemon = Daemon([away, well], most_rest=3)
    attempted = []
    for cycle in range(14):
        well.left = 1
        before = away.attempts
        daemon.cycle()
        attempted += [cycle] * (away.attempts - before)
        assert well.left == 0
    assert attempted == [0, 2, 5, 9, 13]
    assert away.left == 0


def test_after_success_the_rest_is_short_again():
    feed = Chores(1, [NetworkError("away")])
    daemon = Daemon([feed])
    for _ in range(3):
        daemon.cycle()
    assert feed.left == 0
    feed.left, feed.fails, feed.attempts = 1, [NetworkError("away")], 0
    for _ in range(3):
        daemon.cycle()
    assert feed.attempts == 2


def test_a_clock_that_cannot_be_read_is_no_reason_to_end():
    class Blind(Chores):
        def due(self):
            raise NetworkError("away")

    Daemon([Blind(1)]).cycle()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GridbourseError("odd"), "chores: odd"),
        (KeyError("half"), "chores: KeyError: 'half' (test_daemon.py, line"),
        (
            ValueError("a\n2026 INFO well"),
            "chores: ValueError: a\\n2026 INFO well",
        ),
        (sqlite3.DatabaseError("malformed"), "chores: DatabaseError: malformed"),
    ],
)
def test_what_it_does_not_understand_is_a_line_and_the_others_go_on(caplog, error, said):
    odd, well = Chores(1, [error, error]), Chores(2, name="well")
    daemon = Daemon([odd, well])
    daemon.cycle()
    assert (odd.left, well.left) == (1, 0)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.message.startswith(said)
    assert record.message.endswith("(rests for 1 cycle)")
    for _ in range(5):
        daemon.cycle()
    assert odd.left == 0


def test_stopping_finishes_the_step_in_hand_and_takes_no_other():
    class Stopping(Chores):
        def step(self):
            daemon.stop()
            super().step()

    feed = Stopping(5)
    daemon = Daemon([feed], poll_s=NEVER)
    daemon.run()
    assert feed.left == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_former_handler_is_back(number):
    former = signal.getsignal(number)
    feed = Chores(1)
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    Daemon([feed], poll_s=NEVER).run_until_signal()
    assert feed.left == 0
    assert signal.getsignal(number) is former


def test_a_thousand_signals_at_any_instant_and_each_stop_is_clean():
    """A handler that takes a lock hangs in some of them: the lock may be the one its wait holds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.oracle.signalled", "1000"],
        cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        said = process.communicate(timeout=GUARD_S)
    finally:
        process.kill()  # one that hangs heeds no other signal
        process.wait()
    assert (process.returncode, *said) == (0, "1000\n", "")


def test_many_signals_at_once_are_one_stop():
    class Hail(Chores):
        def step(self):
            for _ in range(1_000):
                signal.raise_signal(signal.SIGTERM)
            super().step()

    feed = Hail(2)
    Daemon([feed], poll_s=NEVER).run_until_signal()
    assert feed.left == 1, "the step in hand is finished, and no other begun"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.set_wakeup_fd(-1) == -1


def test_a_step_that_waits_for_an_answer_is_broken_off(caplog):
    """As for a receipt that does not come: the signal is heard, and the wait ends all the same."""
    ours, silent = socket.socketpair()

    class Waiting(Chores):
        def step(self):
            signal.raise_signal(signal.SIGTERM)
            ours.recv(1)

    with ours, silent, caplog.at_level(logging.INFO):
        Daemon([Waiting(1)], poll_s=NEVER, stop_within_s=0.05).run_until_signal()
    assert "broken off in the midst of a step" in caplog.text
    assert "SIGTERM: stopping" in caplog.text
    assert STOP_WITHIN_S + AGAIN_S < 10


def test_a_step_that_swallows_the_order_gets_it_again():
    swallowed = []

    class Deaf(Chores):
        def step(self):
            signal.raise_signal(signal.SIGTERM)
            for _ in range(2):
                try:
                    threading.Event().wait(NEVER)
                except BrokenOff:
                    swallowed.append(True)
                    if len(swallowed) == 2:
                        raise

    Daemon([Deaf(1)], poll_s=NEVER, stop_within_s=0.05).run_until_signal()
    assert len(swallowed) == 2


def test_why_it_waits_is_a_line_when_the_reason_changes(caplog):
    feed = Chores(0, name="meters")
    daemon = Daemon([feed])
    with caplog.at_level(logging.INFO):
        for reason in ("no file", "no file", "period 7 is not over", "", "", "no file"):
            feed.idle = reason
            daemon.cycle()
        feed.left = 1
        daemon.cycle()
    lines = ["no file", "period 7 is not over", "no file", "no file"]
    assert caplog.messages == [f"meters: {line}" for line in lines]


def test_a_chain_that_is_away_is_a_line_and_so_is_its_return(caplog):
    feed = Chores(1, [NetworkError("no node answers at x")] * 3, name="meters")
    daemon = Daemon([feed], most_rest=1)
    with caplog.at_level(logging.INFO):
        for _ in range(10):
            daemon.cycle()
    assert caplog.messages == [
        "meters: no node answers at x (rests for 1 cycle)",
        "meters: nothing to do",
    ]
