"""Founds a market without anyone in it."""

from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import Band
from tests.onboarding.applying import TERMS

RETAIL, FEED_IN, IMPORT_FEE = 300, 80, 95
SUPPLIER, GUARANTEE = 2, 1_000_000_000
"""Its account, and the µEUR it stands in with for what others order on credit."""
NOW = 1_900_100
"""The market's current period."""


def found(chain: Chain, keys: Keyring) -> Market:
    settings = MarketSettings(
        mtu_seconds=TERMS.mtu_seconds,
        gate_closure_seconds=300,
        band=Band(FEED_IN, 1, RETAIL - FEED_IN + 1),
        areas=("test",),
    )
    market = deploy(chain, keys, settings)
    operator = keys["operator"]
    for zone, name in enumerate(sorted(TERMS.zones), start=1):
        market.registry.write(operator, "setup", "addZone", name.encode().ljust(32, b"\0"), 0)
        market.tariff.write(
            keys["dso"], "setup", "setGridFees", FIRST_AREA, zone, 0, (IMPORT_FEE, 40, 0)
        )
    market.tariff.write(
        keys["supplier"], "setup", "setEnergyPrices", FIRST_AREA, 0, RETAIL, FEED_IN
    )
    treasurer, currency = keys["treasurer"], market.currency
    currency.write(treasurer, "deposit", "mint", treasurer.address, GUARANTEE, b"s" * 32)
    currency.write(treasurer, "deposit", "approve", market.house.address, GUARANTEE)
    market.house.deposit(treasurer, {SUPPLIER: GUARANTEE})
    market.clock.advance_to(operator, NOW * TERMS.mtu_seconds)
    return market
