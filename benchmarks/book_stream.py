"""Seeded stream of orders and cancellations, through our order book on anvil and through peers from PyPI.

A row is ["place", order id, participant, side, tick, Wh] or ["cancel", order id]. It holds only what every
engine supports: limit orders and cancellations of resting orders, nobody meets its own order,
no order meets more makers than ours may. So every engine has to make the same trades.
"""

import json
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.book_market import MAX_FILLS, MAX_OPEN, MIN_WH, MTU, BookMarket
from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.model.order_book import Ending, OrderBook, Side

Row = list[Any]
PEERS = {"lightmatchingengine": "==2019.1.4", "order-matching": "[polars]==0.12.0"}
"""Continuous matching engines on PyPI and their versions; each has its adapter in benchmarks/peers."""
CHECKOUT = Path(__file__).resolve().parents[1]
VENVS = CHECKOUT / ".bench"
PEER_TIMEOUT_S = 90
TICKS = 60
OLD_ENOUGH = 400
"""Events after which an order may be cancelled: its place is known to the gateway by then."""
EVENTS_A_CALL = 150


@dataclass(frozen=True)
class Run:
    """Result of the stream in one engine."""

    events_per_s: float
    trades: int
    traded_wh: int


def stream(events: int, people: int, seed: int = 4) -> list[Row]:
    """Seeded random rows; one in four cancels an order at rest."""
    rng = np.random.default_rng(seed)
    book = OrderBook(TICKS, MIN_WH, MAX_FILLS, MAX_OPEN)
    ids: dict[int, int] = {}  # the model's id of each order that rests, by ours
    rows: list[Row] = []
    while len(rows) < events:
        row = _cancellation(rng, book, ids, len(rows)) if rng.random() < 0.25 else None
        row = row or _order(rng, book, ids, len(rows), people)
        if row:
            rows.append(row)
    return rows


def _cancellation(
    rng: np.random.Generator, book: OrderBook, ids: dict[int, int], now: int
) -> Row | None:
    resting = {o.order_id: o.participant for side in Side for o in book.resting(side)}
    old = [i for i, at in ids.items() if at in resting and i < now - OLD_ENOUGH]
    if not old:
        return None
    chosen = old[rng.integers(len(old))]
    book.cancel(resting[ids[chosen]], ids[chosen])
    return ["cancel", chosen]


def _order(
    rng: np.random.Generator, book: OrderBook, ids: dict[int, int], now: int, people: int
) -> Row | None:
    side = Side(int(rng.integers(0, 2)))
    low = 0 if side is Side.BID else 12
    tick, who = int(rng.integers(low, low + TICKS - 12)), int(rng.integers(0, people))
    wh = int(rng.integers(100, 2_000))
    _, stopped = book._match(who, side, tick, wh)
    if stopped in (Ending.OWN_ORDER, Ending.FILL_LIMIT):
        return None
    placement = book.place(who, side, tick, wh)
    if placement.order_id is not None:
        ids[now] = placement.order_id
    return ["place", now, who, int(side), tick, wh]


def ours(market: BookMarket, rows: list[Row]) -> Run:
    """Run of the stream through the gateway, in batches; the gateway learns positions from the logs."""
    period = market.now() // MTU + 5
    market.open(period)
    gateway = _Gateway(market, period)
    start = time.perf_counter()
    for at in range(0, len(rows), EVENTS_A_CALL):
        gateway.bring(rows[at : at + EVENTS_A_CALL])
    took = time.perf_counter() - start
    words = market.book.trades(period)
    return Run(len(rows) / took, len(words), sum(word >> 16 & (1 << 28) - 1 for word in words))


class _Gateway:
    """Gateway that knows where each order rests."""

    def __init__(self, market: BookMarket, period: int) -> None:
        self.market, self.period = market, period
        self.placed: dict[int, Row] = {}
        self.positions: dict[int, int] = {}

    def bring(self, rows: list[Row]) -> None:
        orders = [self._word(row) for row in rows]
        receipt = self.market.book.place_batch(self.market.gateway, self.period, orders)
        resting = self.market.book.events_in(receipt, "OrderRested")
        self._learn([row for row in rows if row[0] == "place"], resting)

    def _word(self, row: Row) -> BookOrder:
        numbers = self.market.numbers
        if row[0] == "place":
            _, order_id, who, side, tick, wh = row
            self.placed[order_id] = row
            return BookOrder(numbers[who], Action.LIMIT, side, tick, wh)
        _, _, who, _, tick, _ = self.placed[row[1]]
        return BookOrder(
            numbers[who], Action.CANCEL, tick=tick, position=self.positions.pop(row[1])
        )

    def _learn(self, placed: list[Row], resting: list[dict[str, Any]]) -> None:
        """Learn the places: orders rest in order of arrival; those that filled whole have no event."""
        rest = iter(resting)
        event = next(rest, None)
        for _, order_id, who, side, tick, wh in placed:
            if event is None:
                return
            mine = (self.market.numbers[who], side, tick)
            if (event["participant"], event["side"], event["tick"]) == mine and event["wh"] <= wh:
                self.positions[order_id] = event["position"]
                event = next(rest, None)


def peers(rows: list[Row]) -> tuple[dict[str, Run], dict[str, str]]:
    """Runs of the peers, and the reasons why others have none; each in its own venv below .bench."""
    runs, failed = {}, {}
    VENVS.mkdir(exist_ok=True)
    (VENVS / ".gitignore").write_text("*\n")
    file = VENVS / "stream.json"
    file.write_text(json.dumps(rows))
    for name, version in PEERS.items():
        try:
            runs[name] = _peer(name, version, file)
        except subprocess.SubprocessError as error:
            failed[name] = str(getattr(error, "stderr", None) or error)[-300:]
    return runs, failed


def _peer(name: str, version: str, file: Path) -> Run:
    home = VENVS / name
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", name + version]
    subprocess.run(install, check=True, capture_output=True, text=True, timeout=PEER_TIMEOUT_S)
    adapter = CHECKOUT / "benchmarks" / "peers" / f"{name.replace('-', '_')}_stream.py"
    run = subprocess.run(
        [str(python), str(adapter), str(file)],
        check=True, capture_output=True, text=True, timeout=PEER_TIMEOUT_S,
    )  # fmt: skip
    found = json.loads(run.stdout)
    return Run(len(json.loads(file.read_text())) / found["seconds"], found["trades"], found["wh"])


if __name__ == "__main__":
    for peer, run in peers(stream(int(sys.argv[1]), 100))[0].items():
        print(peer, run)
