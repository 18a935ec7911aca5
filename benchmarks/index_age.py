"""Cost of an operator's step as a chain grows old; writes benchmarks/results/index_age.json.

    python -m benchmarks.index_age
    python -m benchmarks.index_age 10 500     other ages, in delivery periods

A market of four settles period after period of trading on an anvil, with its event index beside it. At each
age a further period is settled by `scripts.settle`, and the history of one period is read as corrections,
late readings and reviews do. Figures: rows that the index gave out, which do not depend on the machine, and
seconds, of which only the ratio says anything. The whole log is read once for comparison.
"""

import contextlib
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.gas import BAND, FIRST_PERIOD, LEAD, MTU, Bench
from gridbourse.chain.deployment.deploy import MarketSettings
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.node.connect import session
from gridbourse.index.history import EventIndex, read_history
from scripts.settle import settle

RESULTS = Path(__file__).parent / "results" / "index_age.json"
AGES = (10, 10_000)
PEOPLE, TIMES = 4, 5
SETTINGS = MarketSettings(MTU, LEAD, BAND, ("bench",), ring_size=8)


class Aging:
    """A market that grows old, and what its index gave out."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.market, self.next = bench, bench.market, FIRST_PERIOD
        self.rows = 0
        self.index = EventIndex(bench.market, folder / "index.sqlite")
        self.market.log = self.index
        store = self.index._store
        asked: Callable[..., list[Any]] = store._rows

        def counted(query: str, *values: object) -> list[Any]:
            found = asked(query, *values)
            self.rows += len(found)
            return found

        store._rows = counted  # type: ignore[method-assign]

    def period(self) -> None:
        """One more period, ordered, cleared, booked, metered and settled."""
        self.deliver()
        market, by, done = self.market, self.bench.operator, self.next - 2
        market.auction.book(by, FIRST_AREA, done, 250)
        market.settlement.settle(by, FIRST_AREA, done, 250)

    def deliver(self) -> None:
        """Trade one more period while the one before it is delivered, which then waits for its settlement."""
        bench, clock = self.bench, self.market.clock
        clock.advance_to(bench.operator, self.next * MTU - LEAD - 1)
        bench.order(self.next, 0, 0)
        clock.advance_to(bench.operator, self.next * MTU - LEAD)
        self.market.auction.clear(bench.operator, FIRST_AREA, self.next)
        bench.accept(self.next)
        clock.advance_to(bench.operator, self.next * MTU)
        if self.next > FIRST_PERIOD:
            bench.meter(self.next - 1)
        self.next += 1

    def measured(self, step: Callable[[], object]) -> dict[str, float]:
        """Rows and seconds of a step."""
        self.rows, began = 0, time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            step()
        return {"rows": self.rows, "seconds": time.perf_counter() - began}


def figures(aging: Aging) -> dict[str, Any]:
    """Medians of several steps at this age."""
    steps: dict[str, list[dict[str, float]]] = {"settle": [], "history": [], "whole log": []}
    read_history(aging.market, [aging.next - 2])  # the index follows what was settled meanwhile
    for _ in range(TIMES):
        aging.deliver()
        steps["settle"].append(aging.measured(lambda: settle(aging.market, ())))
        steps["history"].append(
            aging.measured(lambda: read_history(aging.market, [aging.next - 2]))
        )
    steps["whole log"].append(aging.measured(lambda: read_history(aging.market)))
    return {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, found in steps.items()
    }


def main(*args: str) -> None:
    """Measure at each age, and write the figures."""
    ages = tuple(map(int, args)) or AGES
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, session("devnet-child") as w3:
        aging = Aging(Bench(PEOPLE, SETTINGS, w3=w3, since=FIRST_PERIOD), Path(folder))
        aging.deliver()
        for age in sorted(ages):
            for _ in track(range(aging.next - FIRST_PERIOD - 1, age), f"to {age} periods"):
                aging.period()
            found[str(age)] = figures(aging)
    table = Table(title="cost of a step by the age of the chain", title_justify="left")
    for heading in ("periods", "step", "rows", "seconds"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for periods, steps in found.items():
        for name, one in steps.items():
            table.add_row(periods, name, f"{one['rows']:,.0f}", f"{one['seconds']:.3f}")
    Console().print(table)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
