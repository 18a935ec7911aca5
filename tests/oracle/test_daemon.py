"""The cycle does what is due, bears with a chain that is away, and ends when told."""

import os
import signal
import sqlite3
import threading
import time

import pytest

from gridbourse.chain.connect import NetworkError
from gridbourse.errors import GridbourseError
from oracle.daemon import Daemon


class Chores:
    """A feed with so many steps to do, some of which fail."""

    def __init__(self, steps, fails=(), name="chores"):
        self.name = name
        self.left = steps
        self.fails = list(fails)
        self.attempts = 0

    def due(self):
        return self.left > 0

    def step(self):
        self.attempts += 1
        if self.fails:
            raise self.fails.pop(0)
        self.left -= 1


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
        (GridbourseError("odd"), "chores rests for 1 cycle: odd"),
        (KeyError("half"), "chores rests for 1 cycle: KeyError: 'half' (test_daemon.py, line"),
        (
            ValueError("a\n2026 INFO well"),
            "chores rests for 1 cycle: ValueError: a\\n2026 INFO well",
        ),
        (sqlite3.DatabaseError("malformed"), "chores rests for 1 cycle: DatabaseError: malformed"),
    ],
)
def test_what_it_does_not_understand_is_a_line_and_the_others_go_on(caplog, error, said):
    odd, well = Chores(1, [error, error]), Chores(2, name="well")
    daemon = Daemon([odd, well])
    daemon.cycle()
    assert (odd.left, well.left) == (1, 0)
    (record,) = caplog.records
    assert (record.levelname, record.message.startswith(said)) == ("ERROR", True)
    for _ in range(5):
        daemon.cycle()
    assert odd.left == 0


def test_stopping_finishes_the_step_in_hand_and_takes_no_other():
    class Stopping(Chores):
        def step(self):
            daemon.stop()
            super().step()

    feed = Stopping(5)
    daemon = Daemon([feed], poll_s=60)
    began = time.monotonic()
    daemon.run()
    assert feed.left == 4
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_former_handler_is_back(number):
    former = signal.getsignal(number)
    feed = Chores(1)
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    began = time.monotonic()
    Daemon([feed], poll_s=60).run_until_signal()
    assert time.monotonic() - began < 10
    assert feed.left == 0
    assert signal.getsignal(number) is former
