"""A signature in two words, as contracts take it (EIP-2098)."""

from typing import NamedTuple

from eth_account.datastructures import SignedMessage


class Signature(NamedTuple):
    """r, and s with the parity of the point in its top bit."""

    r: bytes
    vs: bytes

    @classmethod
    def of(cls, signed: SignedMessage) -> "Signature":
        """What an account signed."""
        vs = signed.s | (signed.v - 27) << 255
        return cls(signed.r.to_bytes(32, "big"), vs.to_bytes(32, "big"))
