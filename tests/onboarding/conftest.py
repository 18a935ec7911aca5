"""A market on the embedded chain, one a session, with its tariff set and its clock in a period."""

import pytest

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.keys.accounts import DEVELOPMENT_SECRET, Keyring
from gridbourse.chain.keys.keystores import Keystores
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain
from gridbourse.onboarding.people import People
from gridbourse.onboarding.registration import Members
from tests.chains import own_chain
from tests.onboarding.founding import found


@pytest.fixture(scope="session")
def market() -> Market:
    return found(Chain(own_chain(), load_artifacts()), Keyring(DEVELOPMENT_SECRET))


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
