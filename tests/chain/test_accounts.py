"""Keys: from one secret, and the published one on development chains only."""

import pytest

from gridbourse.chain import accounts
from gridbourse.chain.accounts import DEVELOPMENT_SECRET, MIN_SECRET, Keyring, SecretError

GOOD = "x" * MIN_SECRET


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    """A chain that is, or is not, one for development, and a secret in the environment or none."""

    def choose(development: bool, secret: str | None) -> Keyring:
        monkeypatch.setattr(accounts, "is_development_chain", lambda w3: development)
        if secret is None:
            monkeypatch.delenv(accounts.SECRET_VARIABLE, raising=False)
        else:
            monkeypatch.setenv(accounts.SECRET_VARIABLE, secret)
        return Keyring.for_chain(None)  # type: ignore[arg-type]

    return choose


def test_names_have_their_own_keys_and_keep_them() -> None:
    keys = Keyring(GOOD)
    assert keys["operator"].address == Keyring(GOOD)["operator"].address
    assert (
        len({keys[name].address for name in ("operator", "dso", "meter/a", "participant/a")}) == 4
    )
    assert keys["operator"].address != Keyring(GOOD + "x")["operator"].address


def test_the_published_secret_is_for_development_chains(on) -> None:
    assert on(True, None)["dso"].address == Keyring(DEVELOPMENT_SECRET)["dso"].address
    with pytest.raises(SecretError, match="GRIDBOURSE_SECRET is not set"):
        on(False, None)


@pytest.mark.parametrize("development", [True, False])
def test_a_secret_of_ones_own_is_taken_everywhere(on, development: bool) -> None:
    assert on(development, GOOD)["dso"].address == Keyring(GOOD)["dso"].address


@pytest.mark.parametrize("development", [True, False])
@pytest.mark.parametrize("secret", ["", "x" * (MIN_SECRET - 1)])
def test_a_short_secret_is_refused(on, development: bool, secret: str) -> None:
    with pytest.raises(SecretError, match=f"at least {MIN_SECRET} characters, got {len(secret)}"):
        on(development, secret)
