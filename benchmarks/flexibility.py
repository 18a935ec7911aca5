"""Gas of flexibility, step by step; writes benchmarks/results/flexibility.json.

    python -m benchmarks.flexibility

One hundred sellers under two requests, one against declared schedules and one against committed
baselines, brought by the gateway, a hundred to a call. Gas is from receipts on the embedded chain:
`first` in ring slots never used, `recycled` in those an earlier period has left. Tokens are new in every
period, as they are numbered by it.
"""

import json
from pathlib import Path

from eth_utils import keccak
from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.bindings.flexibility import (
    NO_SEED,
    Report,
    RequestTerms,
    Row,
    lot_commitment,
    salt_commitment,
)
from gridbourse.chain.bindings.portfolios import GATEWAY_BIT
from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import Band
from gridbourse.model.flexibility.products import CONGESTION, CONGESTION_METERED, PRODUCTS, Way
from gridbourse.model.house_accounts import DSO_ACCOUNT

RESULTS = Path(__file__).parent / "results" / "flexibility.json"
MTU, FIRST, RING = 900, 1_630_368, 3
PEOPLE, OFFERED_WH, CAPACITY_WH = 200, 400, 25_000
PURSE = 10**9
SEED, SALT = b"seed" * 8, b"salt" * 4
GROUPS_A_CALL, LEGS_A_CALL = 30, 50
LEAD = 600
"""Seconds before delivery at which requests close."""
STEPS = (
    "flexibility request", "flexibility declare", "flexibility offer", "flexibility show",
    "flexibility clear", "flexibility award", "judge trades", "flexibility verify", "flexibility transfer",
    "flexibility redeem",
)  # fmt: skip


class Bench:
    """Market of `PEOPLE` sellers: half of them declare schedules, half have baselines."""

    def __init__(self, w3: Web3) -> None:
        settings = MarketSettings(
            MTU, 0, Band(80, 4, 50), ("bench",),
            markets=("OverTheCounter", "FlexibilityMarket"), horizon_periods=2, ring_size=RING,
        )  # fmt: skip
        self.chain, self.keys = Chain(w3, load_artifacts()), Keyring.for_chain(w3)
        self.market = deploy(self.chain, self.keys, settings)
        self.flex = self.market.flexibility
        self.operator, self.gateway = self.keys["operator"], self.keys["gateway"]
        self.numbers = self._register()
        self.declaring, self.metered = self.numbers[: PEOPLE // 2], self.numbers[PEOPLE // 2 :]
        self._fund()

    def _key(self, number: int):  # type: ignore[no-untyped-def]
        return self.keys[f"seller/{number}"]

    def _register(self) -> list[int]:
        market = self.market
        market.tariff.write(
            self.keys["supplier"], "set-up", "setEnergyPrices", FIRST_AREA, 0, 300, 80
        )
        numbers = list(range(8, 8 + PEOPLE))
        rows = [
            Registration(
                self._key(n).address, keccak(text=f"{n}"), FIRST_AREA, 0, CAPACITY_WH, FIRST
            )
            for n in numbers
        ]
        for start in range(0, PEOPLE, 50):
            market.registry.register(self.operator, rows[start : start + 50])
        assert market.agents is not None
        for number in numbers:
            market.registry.write(self._key(number), "set-up", "giveMandate", 1)
            market.agents.allow(self._key(number), GATEWAY_BIT | 1, PURSE)
        return numbers

    def _fund(self) -> None:
        accounts, treasurer = [DSO_ACCOUNT, *self.numbers], self.keys["treasurer"]
        total = len(accounts) * PURSE
        self.market.currency.write(treasurer, "bank", "mint", treasurer.address, total, bytes(32))
        self.market.currency.write(treasurer, "bank", "approve", self.market.house.address, total)
        self.market.house.deposit(treasurer, dict.fromkeys(accounts, PURSE))

    # --- one period ----------------------------------------------------------------------------

    def _advance_to(self, period: int, seconds: int = 0) -> None:
        self.market.clock.advance_to(self.operator, period * MTU + seconds)

    def period(self, period: int) -> dict[str, int]:
        """Run one period; returns the gas of each step for one unit (a request, leg or token)."""
        self.chain.gas.clear()
        self._advance_to(period - 1)
        numbers = [
            self._request(period, CONGESTION, lot_commitment(SEED)),
            self._request(period, CONGESTION_METERED, bytes(32)),
        ]
        self.flex.declare(self.gateway, period, dict.fromkeys(self.declaring, -500))
        for number, sellers in zip(numbers, (self.declaring, self.metered), strict=True):
            rows = [Row(who, 3 + who % 5, OFFERED_WH) for who in sellers]
            lot = salt_commitment(SALT) if sellers is self.declaring else NO_SEED
            self.flex.offer(self.gateway, period, number, rows, lot)
        self._advance_to(period, -LEAD)
        self.flex.show_seed(self.operator, period, numbers[0], SEED)
        self.flex.show_salt(self.operator, period, numbers[0], GATEWAY_BIT | 1, SALT)
        for number in numbers:
            self.flex.clear(self.operator, period, number, GROUPS_A_CALL)
            trades = self.flex.market.award(self.operator, period, number, GROUPS_A_CALL)
            self.chain.gas["flexibility award"].units += len(trades)
        self._judge(period)
        self._advance_to(period + 1)
        self.market.meter.submit(period, 1, dict.fromkeys(self.numbers, -100))
        self._verify(period, *numbers)
        self._tokens(period, numbers[1])
        self.market.settlement.settle(self.operator, FIRST_AREA, period, 25)
        gas = self.chain.gas
        gas["flexibility award"].units -= gas["flexibility award"].transactions
        gas["flexibility clear"].units = len(self.numbers)
        return {step: gas[step].gas // gas[step].units for step in STEPS}

    def _request(self, period: int, product, lot: bytes) -> int:  # type: ignore[no-untyped-def]
        wh, closes_at = OFFERED_WH * PEOPLE // 2, period * MTU - LEAD
        terms = RequestTerms(PRODUCTS.index(product), 0, Way.UP, False, wh, 10, closes_at, 0, lot)
        return self.flex.request(self.keys["dso"], period, terms)

    def _judge(self, period: int) -> None:
        flex = self.flex.market
        for group in flex.sealed(period):
            words = [trade.pack() for trade in group.trades]
            self.market.grid.judge(flex.address, period, group.number, words, [], {}, bytes(32))

    def _verify(self, period: int, declared: int, metered: int) -> None:
        for start in range(0, PEOPLE // 2, LEGS_A_CALL):
            some = self.declaring[start : start + LEGS_A_CALL]
            self.flex.verify_declared(self.operator, period, declared, some)
            reports = [
                Report(who, -500, MTU, keccak(text="evidence"))
                for who in self.metered[start : start + LEGS_A_CALL]
            ]
            self.flex.verify(self.keys["verifier"], period, metered, reports)

    def _tokens(self, period: int, number: int) -> None:
        token, (one, other) = self.flex.token_of(period, number), self.metered[:2]
        self.flex.token.transfer(self._key(one), self._key(other).address, token, 50)
        for who in self.metered[:5]:
            self.flex.token.redeem(self._key(who), [token])


def main() -> None:
    """Entry of ``python -m benchmarks.flexibility``."""
    with session("embedded") as w3:
        bench = Bench(w3)
        laps = [bench.period(FIRST + 1 + 2 * lap) for lap in range(RING + 1)]
    results = {"first": laps[0], "recycled": laps[-1]}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    table = Table("step, for one", "first", "recycled")
    for step in STEPS:
        table.add_row(step, f"{laps[0][step]:,}", f"{laps[-1][step]:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
