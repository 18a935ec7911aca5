"""Money accounts, reservations, trades and settlement: what a module may do, and what it may not.

The desk is an account that was authorised as a market and a settlement, so that the clearing house
is tried with what no honest module would send.
"""

import pytest
from brownie import ZERO_ADDRESS, ClearingHouse

from gridbourse.chain.encoding.lanes import BID, OFFER, energy_lane
from tests.contracts.market import (
    CAPACITY_WH,
    DSO,
    FIRST,
    GUARANTEE,
    HOLD_RATE,
    MARKET,
    OPERATOR,
    PURSE,
    RETAIL,
    RING,
    ROUNDING,
    SETTLEMENT,
    SPREAD,
    SUPPLIER,
    SUSPENDED,
    role,
)
from tests.contracts.refusal import deployment_refusal, fact, refusal

P = FIRST + 2
GROUP = 2


@pytest.fixture(scope="module")
def desk(market, accounts):
    desk = accounts[9]
    market.authorise(desk, MARKET | SETTLEMENT)
    return desk


@pytest.fixture
def house(market, desk):
    market.house.activate(0, P, {"from": desk})
    return market.house


def energies(lanes):
    """Energy lanes by member, as one word of their group."""
    return sum(energy_lane(*pair) << (56 * member.lane) for member, pair in lanes.items())


def amounts(lanes):
    """Signed amounts by member, as one word of their group."""
    return sum((value % (1 << 64)) << (64 * member.lane) for member, value in lanes.items())


def reserve(house, desk, released, claimed, period=P):
    exchange = (GROUP, energies(released), energies(claimed))
    return house.reserve(0, period, ZERO_ADDRESS, [exchange], {"from": desk})


def refused_reserve(house, desk, released, claimed, period=P):
    exchange = (GROUP, energies(released), energies(claimed))
    return refusal(house.reserve, 0, period, ZERO_ADDRESS, [exchange], by=desk)


def account(house, member, period=P):
    """(held µEUR, sell, buy, sold, bought Wh) in a period."""
    return tuple(house.accountInPeriod(member.number, period))


def holds(house, period=P):
    return house.periodAt(0, period % RING)["holdsMicroEur"]


def test_a_ring_has_two_slots_at_least(market):
    settings = market.house_settings(ringSize=1)

    refused = deployment_refusal(ClearingHouse, *settings, by=market.operator)
    assert refused == ("RingTooSmall", 1)


# --- money in and out --------------------------------------------------------------------------


def give_currency(market, who, amount):
    reference = who.address.encode().rjust(32)[-32:]
    market.currency.mint(who, amount, reference, {"from": market.treasurer})
    market.currency.approve(market.house, amount, {"from": who})


def test_a_deposit_goes_to_the_accounts_it_names(market, alice, bob):
    give_currency(market, alice.account, 100)
    before = market.house.depositsMicroEur()
    accounts = [alice.number, bob.number, DSO]
    tx = market.house.deposit(accounts, [50, 20, 30], alice.sends)

    deposits = [tuple(event.values()) for event in tx.events["Deposited"]]
    assert deposits == [
        (alice.number, alice.account, 50),
        (bob.number, alice.account, 20),
        (DSO, alice.account, 30),
    ]
    assert [market.house.balanceOf(a) for a in accounts] == [PURSE + 50, PURSE + 20, 30]
    assert market.house.depositsMicroEur() == before + 100
    assert market.currency.balanceOf(alice.account) == 0
    assert market.money_sum() == 0


def test_a_deposit_needs_the_currency_it_brings(market, alice):
    refused = refusal(market.house.deposit, [alice.number], [1], by=alice.account)
    assert refused == ("ERC20InsufficientAllowance", market.house.address, 0, 1)


def test_a_deposit_names_one_amount_for_each_account(market):
    refused = refusal(market.house.deposit, [8, 9], [1], by=market.treasurer)
    assert refused == ("LengthsDiffer", 2, 1)


@pytest.mark.parametrize("number", [0, 18, 19, 28, 1_000])
def test_a_deposit_into_no_account_is_refused(market, number):
    refused = refusal(market.house.deposit, [number], [0], by=market.treasurer)
    assert refused == ("UnknownAccount", number)


def test_free_money_can_be_withdrawn(market, alice):
    tx = market.house.withdraw(PURSE - 1, alice.sends)

    assert fact(tx, "Withdrawn") == (alice.number, alice.account, PURSE - 1)
    assert market.currency.balanceOf(alice.account) == PURSE - 1
    assert market.house.withdrawalsMicroEur() == PURSE - 1
    refused = refusal(market.house.withdraw, 2, by=alice.account)
    assert refused == ("InsufficientMoney", alice.number, 1, 2)
    assert market.money_sum() == 0


def test_held_money_cannot_be_withdrawn(market, house, desk, alice):
    reserve(house, desk, {}, {alice: (0, 1_000)})

    free = PURSE - 1_000 * HOLD_RATE
    refused = refusal(house.withdraw, free + 1, by=alice.account)
    assert refused == ("InsufficientMoney", alice.number, free, free + 1)
    house.withdraw(free, alice.sends)


def test_who_left_takes_its_money_along(market, alice):
    market.registry.leaveMarket(alice.number, alice.sends)

    market.house.withdraw(PURSE, alice.sends)
    assert market.currency.balanceOf(alice.account) == PURSE


def test_a_stranger_has_nothing_to_withdraw(market):
    refused = refusal(market.house.withdraw, 1, by=market.stranger)
    assert refused == ("UnknownParticipant", market.stranger)


@pytest.mark.parametrize(
    ("number", "party"),
    [
        (DSO, "dso"),
        (SUPPLIER, "supplier"),
        (OPERATOR, "operator"),
        (ROUNDING, "operator"),
        (SPREAD, "operator"),
    ],
)
def test_money_of_a_named_account_goes_to_who_it_belongs_to(market, number, party):
    market.fund({number: 70})
    owner, stranger = getattr(market, party), market.stranger
    have = market.house.balanceOf(number)

    refused = refusal(market.house.withdrawHouse, number, 1, by=stranger)
    assert refused == ("MissingRole", stranger, role(party.upper()))
    refused = refusal(market.house.withdrawHouse, number, have + 1, by=owner)
    assert refused == ("InsufficientMoney", number, have, have + 1)
    tx = market.house.withdrawHouse(number, have, {"from": owner})
    assert fact(tx, "Withdrawn") == (number, owner, have)
    assert market.currency.balanceOf(owner) == have


@pytest.mark.parametrize("number", [0, 8, 1_000])
def test_nobody_withdraws_the_money_of_a_participant_for_it(market, number):
    refused = refusal(market.house.withdrawHouse, number, 1, by=market.operator)
    assert refused == ("UnknownAccount", number)


def test_what_participants_owe_stays_with_the_house(market, house, desk, alice):
    """The supplier stands in for it first, then the others; who has money can always take it out."""
    house.withdraw(PURSE, alice.sends)
    house.withdrawHouse(SUPPLIER, GUARANTEE, {"from": market.supplier})
    house.settle(0, P, [GROUP], [amounts({alice: -900})], [700], 200, {"from": desk})
    assert house.debtsMicroEur() == 900
    assert house.coverMicroEur() == -200
    for account, amount, by in ((SUPPLIER, 700, market.supplier), (DSO, 200, market.dso)):
        refused = refusal(house.withdrawHouse, account, 1, by=by)
        assert refused == ("HouseMustCover", account, 1, -200, 200)
        assert house.balanceOf(account) == amount
        assert house.spendableOf(account) == 0

    market.fund({alice.number: 500})
    assert house.debtsMicroEur() == 400
    assert house.spendableOf(SUPPLIER) == 300
    assert house.spendableOf(DSO) == 200
    house.withdrawHouse(DSO, 200, {"from": market.dso})  # nothing of it is owed any more
    house.withdrawHouse(SUPPLIER, 300, {"from": market.supplier})
    refused = refusal(house.withdrawHouse, SUPPLIER, 1, by=market.supplier)
    assert refused == ("HouseMustCover", SUPPLIER, 1, 0, 0)
    for member in market.members[1:]:
        house.withdraw(PURSE, member.sends)
    assert market.currency.balanceOf(house) == 0
    market.fund({alice.number: 1_000})
    house.withdrawHouse(SUPPLIER, 400, {"from": market.supplier})
    house.withdraw(600, alice.sends)


def test_a_house_account_below_zero_is_no_participants_debt(market, house, desk, alice):
    house.correct(0, P, GROUP, amounts({alice: 70}), 0, -70, {"from": desk})

    assert house.balanceOf(DSO) == -70
    assert house.debtsMicroEur() == 0
    assert house.spendableOf(SUPPLIER) == 0  # it stands in for the DSO too
    refused = refusal(house.withdrawHouse, SUPPLIER, 1, by=market.supplier)
    assert refused == ("HouseMustCover", SUPPLIER, 1, GUARANTEE, -70)


# --- ring slots --------------------------------------------------------------------------------


def test_a_period_takes_its_slot_once(market, desk):
    tx = market.house.activate(0, P, {"from": desk})

    assert fact(tx, "PeriodActivated") == (0, P, RETAIL, HOLD_RATE)
    assert "PeriodActivated" not in market.house.activate(0, P, {"from": desk}).events


def test_a_slot_is_busy_until_its_own_area_is_settled(house, desk):
    taken = lambda period: refusal(house.activate, 0, period, by=desk)  # noqa: E731

    house.activate(1, P, {"from": desk})  # which nobody settles
    assert taken(P + RING) == ("RingSlotBusy", 0, P + RING, P)
    assert fact(house.finishArea(0, P, {"from": desk}), "PeriodFinished") == (0, P)
    house.activate(0, P + RING, {"from": desk})
    assert taken(P) == ("RingSlotBusy", 0, P, P + RING)  # the past does not come back
    house.finishArea(0, P + RING, {"from": desk})
    assert taken(P) == ("RingSlotBusy", 0, P, P + RING)  # not even when the slot is free
    assert refusal(house.activate, 1, P + RING, by=desk) == ("RingSlotBusy", 1, P + RING, P)


def test_what_a_slot_held_for_another_period_is_gone(house, desk, alice):
    reserve(house, desk, {}, {alice: (0, 0)})
    reserve(house, desk, {}, {alice: (700, 0)})
    house.finishArea(0, P, {"from": desk})
    house.activate(0, P + RING, {"from": desk})

    assert account(house, alice, P + RING) == (0, 0, 0, 0, 0)


def test_an_area_has_periods_from_the_moment_it_is_opened(market, house, desk):
    assert refusal(house.activate, 2, P, by=desk) == ("UnknownArea", 2)
    market.close_gate(P)
    assert refusal(market.auction.clear, 2, P, by=market.stranger) == ("UnknownArea", 2)
    market.registry.addArea(b"late", {"from": market.operator})

    assert "PeriodActivated" in house.activate(2, P, {"from": desk}).events


def test_nobody_of_another_area_is_reserved_for_or_booked(house, desk, alice):
    """Else its money would be held where nobody settles it, and its area end without it."""
    house.activate(1, P, {"from": desk})
    stranger = [(GROUP, 0, energies({alice: (0, 100)}))]

    refused = refusal(house.reserve, 1, P, ZERO_ADDRESS, stranger, by=desk)
    assert refused == ("GroupOfOtherArea", GROUP, 1)
    reserve(house, desk, {}, {alice: (0, 100)})
    given = [(GROUP, energies({alice: (0, 100)}), 0)]
    refused = refusal(house.reserve, 1, P, ZERO_ADDRESS, given, by=desk)
    assert refused == ("ReleasedAboveReserved", GROUP, given[0][1], P << 224)
    words = ([GROUP], [energies({alice: (0, 100)})])
    refused = refusal(house.book, 1, P, *words, [0], by=desk)
    assert refused == ("BoughtAboveReserved", alice.number, 100, 0)
    refused = refusal(house.bookAt, 1, P, 0, *words, by=desk)
    assert refused == ("BoughtAboveReserved", alice.number, 100, 0)
    assert holds(house) == 100 * HOLD_RATE


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("reserve", (ZERO_ADDRESS, [(GROUP, 0, 0)])),
        ("book", ([], [], [])),
        ("bookAt", (1, [], [])),
        ("collectSpread", (1,)),
        ("settle", ([], [], [], 0)),
        ("finishArea", ()),
    ],
)
def test_a_period_without_a_slot_takes_no_action(house, desk, method, arguments):
    for period, occupant in ((P + 1, 0), (P + RING, P)):
        refused = refusal(getattr(house, method), 0, period, *arguments, by=desk)
        assert refused == ("PeriodNotActive", 0, period, occupant)


# --- reservations ------------------------------------------------------------------------------


def test_a_bid_holds_retail_price_and_highest_fee(house, desk, alice, bob):
    reserve(house, desk, {}, {alice: (0, 1_000), bob: (0, 10)})

    assert account(house, alice) == (1_000 * HOLD_RATE, 0, 1_000, 0, 0)
    assert house.balanceOf(alice.number) == PURSE - 1_000 * HOLD_RATE
    assert house.balanceOf(bob.number) == PURSE - 10 * HOLD_RATE
    assert holds(house) == 1_010 * HOLD_RATE


def test_an_offer_holds_energy_and_no_money(house, desk, alice):
    reserve(house, desk, {}, {alice: (CAPACITY_WH, 0)})

    assert account(house, alice) == (0, CAPACITY_WH, 0, 0, 0)
    assert house.balanceOf(alice.number) == PURSE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((0, 1_000), (0, 400)),
        ((0, 400), (0, 1_000)),
        ((0, 1_000), (700, 0)),
        ((700, 0), (0, 1_000)),
        ((0, 1_000), (0, 0)),
        ((700, 0), (0, 0)),
        ((0, CAPACITY_WH), (CAPACITY_WH, 0)),
    ],
)
def test_an_exchange_leaves_exactly_the_new_reservation(house, desk, alice, before, after):
    reserve(house, desk, {}, {alice: before})
    reserve(house, desk, {alice: before}, {alice: after})

    assert account(house, alice) == (after[1] * HOLD_RATE, *after, 0, 0)
    assert house.balanceOf(alice.number) == PURSE - after[1] * HOLD_RATE
    assert holds(house) == after[1] * HOLD_RATE


@pytest.mark.parametrize("direction", [0, 1])
def test_a_connection_is_promised_once_over_all_markets(market, house, desk, alice, direction):
    pair = lambda wh: (wh, 0) if direction == 0 else (0, wh)  # noqa: E731
    order = (OFFER if direction == 0 else BID, 3, CAPACITY_WH - 100)
    market.auction.place(P, *order, alice.sends)

    refused = refused_reserve(house, desk, {}, {alice: pair(101)})
    assert refused == (
        "AboveConnectionCapacity",
        alice.number,
        CAPACITY_WH + 1,
        CAPACITY_WH,
    )
    reserve(house, desk, {}, {alice: pair(100)})


def test_each_direction_of_a_connection_is_promised_for_itself(house, desk, alice):
    reserve(house, desk, {}, {alice: (CAPACITY_WH, 0)})
    reserve(house, desk, {}, {alice: (0, 20_000)})

    assert account(house, alice)[1:3] == (CAPACITY_WH, 20_000)


def test_a_bid_needs_the_money_it_holds(market, house, desk, alice):
    house.withdraw(PURSE - 1_000 * HOLD_RATE, alice.sends)

    refused = refused_reserve(house, desk, {}, {alice: (0, 1_001)})
    free, needed = 1_000 * HOLD_RATE, 1_001 * HOLD_RATE
    assert refused == ("InsufficientMoney", alice.number, free, needed)
    reserve(house, desk, {}, {alice: (0, 1_000)})
    # What is given back counts for what is claimed with it.
    reserve(house, desk, {alice: (0, 1_000)}, {alice: (0, 999)})
    reserve(house, desk, {alice: (0, 999)}, {alice: (0, 1_000)})


def test_who_is_suspended_may_only_reduce(market, house, desk, alice):
    reserve(house, desk, {}, {alice: (500, 300)})
    market.registry.suspend(alice.number, {"from": market.operator})

    error = ("ParticipantNotActive", alice.number, SUSPENDED)
    assert refused_reserve(house, desk, {alice: (500, 0)}, {alice: (501, 0)}) == error
    assert refused_reserve(house, desk, {alice: (0, 300)}, {alice: (0, 301)}) == error
    reserve(house, desk, {alice: (500, 300)}, {alice: (400, 200)})


def test_seats_without_a_participant_reserve_nothing(market, house, desk):
    refused = refusal(
        house.reserve, 0, P, ZERO_ADDRESS, [(4, 0, energy_lane(1, 0) << (56 * 2))], by=desk
    )
    assert refused == ("ParticipantNotActive", 18, 0)


# --- credit ------------------------------------------------------------------------------------


def grant(market, member, limit):
    return market.house.setCreditLimit(member.number, limit, {"from": market.treasurer})


def test_the_treasurer_sets_how_far_an_account_may_go_below_zero(market, alice):
    assert fact(grant(market, alice, 500), "CreditLimitSet") == (alice.number, 500)
    assert market.house.creditLimitOf(alice.number) == 500
    for by in (market.operator, alice.account):
        refused = refusal(market.house.setCreditLimit, alice.number, 1, by=by)
        assert refused == ("MissingRole", by, role("TREASURER"))


@pytest.mark.parametrize("number", [0, DSO, 7, 18, 1_000])
def test_credit_is_for_participants(market, number):
    refused = refusal(market.house.setCreditLimit, number, 1, by=market.treasurer)
    assert refused == ("UnknownAccount", number)


def test_credit_is_bounded_so_that_a_balance_stays_in_its_lane(market, alice):
    most = 2**48 - 1
    refused = refusal(market.house.setCreditLimit, alice.number, most + 1, by=market.treasurer)
    assert refused == ("CreditLimitOutOfRange", alice.number, most + 1, most)
    grant(market, alice, most)


def test_credit_backs_orders_as_money_does(market, house, desk, alice):
    house.withdraw(PURSE, alice.sends)
    grant(market, alice, 100 * HOLD_RATE)

    refused = refused_reserve(house, desk, {}, {alice: (0, 101)})
    assert refused == ("InsufficientMoney", alice.number, 0, 101 * HOLD_RATE)
    reserve(house, desk, {}, {alice: (0, 100)})
    assert house.balanceOf(alice.number) == -100 * HOLD_RATE
    assert house.coverMicroEur() == GUARANTEE - 100 * HOLD_RATE
    assert market.money_sum() == 0


def test_credit_lends_no_more_than_the_supplier_covers(market, house, desk, alice):
    house.withdraw(PURSE, alice.sends)
    house.withdrawHouse(SUPPLIER, GUARANTEE - 100 * HOLD_RATE, {"from": market.supplier})
    grant(market, alice, 200 * HOLD_RATE)

    refused = refused_reserve(house, desk, {}, {alice: (0, 101)})
    assert refused == ("CreditNotCovered", GROUP, 101 * HOLD_RATE, -HOLD_RATE)
    reserve(house, desk, {}, {alice: (0, 100)})
    assert refusal(house.withdrawHouse, SUPPLIER, 1, by=market.supplier)[0] == "HouseMustCover"


def test_who_owes_more_than_its_credit_does_not_order(market, house, desk, alice):
    owed = PURSE + 40
    house.settle(0, P, [GROUP], [amounts({alice: -owed})], [owed], 0, {"from": desk})
    house.activate(0, P + 1, {"from": desk})
    grant(market, alice, 39)

    refused = refused_reserve(house, desk, {}, {alice: (1, 0)}, P + 1)
    assert refused == ("InDebt", alice.number, -40)
    grant(market, alice, 40)
    reserve(house, desk, {}, {alice: (1, 0)}, P + 1)
    assert refused_reserve(house, desk, {}, {alice: (0, 1)}, P + 1)[0] == "InsufficientMoney"


def test_credit_is_not_money_to_withdraw(market, alice):
    grant(market, alice, 500)

    refused = refusal(market.house.withdraw, PURSE + 1, by=alice.account)
    assert refused == ("InsufficientMoney", alice.number, PURSE, PURSE + 1)


# --- trades ------------------------------------------------------------------------------------


def test_a_trade_is_paid_out_of_the_hold_at_settlement(market, house, desk, alice, bob):
    reserve(house, desk, {}, {alice: (0, 1_000), bob: (800, 0)})
    fills, payments = {alice: (0, 600), bob: (600, 0)}, {alice: -120_000, bob: 120_000}
    tx = house.book(0, P, [GROUP], [energies(fills)], [amounts(payments)], {"from": desk})

    told = fact(tx, "TradesBooked")
    assert told[:3] == (0, P, desk)
    assert [list(words) for words in told[3:]] == [[GROUP], [energies(fills)], [amounts(payments)]]
    held = 1_000 * HOLD_RATE
    assert account(house, alice) == (held, 0, 1_000, 0, 600)
    assert account(house, bob) == (0, 800, 0, 600, 0)
    assert [house.paymentOf(who.number, P) for who in (alice, bob)] == [-120_000, 120_000]
    assert house.balanceOf(alice.number) == PURSE - held
    assert house.balanceOf(bob.number) == PURSE
    assert holds(house) == held

    house.settle(0, P, [GROUP], [0], [0], 0, {"from": desk})
    assert house.balanceOf(alice.number) == PURSE - 120_000
    assert house.balanceOf(bob.number) == PURSE + 120_000
    assert market.money_sum() == 0


def test_payments_of_a_period_add_up(house, desk, alice, bob):
    reserve(house, desk, {}, {alice: (0, 1_000), bob: (800, 0)})
    for wh, price in ((300, 7), (200, 300)):
        fills, paid = {alice: (0, wh), bob: (wh, 0)}, wh * price
        words = ([GROUP], [energies(fills)], [amounts({alice: -paid, bob: paid})])
        house.book(0, P, *words, {"from": desk})

    assert house.paymentOf(alice.number, P) == -(300 * 7 + 200 * 300)
    assert house.paymentOf(bob.number, P) == 300 * 7 + 200 * 300


def test_trades_at_one_price_are_paid_by_it(market, house, desk, alice, bob):
    """What each gets follows from the price of its area; holds are as ever."""
    reserve(house, desk, {}, {alice: (0, 1_000), bob: (800, 0)})
    for wh in (400, 200):
        words = ([GROUP], [energies({alice: (0, wh), bob: (wh, 0)})])
        tx = house.bookAt(0, P, 200, *words, {"from": desk})
        paid = amounts({alice: -200 * wh, bob: 200 * wh})
        assert list(fact(tx, "TradesBooked")[-1]) == [paid]
    assert account(house, alice) == (1_000 * HOLD_RATE, 0, 1_000, 0, 600)
    assert [house.paymentOf(who.number, P) for who in (alice, bob)] == [-120_000, 120_000]
    house.settle(0, P, [GROUP], [0], [0], 0, {"from": desk})
    assert house.balanceOf(alice.number) == PURSE - 120_000
    assert house.balanceOf(bob.number) == PURSE + 120_000
    assert holds(house) == house.periodAt(0, P % RING)["tradesMicroEur"] == 0
    assert market.money_sum() == 0


def test_a_market_has_one_price_in_an_area_and_period_or_none(house, desk, alice, bob):
    reserve(house, desk, {}, {alice: (0, 1_000), bob: (800, 0)})
    words = ([GROUP], [energies({alice: (0, 100), bob: (100, 0)})])
    retail = house.periodAt(0, P % RING)["retailMicroEurPerWh"]
    above = refusal(house.bookAt, 0, P, retail + 1, *words, by=desk)
    assert above == ("PriceAboveRetail", desk, 0, P, retail + 1, retail)
    house.bookAt(0, P, 200, *words, {"from": desk})
    assert refusal(house.bookAt, 0, P, 201, *words, by=desk) == ("OtherPrice", desk, 0, P, 201, 200)
    mixed = refusal(house.book, 0, P, *words, [0], by=desk)
    assert mixed == ("BookedOtherwise", desk, 0, P, True)
    house.activate(1, P, {"from": desk})
    house.bookAt(1, P, 150, [], [], {"from": desk})  # of another area


def test_who_books_one_by_one_has_no_price(house, desk, alice, bob):
    reserve(house, desk, {}, {alice: (0, 1_000), bob: (800, 0)})
    words = ([GROUP], [energies({alice: (0, 100), bob: (100, 0)})])
    house.book(0, P, *words, [amounts({alice: -700, bob: 700})], {"from": desk})
    mixed = refusal(house.bookAt, 0, P, 7, *words, by=desk)
    assert mixed == ("BookedOtherwise", desk, 0, P, False)


def test_settlement_waits_until_a_market_has_booked_its_payers_too(market, house, desk, alice, bob):
    reserve(house, desk, {}, {alice: (500, 0), bob: (0, 500)})
    for who, fill, paid in ((alice, (500, 0), 90_000), (bob, (0, 500), -90_000)):
        book = ([GROUP], [energies({who: fill})], [amounts({who: paid})])
        house.book(0, P, *book, {"from": desk})
        if who is alice:
            waits = refusal(house.settle, 0, P, [GROUP], [0], [0], 0, by=desk)
            assert waits == ("TradesOpen", desk, 0, P, 90_000)
    house.settle(0, P, [GROUP], [0], [0], 0, {"from": desk})

    assert house.balanceOf(alice.number) == PURSE + 90_000
    assert market.money_sum() == 0


def test_the_spread_of_a_period_goes_to_its_account(market, house, desk, alice):
    reserve(house, desk, {}, {alice: (0, 500)})
    book = ([GROUP], [energies({alice: (0, 500)})], [amounts({alice: -90_000})])
    house.book(0, P, *book, {"from": desk})
    refused = refusal(house.collectSpread, 0, P, 90_001, by=desk)
    assert refused == ("SpreadNotPaid", desk, 0, P, 1)
    tx = house.collectSpread(0, P, 90_000, {"from": desk})

    assert fact(tx, "SpreadCollected") == (0, P, desk, 90_000)
    assert house.balanceOf(SPREAD) == 90_000
    assert house.periodAt(0, P % RING)["tradesMicroEur"] == -90_000
    assert market.money_sum() == 0
    house.settle(0, P, [GROUP], [0], [0], 0, {"from": desk})
    assert house.periodAt(0, P % RING)["tradesMicroEur"] == 0
    assert house.balanceOf(alice.number) == PURSE - 90_000


def test_settlement_waits_until_what_trades_leave_over_is_collected(market, house, desk, alice):
    """What payers pay too much could as well be of payees that are not booked yet."""
    reserve(house, desk, {}, {alice: (0, 500)})
    book = ([GROUP], [energies({alice: (0, 500)})], [amounts({alice: -90_000})])
    house.book(0, P, *book, {"from": desk})
    words = (0, P, [GROUP], [0], [0], 0)
    assert refusal(house.settle, *words, by=desk) == ("TradesOpen", desk, 0, P, -90_000)
    part = refusal(house.collectSpread, 0, P, 89_999, by=desk)
    assert part == ("SpreadNotPaid", desk, 0, P, -1)
    house.collectSpread(0, P, 90_000, {"from": desk})
    house.settle(*words, {"from": desk})
    house.finishArea(0, P, {"from": desk})

    assert house.balanceOf(SPREAD) == 90_000
    assert house.periodAt(0, P % RING)["tradesMicroEur"] == 0
    assert market.money_sum() == 0


def test_more_than_was_reserved_cannot_be_traded(house, desk, alice):
    reserve(house, desk, {}, {alice: (500, 300)})
    refused = lambda pair: refusal(  # noqa: E731
        house.book, 0, P, [GROUP], [energies({alice: pair})], [0], by=desk
    )

    assert refused((501, 0)) == ("SoldAboveReserved", alice.number, 501, 500)
    assert refused((0, 301)) == ("BoughtAboveReserved", alice.number, 301, 300)
    house.book(0, P, [GROUP], [energies({alice: (400, 0)})], [0], {"from": desk})
    assert refused((101, 0)) == ("SoldAboveReserved", alice.number, 501, 500)


def test_nobody_pays_above_the_retail_price(house, desk, alice):
    reserve(house, desk, {}, {alice: (0, 300)})
    most = 300 * RETAIL

    words = ([GROUP], [energies({alice: (0, 300)})], [amounts({alice: -most - 1})])
    refused = refusal(house.book, 0, P, *words, by=desk)
    assert refused == ("PaidAboveHold", alice.number, -most - 1, most)
    words = ([GROUP], [energies({alice: (0, 300)})], [amounts({alice: -most})])
    house.book(0, P, *words, {"from": desk})


@pytest.mark.parametrize("beyond", [1, 2**40, 2**63 - 1 - 300 * RETAIL])
def test_nobody_receives_more_than_the_retail_price(house, desk, alice, beyond):
    reserve(house, desk, {}, {alice: (300, 0)})
    most = 300 * RETAIL

    words = ([GROUP], [energies({alice: (300, 0)})], [amounts({alice: most + beyond})])
    refused = refusal(house.book, 0, P, *words, by=desk)
    assert refused == ("ReceivedAboveRetail", alice.number, most + beyond, most)


# --- settlement --------------------------------------------------------------------------------


def test_settlement_gives_holds_back_and_changes_accounts(market, house, desk, alice, bob):
    reserve(house, desk, {}, {alice: (0, 1_000), bob: (300, 0)})
    deltas = {alice: -5_000, bob: 2_000}
    tx = house.settle(0, P, [GROUP], [amounts(deltas)], [1_000], 2_000, {"from": desk})

    told = fact(tx, "GroupsSettled")
    assert told[:2] == (0, P)
    assert [list(words) for words in told[2:4]] == [[GROUP], [amounts(deltas)]]
    assert told[4:] == (1_000, 2_000)
    assert house.balanceOf(alice.number) == PURSE - 5_000
    assert house.balanceOf(bob.number) == PURSE + 2_000
    assert [house.balanceOf(a) for a in (SUPPLIER, DSO)] == [GUARANTEE + 1_000, 2_000]
    assert holds(house) == 0
    assert house.settling(0, P)
    assert market.money_sum() == 0


def test_changes_at_settlement_sum_to_zero(house, desk, alice):
    settle = (P, 0, [GROUP], [amounts({alice: -5_000})])

    assert refusal(house.settle, *settle, [5_000], 1, by=desk) == ("SumNotZero", 1)
    assert refusal(house.settle, *settle, [0], 0, by=desk) == ("SumNotZero", -5_000)


def test_who_cannot_pay_goes_into_debt_and_may_not_order(market, house, desk, alice):
    owed = PURSE + 40
    tx = house.settle(0, P, [GROUP], [amounts({alice: -owed})], [owed], 0, {"from": desk})

    assert fact(tx, "DebtIncurred") == (alice.number, P, -40)
    house.activate(0, P + 1, {"from": desk})
    for claim in ({alice: (1, 0)}, {alice: (0, 1)}):
        refused = refused_reserve(house, desk, {}, claim, P + 1)
        assert refused == ("InDebt", alice.number, -40)
    market.fund({alice.number: 40})
    reserve(house, desk, {}, {alice: (1, 0)}, P + 1)


def test_a_correction_sums_to_zero_too(market, house, desk, alice):
    words = (0, P, GROUP, amounts({alice: -5_000}))

    assert refusal(house.correct, *words, 5_000, 1, by=desk) == ("SumNotZero", 1)
    tx = house.correct(*words, 4_000, 1_000, {"from": desk})
    assert fact(tx, "GroupCorrected") == (*words, 4_000, 1_000)
    assert house.balanceOf(alice.number) == PURSE - 5_000
    assert market.money_sum() == 0


def test_a_balance_stays_within_its_64_bits(market, house, desk, alice):
    most = 2**63 - 1 - PURSE

    refused = refusal(house.correct, 0, P, GROUP, amounts({alice: most + 1}), -most - 1, 0, by=desk)
    assert refused == ("BalanceOutOfRange", alice.number, 2**63)
    house.correct(0, P, GROUP, amounts({alice: most}), -most, 0, {"from": desk})
    assert house.waitingOf(alice.number) == most


def test_a_period_ends_without_open_money(house, desk, alice):
    reserve(house, desk, {}, {alice: (0, 100)})

    refused = refusal(house.finishArea, 0, P, by=desk)
    assert refused == ("PeriodHasOpenMoney", 0, P, 100 * HOLD_RATE, 0)


def test_after_a_period_ended_nothing_is_held_in_it(house, desk, alice):
    reserve(house, desk, {}, {alice: (0, 100)})
    house.settle(0, P, [GROUP], [0], [0], 0, {"from": desk})
    house.finishArea(0, P, {"from": desk})

    assert account(house, alice) == (0, 0, 100, 0, 0)
