"""A process that follows a chain, and ends without a word at the n-th instant.

python -m tests.index.killed_follow URL RECORD INDEX INSTANT
"""

import os
import sys
from pathlib import Path
from typing import Any

from gridbourse.chain.deployment.market import open_market
from gridbourse.chain.node import block_ranges
from gridbourse.chain.node.connect import connect
from gridbourse.index import store as stores
from gridbourse.index.follow import follow
from tests.oracle.fake_chain import DeathClock


class Dying:
    """A connection to the file that counts the instants before and after each statement that writes."""

    def __init__(self, real: Any, clock: DeathClock) -> None:
        self._real, self._clock = real, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def executemany(self, *arguments: Any) -> Any:
        self._clock.tick()
        found = self._real.executemany(*arguments)
        self._clock.tick()
        return found


if __name__ == "__main__":
    url, record, index, instant = sys.argv[1:]
    block_ranges.BLOCKS_A_QUERY = 5
    market = open_market(connect(url), Path(record))
    store = stores.Store(Path(index))
    store._db = Dying(store._db, DeathClock(int(instant), lambda: os._exit(9)))
    follow(store, market)
