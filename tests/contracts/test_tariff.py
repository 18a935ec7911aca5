"""Energy prices of the supplier and grid fees of the DSO, by period and zone."""

import pytest
from brownie import Tariff

from tests.contracts.market import FEED_IN, FEES, FIRST, HORIZON, RETAIL, role
from tests.contracts.refusal import fact, refusal

LAST_OPEN = FIRST + HORIZON
NEXT = LAST_OPEN + 1
DEARER = (90, 30, 7)


def set_fees(market, zone, start, fees, tariff=None):
    return (tariff or market.tariff).setGridFees(zone, start, fees, {"from": market.dso})


def set_prices(market, start, retail, feed_in, tariff=None):
    by = {"from": market.supplier}
    return (tariff or market.tariff).setEnergyPrices(start, retail, feed_in, by)


def fees_of(market, zone, period):
    return tuple(market.tariff.feesOf(zone, period))


@pytest.fixture
def blank(market):
    """A tariff nothing was set in."""
    return Tariff.deploy(market.registry, market.clock, {"from": market.operator})


# --- energy prices -----------------------------------------------------------------------------


def test_new_prices_hold_from_their_period_on(market):
    tx = set_prices(market, NEXT, 310, 70)

    assert fact(tx, "EnergyPricesSet") == (NEXT, 310, 70)
    assert tuple(market.tariff.energyPrices(LAST_OPEN)) == (RETAIL, FEED_IN)
    assert tuple(market.tariff.energyPrices(NEXT)) == (310, 70)
    assert tuple(market.tariff.energyPrices(NEXT + 1_000)) == (310, 70)


def test_what_an_order_was_placed_on_stands(market):
    change = market.tariff.setEnergyPrices

    refused = refusal(change, LAST_OPEN, 310, 70, by=market.supplier)
    assert refused == ("PeriodTakesOrders", LAST_OPEN, LAST_OPEN)
    refused = refusal(market.tariff.setGridFees, 0, LAST_OPEN, DEARER, by=market.dso)
    assert refused == ("PeriodTakesOrders", LAST_OPEN, LAST_OPEN)


def test_changes_come_in_order(market):
    set_prices(market, NEXT + 5, 310, 70)
    set_fees(market, 1, NEXT + 5, DEARER)

    for start in (NEXT, NEXT + 5):
        refused = refusal(market.tariff.setEnergyPrices, start, 320, 70, by=market.supplier)
        assert refused == ("NotLater", start, NEXT + 5)
        refused = refusal(market.tariff.setGridFees, 1, start, DEARER, by=market.dso)
        assert refused == ("NotLater", start, NEXT + 5)


def test_a_feed_in_tariff_above_the_retail_price_leaves_no_band(market):
    refused = refusal(market.tariff.setEnergyPrices, NEXT, 100, 101, by=market.supplier)
    assert refused == ("FeedInAboveRetail", 101, 100)
    set_prices(market, NEXT, 100, 100)


def test_without_prices_there_is_no_tariff(blank, market):
    set_prices(market, FIRST, RETAIL, FEED_IN, blank)

    refused = refusal(blank.energyPrices, FIRST - 1, by=market.stranger)
    assert refused == ("NoTariff", FIRST - 1)


def test_prices_and_fees_are_set_by_those_who_earn_them(market):
    refused = refusal(market.tariff.setEnergyPrices, NEXT, 310, 70, by=market.dso)
    assert refused == ("MissingRole", market.dso, role("SUPPLIER"))
    refused = refusal(market.tariff.setGridFees, 0, NEXT, DEARER, by=market.supplier)
    assert refused == ("MissingRole", market.supplier, role("DSO"))


# --- grid fees ---------------------------------------------------------------------------------


def test_a_zone_has_its_own_fees_else_those_of_the_zone_above_else_the_flat_ones(market):
    market.registry.addZone(b"other feeder", 0, {"from": market.operator})

    assert fees_of(market, 0, FIRST) == FEES[0]
    assert fees_of(market, 1, FIRST) == FEES[1]
    assert fees_of(market, 2, FIRST) == FEES[1]
    assert fees_of(market, 3, FIRST) == FEES[0]


def test_new_fees_of_a_zone_hold_from_their_period_on_and_below_it(market):
    tx = set_fees(market, 1, NEXT, DEARER)

    assert fact(tx, "GridFeesSet") == (1, NEXT, *DEARER)
    assert fees_of(market, 1, LAST_OPEN) == FEES[1]
    assert fees_of(market, 2, NEXT) == DEARER
    assert fees_of(market, 0, NEXT) == FEES[0]


def test_fees_a_zone_gets_later_do_not_hold_before(market):
    set_fees(market, 2, NEXT, DEARER)

    assert fees_of(market, 2, LAST_OPEN) == FEES[1]
    assert fees_of(market, 2, NEXT) == DEARER


def test_where_no_fee_was_ever_set_there_is_none(blank):
    assert tuple(blank.feesOf(2, FIRST)) == (0, 0, 0)


def test_fees_of_an_unknown_zone_are_refused(market):
    refused = refusal(market.tariff.setGridFees, 3, NEXT, DEARER, by=market.dso)
    assert refused == ("UnknownZone", 3)


def test_before_there_are_prices_fees_may_be_set_for_any_period_but_in_order(blank, market):
    set_fees(market, 0, 0, (1, 1, 1), blank)
    set_fees(market, 0, FIRST, (2, 2, 2), blank)

    refused = refusal(blank.setGridFees, 0, FIRST - 1, DEARER, by=market.dso)
    assert refused == ("NotLater", FIRST - 1, FIRST)
    assert tuple(blank.feesOf(0, FIRST - 1)) == (1, 1, 1)
    assert tuple(blank.feesOf(0, FIRST)) == (2, 2, 2)


# --- what orders are backed for ----------------------------------------------------------------


def test_a_hold_backs_the_retail_price_and_the_highest_fee_of_any_zone(market):
    assert tuple(market.tariff.holdRates(FIRST)) == (RETAIL, RETAIL + 60)
    set_fees(market, 1, NEXT, (10, 75, 900))  # the export fee is taken out of what is received
    assert tuple(market.tariff.holdRates(FIRST)) == (RETAIL, RETAIL + 75)
    set_fees(market, 1, NEXT + 1, (10, 10, 0))  # the highest there ever was
    assert tuple(market.tariff.holdRates(NEXT + 1)) == (RETAIL, RETAIL + 75)


def test_retail_price_and_fee_fit_the_word_they_are_held_in(market):
    most = 2**16 - 1

    refused = refusal(market.tariff.setEnergyPrices, NEXT, most - 59, 0, by=market.supplier)
    assert refused == ("PriceOutOfRange", most + 1, most)
    refused = refusal(market.tariff.setGridFees, 1, NEXT, (0, most - 299, 0), by=market.dso)
    assert refused == ("PriceOutOfRange", most + 1, most)
    set_fees(market, 1, NEXT, (most - RETAIL, 0, 0))
    assert tuple(market.tariff.holdRates(NEXT)) == (RETAIL, most)


def test_a_dearer_price_that_still_runs_counts_for_new_fees(market):
    most = 2**16 - 1
    market.tariff.setEnergyPrices(NEXT, most - 60, 0, {"from": market.supplier})
    market.tariff.setEnergyPrices(NEXT + 1, 100, 0, {"from": market.supplier})

    refused = refusal(market.tariff.setGridFees, 1, NEXT, (61, 0, 0), by=market.dso)
    assert refused == ("PriceOutOfRange", most + 1, most)
