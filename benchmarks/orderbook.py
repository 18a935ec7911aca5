"""Gas of an order's life in the order book, and orders a second; writes benchmarks/results/orderbook.json.

    python -m benchmarks.orderbook

Gas is from receipts on anvil, in a ring slot that an earlier period has left, with the clock in block
time; single orders are their owners' own transactions. The figures at the top are for participants that keep
collateral in the book for their next orders; those under "reserving" for ones that reserve it order by order.
Gas does not depend on the machine; orders a second do.
"""

import json
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from web3.types import TxReceipt

from benchmarks.book_market import CAPACITY_WH, LAP, MTU, BookMarket
from benchmarks.book_stream import PEERS, Run, ours, peers, stream
from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.node.connect import session
from gridbourse.model.order_book import Side

RESULTS = Path(__file__).parent / "results" / "orderbook.json"
TARGETS = {"place": 55_000, "take1": 60_000, "take5": 110_000, "cancel": 40_000}
PEOPLE, KEEPERS = 100, range(0, 50)
"""The first fifty keep collateral in the book, the others never do."""
KEPT_WH = CAPACITY_WH // 100
SHALLOW, DEEP, CANCELLED = 10, 5_000, 2_500
BIDS, OFFERS = (0, 80), (120, 200)
"""Ticks of the book: orders rest here, and do not match."""
SAMPLES = 16
ORDERS_IN_BATCH = 100
EVENTS = 10_000
NOT_RUN = {
    "pymarket 0.7.6": "installs, but has auctions only: no continuous book a stream could go through",
    "assume-framework 0.6.0": "installs, but clears rounds of bids: no continuous book either",
    "gsy-e, gsy-framework": "no version on PyPI that pip finds",
}
Gas = dict[str, list[int]]


class GasBench:
    """Two laps of the ring with the same orders: the second finds every slot used before."""

    def __init__(self, market: BookMarket) -> None:
        self.market, self.book = market, market.book
        self.period = market.now() // MTU + 5

    def measure(self) -> Gas:
        """Gas of each sample of each step, of the second lap."""
        for _ in range(2):
            gas = self._lap(self.period)
            self.period += LAP
        return gas

    def _lap(self, period: int) -> Gas:
        self.rng = np.random.default_rng(7)
        self.market.open(period)
        self.market.batch(period, self._resting(SHALLOW))
        for i in KEEPERS:
            self.book.write(self.market.person(i), "keep", "keep", period, KEPT_WH, KEPT_WH)
        gas: Gas = {"place at 10": self._places(period, KEEPERS)}
        self.market.batch(period, self._resting(DEEP + CANCELLED - SHALLOW))
        self._cancel_many(period)
        for name, group in (("", KEEPERS), ("reserving ", range(KEEPERS.stop, PEOPLE))):
            gas[f"{name}place"] = self._places(period, group)
            gas[f"{name}cancel"] = self._cancels(period, group)
            gas[f"{name}take1 whole"] = self._takes(period, 1, group, whole=True)
            gas[f"{name}take1 part"] = self._takes(period, 1, group, whole=False)
            gas[f"{name}take5"] = self._takes(period, 5, group, whole=True)
        batch = self._resting(ORDERS_IN_BATCH)
        gas["batch order"] = [self.market.batch(period, batch) // ORDERS_IN_BATCH]
        self.market.settle(period)
        return gas

    def _resting(self, count: int) -> list[BookOrder]:
        """Random orders that match no other."""
        rng = self.rng
        sides = rng.integers(0, 2, count)
        ticks = np.where(sides, rng.integers(*OFFERS, count), rng.integers(*BIDS, count))
        owners, wh = rng.integers(0, PEOPLE, count), rng.integers(100, 2_000, count)
        rows = zip(owners.tolist(), sides.tolist(), ticks.tolist(), wh.tolist(), strict=True)
        numbers = self.market.numbers
        return [
            BookOrder(numbers[who], Action.LIMIT, side, tick, wh) for who, side, tick, wh in rows
        ]

    def _places(self, period: int, group: range) -> list[int]:
        """Own orders on both sides, some of them the best so far."""
        rows = [
            (side, (BIDS[1] - 4, OFFERS[0])[side] + i % 4)
            for i in range(SAMPLES // 2)
            for side in Side
        ]
        return [
            _gas(self.book.place(self.market.person(who), period, side, tick, 500))
            for who, (side, tick) in zip(group, rows, strict=False)
        ]

    def _at_rest(self, period: int) -> list[BookOrder]:
        """All resting orders."""
        return [
            order
            for side in Side
            for level in self.book.depth(period, side)
            for order in self.book.queue(period, level.tick)
        ]

    def _cancel_many(self, period: int) -> None:
        orders = self._at_rest(period)
        gone = self.rng.choice(len(orders), CANCELLED, replace=False)
        self.market.batch(period, [orders[i]._replace(action=Action.CANCEL) for i in gone])

    def _cancels(self, period: int, group: range) -> list[int]:
        persons = {self.market.numbers[i]: i for i in group}
        orders = [order for order in self._at_rest(period) if order.participant in persons]
        chosen = [orders[i] for i in self.rng.choice(len(orders), SAMPLES, replace=False)]
        return [
            _gas(
                self.book.cancel(
                    self.market.person(persons[order.participant]),
                    period,
                    order.tick,
                    order.position,
                )
            )
            for order in chosen
        ]

    def _takes(self, period: int, makers: int, group: range, whole: bool) -> list[int]:
        """Orders that take the first few makers of a side; the last of them in part unless `whole`."""
        return [self._take(period, Side(i % 2), makers, group, whole) for i in range(SAMPLES)]

    def _take(self, period: int, side: Side, makers: int, group: range, whole: bool) -> int:
        best = self._first(period, side.other, makers)
        owners = {order.participant for order in best}
        person = next(i for i in group if self.market.numbers[i] not in owners)
        wh = sum(order.wh for order in best) - (0 if whole else best[-1].wh // 2)
        receipt = self.book.place(self.market.person(person), period, side, best[-1].tick, wh)
        (matched,) = self.book.events_in(receipt, "OrdersMatched")
        if len(matched["trades"]) != makers:
            raise RuntimeError(f"take: met {len(matched['trades'])} makers instead of {makers}")
        return _gas(receipt)

    def _first(self, period: int, side: Side, count: int) -> list[BookOrder]:
        found: list[BookOrder] = []
        for level in self.book.depth(period, side, count):
            found += self.book.queue(period, level.tick)
        return found[:count]


def _gas(receipt: TxReceipt) -> int:
    return int(receipt["gasUsed"])


def figures(gas: Gas) -> dict[str, Any]:
    """Means of the samples under the names of the results."""
    means = {step: round(mean(samples)) for step, samples in gas.items()}

    def steps(prefix: str) -> dict[str, int]:
        takes = [means[f"{prefix}take1 {kind}"] for kind in ("whole", "part")]
        return {
            "place": means[f"{prefix}place"],
            "take1": round(mean(takes)),
            "take1_whole": takes[0],
            "take1_part": takes[1],
            "take5": means[f"{prefix}take5"],
            "cancel": means[f"{prefix}cancel"],
        }

    return {
        **steps(""),
        "place_at_depth": {"10": means["place at 10"], "5000": means["place"]},
        "place_batch_order": means["batch order"],
        "reserving": steps("reserving "),
    }


def speeds(mine: Run, others: dict[str, Run]) -> dict[str, int]:
    """Events a second by engine; RuntimeError when one made other trades than ours."""
    for name, run in others.items():
        if (run.trades, run.traded_wh) != (mine.trades, mine.traded_wh):
            raise RuntimeError(f"{name}: {run} made other trades than {mine}")
    return {name: round(run.events_per_s) for name, run in {"ours": mine, **others}.items()}


def main() -> None:
    """Measure, write, show against the targets."""
    rows = stream(EVENTS, PEOPLE)
    with session("devnet-child") as w3:
        gas = GasBench(BookMarket(w3, PEOPLE)).measure()
    with session("devnet-child") as w3:
        mine = ours(BookMarket(w3, PEOPLE), rows)
    others, failed = peers(rows)
    results = figures(gas) | {
        "stream_orders_per_s": speeds(mine, others),
        "stream": {"events": EVENTS, "trades": mine.trades, "traded_wh": mine.traded_wh},
        "peers": {name: PEERS[name] for name in others},
        "peers_not_run": NOT_RUN | failed,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    show(results)


def show(results: dict[str, Any]) -> None:
    """Print the figures beside their targets."""
    table = Table(title="gas an order", title_justify="left")
    for heading in ("step", "collateral kept", "reserving", "target"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for step, target in TARGETS.items():
        pair = (results[step], results["reserving"][step])
        table.add_row(step, *(f"{figure:,}" for figure in pair), f"{target:,}")
    Console().print(table)
    print("place at depth", results["place_at_depth"], "in a batch", results["place_batch_order"])
    print("events a second", results["stream_orders_per_s"])
    print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main()
