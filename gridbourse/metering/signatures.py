"""Readings signed by the meter itself (EIP-191), so that nobody in between can change them."""

from __future__ import annotations

import json

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError


def sign_reading(
    private_key: bytes | str, point: str, period: int, wh: int, account: str | None = None
) -> str:
    """Signature that a meter adds to its reading: 65 bytes, 0x-prefixed hex.

    wh: net energy of the period, Wh, positive = injects. account: checksummed address with which the
    meter is to be settled, in the reading of an application that brings its own.
    """
    signed = Account.sign_message(_message(point, period, wh, account), private_key)
    return signed.signature.to_0x_hex()


def signer_of(
    signature: str, point: str, period: int, wh: int, account: str | None = None
) -> str | None:
    """Checksummed address that signed this very reading; None for anything but a signature."""
    try:
        address: str = Account.recover_message(
            _message(point, period, wh, account), signature=signature
        )
    except (ValueError, TypeError, IndexError, BadSignature, ValidationError):
        return None
    return address


def _message(point: str, period: int, wh: int, account: str | None) -> SignableMessage:
    """JSON message, so that no two readings share a text whatever characters a point's name holds."""
    said = [point, int(period), int(wh)] + ([] if account is None else [account])
    return encode_defunct(text=f"gridbourse reading {json.dumps(said)}")
