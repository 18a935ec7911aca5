"""A deployed contract: views, transactions and events by name."""

import logging
import re
from collections.abc import Sequence
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
from gridbourse.chain.node.answers import NetworkError
from gridbourse.chain.node.transactions import Chain

log = logging.getLogger(__name__)


FLAT = re.compile(r"u?int[0-9]+|bool|bytes[0-9]+")
"""Types of one word that are the same in Python and in the ABI."""


WORDS = re.compile(rf"(?:{FLAT.pattern})(?:\[\])?")
"""The same, or a list of it."""


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
        """Call a view; Reverted when the contract refuses, ArgumentError for what it cannot take."""
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
