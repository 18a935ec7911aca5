"""A process that verifies flexibility, and ends without a word at the n-th instant.

python -m tests.oracle.verifier.killed_feed FOLDER INSTANT
"""

import os
import sys
from datetime import date
from pathlib import Path

from gridbourse.model.periods import Mtu
from oracle.common.journal import Journal
from oracle.verifier.evidence import Calendar
from oracle.verifier.feed import FlexibilityFeed, OpenLeg
from tests.oracle.fake_chain import DeathClock, Killing
from tests.oracle.verifier.fake_verification import VerificationChain

MTU = Mtu(900)
CALENDAR = Calendar(MTU, "Europe/Berlin")
PERIOD = Calendar(MTU, "Europe/Berlin").day(date(2016, 7, 27)).periods[18 * 4]
METER_BEFORE, DECLARED = 4, 0
LEGS = [
    *((PERIOD, OpenLeg(1, who, METER_BEFORE, 900, True)) for who in range(3)),
    *((PERIOD, OpenLeg(2, who, DECLARED, 900, who < 5)) for who in range(3, 6)),
]


class Habits:
    """Everybody uses 100 Wh a quarter-hour and its number more in every hour of the day."""

    def readings(self, period: int) -> dict[int, int]:
        return {who: -100 - who * (period % 96 // 4) for who in range(6)}


def run(folder: Path, clock: DeathClock) -> None:
    """Verify in batches of two; the way every start of this oracle goes."""
    real_chain = VerificationChain(folder / "chain.json", LEGS)
    chain = Killing(clock, real_chain, ("open_legs", "verify", "verify_declared"))
    with Journal(folder / "journal.sqlite") as real:
        journal = Killing(clock, real, ("prepare", "confirm"))
        feed = FlexibilityFeed(
            chain, journal, Habits(), CALENDAR, folder / "evidence", batch_size=2  # type: ignore[arg-type]
        )  # fmt: skip
        feed.resume()
        feed.verify(PERIOD)


if __name__ == "__main__":
    run(Path(sys.argv[1]), DeathClock(int(sys.argv[2]), lambda: os._exit(9)))
