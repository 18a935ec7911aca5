"""What every brownie test shares. Run through `make test-contracts`, or with .venv/bin on PATH."""

# Not `brownie._config`: brownie reads the source of what a conftest imports, and that one has none.
import gc
import time
from collections.abc import Callable
from typing import Any

import brownie
import pytest
from web3.exceptions import TransactionNotFound

from gridbourse.chain.node.devnet import STATES_KEPT, free_port
from tests.contracts.market import Market
from tests.guard import GUARD_S


def pytest_configure():
    """The anvil of brownie-config.yaml, on a port of this run's own: brownie attaches to, and
    rewinds, whatever answers on its port."""
    networks = brownie._config.CONFIG.networks
    settings = networks["anvil"]["cmd_settings"]
    networks["development"]["cmd_settings"] = {**settings, "port": free_port()}
    networks["development"]["cmd"] = f"anvil --prune-history {STATES_KEPT}"


@pytest.fixture(scope="session", autouse=True)
def receipts_are_awaited():
    """On a busy machine anvil counts a transaction a moment before it has its receipt, and brownie takes
    that for a transaction that was dropped."""
    eth = brownie.web3.eth
    for name in ("get_transaction", "get_transaction_receipt"):
        setattr(eth, name, _patient(getattr(eth, name)))


def _patient(ask: Callable[..., Any], seconds: float = GUARD_S) -> Callable[..., Any]:
    def asked(*arguments: Any) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return ask(*arguments)
            except TransactionNotFound:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    return asked


@pytest.fixture(scope="module", autouse=True)
def module_start(module_isolation):
    """A module's own deployments do not reach the next module."""


@pytest.fixture(autouse=True)
def isolation(fn_isolation):
    """Each test starts from what its module has set up."""


@pytest.fixture(scope="session")
def operator(accounts):
    return accounts[0]


@pytest.fixture(scope="module")
def market(module_isolation):
    """Ten participants in area 0, five in area 1, all funded and with a mandate for the gateway."""
    whole = Market(brownie.project.get_loaded_projects()[0]).admit(10, 5)
    # Brownie collects garbage at every snapshot: it need not go through all its own syntax trees.
    gc.freeze()
    return whole


@pytest.fixture
def alice(market):
    return market.members[0]


@pytest.fixture
def bob(market):
    return market.members[1]


@pytest.fixture
def carol(market):
    return market.members[2]
