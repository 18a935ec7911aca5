"""A market on the embedded chain, one a session, with its tariff set and its clock in a period."""

import pytest

from gridbourse.chain.accounts import DEVELOPMENT_SECRET, Keyring
from gridbourse.chain.compiler import load_artifacts
from gridbourse.chain.connect import connect
from gridbourse.chain.deploy import Market
from gridbourse.chain.transactions import Chain
from gridbourse.onboarding.keystores import Keystores
from gridbourse.onboarding.members import Members
from gridbourse.onboarding.people import People
from tests.onboarding.founding import found


@pytest.fixture(scope="session")
def market() -> Market:
    return found(Chain(connect("embedded"), load_artifacts()), Keyring(DEVELOPMENT_SECRET))


@pytest.fixture(scope="session")
def members(market) -> Members:
    return Members(market)


@pytest.fixture
def people(tmp_path):
    with People(tmp_path / "onboarding") as register:
        yield register


@pytest.fixture
def keystores(tmp_path) -> Keystores:
    """With hardly any work to a guess, for the sake of time."""
    return Keystores(tmp_path / "onboarding" / "keystores", work=2)
