"""Keys at rest: they open with the password alone, and are whole or not there."""

import json

import pytest
from eth_account import Account

from gridbourse.chain.keys.keystores import (
    PASSWORD_VARIABLE,
    WORK,
    KeystoreError,
    Keystores,
    find_password,
)

PASSWORD = "a long enough one"


def test_a_keystore_opens_to_its_account(keystores):
    address = keystores.make("abc", PASSWORD)

    assert keystores.unlock("abc", PASSWORD).address == address == keystores.address("abc")
    assert keystores.path("abc").stat().st_mode & 0o777 == 0o600
    assert keystores.folder.stat().st_mode & 0o777 == 0o700
    assert (keystores.folder / ".gitignore").read_text() == "*\n"
    with pytest.raises(KeystoreError, match=r"abc\.json: does not open"):
        keystores.unlock("abc", "another long one")


def test_a_key_is_made_once_and_each_is_another(keystores):
    first = keystores.make("abc", PASSWORD)

    assert keystores.make("abc", PASSWORD) == first
    assert keystores.make("def", PASSWORD) != first
    keystores.remove("abc")
    assert keystores.address("abc") is None


def test_the_key_is_in_no_file_in_the_clear(keystores):
    keystores.make("abc", PASSWORD)
    key = keystores.unlock("abc", PASSWORD).key

    text = keystores.path("abc").read_text()
    assert key.hex() not in text
    assert PASSWORD not in text


def test_as_much_work_to_a_guess_as_geth_has_it(tmp_path):
    stored = Keystores(tmp_path)
    address = stored.make("abc", PASSWORD)
    keystore = json.loads(stored.path("abc").read_text())

    assert keystore["crypto"]["kdf"] == "scrypt"
    assert keystore["crypto"]["kdfparams"]["n"] == WORK == 262_144
    assert Account.from_key(Account.decrypt(keystore, PASSWORD)).address == address


def test_a_half_written_draft_is_no_keystore(keystores):
    keystores.make("other", PASSWORD)
    (keystores.folder / "abc.json.draft").write_text('{"address": ')

    assert keystores.address("abc") is None
    keystores.make("abc", PASSWORD)
    assert not (keystores.folder / "abc.json.draft").exists()


def test_a_damaged_keystore_is_named(keystores):
    keystores.make("abc", PASSWORD)
    keystores.path("abc").write_text("{}")

    with pytest.raises(KeystoreError, match=r"abc\.json: not a keystore"):
        keystores.address("abc")
    with pytest.raises(KeystoreError, match=r"abc\.json: does not open"):
        keystores.unlock("abc", PASSWORD)


def test_the_password_is_of_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(KeystoreError, match="no password: name a --password-file or set"):
        find_password(None)
    monkeypatch.setenv(PASSWORD_VARIABLE, "short")
    with pytest.raises(KeystoreError, match="at least 12 characters"):
        find_password(None)
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    assert find_password(None) == PASSWORD

    file = tmp_path / "password"
    file.write_text(f"of the file, {PASSWORD}\n")
    assert find_password(file) == f"of the file, {PASSWORD}"
    with pytest.raises(KeystoreError, match="cannot be read"):
        find_password(tmp_path / "none")
    file.write_text("")
    with pytest.raises(KeystoreError, match="at least 12 characters"):
        find_password(file)
