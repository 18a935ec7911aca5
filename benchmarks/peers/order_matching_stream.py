"""Stream through order-matching, in its own venv: one call an event, and nothing else."""

import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from loguru import logger  # type: ignore[import-not-found]
from order_matching.enums import Side  # type: ignore[import-not-found]
from order_matching.matching_engine import MatchingEngine  # type: ignore[import-not-found]
from order_matching.order import LimitOrder  # type: ignore[import-not-found]
from order_matching.orders import Orders  # type: ignore[import-not-found]


def main(stream: str) -> None:
    logger.remove()
    rows = json.loads(Path(stream).read_text())
    engine, trades = MatchingEngine(seed=1), []
    begin = datetime(2016, 7, 1)
    start = time.perf_counter()
    for at, row in enumerate(rows):
        if row[0] == "cancel":
            engine.cancel_order(str(row[1]))
            continue
        _, order_id, who, side, tick, wh = row
        now = begin + timedelta(seconds=at)
        order = LimitOrder(
            side=(Side.BUY, Side.SELL)[side], price=tick + 1, size=wh, timestamp=now,
            order_id=str(order_id), trader_id=str(who),
        )  # fmt: skip
        engine.place(Orders([order]))
        trades += engine.match(timestamp=now).trades
    took = time.perf_counter() - start
    wh = sum(trade.size for trade in trades)
    print(json.dumps({"seconds": took, "trades": len(trades), "wh": round(wh)}))


if __name__ == "__main__":
    main(sys.argv[1])
