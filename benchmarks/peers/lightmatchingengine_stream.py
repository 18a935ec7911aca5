"""Stream through lightmatchingengine, in its own venv: one call an event, and nothing else."""

import json
import sys
import time

from lightmatchingengine.lightmatchingengine import (  # type: ignore[import-not-found]
    LightMatchingEngine,
    Side,
)


def main(stream: str) -> None:
    with open(stream) as file:
        rows = json.load(file)
    engine, trades = LightMatchingEngine(), []
    ids: dict[int, int] = {}
    start = time.perf_counter()
    for row in rows:
        if row[0] == "cancel":
            engine.cancel_order(ids[row[1]], "book")
            continue
        _, order_id, _, side, tick, wh = row
        # A price of zero is a market order there, so tick 0 is 1.
        order, made = engine.add_order("book", tick + 1, wh, (Side.BUY, Side.SELL)[side])
        ids[order_id] = order.order_id
        # It reports every trade of the taker by price and of each maker: the makers' are counted.
        trades += [trade for trade in made if trade.order_id != order.order_id]
    took = time.perf_counter() - start
    wh = sum(trade.trade_qty for trade in trades)
    print(json.dumps({"seconds": took, "trades": len(trades), "wh": wh}))


if __name__ == "__main__":
    main(sys.argv[1])
