"""A street of four people with a flexibility market, on a chain of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.deployment.settings import FlexibilityRules, MarketSettings
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import Band
from gridbourse.model.house_accounts import DSO_ACCOUNT, TSO_ACCOUNT

MTU, FIRST = 900, 1_630_368
CAPACITY_WH, PURSE = 5_000, 10_000_000
REPORT = keccak(text="published power flow")


@dataclass
class Street:
    """A market with four people, numbered from 8, DSO and TSO with money."""

    market: Market

    def key(self, number: int) -> LocalAccount:
        return self.market.keys[f"participant/{number}"]

    def advance_to(self, period: int, seconds: int = 0) -> None:
        self.market.clock.advance_to(self.market.keys["operator"], period * MTU + seconds)

    def judge(self, period: int, *rejected: int) -> None:
        market = self.market
        for group in market.flexibility.market.sealed(period):
            words = [trade.pack() for trade in group.trades]
            market.grid.judge(
                market.flexibility.market.address, period, group.number, words, rejected, {}, REPORT
            )


def fund(market: Market, accounts: Sequence[int], each_micro_eur: int) -> None:
    """Currency of the treasurer's into these accounts."""
    treasurer, bank = market.keys["treasurer"], len(accounts) * each_micro_eur
    market.currency.write(treasurer, "bank", "mint", treasurer.address, bank, bytes(32))
    market.currency.write(treasurer, "bank", "approve", market.house.address, bank)
    market.house.deposit(treasurer, dict.fromkeys(accounts, each_micro_eur))


@contextmanager
def open_street() -> Iterator[Street]:
    """Everybody, DSO and TSO with the same money, at the first period."""
    settings = MarketSettings(
        MTU, 0, Band(80, 4, 50), ("street",), horizon_periods=4, ring_size=6,
        markets=("OverTheCounter", "FlexibilityMarket"), flexibility=FlexibilityRules(Band(0, 10, 50)),
    )  # fmt: skip
    with session("devnet-child") as w3:
        market = deploy(Chain(w3, load_artifacts()), Keyring.for_chain(w3), settings)
        street, keys = Street(market), market.keys
        market.tariff.write(keys["supplier"], "set-up", "setEnergyPrices", FIRST_AREA, 0, 300, 80)
        rows = [
            Registration(
                street.key(n).address, keccak(text=f"{n}"), FIRST_AREA, 0, CAPACITY_WH, FIRST
            )
            for n in range(8, 12)
        ]  # fmt: skip
        market.registry.register(keys["operator"], rows)
        fund(market, [DSO_ACCOUNT, TSO_ACCOUNT, *range(8, 12)], PURSE)
        street.advance_to(FIRST)
        yield street
