"""Hostile hands at the money: forged readings, sales without delivery, silence, fees nobody paid.

Each test is an attack that once took money; who could take what is in SPECIFICATION, chapter 33.
"""

import pytest
from brownie import chain

from gridbourse.chain.encoding.lanes import BID, MISSING_WH, OFFER
from gridbourse.model.caps import NO_CAP
from tests.contracts.market import (
    BOOKED,
    CAPACITY_WH,
    DSO,
    FEED_IN,
    FEES,
    FIRST,
    GUARANTEE,
    MARKET,
    PURSE,
    READING_WINDOW,
    RETAIL,
    SUPPLIER,
    Market,
    role,
)
from tests.contracts.refusal import fact, refusal, told
from tests.contracts.test_corrections import Leaf, lanes, path_of

P = FIRST + 2
WINDOW = 86_400
IMPORT_FEE = FEES[0][0]


@pytest.fixture(scope="module")
def poor(market):
    """A live market: what is withdrawn waits a day, and the supplier has brought in nothing yet."""
    return Market(market.contracts, dispute_window=WINDOW).admit(5, guarantee=0)


@pytest.fixture(scope="module")
def backed(market):
    """The same with a guarantee of the supplier's of 1 EUR."""
    return Market(market.contracts, dispute_window=WINDOW).admit(5, guarantee=1_000_000)


def settled(market, readings, period=P, orders=None):
    """One period of area 0; returns the leaves it was settled on. Silent: who has no reading."""
    members = market.in_area(0)
    if orders:
        market.place(period, orders)
    if market.auction.sessionOf(0, period)["phase"] != BOOKED:
        market.trade(period)
    market.deliver(period)
    market.meter(period, readings)
    if len(readings) < len(members):
        market.settlement.awaitReadings(0, period, {"from": market.stranger})
        chain.sleep(READING_WINDOW + 1)
    tx = market.settle(period)
    counted = {m.number: readings.get(m.number, MISSING_WH) for m in members}
    counted |= {e["participant"]: e["estimateWh"] for e in told(tx, "ReadingEstimated")}
    return [
        Leaf(
            period,
            group,
            int(market.registry.profilesOf(group)),
            int(market.house.positionsOfGroups(0, period, [group])[0]),
            lanes([counted.get(4 * group + lane, 0) for lane in range(4)]),
        )
        for group in market.registry.groupsOf(0, 0, 9)
    ]


def correct(market, leaves, leaf, readings):
    words = (0, leaf.words, path_of([leaves], leaf), lanes(readings))
    return market.settlement.correct(*words, {"from": market.meter_oracle})


def is_sound(market):
    """All money is there, for all to take out at once."""
    ledger = market.ledger()
    assert ledger.money_sum == 0
    assert ledger.gap <= 0


def everybody_leaves(market, but=()):
    """Everyone takes all of its free money out; nobody comes too late."""
    house, leaving = market.house, [m for m in market.in_area(0) if m not in but]
    ids = [house.withdraw(max(house.balanceOf(m.number), 0), m.sends).return_value for m in leaving]
    chain.sleep(WINDOW)
    for number in ids:
        house.finishWithdrawal(number, {"from": market.stranger})
    return [market.currency.balanceOf(m.account) for m in leaving]


# --- readings ----------------------------------------------------------------------------------


def test_a_meter_key_cannot_credit_what_no_connection_carries(poor):
    """One key and one reading of 268 MWh on a connection of 25 kWh took every deposit there was."""
    accomplice = poor.members[0]
    poor.trade(P)
    poor.deliver(P)
    poor.meter(P, {m.number: 0 for m in poor.in_area(0)} | {accomplice.number: NO_CAP})

    awaited = refusal(poor.settlement.settle, 0, P, 9, by=poor.stranger)
    assert awaited == ("ReadingMissing", accomplice.number, P, 0)
    poor.settlement.awaitReadings(0, P, {"from": poor.stranger})
    chain.sleep(READING_WINDOW + 1)
    tx = poor.settle(P)
    assert fact(tx, "ReadingRefused") == (P, accomplice.number, NO_CAP, CAPACITY_WH)
    assert poor.house.balanceOf(accomplice.number) < PURSE
    is_sound(poor)


def test_a_meter_key_cannot_empty_the_deposits(poor):
    """What it can still sign, all that the connections carry, waits for the supplier's money."""
    accomplice, *others = poor.in_area(0)
    for period in (P, P + 1, P + 2):
        settled(poor, {m.number: 0 for m in others} | {accomplice.number: CAPACITY_WH}, period)
        is_sound(poor)

    house = poor.house
    forged = 3 * CAPACITY_WH * (FEED_IN - FEES[0][2])
    assert house.balanceOf(accomplice.number) == PURSE
    assert house.waitingOf(accomplice.number) == house.waitingMicroEur() == forged
    house.payWaiting([accomplice.number], accomplice.sends)
    assert house.balanceOf(accomplice.number) == PURSE
    refused = refusal(house.withdraw, PURSE + 1, by=accomplice.account)
    assert refused == ("InsufficientMoney", accomplice.number, PURSE, PURSE + 1)
    assert everybody_leaves(poor) == [PURSE] * 5
    is_sound(poor)


def test_a_forged_reading_takes_no_more_than_the_suppliers_guarantee(backed):
    accomplice, *others = backed.in_area(0)
    settled(backed, {m.number: 0 for m in others} | {accomplice.number: CAPACITY_WH})
    forged = CAPACITY_WH * (FEED_IN - FEES[0][2])
    assert (
        backed.house.waitingOf(accomplice.number) == forged
    )  # all of it: there is 1 EUR behind it

    fee = CAPACITY_WH * FEES[0][2]
    assert backed.house.coverMicroEur() == 1_000_000 - fee
    backed.house.payWaiting([accomplice.number], {"from": backed.stranger})
    taken = 1_000_000 - fee
    assert everybody_leaves(backed) == [PURSE + taken, *[PURSE] * 4]
    is_sound(backed)


def test_an_operator_that_corrects_a_reading_cannot_empty_the_deposits(poor):
    """It gave itself the meter oracle's role and corrected one reading of long ago."""
    readings = {m.number: 0 for m in poor.in_area(0)}
    leaves = settled(poor, readings)
    accomplice = poor.members[0]
    first = leaves[0]

    words = (0, first.words, path_of([leaves], first), lanes([NO_CAP, 0, 0, 0]))
    refused = refusal(poor.settlement.correct, *words, by=poor.meter_oracle)
    assert refused == ("ReadingAbsurd", accomplice.number, NO_CAP, CAPACITY_WH)
    tx = correct(poor, leaves, first, [CAPACITY_WH, 0, 0, 0])
    forged = CAPACITY_WH * (FEED_IN - FEES[0][2])
    assert fact(tx, "CreditWaits") == (accomplice.number, P, forged)
    assert poor.house.balanceOf(accomplice.number) == PURSE
    is_sound(poor)


def test_a_forged_credit_cannot_leave_within_the_dispute_window(market):
    """The credit is covered, and its holder takes it out at once: it is corrected in time."""
    whole = Market(market.contracts, dispute_window=WINDOW).admit(5)
    accomplice, *others = whole.in_area(0)
    leaves = settled(whole, {m.number: 0 for m in others} | {accomplice.number: CAPACITY_WH})
    forged = CAPACITY_WH * (FEED_IN - FEES[0][2])
    house = whole.house
    tx = house.withdraw(PURSE + forged, accomplice.sends)
    ready = tx.timestamp + WINDOW
    number = tx.return_value
    assert fact(tx, "WithdrawalAnnounced") == (
        number, accomplice.number, accomplice.account, PURSE + forged, ready,
    )  # fmt: skip

    refused = refusal(house.finishWithdrawal, number, by=accomplice.account)
    assert refused == ("WithdrawalWaits", number, ready)
    correct(whole, leaves, leaves[0], [0, 0, 0, 0])
    assert house.balanceOf(accomplice.number) == -forged
    is_sound(whole)
    chain.sleep(WINDOW)
    tx = house.finishWithdrawal(number, {"from": whole.stranger})
    assert fact(tx, "WithdrawalFinished") == (number, PURSE, forged)
    assert fact(tx, "Withdrawn") == (accomplice.number, accomplice.account, PURSE)
    assert house.balanceOf(accomplice.number) == 0
    assert house.balanceOf(SUPPLIER) == GUARANTEE
    is_sound(whole)


# --- trades ------------------------------------------------------------------------------------


def test_a_seller_cannot_take_its_payment_before_delivery(poor):
    """It sold three periods ahead, withdrew what booking paid, and delivered nothing: 6 EUR taken."""
    seller, buyer, *others = poor.in_area(0)
    house = poor.house
    house.withdraw(PURSE, seller.sends)
    wh, tick = 20_000, 40
    price = poor.band.price(tick)
    for period in (P, P + 1, P + 2):
        poor.place(period, {seller: (OFFER, tick, wh), buyer: (BID, tick, wh)})
    for period in (P, P + 1, P + 2):
        poor.trade(period)
        assert house.paymentOf(seller.number, period) == wh * price
        refused = refusal(house.withdraw, 1, by=seller.account)
        assert refused == ("InsufficientMoney", seller.number, 0, 1)
        is_sound(poor)

    readings = {m.number: 0 for m in others} | {seller.number: 0, buyer.number: -wh}
    settled(poor, readings, P)
    short = wh * (RETAIL + IMPORT_FEE - price)
    assert house.balanceOf(seller.number) == -short  # it is paid what it owes, and owes the rest
    is_sound(poor)


def test_an_unplugged_seller_cannot_keep_its_payment(poor):
    """Nothing delivered, no reading sent: once that was taken to be what was contracted."""
    seller, buyer, *others = poor.in_area(0)
    wh, tick = 6_000, 40
    price = poor.band.price(tick)
    orders = {seller: (OFFER, tick, wh), buyer: (BID, tick, wh)}
    readings = {m.number: 0 for m in others} | {buyer.number: -wh}
    leaves = settled(poor, readings, P, orders)
    worst = wh * price - (wh + CAPACITY_WH) * (RETAIL + IMPORT_FEE)
    assert poor.house.balanceOf(seller.number) == PURSE + worst
    is_sound(poor)

    correct(poor, leaves, leaves[0], [0, -wh, 0, 0])  # what its meter says when it speaks again
    at_retail = wh * price - wh * (RETAIL + IMPORT_FEE)
    assert poor.house.balanceOf(seller.number) == PURSE + at_retail
    assert poor.house.waitingOf(seller.number) == 0
    is_sound(poor)


def test_a_consumer_cannot_hide_what_it_draws(poor):
    """A meter that is silent was taken to have drawn what was bought: nothing."""
    hidden, *others = poor.in_area(0)
    settled(poor, {m.number: 0 for m in others})

    assert poor.house.balanceOf(hidden.number) == PURSE - CAPACITY_WH * (RETAIL + IMPORT_FEE)
    is_sound(poor)


# --- house accounts ----------------------------------------------------------------------------


@pytest.fixture
def indebted(poor):
    """One draws 10 kWh that it cannot pay: 3 EUR are owed to the supplier, 0.60 EUR to the DSO."""
    debtor, *others = poor.in_area(0)
    poor.house.withdraw(PURSE, debtor.sends)
    settled(poor, {m.number: 0 for m in others} | {debtor.number: -10_000})
    assert poor.house.balanceOf(DSO) == 10_000 * IMPORT_FEE
    return poor


def test_the_dso_cannot_spend_fees_nobody_paid(indebted):
    """Debts guarded withdrawals only: a market moved the fees on, and whoever got them took them out."""
    house, fees = indebted.house, 10_000 * IMPORT_FEE
    short = ("HouseMustCover", DSO, 1, -fees, fees)
    assert house.spendableOf(DSO) == 0
    assert refusal(house.withdrawHouse, DSO, 1, by=indebted.dso) == short
    desk = indebted.stranger
    indebted.authorise(desk, MARKET)
    for target in (6, indebted.members[1].number, SUPPLIER):
        assert refusal(house.transfer, DSO, target, 1, by=desk) == short
    is_sound(indebted)

    indebted.fund({indebted.members[0].number: 10_000 * (RETAIL + IMPORT_FEE)})
    assert house.spendableOf(DSO) == fees
    house.transfer(DSO, 6, fees, {"from": desk})
    is_sound(indebted)


def test_the_supplier_cannot_take_what_its_customers_owe(indebted):
    house, owed = indebted.house, 10_000 * RETAIL
    assert house.balanceOf(SUPPLIER) == owed
    refused = refusal(house.withdrawHouse, SUPPLIER, 1, by=indebted.supplier)
    assert refused == ("HouseMustCover", SUPPLIER, 1, -10_000 * IMPORT_FEE, 10_000 * IMPORT_FEE)
    assert everybody_leaves(indebted, but=indebted.members[:1]) == [PURSE] * 4
    is_sound(indebted)


def test_the_supplier_cannot_take_its_guarantee_while_it_is_needed(backed):
    """What it announced does not leave when a correction made it owe meanwhile."""
    house = backed.house
    exporter, *_others = backed.in_area(0)
    leaves = settled(backed, {m.number: 0 for m in backed.in_area(0)})
    number = house.withdrawHouse(SUPPLIER, 1_000_000, {"from": backed.supplier}).return_value
    correct(backed, leaves, leaves[0], [10_000, 0, 0, 0])
    assert house.waitingOf(exporter.number) == 10_000 * (FEED_IN - FEES[0][2])
    chain.sleep(WINDOW + 1)
    chain.mine()

    # The credit waits: the supplier owes it, and its way out pays what it is below zero first.
    owed = 10_000 * FEED_IN
    tx = house.finishWithdrawal(number, {"from": backed.stranger})
    assert fact(tx, "WithdrawalFinished") == (number, 1_000_000 - owed, owed)
    house.payWaiting([exporter.number], {"from": backed.stranger})
    assert house.waitingOf(exporter.number) == 0
    is_sound(backed)


def test_a_thief_of_a_role_cannot_finish_what_it_announced(backed):
    """A key that lost its role, or an account that was replaced, gets nothing; who holds it cancels."""
    house, supplier = backed.house, {"from": backed.supplier}
    number = house.withdrawHouse(SUPPLIER, 400_000, supplier).return_value
    refused = refusal(house.cancelWithdrawal, number, by=backed.stranger)
    assert refused == ("NotHolder", number, SUPPLIER, backed.stranger)
    backed.registry.revokeRole(role("SUPPLIER"), backed.supplier, {"from": backed.operator})
    chain.sleep(WINDOW)
    chain.mine()

    refused = refusal(house.finishWithdrawal, number, by=backed.supplier)
    assert refused == ("NotHolder", number, SUPPLIER, backed.supplier)
    assert refusal(house.cancelWithdrawal, number, by=backed.supplier)[0] == "NotHolder"
