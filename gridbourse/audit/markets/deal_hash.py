"""Hash of a deal, its name on the chain: by EIP-712, from the open part alone (`Deals.sol`)."""

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from gridbourse.chain.bindings.over_the_counter import DEAL_TYPES, deal_domain

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def deal_hash(chain_id: int, market: str, concluded: tuple[Any, ...]) -> bytes:
    """Hash that both parties signed; the hidden terms enter it as their own hash."""
    domain = deal_domain(chain_id, market)
    separator = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [keccak(text=_DOMAIN), keccak(text=domain["name"]), keccak(text=domain["version"]),
             chain_id, market],
        )
    )  # fmt: skip
    kinds = [f["type"] if f["type"] != "Terms" else "bytes32" for f in DEAL_TYPES["Deal"]]
    body = keccak(encode(["bytes32", *kinds], [keccak(text=_type_text()), *concluded]))
    return keccak(b"\x19\x01" + separator + body)


def _type_text() -> str:
    return "".join(
        f"{kind}({','.join('{type} {name}'.format(**field) for field in DEAL_TYPES[kind])})"
        for kind in ("Deal", "Terms")
    )
