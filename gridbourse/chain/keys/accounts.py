"""Keys of a deployment's parties.

A development chain uses keys derived from one secret, the published development one unless the environment
has another. On any other network each role has its own keystore (see `gridbourse.chain.keys.role_keys`): one
secret for all parties would be one thief with all roles.
"""

import os
from pathlib import Path
from typing import Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils import keccak
from web3 import Web3

from gridbourse.chain.keys.keystores import find_password
from gridbourse.chain.keys.role_keys import RoleKeystores
from gridbourse.chain.node.connect import is_development_chain
from gridbourse.errors import GridbourseError

DEVELOPMENT_SECRET = "gridbourse development keys: worthless, and known to everyone"
SECRET_VARIABLE = "GRIDBOURSE_SECRET"
KEYS_VARIABLE = "GRIDBOURSE_KEYS"
MIN_SECRET = 32


class SecretError(GridbourseError):
    """No usable keys."""


class Keys(Protocol):
    """Accounts by name, such as "operator" or "participant/P0007"."""

    def __getitem__(self, name: str) -> LocalAccount:
        """The account; what it signs may need its keystore opened."""

    def address(self, name: str) -> ChecksumAddress:
        """Its address, for which no key is needed."""


class Keyring:
    """Accounts by name, all derived from one secret: for development chains."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._accounts: dict[str, LocalAccount] = {}

    @classmethod
    def for_chain(cls, w3: Web3, folder: Path | None = None) -> Keys:
        """On a development chain keys of GRIDBOURSE_SECRET, or the development ones; on any other network the
        keystores of a folder, given or named by GRIDBOURSE_KEYS, and SecretError for a single secret."""
        secret = os.environ.get(SECRET_VARIABLE)
        if secret is not None and len(secret) < MIN_SECRET:
            raise SecretError(
                f"{SECRET_VARIABLE}: at least {MIN_SECRET} characters, got {len(secret)}"
            )
        if is_development_chain(w3):
            return cls(secret or DEVELOPMENT_SECRET)
        if secret is not None:
            raise SecretError(
                f"{SECRET_VARIABLE}: one secret for all roles is for development chains;"
                f" name a folder with a keystore for each role in {KEYS_VARIABLE}"
            )
        return RoleKeystores(folder or _folder(), lambda: find_password(None))

    def __getitem__(self, name: str) -> LocalAccount:
        if name not in self._accounts:
            key = keccak(keccak(text=self._secret) + keccak(text=name))
            self._accounts[name] = Account.from_key(key)
        return self._accounts[name]

    def address(self, name: str) -> ChecksumAddress:
        """Address of an account."""
        return self[name].address


def _folder() -> Path:
    folder = os.environ.get(KEYS_VARIABLE)
    if not folder:
        raise SecretError(
            f"{KEYS_VARIABLE} is not set: development keys are for development chains;"
            " it names a folder with a keystore for each role"
        )
    if not Path(folder).is_dir():
        raise SecretError(f"{KEYS_VARIABLE}: {folder} is no folder")
    return Path(folder)
