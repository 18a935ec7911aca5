"""Participants' keys at rest: one encrypted keystore (Web3 Secret Storage, version 3) each."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from gridbourse.errors import GridbourseError

PASSWORD_VARIABLE = "GRIDBOURSE_KEYSTORE_PASSWORD"
MIN_PASSWORD = 12
WORK = 1 << 18
"""scrypt's n, as geth has it: near a second and 256 MB for every guess."""


def find_password(file: Path | None) -> str:
    """Of a file's first line, else of GRIDBOURSE_KEYSTORE_PASSWORD; never of the command line."""
    if file is not None:
        try:
            text, source = file.read_text().splitlines()[:1], str(file)
        except (OSError, UnicodeDecodeError) as error:
            raise KeystoreError(f"{file}: the password cannot be read ({error})") from error
        password = text[0] if text else ""
    else:
        password, source = os.environ.get(PASSWORD_VARIABLE, ""), PASSWORD_VARIABLE
        if not password:
            raise KeystoreError(f"no password: name a --password-file or set {PASSWORD_VARIABLE}")
    if len(password) < MIN_PASSWORD:
        raise KeystoreError(f"{source}: a password has at least {MIN_PASSWORD} characters")
    return password


def private_folder(path: Path) -> Path:
    """A folder for its owner alone, which git does not see."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    write_private(path / ".gitignore", "*\n")
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 600, whole or not at all, even through a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_private(path: Path) -> None:
    """See that a file is there, for its owner alone; what a database keeps beside it takes its mode."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    path.chmod(0o600)


@dataclass(frozen=True)
class Keystores:
    """A folder of keystores by person id; `work` is scrypt's n."""

    folder: Path
    work: int = WORK

    def path(self, person: str) -> Path:
        """Where the person's keystore is, or would be."""
        return self.folder / f"{person}.json"

    def address(self, person: str) -> str | None:
        """Address of the person's key; None when there is no keystore."""
        path = self.path(person)
        if not path.exists():
            return None
        try:
            return to_checksum_address(json.loads(path.read_text())["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeystoreError(f"{path.name}: not a keystore ({error})") from error

    def make(self, person: str, password: str) -> str:
        """Address of a new key, on the disk when this returns; the one there is when there is one."""
        if (address := self.address(person)) is not None:
            return address
        account = Account.from_key(secrets.token_bytes(32))
        keystore = Account.encrypt(account.key, password, kdf="scrypt", iterations=self.work)
        write_private(private_folder(self.folder) / f"{person}.json", json.dumps(keystore))
        return account.address

    def unlock(self, person: str, password: str) -> LocalAccount:
        """The person's key."""
        path = self.path(person)
        try:
            return Account.from_key(Account.decrypt(path.read_text(), password))
        except OSError as error:
            raise KeystoreError(f"{path.name}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise KeystoreError(f"{path.name}: does not open ({error})") from error

    def remove(self, person: str) -> None:
        """Forget a key that never had an account on the chain."""
        self.path(person).unlink(missing_ok=True)


class KeystoreError(GridbourseError):
    """No usable password, or a keystore that does not open with it."""
