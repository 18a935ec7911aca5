"""All that a contract has in storage, on both development chains."""

import gzip
import json

import rlp
from eth_utils import keccak
from trie import HexaryTrie
from trie.iter import NodeIterator
from web3 import Web3

from gridbourse.chain.node.embedded import EmbeddedProvider

Storage = dict[bytes, int]
"""Word by hashed slot, which is how a state trie has it; without the empty ones."""


def storage_of(w3: Web3, address: str) -> Storage:
    """Everything: nothing the other chain might have more of is left out."""
    if isinstance(w3.provider, EmbeddedProvider):
        return _embedded(w3, address)
    slots = slots_of(w3, address)
    return {keccak(slot.to_bytes(32, "big")): word for slot, word in slots.items() if word}


def slots_of(w3: Web3, address: str) -> dict[int, int]:
    """What an anvil holds of a contract: word by slot."""
    dump = bytes.fromhex(w3.provider.make_request("anvil_dumpState", [])["result"][2:])
    storage = json.loads(gzip.decompress(dump))["accounts"][address.lower()]["storage"]
    return {int(slot, 16): int(word, 16) for slot, word in storage.items()}


def add_to_slot(w3: Web3, address: str, slot: int, amount: int) -> None:
    """Behind the contract's back, on an anvil."""
    word = slots_of(w3, address)[slot] + amount
    w3.provider.make_request(
        "anvil_setStorageAt", [address, f"0x{slot:064x}", f"0x{word % (1 << 256):064x}"]
    )


def _embedded(w3: Web3, address: str) -> Storage:
    chain = w3.provider.ethereum_tester.backend.chain
    # py-evm has no public way to the root of an account's storage.
    accounts = chain.get_vm().state._account_db
    root = accounts._get_account(Web3.to_bytes(hexstr=address)).storage_root
    trie = HexaryTrie(chain.chaindb.db, root)
    return {
        key: rlp.decode(word, rlp.sedes.big_endian_int) for key, word in NodeIterator(trie).items()
    }
