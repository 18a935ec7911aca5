"""EIP-712 orders of the call auction and the order book: what a participant signs for a gateway."""

from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from gridbourse.chain.encoding.book_order import BookOrder
from gridbourse.chain.encoding.lanes import order_lane

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

BOOK_ORDER_TYPE = {
    "BookOrder": [
        {"name": "area", "type": "uint8"},
        {"name": "period", "type": "uint32"},
        {"name": "participant", "type": "uint32"},
        {"name": "kind", "type": "uint8"},
        {"name": "side", "type": "uint8"},
        {"name": "tick", "type": "uint8"},
        {"name": "position", "type": "uint16"},
        {"name": "newTick", "type": "uint8"},
        {"name": "wh", "type": "uint32"},
        {"name": "sequence", "type": "uint32"},
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
    return _domain("gridbourse CallAuction", chain_id, auction)


def book_domain(chain_id: int, book: str) -> dict[str, Any]:
    """The EIP-712 domain of an order book."""
    return _domain("gridbourse OrderBook", chain_id, book)


def _domain(name: str, chain_id: int, contract: str) -> dict[str, Any]:
    return {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": contract}


def sign_order(
    account: LocalAccount, domain: dict[str, Any], terms: OrderTerms
) -> tuple[int, int, int, bytes, bytes]:
    """The `SignedOrder` tuple the contract takes: participant, lane, expiry, r, vs (EIP-2098)."""
    lane = order_lane(terms.side, terms.tick, terms.wh, terms.sequence)
    return (
        terms.participant, lane, terms.expiry,
        *_signature(account, domain, ORDER_TYPE, vars(terms)),
    )  # fmt: skip


def sign_book_order(
    account: LocalAccount,
    domain: dict[str, Any],
    area: int,
    period: int,
    order: BookOrder,
    gateway: str,
    expiry: int,
) -> tuple[int, int, bytes, bytes]:
    """The `SignedOrder` tuple of the order book: word, expiry, r, vs; expiry as in `OrderTerms`."""
    terms = {
        "area": area,
        "period": period,
        "participant": order.participant,
        "kind": order.action,
        "side": order.side,
        "tick": order.tick,
        "position": order.position,
        "newTick": order.new_tick,
        "wh": order.wh,
        "sequence": order.sequence,
        "gateway": gateway,
        "expiry": expiry,
    }
    return order.pack(), expiry, *_signature(account, domain, BOOK_ORDER_TYPE, terms)


def _signature(
    account: LocalAccount, domain: dict[str, Any], kind: dict[str, Any], terms: dict[str, Any]
) -> tuple[bytes, bytes]:
    """r and vs (EIP-2098)."""
    signature = account.sign_typed_data(domain, kind, terms)
    vs = signature.s | (signature.v - 27) << 255
    return signature.r.to_bytes(32, "big"), vs.to_bytes(32, "big")
