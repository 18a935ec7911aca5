"""A market whose ring is so small that its slots come round all the time.

After every transaction: money adds up on the chain, and the checker, which reads the logs as they
come, agrees. Ten participants, 8 to 17, in two zones and three groups.
"""

from collections.abc import Mapping
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from web3 import HTTPProvider, Web3
from web3.logs import DISCARD
from web3.types import RPCEndpoint, TxReceipt

from gridbourse.audit.check import start
from gridbourse.audit.core.events import Log
from gridbourse.audit.run_folder import logs_of, rules_of
from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.deployment.markets.call_auction import Rules
from gridbourse.chain.encoding.lanes import PER_GROUP, lanes64, order_lane
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.chain.operations.market_state import HOLDS, TRADES
from tests.invariants.model_market import BAND, FEED_IN, FEES, RETAIL, SILENT_PERMILLE, Order

MTU, GATE_CLOSURE = 900, 300
FIRST = 1_630_368  # 2016-07-01T00:00Z
RING = 6
ROUNDS = 2
CAPACITY_WH = 4_000
DISPUTE_WINDOW = 1_000
NUMBERS = range(8, 18)
ZONE_OF = {number: 1 + number % 2 for number in NUMBERS}
REPORT = bytes(32)
BANK = 10**12


class WatchedChain(Chain):
    """Keeps the receipts of what was sent, until someone looks."""

    def __init__(self, w3: Web3) -> None:
        super().__init__(w3, load_artifacts())
        self.unseen: list[TxReceipt] = []

    def send(self, *args: Any, **kwargs: Any) -> TxReceipt:
        receipt = super().send(*args, **kwargs)
        self.unseen.append(receipt)
        return receipt


class RingMarket:
    """Every action in few words; each ends with a look at what has to hold."""

    def __init__(self, w3: Web3) -> None:
        self.chain = WatchedChain(w3)
        self.keys = Keyring.for_chain(self.chain.w3)
        settings = MarketSettings(
            MTU, GATE_CLOSURE, BAND, ("two streets",),
            horizon_periods=2, ring_size=RING, reading_window_seconds=0, verdict_window_seconds=0,
            dispute_window_seconds=DISPUTE_WINDOW, silent_permille=SILENT_PERMILLE,
            rules={"call_auction": Rules(max_rounds=ROUNDS)},
        )  # fmt: skip
        self.market: Market = deploy(self.chain, self.keys, settings)
        self._bring_in()
        self.close_gate(FIRST - 1)
        self._decoder, self.checker = start(self.market.record, rules_of(self.market.record))
        self.chain.unseen.clear()
        self.checker.walk(self._decoder.decode(logs_of(deployment_logs(self.market))))
        self.limit = self.market.registry.seat_limit()
        self._questions = self._money_questions()

    def key(self, number: int) -> LocalAccount:
        return self.keys[f"participant/{number}"]

    def _bring_in(self) -> None:
        m, by = self.market, self.keys
        for zone, fees in FEES.items():
            label = f"street {zone}".encode().ljust(32, b"\0")
            m.registry.write(by["operator"], "register", "addZone", label, zone - 1)
            m.tariff.write(by["dso"], "tariff", "setGridFees", FIRST_AREA, zone, 0, fees)
        m.tariff.write(by["supplier"], "tariff", "setEnergyPrices", FIRST_AREA, 0, RETAIL, FEED_IN)
        rows = [
            Registration(
                self.key(n).address, keccak(text=f"{n}"), FIRST_AREA, ZONE_OF[n], CAPACITY_WH, FIRST
            )
            for n in NUMBERS
        ]
        assert m.registry.register(by["operator"], rows) == list(NUMBERS)
        for number in NUMBERS:
            m.registry.write(self.key(number), "mandate", "giveMandate", 1)
        treasurer = by["treasurer"]
        m.currency.write(treasurer, "deposit", "mint", treasurer.address, BANK, REPORT)
        m.currency.write(treasurer, "deposit", "approve", m.house.address, BANK)

    # --- looking -------------------------------------------------------------------------------

    def look(self) -> dict[int, int]:
        """What holds after every transaction, whatever it was; free money by account, µEUR."""
        moneys, held, deposits, withdrawals, owed, *free = self._ask_for_money()
        assert moneys == 0, "accounts + holds + open trades = currency held"
        assert held == deposits - withdrawals
        receipts, self.chain.unseen[:] = list(self.chain.unseen), []
        self.checker.walk(self._decoder.decode([log for r in receipts for log in _logs(r)]))
        assert list(map(str, self.checker.findings.differences)) == []
        settled = self.market.house.contract.events.GroupsSettled()
        for told in (e["args"] for r in receipts for e in settled.process_receipt(r, DISCARD)):
            deltas = sum(delta for word in told["deltas"] for _, delta in lanes64(0, word))
            assert deltas + told["supplierMicroEur"] + told["dsoMicroEur"] == 0
        balances = free[2:]  # after the offset and the length of the array
        assert owed == -sum(min(balance, 0) for balance in balances[8:])
        return dict(enumerate(balances))

    def _money_questions(self) -> list[tuple[RPCEndpoint, Any]]:
        house, currency = self.market.house.contract, self.market.currency.contract
        asked = (
            (house, "moneySum", [self.limit]),
            (currency, "balanceOf", [house.address]),
            (house, "depositsMicroEur", []),
            (house, "withdrawalsMicroEur", []),
            (house, "debtsMicroEur", []),
            (house, "balances", [self.limit]),
        )
        calls = ({"to": c.address, "data": c.encode_abi(name, args)} for c, name, args in asked)
        return [(RPCEndpoint("eth_call"), [call, "latest"]) for call in calls]

    def _ask_for_money(self) -> list[int]:
        """The signed words of all answers, in one request."""
        provider = self.chain.w3.provider
        assert isinstance(provider, HTTPProvider)
        answers = provider.make_batch_request(self._questions)
        data = b"".join(bytes.fromhex(answer["result"][2:]) for answer in answers)
        words = (data[at : at + 32] for at in range(0, len(data), 32))
        return [int.from_bytes(word, "big", signed=True) for word in words]

    def ring(self) -> dict[int, tuple[int, int]]:
        """(holds, open trades) by period, of those that have a slot."""
        slots = [self.market.house.read("periodAt", FIRST_AREA, slot) for slot in range(RING)]
        return {slot[0]: (slot[HOLDS], slot[TRADES]) for slot in slots if slot[0]}

    # --- acting --------------------------------------------------------------------------------

    def close_gate(self, period: int) -> None:
        self.market.clock.advance_to(self.keys["operator"], period * MTU - GATE_CLOSURE)

    def deposit(self, amounts: Mapping[int, int]) -> None:
        self.market.house.deposit(self.keys["treasurer"], amounts)

    def place_batch(
        self, period: int, orders: Mapping[int, Order], sequences: Mapping[int, int]
    ) -> None:
        lanes = {who: order_lane(*order, sequences[who]) for who, order in orders.items()}
        self.market.auction.place_batch(self.keys["gateway"], FIRST_AREA, period, lanes)

    def place(self, period: int, who: int, order: Order) -> None:
        self.market.auction.place(self.key(who), period, *order)

    def cancel(self, period: int, who: int) -> None:
        self.market.auction.write(self.key(who), "cancel", "cancel", period)

    def operate(self, function: str, *arguments: Any) -> None:
        self.market.registry.write(self.keys["operator"], "operate", function, *arguments)

    def cap(self, period: int, caps: dict[int, tuple[int, int]]) -> None:
        grid = self.market.grid
        grid.cap(period, grid.round(period), grid.book_root(period), caps, REPORT)

    def accept(self, period: int) -> None:
        grid = self.market.grid
        grid.accept(period, grid.round(period), grid.book_root(period), REPORT)

    def wait(self, seconds: int = 2, mined: bool = False) -> None:
        """Until the windows of verdicts and readings, which are of no length, are over."""
        self.chain.w3.provider.make_request(RPCEndpoint("evm_increaseTime"), [seconds])
        if mined:
            self.chain.w3.provider.make_request(RPCEndpoint("evm_mine"), [])

    def now(self) -> int:
        """Block time of the last block."""
        return self.chain.w3.eth.get_block("latest")["timestamp"]

    def act(self, who: str | int, function: str, *arguments: Any) -> None:
        """A function of the clearing house, by a party or by a participant's number."""
        key = self.keys[who] if isinstance(who, str) else self.key(who)
        self.market.house.write(key, function, function, *arguments)

    def held_back(self) -> tuple[dict[int, int], int]:
        """Credits that wait, by account, and what is set aside."""
        house = self.market.house
        return house.waiting(self.limit), house.read("setAsideMicroEur")

    def expire(self, period: int) -> None:
        self.wait()
        self.market.auction.write(self.keys["gateway"], "expire", "expire", FIRST_AREA, period)

    def book(self, period: int, groups_a_call: int) -> None:
        self.market.auction.book(self.keys["operator"], FIRST_AREA, period, groups_a_call)

    def meter(self, period: int, readings: Mapping[int, int]) -> None:
        self.market.meter.submit(period, self.market.meter.version(period) + 1, readings)

    def settle(self, period: int, groups_a_call: int) -> None:
        self.market.settlement.settle(self.keys["operator"], FIRST_AREA, period, groups_a_call)

    def await_readings(self, period: int) -> None:
        self.market.settlement.write(
            self.keys["gateway"], "await", "awaitReadings", FIRST_AREA, period
        )
        self.wait()

    def live(self, period: int, orders: Mapping[int, Order], groups_a_call: int) -> None:
        """A whole period as it should be: everyone reads its own number, drawn; 8 injects 900 Wh."""
        self.close_gate(period - 1)
        self.place_batch(period, orders, dict.fromkeys(orders, 1))
        self.close_gate(period)
        self.market.auction.clear(self.keys["gateway"], FIRST_AREA, period)
        self.accept(period)
        self.book(period, 9)
        self.close_gate(period + 2)
        self.meter(period, {n: 900 if n == 8 else -n for n in NUMBERS})
        self.settle(period, groups_a_call)
        self.look()

    def correct(self, period: int, readings: Mapping[int, int]) -> None:
        """By leaf and proof from the logs the checker has read, group by group."""
        settlement, by = self.market.settlement, self.keys["meter oracle"]
        for group in sorted({who // PER_GROUP for who in readings}):
            commitment = self.checker.metering.evidence.of(FIRST_AREA, period)
            assert commitment.value == settlement.commitment(FIRST_AREA, period)
            leaf = commitment.leaf(group)
            corrected = leaf.corrected(
                {n: wh for n, wh in readings.items() if n // PER_GROUP == group}
            )
            settlement.correct(by, FIRST_AREA, leaf, commitment.path(group), corrected)
            self.look()


def _logs(receipt: TxReceipt) -> list[Log]:
    return [
        Log(
            log["address"],
            list(log["topics"]),
            bytes(log["data"]),
            log["blockNumber"],
            log["logIndex"],
        )
        for log in receipt["logs"]
    ]
