"""Market with an order book only, in block time on anvil, for `benchmarks.orderbook`."""

from collections.abc import Sequence

from eth_utils import keccak
from web3 import Web3
from web3.types import RPCEndpoint

from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.deployment.markets.order_book import Rules
from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.encoding.book_order import BookOrder
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import Band

BAND = Band(45, 1, 200)
MTU, LEAD = 900, 300
LAP = 3
"""Ring size: the period two later recycles the slots of the first."""
MIN_WH, MAX_FILLS, MAX_OPEN = 1, 32, 250
CAPACITY_WH = 200_000_000
"""Capacity of a connection, so that random streams never reach it."""
ROWS_A_CALL = 50
ORDERS_A_CALL = 200
"""Orders that fit into one transaction when every slot is new."""


class BookMarket:
    """Market of `people` participants, funded and under the gateway's mandate."""

    def __init__(self, w3: Web3, people: int) -> None:
        self.w3 = w3
        self.keys = Keyring.for_chain(w3)
        self.chain = Chain(w3, load_artifacts())
        settings = MarketSettings(
            MTU, LEAD, BAND, ("bench",),
            markets=("OrderBook",),
            rules={"order_book": Rules(MIN_WH, MAX_FILLS, MAX_OPEN)},
            replay=False, horizon_periods=1, ring_size=LAP, reading_window_seconds=0,
            verdict_window_seconds=0,
        )  # fmt: skip
        self.market = deploy(self.chain, self.keys, settings)
        self.book = self.market.order_book
        self.gateway, self.operator = self.keys["gateway"], self.keys["operator"]
        self.numbers = self._register(people)

    def _register(self, people: int) -> list[int]:
        market, operator = self.market, self.operator
        market.tariff.write(
            self.keys["dso"], "set-up", "setGridFees", FIRST_AREA, 0, 0, (95, 40, 5)
        )
        now, supplier = self.now() // MTU, self.keys["supplier"]
        market.tariff.write(supplier, "set-up", "setEnergyPrices", FIRST_AREA, now + 1, 300, 45)
        rows = [
            Registration(
                self.person(i).address, keccak(text=f"point/{i}"), FIRST_AREA, 0, CAPACITY_WH, 0
            )
            for i in range(people)
        ]
        numbers: list[int] = []
        for start in range(0, people, ROWS_A_CALL):
            numbers += market.registry.register(operator, rows[start : start + ROWS_A_CALL])
        for i in range(people):
            market.registry.write(self.person(i), "set-up", "giveMandate", 1)
        self._pay_in(numbers, 10**15)
        return numbers

    def person(self, index: int):  # type: ignore[no-untyped-def]
        """Account of a participant by its row."""
        return self.keys[f"person/{index}"]

    def _pay_in(self, accounts: list[int], each: int) -> None:
        treasurer, house = self.keys["treasurer"], self.market.house
        total, bank = each * len(accounts), b"bank".ljust(32, b"\0")
        self.market.currency.write(treasurer, "set-up", "mint", treasurer.address, total, bank)
        self.market.currency.write(treasurer, "set-up", "approve", house.address, total)
        for start in range(0, len(accounts), ORDERS_A_CALL):
            house.deposit(treasurer, dict.fromkeys(accounts[start : start + ORDERS_A_CALL], each))

    # --- one period ----------------------------------------------------------------------------

    def now(self) -> int:
        """Block time, unix seconds."""
        return int(self.w3.eth.get_block("latest")["timestamp"])

    def travel(self, to: int) -> None:
        """Set the time of the next block to `to`, unix seconds."""
        self.w3.provider.make_request(RPCEndpoint("evm_setNextBlockTimestamp"), [to])
        self.w3.provider.make_request(RPCEndpoint("evm_mine"), [])

    def open(self, period: int) -> None:
        """Travel until the period is the one that takes orders."""
        self.travel((period - 1) * MTU - LEAD)

    def settle(self, period: int) -> None:
        """Go from gate closure to a settled period: no verdict comes, so no trade stands."""
        operator = self.operator
        self.travel((period + 1) * MTU)
        self.book.seal(operator, period)
        self.travel(self.now() + 1)
        self.book.expire(operator, period)
        self.market.settlement.write(operator, "settle", "awaitReadings", FIRST_AREA, period)
        self.travel(self.now() + 1)
        self.market.settlement.settle(operator, FIRST_AREA, period, 100)

    def batch(self, period: int, orders: Sequence[BookOrder]) -> int:
        """Bring orders in batches through the gateway; returns their gas."""
        return sum(
            self.book.place_batch(self.gateway, period, orders[start : start + ORDERS_A_CALL])["gasUsed"]
            for start in range(0, len(orders), ORDERS_A_CALL)
        )  # fmt: skip
