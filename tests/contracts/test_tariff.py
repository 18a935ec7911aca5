"""Energy prices of the supplier and grid fees of the DSO, by period and zone."""

import random

import pytest
from brownie import Tariff

from gridbourse.chain.encoding.lanes import BID
from tests.contracts.market import FEED_IN, FEES, FEES_OF, FIRST, HORIZON, RETAIL, role
from tests.contracts.refusal import fact, refusal

LAST_OPEN = FIRST + HORIZON
NEXT = LAST_OPEN + 1
DEARER = (90, 30, 7)


def set_fees(market, zone, start, fees, tariff=None):
    return (tariff or market.tariff).setGridFees(0, zone, start, fees, {"from": market.dso})


def set_prices(market, start, retail, feed_in, tariff=None):
    by = {"from": market.supplier}
    return (tariff or market.tariff).setEnergyPrices(0, start, retail, feed_in, by)


def fees_of(market, zone, period):
    return tuple(market.tariff.feesOf(0, zone, period))


@pytest.fixture
def blank(market):
    """A tariff nothing was set in."""
    return Tariff.deploy(market.registry, market.clock, {"from": market.operator})


# --- energy prices -----------------------------------------------------------------------------


def test_new_prices_hold_from_their_period_on(market):
    tx = set_prices(market, NEXT, 310, 70)

    assert fact(tx, "EnergyPricesSet") == (0, NEXT, 310, 70)
    assert tuple(market.tariff.energyPrices(0, LAST_OPEN)) == (RETAIL, FEED_IN)
    assert tuple(market.tariff.energyPrices(0, NEXT)) == (310, 70)
    assert tuple(market.tariff.energyPrices(0, NEXT + 1_000)) == (310, 70)


def test_what_an_order_was_placed_on_stands(market):
    change = market.tariff.setEnergyPrices

    refused = refusal(change, 0, LAST_OPEN, 310, 70, by=market.supplier)
    assert refused == ("PeriodTakesOrders", LAST_OPEN, LAST_OPEN)
    refused = refusal(market.tariff.setGridFees, 0, 0, LAST_OPEN, DEARER, by=market.dso)
    assert refused == ("PeriodTakesOrders", LAST_OPEN, LAST_OPEN)


def test_changes_come_in_order(market):
    set_prices(market, NEXT + 5, 310, 70)
    set_fees(market, 1, NEXT + 5, DEARER)

    for start in (NEXT, NEXT + 5):
        refused = refusal(market.tariff.setEnergyPrices, 0, start, 320, 70, by=market.supplier)
        assert refused == ("NotLater", start, NEXT + 5)
        refused = refusal(market.tariff.setGridFees, 0, 1, start, DEARER, by=market.dso)
        assert refused == ("NotLater", start, NEXT + 5)


def test_a_feed_in_tariff_above_the_retail_price_leaves_no_band(market):
    refused = refusal(market.tariff.setEnergyPrices, 0, NEXT, 100, 101, by=market.supplier)
    assert refused == ("FeedInAboveRetail", 101, 100)
    set_prices(market, NEXT, 100, 100)


def test_without_prices_there_is_no_tariff(blank, market):
    set_prices(market, FIRST, RETAIL, FEED_IN, blank)

    refused = refusal(blank.energyPrices, 0, FIRST - 1, by=market.stranger)
    assert refused == ("NoTariff", 0, FIRST - 1)


def test_prices_and_fees_are_set_by_those_who_earn_them(market):
    refused = refusal(market.tariff.setEnergyPrices, 0, NEXT, 310, 70, by=market.dso)
    assert refused == ("MissingRole", market.dso, role("SUPPLIER"))
    refused = refusal(market.tariff.setGridFees, 0, 0, NEXT, DEARER, by=market.supplier)
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

    assert fact(tx, "GridFeesSet") == (0, 1, NEXT, *DEARER)
    assert fees_of(market, 1, LAST_OPEN) == FEES[1]
    assert fees_of(market, 2, NEXT) == DEARER
    assert fees_of(market, 0, NEXT) == FEES[0]


def test_fees_a_zone_gets_later_do_not_hold_before(market):
    set_fees(market, 2, NEXT, DEARER)

    assert fees_of(market, 2, LAST_OPEN) == FEES[1]
    assert fees_of(market, 2, NEXT) == DEARER


def test_where_no_fee_was_ever_set_there_is_none(blank):
    assert tuple(blank.feesOf(0, 2, FIRST)) == (0, 0, 0)


def test_fees_of_an_unknown_zone_are_refused(market):
    refused = refusal(market.tariff.setGridFees, 0, 3, NEXT, DEARER, by=market.dso)
    assert refused == ("UnknownZone", 3)


def test_before_there_are_prices_fees_may_be_set_for_any_period_but_in_order(blank, market):
    set_fees(market, 0, 0, (1, 1, 1), blank)
    set_fees(market, 0, FIRST, (2, 2, 2), blank)

    refused = refusal(blank.setGridFees, 0, 0, FIRST - 1, DEARER, by=market.dso)
    assert refused == ("NotLater", FIRST - 1, FIRST)
    assert tuple(blank.feesOf(0, 0, FIRST - 1)) == (1, 1, 1)
    assert tuple(blank.feesOf(0, 0, FIRST)) == (2, 2, 2)


# --- areas -------------------------------------------------------------------------------------


def test_areas_have_tariffs_apart(blank, market):
    """Prices, fees, their order and what orders are backed for: none of one area is of another."""
    by_dso, by_supplier = {"from": market.dso}, {"from": market.supplier}
    set_fees(market, 1, NEXT + 5, DEARER)
    set_prices(market, NEXT + 5, 310, 70)
    market.tariff.setGridFees(1, 1, NEXT, (70, 0, 0), by_dso)  # not in area 0's order
    market.tariff.setEnergyPrices(1, NEXT, 200, 100, by_supplier)

    assert tuple(market.tariff.energyPrices(1, NEXT)) == (200, 100)
    assert tuple(market.tariff.energyPrices(0, NEXT)) == (RETAIL, FEED_IN)
    assert tuple(market.tariff.feesOf(1, 2, NEXT)) == (70, 0, 0)
    assert fees_of(market, 2, NEXT) == FEES[1]
    assert tuple(market.tariff.holdRates(1, NEXT)) == (200, 270)
    assert tuple(market.tariff.holdRates(0, NEXT)) == (RETAIL, RETAIL + 60)
    market.tariff.withdrawGridFees(1, 9, by_dso)
    market.tariff.withdrawEnergyPrices(1, 9, by_supplier)
    assert tuple(market.tariff.holdRates(0, NEXT + 5)) == (310, 310 + 90)
    blank.setEnergyPrices(1, FIRST, RETAIL, FEED_IN, by_supplier)
    assert refusal(blank.energyPrices, 0, FIRST, by=market.stranger) == ("NoTariff", 0, FIRST)


def test_orders_and_settlement_go_by_the_tariff_of_their_area(market):
    market.tariff.setEnergyPrices(1, NEXT, 200, 100, {"from": market.supplier})
    market.advance_to(NEXT - 2)
    here, there = market.in_area(0)[0], market.in_area(1)[0]
    for member, rate in ((here, RETAIL + 60), (there, 200 + 60)):
        market.place(NEXT, {member: (BID, 3, 10)})
        assert market.house.accountInPeriod(member.number, NEXT)[0] == 10 * rate
    for area, member in enumerate((here, there)):
        market.trade(NEXT, area)
        market.deliver(NEXT)
        readings = dict.fromkeys((m.number for m in market.in_area(area)), 0)
        market.meter(NEXT, readings | {member.number: 100})
        before = market.house.balanceOf(member.number) + 10 * ((RETAIL, 200)[area] + 60)
        market.settle(NEXT, area)
        _, _, export = FEES_OF[member.zone]
        earned = 100 * ((FEED_IN, 100)[area] - export)
        assert market.house.balanceOf(member.number) == before + earned


# --- what orders are backed for ----------------------------------------------------------------


def test_a_hold_backs_the_retail_price_and_the_periods_own_highest_fee(market):
    assert tuple(market.tariff.holdRates(0, FIRST)) == (RETAIL, RETAIL + 60)
    set_fees(market, 1, NEXT, (10, 75, 200))  # the export fee is taken out of what is received
    set_fees(market, 1, NEXT + 1, (10, 10, 0))
    set_fees(market, 2, NEXT + 1, (20, 30, 0))
    set_fees(market, 0, NEXT + 2, (5, 6, 0))

    rates = [market.tariff.holdRates(0, FIRST + i)[1] for i in range(NEXT + 3 - FIRST)]
    assert rates[: NEXT - FIRST] == [RETAIL + 60] * (NEXT - FIRST)
    assert rates[NEXT - FIRST :] == [RETAIL + 75, RETAIL + 60, RETAIL + 30]


def test_prices_and_fees_have_bounds(market):
    refused = refusal(market.tariff.setEnergyPrices, 0, NEXT, 5_001, 0, by=market.supplier)
    assert refused == ("PriceOutOfRange", 5_001, 5_000)
    for fees, most in (((1_001, 0, 0), 1_000), ((0, 1_001, 0), 1_000), ((0, 0, 201), 200)):
        refused = refusal(market.tariff.setGridFees, 0, 1, NEXT, fees, by=market.dso)
        assert refused == ("PriceOutOfRange", most + 1, most)
    set_prices(market, NEXT, 5_000, 5_000)
    set_fees(market, 1, NEXT, (1_000, 1_000, 200))
    assert tuple(market.tariff.holdRates(0, NEXT)) == (5_000, 6_000)


def test_the_first_prices_hold_from_the_current_period_on_at_the_earliest(blank, market):
    refused = refusal(blank.setEnergyPrices, 0, FIRST - 1, RETAIL, FEED_IN, by=market.supplier)
    assert refused == ("PeriodIsOver", FIRST - 1, FIRST)


def test_what_is_announced_can_be_taken_back_until_its_periods_take_orders(market):
    by = {"from": market.supplier}
    set_prices(market, NEXT, 310, 70)
    set_prices(market, NEXT + 1, 320, 70)
    market.advance_to(FIRST + 1)  # NEXT takes orders now

    tx = market.tariff.withdrawEnergyPrices(0, 9, by)
    assert fact(tx, "EnergyPricesWithdrawn") == (0, NEXT + 1)
    assert tuple(market.tariff.energyPrices(0, NEXT + 5)) == (310, 70)
    refused = refusal(market.tariff.withdrawEnergyPrices, 0, 9, by=market.supplier)
    assert refused == ("NothingAnnounced",)
    refused = refusal(market.tariff.withdrawEnergyPrices, 0, 9, by=market.dso)
    assert refused == ("MissingRole", market.dso, role("SUPPLIER"))


def test_fees_are_taken_back_one_change_after_the_other(market):
    by = {"from": market.dso}
    set_fees(market, 1, NEXT, DEARER)
    set_fees(market, 2, NEXT, (100, 0, 0))
    set_fees(market, 2, NEXT + 1, (0, 0, 0))
    tx = market.tariff.withdrawGridFees(0, 2, by)

    told = [tuple(event.values()) for event in tx.events["GridFeesWithdrawn"]]
    assert told == [(0, 2, NEXT + 1), (0, 2, NEXT)]
    assert fees_of(market, 2, NEXT + 1) == DEARER
    assert tuple(market.tariff.holdRates(0, NEXT)) == (RETAIL, RETAIL + 90)
    market.tariff.withdrawGridFees(0, 9, by)
    assert tuple(market.tariff.holdRates(0, NEXT)) == (RETAIL, RETAIL + 60)
    assert fees_of(market, 1, NEXT) == FEES[1]
    refused = refusal(market.tariff.withdrawGridFees, 0, 9, by=market.dso)
    assert refused == ("NothingAnnounced",)
    refused = refusal(market.tariff.withdrawGridFees, 0, 9, by=market.supplier)
    assert refused == ("MissingRole", market.supplier, role("DSO"))


def test_fees_are_announced_in_the_order_of_their_periods_over_all_zones(market):
    set_fees(market, 1, NEXT + 1, DEARER)

    refused = refusal(market.tariff.setGridFees, 0, 0, NEXT, DEARER, by=market.dso)
    assert refused == ("NotLater", NEXT, NEXT + 1)
    set_fees(market, 0, NEXT + 1, DEARER)


def test_the_highest_fee_of_any_zone_is_the_highest_of_all(blank, market):
    """Random changes of forty zones against a plain maximum, in every period."""
    rng = random.Random(5)
    for number in range(40):
        market.registry.addZone(f"zone {number}".encode(), 0, {"from": market.operator})
    newest, expected = {}, {}
    for change in range(60):
        zone = rng.randrange(41)
        fees = (rng.randrange(1_001), rng.randrange(1_001), 0)
        set_fees(market, zone, change, fees, blank)
        newest[zone] = max(fees[:2])
        expected[change] = max(newest.values())
    set_prices(market, FIRST, RETAIL, FEED_IN, blank)
    market_prices = [blank.holdRates(0, FIRST)[1] - RETAIL]
    assert market_prices == [expected[59]]
