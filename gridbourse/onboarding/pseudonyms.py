"""Pseudonyms of metering points, by which the chain knows them."""

from eth_utils.crypto import keccak

from gridbourse.chain.keys.accounts import Keys

SALT_BYTES = 32


def pseudonym(salt: bytes, metering_point: str) -> bytes:
    """Pseudonym, unlinkable to the metering point without the salt, which is secret, and can be erased."""
    return keccak(salt + metering_point.encode())


def deployment_salt(keys: Keys) -> bytes:
    """Salt of the points of a scenario: they belong to nobody, so it lasts with the deployment."""
    return bytes(keys["metering point salt"].key)
