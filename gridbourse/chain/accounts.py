"""Keys of a deployment's parties, derived from one secret.

A development chain uses the published development secret; on any other network the secret comes from
the environment, so that a market is never opened with keys that anyone can compute.
"""

import os

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from web3 import Web3

from gridbourse.chain.connect import is_development_chain
from gridbourse.errors import GridbourseError

DEVELOPMENT_SECRET = "gridbourse development keys: worthless, and known to everyone"
SECRET_VARIABLE = "GRIDBOURSE_SECRET"
MIN_SECRET = 32


class SecretError(GridbourseError):
    """No usable secret to derive keys from."""


class Keyring:
    """Accounts by name, such as "operator" or "participant/P0007"."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._accounts: dict[str, LocalAccount] = {}

    @classmethod
    def for_chain(cls, w3: Web3) -> "Keyring":
        """The secret of GRIDBOURSE_SECRET; without it the development one, on development chains only."""
        secret = os.environ.get(SECRET_VARIABLE)
        if secret is not None and len(secret) < MIN_SECRET:
            raise SecretError(
                f"{SECRET_VARIABLE}: at least {MIN_SECRET} characters, got {len(secret)}"
            )
        if secret is None and not is_development_chain(w3):
            raise SecretError(
                f"{SECRET_VARIABLE} is not set: development keys are for development chains"
            )
        return cls(secret or DEVELOPMENT_SECRET)

    def __getitem__(self, name: str) -> LocalAccount:
        if name not in self._accounts:
            key = keccak(keccak(text=self._secret) + keccak(text=name))
            self._accounts[name] = Account.from_key(key)
        return self._accounts[name]
