"""The chain inside this process: eth-tester on py-evm, made to behave as the devnet does."""

import ast
from typing import Any

from eth.abc import BlockHeaderAPI
from eth.exceptions import TransactionNotFound
from eth.validation import validate_gas_limit
from eth.vm.forks import ParisVM
from eth_abi.abi import encode
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.backends.pyevm.serializers import serialize_transaction_receipt
from eth_tester.exceptions import TransactionFailed
from eth_utils import ValidationError
from web3.providers.eth_tester import EthereumTesterProvider
from web3.types import RPCEndpoint, RPCError, RPCResponse

from gridbourse.chain.node.answers import REVERT_STRING

EXECUTION_REVERTED = 3  # the JSON-RPC error codes that nodes give
TRANSACTION_REFUSED = -32000
REVERTED = "execution reverted"


class FreeGasParisVM(ParisVM):
    """Paris with the base fee held at 0, as anvil does and as a permissioned chain is run.

    By London's rule it rises from 0 to 1 after the first block more than half full, and every
    transaction signed with ``gasPrice=0`` would be refused from then on.
    """

    @staticmethod
    def create_header_from_parent(  # type: ignore[override]
        parent_header: BlockHeaderAPI | None, **header_params: Any
    ) -> BlockHeaderAPI:
        header_params.pop("base_fee_per_gas", None)
        header = ParisVM.create_header_from_parent(parent_header, **header_params)
        return header.copy(base_fee_per_gas=0)

    @classmethod
    def validate_gas(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        validate_gas_limit(header.gas_limit, parent_header.gas_limit)


class IndexedBackend(PyEVMBackend):
    """Finds a receipt by py-evm's index. eth-tester walks back through every block for it, and its
    logs are made of receipts: half the time of a replay."""

    def get_transaction_receipt(self, transaction_hash: bytes) -> dict[str, Any]:
        try:
            number, place = self.chain.get_canonical_transaction_index(transaction_hash)
        except TransactionNotFound:  # not mined yet
            return super().get_transaction_receipt(transaction_hash)
        block = self.chain.get_canonical_block_by_number(number)
        receipts = block.get_receipts(self.chain.chaindb)
        transaction, vm = block.transactions[place], self.chain.get_vm()
        return serialize_transaction_receipt(block, receipts, transaction, place, False, vm)


class EmbeddedProvider(EthereumTesterProvider):
    """A chain of its own, empty, with ``gas_limit`` gas to a block and one block a transaction.

    A reverted call and a refused transaction are answered as a node answers them, so web3 raises
    the same exception with the same data here and on the devnet.
    """

    def __init__(self, gas_limit: int) -> None:
        genesis = IndexedBackend.generate_genesis_params(overrides={"gas_limit": gas_limit})
        backend = IndexedBackend(
            genesis_parameters=genesis, vm_configuration=((0, FreeGasParisVM),)
        )
        super().__init__(EthereumTester(backend))

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        try:
            return super().make_request(method, params)
        except TransactionFailed as failure:
            reason, data = _reason_and_data(str(failure.args[0]))
            return self._refusal({"code": EXECUTION_REVERTED, "message": reason, "data": data})
        except ValidationError as refusal:
            return self._refusal({"code": TRANSACTION_REFUSED, "message": str(refusal)})

    def _refusal(self, error: RPCError) -> RPCResponse:
        return {"jsonrpc": "2.0", "id": self._current_request_id, "error": error}


def _reason_and_data(message: str) -> tuple[str, str]:
    """Split eth-tester's "execution reverted: b'…'" into words and hex; without bytes, no hex.

    A reason in words has been decoded already: it becomes the `Error(string)` it was.
    """
    words, _, detail = message.partition(": ")
    try:
        data = ast.literal_eval(detail)
    except (SyntaxError, ValueError):
        data = None
    if words == REVERTED and detail and not isinstance(data, bytes):
        return message, f"0x{(REVERT_STRING + encode(['string'], [detail])).hex()}"
    return (words, f"0x{data.hex()}") if isinstance(data, bytes) else (message, "0x")
