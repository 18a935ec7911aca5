"""Keys: from one secret on development chains only, and of a keystore for each role everywhere else."""

import json
from pathlib import Path

import pytest
from eth_account import Account

from gridbourse.chain.keys import accounts
from gridbourse.chain.keys.accounts import (
    DEVELOPMENT_SECRET,
    KEYS_VARIABLE,
    MIN_SECRET,
    Keyring,
    Keys,
    SecretError,
)
from gridbourse.chain.keys.keystores import PASSWORD_VARIABLE, KeystoreError

GOOD = "x" * MIN_SECRET
PASSWORD = "a long enough one"
OF = {
    name: Account.from_key(bytes([place] * 32))
    for place, name in enumerate(("operator", "meter-oracle"), 1)
}
DSO = Account.from_key(bytes([9] * 32)).address
TRANSACTION = {"to": DSO, "value": 0, "gas": 21_000, "gasPrice": 0, "nonce": 0, "chainId": 1}


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    """A chain that is, or is not, one for development, and a secret in the environment or none."""

    def choose(development: bool, secret: str | None) -> Keys:
        monkeypatch.setattr(accounts, "is_development_chain", lambda w3: development)
        if secret is None:
            monkeypatch.delenv(accounts.SECRET_VARIABLE, raising=False)
        else:
            monkeypatch.setenv(accounts.SECRET_VARIABLE, secret)
        return Keyring.for_chain(None)  # type: ignore[arg-type]

    return choose


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keystores of two roles, and the address of a third."""
    for name, account in OF.items():
        keystore = Account.encrypt(account.key, PASSWORD, kdf="scrypt", iterations=2)
        (tmp_path / f"{name}.json").write_text(json.dumps(keystore))
    (tmp_path / "addresses.json").write_text(json.dumps({"dso": DSO}))
    monkeypatch.setenv(KEYS_VARIABLE, str(tmp_path))
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    return tmp_path


def test_names_have_their_own_keys_and_keep_them() -> None:
    keys = Keyring(GOOD)
    assert keys["operator"].address == Keyring(GOOD)["operator"].address
    assert (
        len({keys[name].address for name in ("operator", "dso", "meter/a", "participant/a")}) == 4
    )
    assert keys["operator"].address != Keyring(GOOD + "x")["operator"].address


def test_the_published_secret_is_for_development_chains(on) -> None:
    assert on(True, None)["dso"].address == Keyring(DEVELOPMENT_SECRET)["dso"].address
    with pytest.raises(SecretError, match="GRIDBOURSE_KEYS is not set"):
        on(False, None)
    assert on(True, GOOD)["dso"].address == Keyring(GOOD)["dso"].address


def test_who_learns_one_secret_cannot_hold_every_role(on) -> None:
    """Before: operator, meter, treasurer and DSO of a real market came from one line in the environment."""
    with pytest.raises(SecretError, match="one secret for all roles is for development chains"):
        on(False, GOOD)


def test_each_role_has_a_keystore_of_its_own(on, folder, monkeypatch) -> None:
    keys = on(False, None)
    assert keys.address("meter oracle") == OF["meter-oracle"].address
    assert keys["operator"].address == OF["operator"].address
    assert keys["operator"].key == OF["operator"].key
    signed = keys["operator"].sign_transaction(TRANSACTION)
    assert Account.recover_transaction(signed.raw_transaction) == OF["operator"].address
    assert keys.address("dso") == DSO
    with pytest.raises(KeystoreError, match="dso: only its address is in"):
        keys["dso"].sign_transaction(TRANSACTION)
    with pytest.raises(
        KeystoreError, match=r"neither treasurer\.json nor an address of 'treasurer'"
    ):
        keys.address("treasurer")
    monkeypatch.setenv(PASSWORD_VARIABLE, "another long enough one")
    assert keys.address("operator") == OF["operator"].address  # no password is needed for it
    with pytest.raises(KeystoreError, match="does not open"):
        keys["operator"].sign_transaction(TRANSACTION)


def test_two_roles_are_not_one_account(on, folder) -> None:
    (folder / "addresses.json").write_text(json.dumps({"dso": OF["operator"].address}))
    with pytest.raises(KeystoreError, match="operator and dso are one account"):
        on(False, None)


@pytest.mark.parametrize("text", ["[]", "{", '{"dso": "0x12"}', '{"dso": 5}'])
def test_a_damaged_table_of_addresses_is_named(on, folder, text: str) -> None:
    (folder / "addresses.json").write_text(text)
    with pytest.raises(KeystoreError, match=r"addresses\.json: not a table of addresses by role"):
        on(False, None)


def test_a_keystore_of_another_account_is_found_out(on, folder) -> None:
    keystore = json.loads((folder / "operator.json").read_text())
    keystore["address"] = DSO.removeprefix("0x")
    (folder / "addresses.json").unlink()
    (folder / "operator.json").write_text(json.dumps(keystore))
    with pytest.raises(KeystoreError, match="holds the key of another account"):
        on(False, None)["operator"].sign_transaction(TRANSACTION)


def test_a_folder_that_is_not_there_is_named(on, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(SecretError, match="none is no folder"):
        on(False, None)


@pytest.mark.parametrize("development", [True, False])
@pytest.mark.parametrize("secret", ["", "x" * (MIN_SECRET - 1)])
def test_a_short_secret_is_refused(on, development: bool, secret: str) -> None:
    with pytest.raises(SecretError, match=f"at least {MIN_SECRET} characters, got {len(secret)}"):
        on(development, secret)
