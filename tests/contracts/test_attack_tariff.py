"""A supplier's or a DSO's key against the market: prices and fees that stop orders or settlement."""

import pytest
from brownie import Tariff

from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import (
    BAND,
    BID,
    FEED_IN,
    FIRST,
    HORIZON,
    MTU,
    PURSE,
    RETAIL,
    Market,
)
from tests.contracts.refusal import refusal

P = FIRST + 2
NEXT = FIRST + HORIZON + 1
YEAR_2400 = 13_569_465_600 // MTU
SLOT_READ = 2_600


def test_the_dso_cannot_end_all_bidding_by_a_fee_of_the_year_2400(market):
    """Before: one transaction, and every hold rate was 65,535 µEUR/Wh for good."""
    set_fees = market.tariff.setGridFees
    refused = refusal(set_fees, 0, 0, YEAR_2400, (1_000, 0, 0), by=market.dso)
    latest = FIRST + HORIZON + 400 * 86_400 // MTU
    assert refused == ("TooFarAhead", YEAR_2400, latest)
    set_fees(0, 0, latest, (1_000, 1_000, 200), {"from": market.dso})

    alice = market.members[0]
    market.auction.place(P, BID, 3, 10, alice.sends)
    assert market.house.balanceOf(alice.number) == PURSE - 10 * (RETAIL + 60)
    market.tariff.withdrawGridFees(0, 1, {"from": market.dso})
    set_fees(0, 0, NEXT, (50, 20, 5), {"from": market.dso})
    assert tuple(market.tariff.holdRates(0, NEXT)) == (RETAIL, RETAIL + 50)


def test_nobody_lets_injecting_cost_without_limit(market):
    """Before: an export fee of 65,535 µEUR/Wh, 65 EUR for each kWh a roof cannot help making."""
    refused = refusal(market.tariff.setGridFees, 0, 1, NEXT, (0, 0, 65_535), by=market.dso)
    assert refused == ("PriceOutOfRange", 65_535, 200)


@pytest.fixture
def busy_supplier(market, tmp_path_factory, accounts):
    """Announces a price for each of many periods: (tariff, first of them, how many)."""
    contract = deploy_contract("ManyPrices", tmp_path_factory, accounts)
    market.give("SUPPLIER", contract.address)

    def announce(tariff, start, count):
        transact(contract.functions.announce(tariff.address, start, count), accounts)

    return announce


def test_versions_of_the_tariff_cannot_block_settlement(market, busy_supplier):
    """Before: 2,523 gas for each version after the period's own; 12,000 of them blocked it."""
    tariff = Tariff.deploy(market.registry, market.clock, {"from": market.operator})
    busy_supplier(tariff, FIRST, 1)
    gas, announced = [], 0
    for count in (9, 300, 300, 300, 100):
        busy_supplier(tariff, NEXT + announced, count)
        announced += count
        gas.append(tariff.energyPrices.estimate_gas(0, FIRST, {"from": market.stranger}))
    assert tuple(tariff.energyPrices(0, FIRST)) == (RETAIL, FEED_IN)
    assert gas[-1] - gas[0] < 10 * SLOT_READ  # log2(1,009) versions, not 1,000


def test_the_supplier_cannot_stop_the_markets_by_a_retail_price_one_lower(market):
    """Before: no order of any banded market in any period from then on (BandAboveRetail)."""
    top = BAND.ticks - 1
    assert BAND.price(top) == RETAIL
    market.tariff.setEnergyPrices(0, NEXT, RETAIL - 1, FEED_IN, {"from": market.supplier})
    market.advance_to(FIRST + 2)
    alice, bob = market.members[:2]

    market.auction.place(NEXT, BID, top - 1, 10, alice.sends)
    refused = refusal(market.auction.place, NEXT, BID, top, 10, by=bob.account)
    assert refused == ("TickOutOfBand", bob.number, top, top)
    market.auction.place(NEXT - 1, BID, top, 10, bob.sends)  # the former price still holds there


class YoungMarket(Market):
    """Its first prices hold from the period it begins in, as on a live chain."""

    def _set_prices(self):
        by = {"from": self.operator}
        self.advance_to(FIRST)
        self.registry.addZone(b"feeder", 0, by)
        self.registry.addZone(b"street", 1, by)
        self.tariff.setEnergyPrices(0, FIRST, RETAIL, FEED_IN, {"from": self.supplier})


def test_an_outsider_cannot_take_ring_slots_of_a_young_market(market):
    """Before: `clear` or `awaitReadings` of an old, priced period took a slot, to be settled first."""
    young = YoungMarket(market.contracts).admit(2)

    for method in (young.auction.clear, young.settlement.awaitReadings):
        assert refusal(method, 0, FIRST - 1, by=young.stranger) == ("NoTariff", 0, FIRST - 1)
    young.auction.place(P, BID, 3, 10, young.members[0].sends)


@pytest.mark.parametrize("most", [1, 400])
def test_who_stole_the_suppliers_key_cannot_bind_its_successor(market, busy_supplier, most):
    """Announced prices fill the time ahead, then the successor takes them back."""
    busy_supplier(market.tariff, NEXT, 200)
    withdrawn = market.tariff.withdrawEnergyPrices(0, most, {"from": market.supplier})

    assert len(withdrawn.events["EnergyPricesWithdrawn"]) == min(most, 200)
    assert withdrawn.gas_used < 16_700_000
