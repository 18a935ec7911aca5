"""One thin class per contract: the calls the off-chain side makes, in its own types.

Every write names the step its gas is counted under. Reads return plain integers and dictionaries.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_abi.exceptions import DecodingError, EncodingError
from eth_account.signers.local import LocalAccount
from eth_utils.abi import function_abi_to_4byte_selector
from hexbytes import HexBytes
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, MismatchedABI
from web3.logs import DISCARD
from web3.types import TxReceipt

from gridbourse.chain.encoding.arguments import ArgumentError, misfit, range_of
from gridbourse.chain.encoding.commitment import Leaf, Path
from gridbourse.chain.encoding.lanes import (
    group_words,
    lanes56,
    lanes64,
    pack_readings,
    pair,
    unpack_readings,
)
from gridbourse.chain.node.answers import NetworkError
from gridbourse.chain.node.transactions import Chain

log = logging.getLogger(__name__)

ALL_GROUPS = 1 << 31
"""More groups than an area has: as many as one transaction carries is for the caller to choose."""

DSO_ACCOUNT, SUPPLIER_ACCOUNT, FIRST_PARTICIPANT = 1, 2, 8
"""Of `HouseAccounts.sol`: named accounts, numbered below the participants."""
FLAT = re.compile(r"u?int[0-9]+|bool|bytes[0-9]+")
"""Types of one word that are the same in Python and in the ABI."""
WORDS = re.compile(rf"(?:{FLAT.pattern})(?:\[\])?")
"""The same, or a list of it."""
PHASES = ("open", "cleared", "booked", "void")


class _NotFlat(Exception):
    """A call that is web3's to make."""


class _View(NamedTuple):
    """A function of words and lists of words; `is_struct`: what it gives are the fields of one."""

    selector: bytes
    takes: list[str]
    gives: list[str]
    is_struct: bool

    @classmethod
    def of(cls, abi: Sequence[Any], function: str) -> "_View | None":
        """None where it is not one, or there are several of its name."""
        found = [e for e in abi if e["type"] == "function" and e["name"] == function]
        if len(found) != 1:
            return None
        outputs = found[0]["outputs"]
        is_struct = len(outputs) == 1 and outputs[0]["type"] == "tuple"
        takes = [each["type"] for each in found[0]["inputs"]]
        gives = [each["type"] for each in (outputs[0]["components"] if is_struct else outputs)]
        # A struct with a list in it lies elsewhere in the answer than its fields alone would.
        fits = FLAT.fullmatch if is_struct else WORDS.fullmatch
        if not gives or not all(map(WORDS.fullmatch, takes)) or not all(map(fits, gives)):
            return None
        return cls(function_abi_to_4byte_selector(found[0]), takes, gives, is_struct)


class Bound:
    """A deployed contract and the chain it is on."""

    def __init__(self, chain: Chain, contract: Contract) -> None:
        self.chain, self.contract = chain, contract
        self._narrow: dict[str, Contract] = {}
        self._views: dict[str, _View | None] = {}

    @property
    def address(self) -> str:
        """Checksum address."""
        return self.contract.address

    def read(self, function: str, *arguments: Any) -> Any:
        """Call a view; Reverted when the contract refuses, ArgumentError for what it can not take."""
        try:
            return self._flat(function, arguments)
        except ContractLogicError as error:
            raise self.chain.explain(error, function, self.contract.abi) from error
        except _NotFlat:
            call = self._call(function, arguments)
        try:
            return call.call()
        except ContractLogicError as error:
            raise self.chain.explain(error, function, self.contract.abi) from error
        except BadFunctionCallOutput as error:
            raise NetworkError(f"{function}: the node's answer holds no result of it") from error

    def write(
        self, by: LocalAccount, step: str, function: str, *arguments: Any, units: int = 1
    ) -> TxReceipt:
        """Send a transaction; Reverted when the contract refuses, ArgumentError as for `read`."""
        return self.chain.send(by, self._call(function, arguments), step, units)

    def _call(self, function: str, arguments: Sequence[Any]) -> ContractFunction:
        try:
            return self._with_only(function).functions[function](*arguments)
        except MismatchedABI as error:
            (entry,) = self.contract.find_functions_by_name(function)
            found = misfit(self.chain.w3, entry.abi["inputs"], arguments)
            if found is None:
                raise
            rule = range_of(found.type)
            raise ArgumentError(function, found.argument, found.value, rule) from error

    def _flat(self, function: str, arguments: Sequence[Any]) -> Any:
        """The answer of a view of words and lists of words, much sooner than by web3.

        _NotFlat where it has other types, or where something does not fit: web3 says what.
        """
        if function not in self._views:
            self._views[function] = _View.of(self.contract.abi, function)
        view, w3 = self._views[function], self.chain.w3
        if view is None:
            raise _NotFlat
        try:
            data = view.selector + w3.codec.encode(view.takes, arguments)
        except (EncodingError, TypeError, ValueError) as error:
            raise _NotFlat from error
        answer = w3.eth.call({"to": self.contract.address, "data": HexBytes(data)})
        try:
            values = w3.codec.decode(view.gives, answer)
        except DecodingError as error:
            raise _NotFlat from error
        if view.is_struct:
            return values
        found = [list(value) if isinstance(value, tuple) else value for value in values]
        return found[0] if len(found) == 1 else found

    def _with_only(self, function: str) -> Contract:
        """The contract without its other functions, all of which web3 goes through at every call."""
        if function not in self._narrow:
            abi = [
                entry
                for entry in self.contract.abi
                if entry["type"] == "error" or entry.get("name") == function
            ]
            self._narrow[function] = self.chain.w3.eth.contract(self.contract.address, abi=abi)
        return self._narrow[function]

    def events_in(self, receipt: TxReceipt, name: str) -> list[dict[str, Any]]:
        """Values of this contract's events of one name in a receipt, which may hold others' too."""
        found = self.contract.events[name]().process_receipt(receipt, errors=DISCARD)
        return [dict(event["args"]) for event in found]

    def tell_left_out(self, receipt: TxReceipt, event: str) -> None:
        """A line of the log for each row that a batch went in without, with the error that refused it."""
        for told in self.events_in(receipt, event):
            refused = ContractLogicError(data=told["reason"].hex())
            why = self.chain.explain(refused, "a row", self.contract.abi)
            log.warning("period %d: left out of a batch: %s", told["period"], why)


def lanes_set(
    groups: Sequence[int], words: Sequence[int], unset: int
) -> dict[int, tuple[int, int]]:
    """Energy pairs by participant, without the lanes that hold nothing."""
    return {
        participant: pair(lane)
        for group, word in zip(groups, words, strict=True)
        for participant, lane in lanes56(group, word)
        if lane != unset
    }


class Registration(NamedTuple):
    """A row of `ParticipantRegistry.register`; the capacity is Wh in one period."""

    account: str
    metering_point: bytes
    area: int
    zone: int
    capacity_wh: int
    from_period: int


class ParticipantRegistry(Bound):
    """Who may do what, and where each metering point sits."""

    def register(self, by: LocalAccount, rows: Sequence[Registration]) -> list[int]:
        """Numbers of the rows, in order; all are registered or none."""
        receipt = self.write(by, "register", "register", rows, units=len(rows))
        return [event["participant"] for event in self.events_in(receipt, "ParticipantRegistered")]

    def seat_limit(self) -> int:
        """One above the highest number a seat exists for."""
        return self.read("seatLimit")


class MarketClock(Bound):
    """Market time."""

    def advance_to(self, by: LocalAccount, timestamp: int) -> None:
        """Move a replay clock forward."""
        self.write(by, "clock", "advanceTo", timestamp)

    def timestamp(self) -> int:
        """Market time, unix seconds."""
        return self.read("timestamp")


class ClearingHouse(Bound):
    """Money accounts and what each connection has promised."""

    def deposit(self, by: LocalAccount, amounts: Mapping[int, int]) -> None:
        """Bring currency of the caller into accounts, µEUR by account number."""
        self.write(
            by, "deposit", "deposit", list(amounts), list(amounts.values()), units=len(amounts)
        )

    def balances(self, limit: int) -> dict[int, int]:
        """Free money of every account below `limit`, µEUR."""
        return dict(enumerate(self.read("balances", limit)))

    def waiting(self, limit: int) -> dict[int, int]:
        """Credit of every account below `limit` that waits for the supplier's money, µEUR; no zeros."""
        if not self.read("waitingMicroEur"):
            return {}
        found = {who: self.read("waitingOf", who) for who in range(FIRST_PARTICIPANT, limit)}
        return {who: credit for who, credit in found.items() if credit}

    def money_sum(self, limit: int) -> int:
        """What does not add up, µEUR: zero, always.

        |accounts + what waits or is set aside + holds + open trades − (deposits − withdrawals)| +
        |currency held − (deposits − withdrawals)|
        """
        currency = self.chain.bind("SettlementCurrency", self.read("currency"))
        held = currency.functions.balanceOf(self.address).call()
        kept = self.read("depositsMicroEur") - self.read("withdrawalsMicroEur")
        return abs(self.read("moneySum", limit)) + abs(held - kept)

    def positions(self, period: int, groups: Sequence[int]) -> dict[int, tuple[int, int]]:
        """(sold, bought) Wh of the participants in the groups who traded."""
        return lanes_set(groups, self.read("positionsOfGroups", period, list(groups)), unset=0)


class MeterOracle(Bound):
    """Port of the meter feed."""

    def __init__(self, chain: Chain, contract: Contract, account: LocalAccount) -> None:
        super().__init__(chain, contract)
        self.account = account

    def version(self, period: int) -> int:
        """How many batches of the period the chain has."""
        return self.read("versionOf", period)

    def submit(self, period: int, version: int, readings: Mapping[int, int]) -> str:
        """Send a batch (Wh by participant number); the transaction's hash once it is mined."""
        first, data = pack_readings(readings)
        receipt = self.write(
            self.account, "readings", "submit", period, version, first, data, units=len(readings)
        )
        return receipt["transactionHash"].to_0x_hex()

    def batch(self, tx_hash: str) -> dict[int, int]:
        """Wh by participant number of a batch, as the chain's log has it."""
        receipt = self.chain.w3.eth.get_transaction_receipt(HexBytes(tx_hash))
        return {
            who: wh
            for event in self.events_in(receipt, "ReadingsSubmitted")
            for who, wh in unpack_readings(event["firstBlock"], event["readings"]).items()
        }


class Fill(NamedTuple):
    """What a participant trades: net energy (+ sells) and signed payment (+ receives)."""

    net_wh: int
    payment_micro_eur: int


@dataclass(frozen=True)
class Outcome:
    """What a clearing found; the price is None when nothing trades."""

    matched_wh: int
    price_micro_eur_per_wh: int | None


class CallAuction(Bound):
    """The pool-based call auction."""

    def groups(self, area: int) -> list[int]:
        """Groups of an area, in participant order."""
        registry = self.chain.bind("ParticipantRegistry", self.read("registry"))
        return registry.functions.groupsOf(area, 0, ALL_GROUPS).call()

    def place(self, by: LocalAccount, period: int, side: int, tick: int, wh: int) -> None:
        """The caller's own order."""
        self.write(by, "order own", "place", period, side, tick, wh)

    def place_batch(
        self, gateway: LocalAccount, area: int, period: int, lanes: Mapping[int, int]
    ) -> None:
        """Orders under mandate: order lanes by participant number; those left out are in the log."""
        words, step = group_words(lanes), "orders mandate"
        receipt = self.write(gateway, step, "placeBatch", area, period, words, units=len(lanes))
        self.tell_left_out(receipt, "OrderLeftOut")

    def place_signed(
        self, gateway: LocalAccount, area: int, period: int, orders: Sequence[tuple[Any, ...]]
    ) -> None:
        """Orders the participants signed (see `signing.sign_order`); those left out are in the log."""
        step, units = "orders signed", len(orders)
        receipt = self.write(gateway, step, "placeSigned", area, period, orders, units=units)
        self.tell_left_out(receipt, "OrderLeftOut")

    def clear(self, by: LocalAccount, area: int, period: int) -> Outcome:
        """Clear after gate closure."""
        receipt = self.write(by, "clear", "clear", area, period)
        (found,) = self.events_in(receipt, "Cleared")
        matched = found["matchedWh"]
        return Outcome(matched, found["priceMicroEurPerWh"] if matched else None)

    def phase(self, area: int, period: int) -> str:
        """ "open", "cleared", "booked" or "void"."""
        return PHASES[self.read("sessionOf", area, period)[1]]

    def fills(self, area: int, period: int) -> dict[int, Fill]:
        """What each participant with a fill trades by the clearing that stands."""
        fills = {}
        for group, energies, payments in zip(*self.read("fillsOf", area, period), strict=True):
            paid = dict(lanes64(group, payments))
            for participant, lane in lanes56(group, energies):
                if lane:
                    sold, bought = pair(lane)
                    fills[participant] = Fill(sold - bought, paid[participant])
        return fills

    def book(
        self, by: LocalAccount, area: int, period: int, groups_a_call: int, units: int = 0
    ) -> None:
        """Book every fill, in as many transactions as it takes; `units` counts them for the gas."""
        while self.phase(area, period) != "booked":
            self.write(by, "book", "book", area, period, groups_a_call, units=units)
            units = 0


class Settlement(Bound):
    """Contract against meter."""

    def settle(
        self, by: LocalAccount, area: int, period: int, groups_a_call: int, units: int = 0
    ) -> None:
        """Settle every group, in as many transactions as it takes; `units` counts accounts for the gas."""
        while not self.done(area, period):
            self.write(by, "settle", "settle", area, period, groups_a_call, units=units)
            units = 0

    def done(self, area: int, period: int) -> bool:
        """Whether every participant of the area is settled for the period."""
        return self.read("progressOf", area, period)[2]

    def correct(
        self, by: LocalAccount, area: int, leaf: Leaf, path: Path, corrected: Leaf
    ) -> TxReceipt:
        """Correct a settled group from `leaf` to the readings of `corrected`; the difference is booked."""
        return self.write(by, "correct", "correct", area, leaf, path, corrected.readings)

    def commitment(self, area: int, period: int) -> bytes:
        """What the area and period were settled on, as one hash; zeros before."""
        return self.read("commitmentOf", area, period)
