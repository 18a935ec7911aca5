"""An oracle of the replay that ends at a chosen instant, and starts again, on a real chain.

As a program, ``python -m tests.replay.interrupted RPC-ADDRESS SCENE FOLDER meters|grid INSTANT``, it
ends without a word (exit code 9) at that instant.
"""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from gridbourse.chain.deployment.market import Market, open_market
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.transactions import Chain
from gridbourse.grid.network import Network
from gridbourse.scenario.scenario import Scenario, load
from oracle.common.journal import Journal
from oracle.dso.feed import GridFeed, Verdict
from oracle.meter.feed import MeterFeed
from tests.oracle.fake_chain import DeathClock, Killing
from tests.replay.noon import START

OVERRIDES = {"start": START, "periods": 1}
BATCH = 7
"""Readings in a transaction: several transactions for the few participants."""
FIRST_PARTICIPANT = 8


@dataclass
class Scene:
    """A cleared book on a chain; `folder` has what an oracle is told of it."""

    rpc_url: str
    folder: Path

    @cached_property
    def scenario(self) -> Scenario:
        return load(self.folder / "noon.toml", OVERRIDES)

    @cached_property
    def network(self) -> Network:
        return Network.load(self.scenario.grid_file, self.scenario.points)

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Participant number by point."""
        table = pd.read_csv(self.folder / "participants.csv", index_col="point_id")
        return dict(zip(table.index, table["number"].tolist(), strict=True))

    @property
    def period(self) -> int:
        return self.scenario.first_period

    @property
    def readings(self) -> dict[int, int]:
        """Signed Wh that tell participants apart."""
        return {who: 40 - 3 * who for who in self.number_of.values()}

    @property
    def corrected(self) -> dict[int, int]:
        return self.readings | {FIRST_PARTICIPANT: 1, FIRST_PARTICIPANT + 5: -2}

    def market(self) -> Market:
        """As an oracle finds it that has just started: no nonce is remembered."""
        return open_market(connect(self.rpc_url), self.folder / "deployment.json")

    def bring_readings(self, folder: Path, clock: DeathClock) -> None:
        """What the meter oracle does after a start: first what is left over, then its work."""
        market = self.market()
        market.meter.chain = _mortal(market.chain, clock)
        with Journal(folder / "oracle.sqlite") as real:
            journal = Killing(clock, real, ("prepare", "confirm"))
            feed = MeterFeed(market.meter, journal, batch_size=BATCH)  # type: ignore[arg-type]
            feed.resume()
            feed.push(self.period, self.readings)
            feed.correct(self.period, self.corrected)

    def bring_verdict(self, folder: Path, clock: DeathClock) -> Verdict:
        """What the grid oracle does after a start, on the round the period is in."""
        market = self.market()
        market.grid.chain = _mortal(market.chain, clock)
        schedule, reactive = (
            self.scenario.forecast_wh(self.period), self.scenario.forecast_var(self.period),
        )  # fmt: skip
        with Journal(folder / "oracle.sqlite") as real:
            feed = GridFeed(
                market.grid,
                Killing(clock, real, ("prepare", "confirm")),  # type: ignore[arg-type]
                self.network,
                list(self.scenario.points.index),
                self.number_of,
                self.scenario.limits,
                self.scenario.mtu_seconds,
                folder / "verdicts",
            )
            return feed.check(self.period, np.asarray(schedule), reactive)


def _mortal(chain: Chain, clock: DeathClock) -> Chain:
    """Instants before a transaction is sent, and after it is mined but before anyone knows."""
    return Killing(clock, chain, ("send",))  # type: ignore[return-value]


if __name__ == "__main__":
    url, base, outbox, what, instant = sys.argv[1:]
    scene = Scene(url, Path(base))
    end = DeathClock(int(instant), lambda: os._exit(9))
    bring = scene.bring_readings if what == "meters" else scene.bring_verdict
    bring(Path(outbox), end)
