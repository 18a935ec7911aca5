"""The Merkle root of a contract's storage, on both development chains: equal roots, equal storage."""

import gzip
import json

import rlp
from eth_utils import keccak
from trie import HexaryTrie
from web3 import Web3

from gridbourse.chain.embedded import EmbeddedProvider


def storage_roots(w3: Web3, addresses: dict[str, str]) -> dict[str, bytes]:
    """Root by contract name, `addresses` by name as well."""
    root_at = _embedded_root if isinstance(w3.provider, EmbeddedProvider) else _anvil_root
    return {name: root_at(w3, address) for name, address in addresses.items()}


def _embedded_root(w3: Web3, address: str) -> bytes:
    # py-evm keeps the root in the account, and has no public way to it.
    state = w3.provider.ethereum_tester.backend.chain.get_vm().state
    return state._account_db._get_account(Web3.to_bytes(hexstr=address)).storage_root


def _anvil_root(w3: Web3, address: str) -> bytes:
    """From the slots: anvil's own `storageHash` counts emptied slots as if they held something."""
    trie = HexaryTrie({})
    for slot, word in slots_of(w3, address).items():
        if word:
            trie[keccak(slot.to_bytes(32, "big"))] = rlp.encode(word)
    return trie.root_hash


def slots_of(w3: Web3, address: str) -> dict[int, int]:
    """What an anvil holds of a contract: word by slot."""
    dump = bytes.fromhex(w3.provider.make_request("anvil_dumpState", [])["result"][2:])
    storage = json.loads(gzip.decompress(dump))["accounts"][address.lower()]["storage"]
    return {int(slot, 16): int(word, 16) for slot, word in storage.items()}


def add_to_slot(w3: Web3, address: str, slot: int, amount: int) -> None:
    """Behind the contract's back."""
    word = slots_of(w3, address)[slot] + amount
    w3.provider.make_request(
        "anvil_setStorageAt", [address, f"0x{slot:064x}", f"0x{word % (1 << 256):064x}"]
    )
