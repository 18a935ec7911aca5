"""Keys of a deployment's parties on a network of consequence: each role has its own keystore.

A folder holds one keystore for each role whose holder works with it, such as `operator.json` or
`meter-oracle.json` (Web3 Secret Storage, version 3), and may name the accounts of other roles in
`addresses.json`, `{"dso": "0x…"}`: whoever deploys needs the operator's key and everybody else's address.
Nothing here writes a key or a password.
"""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address

from gridbourse.chain.keys.keystores import KeystoreError, Keystores

ADDRESSES = "addresses.json"


class LockedAccount(LocalAccount):
    """An account that opens its keystore when it first signs: who does not sign needs no password."""

    def __init__(self, address: ChecksumAddress, unlock: Callable[[], LocalAccount]) -> None:
        self._publicapi, self._address, self._unlock = Account(), address, unlock

    @cached_property
    def _opened(self) -> bytes:
        return self._unlock().key

    @property
    def key(self) -> bytes:
        """The private key; KeystoreError where only the address is here, or the password does not open it."""
        return self._opened


class RoleKeystores:
    """Accounts by the name of their role, of a folder; KeystoreError for a role that is not in it.

    password: asked for when a keystore is first opened.
    """

    def __init__(self, folder: Path, password: Callable[[], str]) -> None:
        self._folder, self._password = folder, password
        self._keystores = Keystores(folder)
        self._others = _addresses(folder / ADDRESSES)
        self._require_one_role_each()

    def __getitem__(self, name: str) -> LocalAccount:
        """The account of a role, locked until it signs."""
        return LockedAccount(self.address(name), lambda: self._open(name))

    def address(self, name: str) -> ChecksumAddress:
        """Address of a role's account; no password is needed for it."""
        own = self._keystores.address(_file(name))
        if own is None and _file(name) not in self._others:
            raise KeystoreError(
                f"{self._folder}: neither {_file(name)}.json nor an address of {name!r} in {ADDRESSES}"
            )
        return to_checksum_address(own or self._others[_file(name)])

    def _open(self, name: str) -> LocalAccount:
        if self._keystores.address(_file(name)) is None:
            raise KeystoreError(
                f"{name}: only its address is in {self._folder}, it has to sign itself"
            )
        account = self._keystores.unlock(_file(name), self._password())
        if account.address != self.address(name):
            raise KeystoreError(
                f"{_file(name)}.json: holds the key of another account than it says"
            )
        return account

    def _require_one_role_each(self) -> None:
        """One key for two roles is one thief with both."""
        found: dict[str, str] = {}
        files = {path.stem for path in self._folder.glob("*.json") if path.name != ADDRESSES}
        for name in sorted(files | self._others.keys()):
            address = self.address(name)
            if address in found:
                raise KeystoreError(
                    f"{self._folder}: {name} and {found[address]} are one account {address}"
                )
            found[address] = name


def _file(name: str) -> str:
    return name.replace(" ", "-")


def _addresses(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        stated = json.loads(path.read_text())
        return {
            _file(name): to_checksum_address(address)
            for name, address in stated.items()
            if _named(name, address)
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise KeystoreError(f"{path}: not a table of addresses by role ({error})") from error


def _named(name: str, address: object) -> bool:
    if not is_address(address):
        raise ValueError(f"{name}: {address!r} is no address")
    return True
