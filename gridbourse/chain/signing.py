"""EIP-712 orders: what a participant signs for a gateway to bring in."""

from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from gridbourse.chain.lanes import order_lane

ORDER_TYPE = {
    "Order": [
        {"name": "area", "type": "uint8"},
        {"name": "period", "type": "uint32"},
        {"name": "participant", "type": "uint32"},
        {"name": "side", "type": "uint8"},
        {"name": "tick", "type": "uint16"},
        {"name": "wh", "type": "uint32"},
        {"name": "sequence", "type": "uint8"},
        {"name": "gateway", "type": "address"},
        {"name": "expiry", "type": "uint40"},
    ]
}


@dataclass(frozen=True)
class OrderTerms:
    """One limit order; side 0 bid, 1 offer; expiry in unix seconds of block time."""

    area: int
    period: int
    participant: int
    side: int
    tick: int
    wh: int
    sequence: int
    gateway: str
    expiry: int


def order_domain(chain_id: int, auction: str) -> dict[str, Any]:
    """The EIP-712 domain of a call auction: signatures bind the chain and the contract."""
    return {
        "name": "gridbourse CallAuction",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": auction,
    }


def sign_order(
    account: LocalAccount, domain: dict[str, Any], terms: OrderTerms
) -> tuple[int, int, int, bytes, bytes]:
    """The `SignedOrder` tuple the contract takes: participant, lane, expiry, r, vs (EIP-2098)."""
    signature = account.sign_typed_data(domain, ORDER_TYPE, vars(terms))
    vs = signature.s | (signature.v - 27) << 255
    lane = order_lane(terms.side, terms.tick, terms.wh, terms.sequence)
    return (
        terms.participant,
        lane,
        terms.expiry,
        signature.r.to_bytes(32, "big"),
        vs.to_bytes(32, "big"),
    )
