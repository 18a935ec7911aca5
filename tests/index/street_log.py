"""A deployment on a development chain with a log that grows by what a test does."""

from dataclasses import dataclass

from web3 import Web3

from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.transactions import Chain
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.model.call_auction import Band

SETTINGS = MarketSettings(900, 300, Band(80, 1, 2), ("street",), ring_size=6, horizon_periods=2)


@dataclass
class StreetLog:
    """The market, and what a test may do to its chain."""

    w3: Web3
    market: Market

    @classmethod
    def on(cls, w3: Web3) -> "StreetLog":
        """Deploy on a chain."""
        market = deploy(Chain(w3, load_artifacts()), Keyring.for_chain(w3), SETTINGS)
        return cls(w3, market)

    def add_zones(self, *names: str) -> None:
        """An event of the registry for each name, in a block of its own."""
        for name in names:
            self.market.registry.add_zone(self.market.keys["operator"], name, 0)

    def state(self) -> str:
        """State of the chain, to come back to once."""
        return str(self.w3.provider.make_request("evm_snapshot", [])["result"])

    def back_to(self, state: str) -> None:
        """Drop every block since, as a reorganisation does."""
        self.w3.provider.make_request("evm_revert", [state])
        self.market.chain._nonces.clear()

    def on_chain(self) -> list[tuple[int, int]]:
        """(block, place) of every log that the chain has."""
        return [(log["blockNumber"], log["logIndex"]) for log in deployment_logs(self.market)]
