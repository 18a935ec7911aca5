"""Gas of every step of a delivery period, from receipts; writes benchmarks/results/gas.json.

    python -m benchmarks.gas
    python -m benchmarks.gas --snapshot     only the small market whose figures CI compares

Each figure is {first, recycled}: in slots never used before, and in a ring slot that an earlier period
has left. Collateral, energy reservations, deviations and fees are all in place. The chain is the
embedded one; gas does not depend on the machine.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from eth_utils import keccak
from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.encoding.lanes import order_lane
from gridbourse.chain.encoding.signed_orders import OrderTerms, order_domain, sign_order
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.transactions import Chain, GasUse
from gridbourse.model.call_auction import Band

Pair = tuple[int, int]
RESULTS = Path(__file__).parent / "results" / "gas.json"
SNAPSHOT = RESULTS.with_name("gas_snapshot.json")
BAND = Band(45, 1, 256)
MTU, LEAD = 900, 300
FIRST_PERIOD = 1_000
LAP = 2
"""Ring size: the period two later recycles the slots of the first."""
TARGETS = {
    "own_order": 45_000,
    "batch_order_mandate": 4_000,
    "batch_order_signed": 10_000,
    "clear": 280_000,
    "book_fill": 3_800,
    "reading": 900,
    "settle_account": 2_800,
}
FAR = 2**39
ORDERS_A_CALL, READINGS_A_CALL = 500, 2_100
"""Size of a transaction when every slot is new; multiples of a group and of a block."""


POOL = MarketSettings(MTU, LEAD, BAND, ("bench",), ring_size=LAP)


class Bench:
    """Market with `people` participants that all order in every period."""

    def __init__(
        self,
        people: int,
        settings: MarketSettings = POOL,
        aggregators: Sequence[str] = (),
        w3: Web3 | None = None,
        since: int = 0,
    ) -> None:
        """w3: the chain, else the embedded one; since: first period of which all are members."""
        w3 = w3 or connect("embedded")
        self.keys = Keyring.for_chain(w3)
        self.chain = Chain(w3, load_artifacts())
        addresses = [self.keys.address(name) for name in aggregators]
        self.market = deploy(self.chain, self.keys, settings, aggregators=addresses)
        self.operator = self.keys["operator"]
        self.numbers = self._register(people, since)
        self.rng = np.random.default_rng(7)

    def _register(self, people: int, since: int) -> list[int]:
        market, operator = self.market, self.operator
        market.registry.write(operator, "set-up", "addZone", b"zone".ljust(32, b"\0"), 0)
        market.tariff.write(
            self.keys["dso"], "set-up", "setGridFees", FIRST_AREA, 1, 0, (95, 40, 5)
        )
        market.tariff.write(
            self.keys["supplier"], "set-up", "setEnergyPrices", FIRST_AREA, 0, 300, 45
        )
        rows = [
            Registration(
                self.keys[f"person/{i}"].address,
                keccak(text=f"point/{i}"),
                FIRST_AREA,
                1,
                20_000,
                since,
            )
            for i in range(people)
        ]
        numbers: list[int] = []
        for start in range(0, people, 50):
            numbers += market.registry.register(operator, rows[start : start + 50])
        for i in range(people):
            market.registry.write(self.keys[f"person/{i}"], "set-up", "giveMandate", 1)
        self._pay_in([2, *numbers], 10_000_000_000)
        return numbers

    def _pay_in(self, accounts: list[int], each: int) -> None:
        treasurer, house = self.keys["treasurer"], self.market.house
        total = each * len(accounts)
        reference = b"bank".ljust(32, b"\0")
        self.market.currency.write(treasurer, "set-up", "mint", treasurer.address, total, reference)
        self.market.currency.write(treasurer, "set-up", "approve", house.address, total)
        for start in range(0, len(accounts), 200):
            house.deposit(treasurer, dict.fromkeys(accounts[start : start + 200], each))

    def period(self, period: int, own: int, signed: int) -> dict[str, GasUse]:
        """Run a whole period: `own` own orders, `signed` signed ones, the rest under mandate."""
        self.chain.gas.clear()
        clock, auction = self.market.clock, self.market.auction
        clock.advance_to(self.operator, period * MTU - LEAD - 1)
        self.order(period, own, signed)
        clock.advance_to(self.operator, period * MTU - LEAD)
        auction.clear(self.operator, FIRST_AREA, period)
        self.accept(period)
        clock.advance_to(self.operator, (period + 1) * MTU)
        auction.book(self.operator, FIRST_AREA, period, 250, len(self.numbers))
        self.meter(period)
        self.market.settlement.settle(self.operator, FIRST_AREA, period, 250, len(self.numbers))
        return dict(self.chain.gas)

    def accept(self, period: int) -> None:
        """The DSO's word that the cleared book fits."""
        grid = self.market.grid
        grid.accept(period, grid.round(period), grid.book_root(period), keccak(text="report"))

    def order(self, period: int, own: int, signed: int) -> None:
        auction, gateway = self.market.auction, self.keys["gateway"]
        domain = order_domain(self.chain.w3.eth.chain_id, auction.address)
        count = len(self.numbers)
        drawn = zip(
            self.numbers,
            self.rng.integers(0, 2, count).tolist(),
            self.rng.integers(0, BAND.ticks, count).tolist(),
            self.rng.integers(100, 5_000, count).tolist(),
            strict=True,
        )
        orders = list(drawn)
        # The mandated ones first: own and signed orders then meet tick words of this period, as
        # they do in a market that is not empty.
        lanes = {
            who: order_lane(side, tick, wh, 1) for who, side, tick, wh in orders[own + signed :]
        }
        for some in batched(lanes.items(), ORDERS_A_CALL):
            auction.place_batch(gateway, FIRST_AREA, period, dict(some))
        terms = [
            (i, OrderTerms(FIRST_AREA, period, who, side, tick, wh, 1, gateway.address, FAR))
            for i, (who, side, tick, wh) in enumerate(orders[own : own + signed], start=own)
        ]
        if terms:
            auction.place_signed(
                gateway, FIRST_AREA, period,
                [sign_order(self.keys[f"person/{i}"], domain, term) for i, term in terms],
            )  # fmt: skip
        for i, (_, side, tick, wh) in enumerate(orders[:own]):
            auction.place(self.keys[f"person/{i}"], period, side, tick, wh)

    def meter(self, period: int) -> None:
        wh = self.rng.integers(-5_000, 5_000, len(self.numbers)).tolist()
        readings = zip(self.numbers, wh, strict=True)
        for version, some in enumerate(batched(readings, READINGS_A_CALL), start=1):
            self.market.meter.submit(period, version, dict(some))


def measure(people: int, own: int, signed: int) -> tuple[dict[str, GasUse], dict[str, GasUse]]:
    """Gas by step in a fresh and in a recycled ring slot."""
    bench = Bench(people)
    return tuple(  # type: ignore[return-value]
        bench.period(FIRST_PERIOD + lap * LAP, own, signed) for lap in (0, 1)
    )


def batched(items: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def each(use: GasUse) -> int:
    """Gas per unit, rounded."""
    return round(use.gas / use.units)


def both(uses: Iterable[dict[str, GasUse]], step: str) -> dict[str, int]:
    """{first, recycled} of a step, per unit."""
    first, recycled = (each(use[step]) for use in uses)
    return {"first": first, "recycled": recycled}


def snapshot() -> dict[str, dict[str, int]]:
    """Gas of every named step in a market of forty, by transaction: the content of `SNAPSHOT`."""
    uses = measure(40, own=4, signed=8)
    return {
        step: dict(zip(("first", "recycled"), (use[step].gas for use in uses), strict=True))
        for step in sorted(uses[0])
    }


def main(*options: str) -> None:
    """Measure, write, show against the targets."""
    RESULTS.parent.mkdir(exist_ok=True)
    if "--snapshot" in options:
        SNAPSHOT.write_text(json.dumps(snapshot(), indent=2) + "\n")
        print(f"Written to {SNAPSHOT}")
        return
    large = measure(1_000, own=20, signed=200)
    clears = {str(n): both(measure(n, 0, 0), "clear") for n in (100, 5_000)}
    clears["1000"] = both(large, "clear")
    results: dict[str, dict[str, Any]] = {
        "own_order": both(large, "order own"),
        "batch_order_mandate": both(large, "orders mandate"),
        "batch_order_signed": both(large, "orders signed"),
        "clear": {n: clears[n] for n in ("100", "1000", "5000")},
        "book_fill": both(large, "book"),
        "reading": both(large, "readings"),
        "settle_account": both(large, "settle"),
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    show(results)


def show(results: dict[str, dict[str, Any]]) -> None:
    """Print the figures beside their targets."""
    table = Table(title="gas a unit", title_justify="left")
    for heading in ("step", "first", "recycled", "target"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for step, figures in results.items():
        rows = list(figures.items()) if step == "clear" else [("", figures)]
        for n, figure in rows:
            name = f"{step} {n} orders" if n else step
            target = f"{TARGETS[step]:,}"
            table.add_row(name, f"{figure['first']:,}", f"{figure['recycled']:,}", target)
    Console().print(table)
    print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main(*sys.argv[1:])
