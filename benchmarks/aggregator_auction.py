"""Gas of an aggregator's auction, from receipts; writes benchmarks/results/aggregator_auction.json.

    python -m benchmarks.aggregator_auction

One auction a period, answered by everybody except the aggregator. Each figure is {first, recycled}: in
slots never used before, and in a ring slot that an earlier period has left. Gas does not depend on the
machine; the chain is the embedded one.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.gas import BAND, FIRST_PERIOD, LAP, LEAD, MTU, Bench
from gridbourse.chain.bindings.aggregator_auction import Answer, commitment_to
from gridbourse.chain.deployment.deploy import MarketSettings
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.deployment.markets.aggregator_auction import Rules
from gridbourse.chain.node.transactions import GasUse
from gridbourse.model.aggregator_auction import Auction, award
from gridbourse.model.trade import TradeWord

RESULTS = Path(__file__).parent / "results" / "aggregator_auction.json"
SIZES = (100, 1_000)
WHOLE = 1_000
"""Number of answers for which a whole auction is summed up, too."""
ANSWERS_A_CALL, GROUPS_A_CALL = 250, 50
SEALED = 40
"""Number of the answers that are committed and revealed in a second auction, each by itself."""
REVEAL_S, BOND, SALT = 60, 5_000, b"s" * 32
BLOCK_GAS = 16_700_000
"""Greatest gas of one transaction; every one is checked against it."""


class Hall(Bench):
    """Market with aggregators' auctions only."""

    def __init__(self, answers: int) -> None:
        super().__init__(
            answers + 1,
            MarketSettings(
                MTU, LEAD, BAND, ("bench",), ring_size=LAP, markets=("AggregatorAuction",),
                rules={"aggregator_auction": Rules(REVEAL_S, BOND)}, portfolios=True,
            ),
            aggregators=["person/0"],
        )  # fmt: skip
        self.aggregator = self.keys["person/0"]
        # The gateway of its answers holds no mandate of the aggregator.
        self.market.registry.write(self.aggregator, "set-up", "giveMandate", 0)

    def auction(self, period: int) -> dict[str, GasUse]:
        """Run a bid auction in which every answer draws its own price; half of them win."""
        self.chain.gas.clear()
        auctions, numbers = self.market.aggregator_auction, self.numbers[1:]
        wh = self.rng.integers(10, 30, len(numbers)).tolist()
        ticks = self.rng.integers(0, BAND.ticks, len(numbers)).tolist()
        gate = period * MTU - LEAD
        self.market.clock.advance_to(self.operator, gate - REVEAL_S - 1)
        wanted = Auction(True, sum(wh) // 2, BAND.ticks - 1)
        number = auctions.post(self.aggregator, period, wanted)
        answers = dict(zip(numbers, map(Answer, ticks, wh), strict=True))
        for start in range(0, len(numbers), ANSWERS_A_CALL):
            some = {who: answers[who] for who in numbers[start : start + ANSWERS_A_CALL]}
            auctions.answer_batch(self.keys["gateway"], period, number, some)
        self._own(period, number, answers)
        self._sealed(period, answers)
        self.market.clock.advance_to(self.operator, gate)
        auctions.clear(self.operator, period, number)
        auctions.award(self.operator, period, number, GROUPS_A_CALL, len(numbers))
        self._require_the_model(period, wanted, answers)
        used = {step: replace(use) for step, use in self.chain.gas.items()}
        self._settle(period)
        return used

    def _require_the_model(self, period: int, wanted: Auction, answers: dict[int, Answer]) -> None:
        """Require that the chain awarded every answer as the model does."""
        tick, wh = np.array([answers[who] for who in sorted(answers)], dtype=np.int64).T
        found = award(wanted, tick, wh, BAND)
        words = [TradeWord.unpack(word) for word in self.market.aggregator_auction.trades(period)]
        won = {trade.seller: (trade.wh, trade.price_micro_eur_per_wh) for trade in words}
        rows = zip(
            sorted(answers),
            found.won_wh.tolist(),
            found.price_micro_eur_per_wh.tolist(),
            strict=True,
        )
        assert won == {who: (wh, price) for who, wh, price in rows if wh}

    def _settle(self, period: int) -> None:
        """Settle, so that a later period gets the slot: the rest is awarded, judged, metered, settled."""
        auctions, grid = self.market.aggregator_auction, self.market.grid
        auctions.finish(self.operator, period, GROUPS_A_CALL)
        auctions.seal(self.operator, period)
        for group in auctions.sealed(period):
            words = [trade.pack() for trade in group.trades]
            grid.judge(auctions.address, period, group.number, words, [], {}, bytes(32))
        self.market.clock.advance_to(self.operator, (period + 1) * MTU)
        self.meter(period)
        self.market.settlement.settle(self.operator, FIRST_AREA, period, 250)

    def _own(self, period: int, number: int, answers: dict[int, Answer]) -> None:
        for i in range(1, 11):
            who = self.numbers[i]
            answers[who] = answers[who]._replace(tick=7)
            self.market.aggregator_auction.answer(
                self.keys[f"person/{i}"], period, number, who, answers[who]
            )

    def _sealed(self, period: int, answers: dict[int, Answer]) -> None:
        """Run a second auction, sealed, which some of them answer as well."""
        auctions = self.market.aggregator_auction
        number = auctions.post(self.aggregator, period, Auction(False, 900, 0), is_sealed=True)
        some = [(self.keys[f"person/{i}"], self.numbers[i]) for i in range(1, SEALED + 1)]
        for account, who in some:
            auctions.commit(account, period, number, commitment_to(who, answers[who], SALT))
        self.market.clock.advance_to(self.operator, period * MTU - LEAD - REVEAL_S)
        for account, who in some:
            auctions.reveal(account, period, number, answers[who], SALT)


def measure(answers: int) -> dict[str, Any]:
    """Gas a unit of each step, and of a whole auction; units of a clearing and a post are auctions."""
    hall = Hall(answers)
    uses = [hall.auction(FIRST_PERIOD + lap * LAP) for lap in (0, 1)]

    def each(step: str) -> dict[str, int]:
        first, recycled = (round(use[step].gas / use[step].units) for use in uses)
        return {"first": first, "recycled": recycled}

    def per_transaction(step: str) -> int:
        return max(round(use[step].gas / use[step].transactions) for use in uses)

    steps = {
        "post": "post auction", "answer_batch": "answers batch", "answer_own": "answer",
        "commit": "commit answer", "reveal": "reveal answer", "clear": "clear auction",
        "award": "award",
    }  # fmt: skip
    whole = [
        sum(use[steps[step]].gas for step in ("answer_batch", "award"))
        + sum(use[steps[step]].gas // use[steps[step]].units for step in ("post", "clear"))
        for use in uses
    ]
    for step in ("answers batch", "award"):
        assert per_transaction(step) < BLOCK_GAS, (step, per_transaction(step))
    return {name: each(step) for name, step in steps.items()} | {
        "whole_auction_per_answer": {
            name: round(gas / answers)
            for name, gas in zip(("first", "recycled"), whole, strict=True)
        },
        "largest_transaction": {
            "answers": per_transaction("answers batch"),
            "award": per_transaction("award"),
        },
    }


def main() -> None:
    """Measure, write, show."""
    results = {str(size): measure(size) for size in SIZES}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    table = Table(title="gas a unit", title_justify="left")
    for heading in ("step", "answers", "first", "recycled"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for size, steps in results.items():
        for step, figures in steps.items():
            if "first" in figures:
                table.add_row(step, size, f"{figures['first']:,}", f"{figures['recycled']:,}")
    Console().print(table)
    print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main()
