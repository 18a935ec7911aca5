"""A process that pushes and corrects readings, and ends without a word at the n-th instant.

python -m tests.oracle.meter.killed_feed FOLDER INSTANT
"""

import os
import sys
from pathlib import Path

from oracle.common.journal import Journal
from oracle.meter.feed import MeterFeed
from tests.oracle.fake_chain import DeathClock, Killing, MeterChain

PERIOD = 1_600_000
READINGS = {number: 10 * number - 25 for number in range(7)}
CORRECTED = READINGS | {0: 1, 3: 2, 5: 3, 6: 4}


def run(folder: Path, clock: DeathClock) -> None:
    """Push, then correct, batches of three; the way every start of this oracle goes."""
    chain = Killing(clock, MeterChain(folder / "chain.json"), ("version", "submit"))
    with Journal(folder / "journal.sqlite") as real:
        journal = Killing(clock, real, ("prepare", "confirm"))
        feed = MeterFeed(chain, journal, batch_size=3)  # type: ignore[arg-type]
        feed.resume()
        feed.push(PERIOD, READINGS)
        feed.correct(PERIOD, CORRECTED)


if __name__ == "__main__":
    run(Path(sys.argv[1]), DeathClock(int(sys.argv[2]), lambda: os._exit(9)))
