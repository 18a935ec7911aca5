"""A daemon that is ended by a signal again and again, each time at another instant of its cycle.

python -m tests.oracle.signalled ROUNDS [SEED]
"""

import os
import random
import signal
import sys
import threading
import time

from oracle.common.daemon import Daemon


class Restless:
    """Nothing is ever due, and that as often as can be asked."""

    name = "restless"

    def __init__(self) -> None:
        self.asked = threading.Event()

    def due(self) -> bool:
        self.asked.set()
        return False

    def step(self) -> None:
        raise AssertionError("nothing is due")

    def waits_for(self) -> str:
        return ""


def end(feed: Restless, delay_s: float, number: int) -> None:
    """Once the daemon runs, and a while after."""
    feed.asked.wait()
    time.sleep(delay_s)
    os.kill(os.getpid(), number)


def main(rounds: int, seed: int = 1) -> None:
    draw = random.Random(seed)
    for number in range(rounds):
        feed = Restless()
        of_signal = signal.SIGTERM if number % 2 else signal.SIGINT
        thread = threading.Thread(target=end, args=(feed, draw.random() / 500, of_signal))
        thread.start()
        Daemon([feed], poll_s=draw.choice((0, 0.0001, 3600))).run_until_signal()
        thread.join()
    print(rounds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
