"""Roles as the registry names them (`Roles.sol`)."""

from eth_utils.crypto import keccak


def role(name: str, area: int = 0) -> bytes:
    """A role by its name; in an area above 0 that of the DSO, its oracles or its verifier there."""
    of_area_0 = keccak(text=name)
    return of_area_0 if area == 0 else keccak(of_area_0 + area.to_bytes(32, "big"))
