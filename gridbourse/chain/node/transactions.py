"""Signing, sending and metering transactions; reverts become typed errors with their values."""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from eth_abi.abi import decode
from eth_account.signers.local import LocalAccount
from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception, Web3RPCError
from web3.types import TxParams, TxReceipt, Wei

from gridbourse.chain.node.answers import OVERLOADED, REVERT_STRING
from gridbourse.chain.node.compiler import Artifact
from gridbourse.chain.node.connect import NetworkError, gas_price
from gridbourse.chain.node.refusals import worded
from gridbourse.errors import GridbourseError
from gridbourse.text import one_line

GAS_LIMIT = 16_000_000
"""Below EIP-7825's 16,777,216 a transaction, and never more than a block of the chain holds."""
RECEIPT_TIMEOUT_S = 120.0
_KNOWN = re.compile(r"already known|known transaction|already imported", re.IGNORECASE)
"""Words of nodes for a transaction they have already."""
_SIZE = re.compile(r"intrinsic gas|exceeds block gas|block gas limit|oversized", re.IGNORECASE)
"""Words of nodes for a transaction that does not fit."""
USED_UP = 0.95
"""Of its gas, what a transaction has used that ran out of it: a call leaves a 64th to its caller."""
Abi = Iterable[Mapping[str, Any]]
PANIC = bytes.fromhex("4e487b71")


class Reverted(GridbourseError):
    """A contract refused a call: `name` of its error, `values` by parameter name, as the chain has them."""

    def __init__(
        self,
        what: str,
        name: str,
        values: dict[str, Any],
        inputs: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """inputs: of the error in its ABI, by which phases, roles and times are told as such."""
        self.name, self.values = name, values
        said = worded(inputs or [{}] * len(values), values)
        listed = ", ".join(f"{key}={text}" for key, text in said.items())
        super().__init__(f"{what} refused: {name}({listed})")

    def advised(self, what_to_do: str) -> Self:
        """The same, with what to do about it."""
        self.args = (f"{self}; {what_to_do}",)
        return self


class TooLarge(GridbourseError):
    """A transaction needs more gas than it may have: what is in it has to go in parts."""


@dataclass
class GasUse:
    """Gas of one step: how many transactions, their gas, and how many things they handled."""

    transactions: int = 0
    gas: int = 0
    units: int = 0


@dataclass
class Chain:
    """A connection that signs, sends, waits, and keeps nonces and gas by step."""

    w3: Web3
    artifacts: dict[str, Artifact]
    gas: dict[str, GasUse] = field(default_factory=lambda: defaultdict(GasUse))
    _nonces: dict[str, int] = field(default_factory=dict)
    _terms: TxParams | None = None

    def send(
        self,
        account: LocalAccount,
        call: ContractFunction | ContractConstructor,
        step: str,
        units: int = 1,
    ) -> TxReceipt:
        """Send one transaction and wait for it; Reverted when a contract refuses it.

        A refused transaction still uses its nonce, and its gas counts for the step.
        """
        request = self._build(account, call)
        signed = account.sign_transaction(dict(request))  # type: ignore[arg-type]
        try:
            tx_hash = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        except (Web3RPCError, ValueError, NetworkError) as error:
            if not (_may_be_taken(error) and self._knows(signed.hash)):
                self._nonces.pop(
                    account.address, None
                )  # perhaps not in a block: ask the chain again
                raise _not_taken(step, error) from error
            tx_hash = (
                signed.hash
            )  # the node took it: only its answer was lost, or it had it already
        receipt = self._receipt(tx_hash)
        use = self.gas[step]
        use.transactions += 1
        use.gas += receipt["gasUsed"]
        use.units += units
        if receipt["status"] != 1:
            own = getattr(call, "contract_abi", ())
            raise self._why(request, receipt, step, own)
        return receipt

    def bind(self, name: str, address: str) -> Contract:
        """A deployed contract by the name of its artifact."""
        return self.w3.eth.contract(Web3.to_checksum_address(address), abi=self.artifacts[name].abi)

    def _build(self, account: LocalAccount, call: Any) -> TxParams:
        if self._terms is None:
            room = self.w3.eth.get_block("latest")["gasLimit"]
            self._terms = {
                "gas": min(GAS_LIMIT, room),
                "gasPrice": Wei(gas_price(self.w3)),
                "chainId": self.w3.eth.chain_id,
            }
        nonce = self._nonces.get(account.address)
        if nonce is None:
            nonce = self.w3.eth.get_transaction_count(account.address, "pending")
        request = call.build_transaction({**self._terms, "from": account.address, "nonce": nonce})
        self._nonces[account.address] = nonce + 1  # only now: arguments that do not fit use none
        return request

    def _knows(self, tx_hash: HexBytes) -> bool:
        """Whether the node has a transaction, mined or not; as far as can be found out, it has not."""
        try:
            return bool(self.w3.eth.get_transaction(tx_hash))
        except (NetworkError, Web3Exception, ValueError):
            return False

    def _receipt(self, tx_hash: HexBytes) -> TxReceipt:
        deadline = time.monotonic() + RECEIPT_TIMEOUT_S
        pause = 0.001
        while True:
            try:
                return self.w3.eth.get_transaction_receipt(tx_hash)
            except TransactionNotFound:
                if time.monotonic() > deadline:
                    raise NetworkError(f"transaction {tx_hash.to_0x_hex()} is not mined") from None
                time.sleep(pause)
                pause = min(2 * pause, 0.5)

    def _why(self, request: TxParams, receipt: TxReceipt, step: str, own: Abi) -> GridbourseError:
        """Ask the block before for the reason of a revert, which a receipt does not hold."""
        again: TxParams = {k: v for k, v in request.items() if k != "nonce"}  # type: ignore[assignment]
        why = GridbourseError(f"{step}: transaction failed with {receipt['gasUsed']} gas used")
        try:
            self.w3.eth.call(again, receipt["blockNumber"] - 1)
        except (ContractLogicError, Web3Exception) as error:
            why = self.explain(error, step, own)
        except NetworkError:  # the node has no answer to it now, as after a reorganisation
            pass
        if not isinstance(why, Reverted) and receipt["gasUsed"] >= request["gas"] * USED_UP:
            return TooLarge(f"{step}: {request['gas']} gas are not enough for the transaction")
        return why

    def explain(self, error: Exception, what: str, own: Abi = ()) -> GridbourseError:
        """The typed error behind a refused call.

        own: ABI of the contract called. It goes first: two contracts may use one signature for errors
        whose numbers mean different things.
        """
        data = getattr(error, "data", None)
        raw = (
            HexBytes(data)
            if isinstance(data, str | bytes) and data not in ("", b"")
            else HexBytes(b"")
        )
        for abi in (own, *(artifact.abi for artifact in self.artifacts.values())):
            for entry in abi:
                if entry["type"] != "error":
                    continue
                types = [collapse_if_tuple(i) for i in entry["inputs"]]
                if (
                    function_signature_to_4byte_selector(f"{entry['name']}({','.join(types)})")
                    == raw[:4]
                ):
                    names = [i["name"] or f"arg{n}" for n, i in enumerate(entry["inputs"])]
                    values = dict(zip(names, decode(types, raw[4:]), strict=True))
                    return Reverted(what, entry["name"], values, entry["inputs"])
        if raw[:4] == PANIC:
            return Reverted(what, "Panic", {"code": hex(int.from_bytes(raw[4:], "big"))})
        if raw[:4] == REVERT_STRING:
            return Reverted(what, "Error", {"message": decode(["string"], raw[4:])[0]})
        return GridbourseError(f"{what} refused: {error}")


def _may_be_taken(error: Exception) -> bool:
    """Whether the node may have a transaction all the same."""
    if isinstance(error, Web3RPCError):
        code = (error.rpc_response or {}).get("error", {}).get("code")
        return code in OVERLOADED or _KNOWN.search(str(error)) is not None
    return isinstance(error, NetworkError)


def _not_taken(step: str, error: Exception) -> GridbourseError:
    """Why the node did not take a transaction; no gas limit would be enough, or it is the network's."""
    if isinstance(error, NetworkError):
        return error
    said = one_line(f"{step}: the node refused the transaction: {error}")
    return TooLarge(said) if _SIZE.search(str(error)) else NetworkError(said)
