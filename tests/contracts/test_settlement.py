"""Contract against meter on the chain: who pays whom, when, and in ranges of any size."""

import numpy as np
import pytest
from brownie import Settlement, chain, web3
from brownie.exceptions import VirtualMachineError

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.call_auction import clear
from gridbourse.model.caps import NO_CAP
from gridbourse.model.settlement import estimate_wh
from gridbourse.model.settlement import settle as charges_of
from tests.contracts.market import (
    CAPACITY_WH,
    DSO,
    FIRST,
    GUARANTEE,
    HOLD_RATE,
    MAX_ROUNDS,
    PURSE,
    READING_WINDOW,
    RETAIL,
    RING,
    SUPPLIER,
    Market,
)
from tests.contracts.refusal import deployment_refusal, fact, refusal
from tests.model.books import BAND

P = FIRST + 2

# fmt: off
ORDERS = [(OFFER, 10, 6_000), (BID, 50, 4_000), (BID, 45, 900), (OFFER, 12, 3_000), (BID, 20, 800),
          (OFFER, 40, 2_000), (BID, 55, 1_500), (BID, 52, 2_500), (OFFER, 10, 1_000), (BID, 1, 70)]
# fmt: on
READINGS = [6_500, -4_000, -1_500, 2_000, 300, 2_000, 0, -2_400, 900, -90]


def expected_changes(market, members, orders, readings, export_caps=None):
    """By the model: the change of each member's account, and of supplier and DSO."""
    side, tick, wh = np.array(orders, dtype=np.int64).T
    traded = clear(side == OFFER, tick, wh, BAND)
    contracts = np.where(side == OFFER, traded.fills_wh, -traded.fills_wh)
    caps = np.full(len(members), NO_CAP, dtype=np.int64)
    for at, cap in (export_caps or {}).items():
        caps[at] = cap
    charges = charges_of(np.array(readings), contracts, caps, market.prices_of(members))
    changes = traded.payments_micro_eur + charges.delta
    return changes.tolist(), int(charges.supplier.sum()), int(charges.dso.sum())


def changes(market, members):
    return (market.balances(members) - PURSE).tolist()


def house_accounts(market):
    """What supplier and DSO have received."""
    return market.house.balanceOf(SUPPLIER) - GUARANTEE, market.house.balanceOf(DSO)


def traded(market):
    """A booked and delivered period; who ordered what is in ORDERS."""
    members = market.in_area(0)
    market.place(P, dict(zip(members, ORDERS, strict=True)))
    market.trade(P)
    market.deliver(P)
    return members


def metered(market):
    members = traded(market)
    market.meter(P, dict(zip([m.number for m in members], READINGS, strict=True)))
    return members


def refused(market, area=0, period=P, groups=9):
    return refusal(market.settlement.settle, area, period, groups, by=market.stranger)


# --- who pays whom -----------------------------------------------------------------------------


def test_accounts_change_as_the_model_says_each_by_the_fees_of_its_zone(market):
    members = metered(market)
    tx = market.settle(P)

    by_member, supplier, dso = expected_changes(market, members, ORDERS, READINGS)
    assert changes(market, members) == by_member
    assert house_accounts(market) == (supplier, dso)
    assert sum(by_member) + supplier + dso == 0
    assert {member.zone for member in members} == {0, 1, 2}
    assert fact(tx, "Settled") == (0, P, market.settlement.commitmentOf(0, P))
    assert market.money_sum() == 0


def test_holds_come_back(market):
    members = metered(market)
    market.settle(P)

    assert market.house.periodAt(0, P % RING)["holdsMicroEur"] == 0
    assert not any(changes(market, market.in_area(1)))
    bidder = members[9]  # its bid found no offer: it pays for what it drew, and no more
    assert changes(market, [bidder]) == [-90 * (RETAIL + 60)]


def test_injection_above_a_cap_is_not_paid_for(market):
    members = market.in_area(0)
    market.place(P, dict(zip(members, ORDERS, strict=True)))
    market.close_gate(P)
    market.clear(P)
    market.cap(P, {members[0]: (5_000, NO_CAP), members[4]: (100, NO_CAP)})
    market.trade(P)
    market.deliver(P)
    market.meter(P, dict(zip([m.number for m in members], READINGS, strict=True)))
    market.settle(P)

    shrunk = [(OFFER, 10, 5_000), *ORDERS[1:]]
    by_member, *house = expected_changes(market, members, shrunk, READINGS, {0: 5_000, 4: 100})
    assert changes(market, members) == by_member
    assert house_accounts(market) == tuple(house)


def test_a_fallback_period_runs_on_caps_and_supplier_alone(market):
    members = market.in_area(0)
    market.place(P, dict(zip(members, ORDERS, strict=True)))
    market.close_gate(P)
    for round_ in range(MAX_ROUNDS):
        market.clear(P)
        market.cap(P, {members[0]: (4_000 - round_, NO_CAP)})
    market.book(P)
    market.deliver(P)
    market.meter(P, dict(zip([m.number for m in members], READINGS, strict=True)))
    market.settle(P)

    nothing = [(side, tick, 0) for side, tick, _ in ORDERS]
    cap = {0: 4_000 - MAX_ROUNDS + 1}
    by_member, *house = expected_changes(market, members, nothing, READINGS, cap)
    assert changes(market, members) == by_member
    assert house_accounts(market) == tuple(house)
    assert market.money_sum() == 0


def test_who_cannot_pay_goes_into_debt_and_the_range_goes_on(market):
    members = market.in_area(0)
    poor = members[1]
    market.house.withdraw(PURSE, poor.sends)
    market.trade(P)
    market.deliver(P)
    market.meter(P, {m.number: -1_000 if m is poor else 500 for m in members})
    tx = market.settle(P)

    owed = 1_000 * (RETAIL + 50)
    assert fact(tx, "DebtIncurred") == (poor.number, P, -owed)
    assert market.house.balanceOf(poor.number) == -owed
    assert fact(tx, "Settled") == (0, P, market.settlement.commitmentOf(0, P))
    refused_ = refusal(market.auction.place, P + 2, OFFER, 3, 5, by=poor.account)
    assert refused_ == ("InDebt", poor.number, -owed)
    assert market.money_sum() == 0


# --- ranges ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranges", [[1, 1, 1], [2, 1], [1, 2], [1, 9], [3]], ids=str)
def test_ranges_of_any_size_come_to_the_same(market, ranges):
    members = metered(market)
    for groups in ranges[:-1]:
        assert "Settled" not in market.settle(P, groups=groups).events
        assert market.money_sum() == 0
    assert "Settled" in market.settle(P, groups=ranges[-1]).events

    by_member, *house = expected_changes(market, members, ORDERS, READINGS)
    assert changes(market, members) == by_member
    assert house_accounts(market) == tuple(house)


def test_the_settlement_tells_how_far_it_is(market):
    metered(market)
    progress = lambda: tuple(market.settlement.progressOf(0, P))  # noqa: E731

    assert progress() == (P, 0, False, 0)
    market.settle(P, groups=2)
    assert progress() == (P, 2, False, 0)
    market.settle(P)
    assert progress() == (P, 3, True, 0)


def test_settled_twice_is_refused(market):
    metered(market)
    market.settle(P)

    assert refused(market) == ("AlreadySettled", 0, P)


def test_a_period_ends_area_by_area(market):
    metered(market)
    assert fact(market.settle(P), "PeriodFinished") == (0, P)
    market.trade(P, 1)
    market.meter(P, {m.number: 0 for m in market.in_area(1)})
    assert fact(market.settle(P, 1), "PeriodFinished") == (1, P)


def test_an_area_without_participants_is_settled_too(market):
    market.registry.addArea(b"empty", {"from": market.operator})
    market.trade(P, 2)
    market.deliver(P)

    assert fact(market.settle(P, 2), "Settled") == (2, P, "0x" + 64 * "0")


# --- what comes first --------------------------------------------------------------------------


def test_only_what_is_delivered_is_settled(market):
    market.trade(P)
    market.advance_to(P + 1, -1)

    assert refused(market) == ("NotDelivered", P)
    await_readings = market.settlement.awaitReadings
    assert refusal(await_readings, 0, P, by=market.stranger) == ("NotDelivered", P)


@pytest.mark.parametrize("step", ["open", "cleared", "accepted"])
def test_nothing_settles_that_is_not_booked(market, step):
    market.close_gate(P)
    if step != "open":
        market.clear(P)
    if step == "accepted":
        market.accept(P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.in_area(0)})

    assert refused(market) == ("NotBooked", market.auction.address, 0, P)


def test_a_half_booked_period_does_not_settle(market):
    members = market.in_area(0)
    market.place(P, dict(zip(members, ORDERS, strict=True)))
    market.close_gate(P)
    market.clear(P)
    market.accept(P)
    market.book(P, groups=1)
    market.deliver(P)

    assert refused(market) == ("NotBooked", market.auction.address, 0, P)


def test_areas_that_do_not_exist_are_refused(market):
    market.deliver(P)

    assert refused(market, area=2) == ("UnknownArea", 2)
    await_readings = market.settlement.awaitReadings
    assert refusal(await_readings, 2, P, by=market.stranger) == ("UnknownArea", 2)


# --- missing readings --------------------------------------------------------------------------


def test_readings_are_awaited_for_a_window_of_block_time(market):
    members = traded(market)
    numbers = [m.number for m in members]
    market.meter(P, {n: r for n, r in zip(numbers, READINGS, strict=True) if n != 13})

    assert refused(market) == ("ReadingMissing", 13, P, 0)
    tx = market.settlement.awaitReadings(0, P, {"from": market.stranger})
    deadline = tx.timestamp + READING_WINDOW
    assert fact(tx, "ReadingsAwaited") == (0, P, deadline)
    assert refused(market) == ("ReadingMissing", 13, P, deadline)


def test_the_window_is_opened_once(market):
    traded(market)
    by = {"from": market.stranger}
    market.settlement.awaitReadings(0, P, by)
    deadline = market.settlement.progressOf(0, P)["deadline"]
    chain.sleep(100)

    assert "ReadingsAwaited" not in market.settlement.awaitReadings(0, P, by).events
    assert market.settlement.progressOf(0, P)["deadline"] == deadline


def settle_on_estimates(market, readings):
    """Settles area 0 on these readings, by participant number, and estimates of the others."""
    if readings:
        market.meter(P, readings)
    market.settlement.awaitReadings(0, P, {"from": market.stranger})
    chain.sleep(READING_WINDOW + 1)
    return market.settle(P)


def test_after_the_deadline_a_missing_reading_counts_as_the_worst_there_could_be(market):
    members = traded(market)
    missing = (members[0], members[5], members[7])  # a seller, nobody, a buyer
    readings = dict(zip([m.number for m in members], READINGS, strict=True))
    tx = settle_on_estimates(
        market, {n: r for n, r in readings.items() if n not in {m.number for m in missing}}
    )

    estimates = [tuple(event.values()) for event in tx.events["ReadingEstimated"]]
    assert estimates == [(P, m.number, -CAPACITY_WH) for m in missing]
    estimated = [-CAPACITY_WH if m in missing else readings[m.number] for m in members]
    by_member, *house = expected_changes(market, members, ORDERS, estimated)
    assert changes(market, members) == by_member
    assert house_accounts(market) == tuple(house)
    assert market.money_sum() == 0


@pytest.mark.parametrize("permille", [0, 37, 1_000])
def test_an_estimate_is_what_the_model_says(market, permille):
    """A deployment may be milder; an estimate never says that more was delivered than contracted."""
    mild = Market(market.contracts, silent_permille=permille).admit(10)
    members = traded(mild)
    capacities = np.full(len(members), CAPACITY_WH, dtype=np.int64)
    sold, bought = np.array(
        [tuple(mild.house.accountInPeriod(m.number, P))[3:] for m in members], dtype=np.int64
    ).T
    tx = settle_on_estimates(mild, {members[3].number: 5})

    told = {event["participant"]: event["estimateWh"] for event in tx.events["ReadingEstimated"]}
    expected = estimate_wh(sold - bought, capacities, permille)
    assert told == {
        m.number: wh for m, wh in zip(members, expected.tolist(), strict=True) if m != members[3]
    }
    assert (expected <= np.minimum(sold - bought, 0)).all()


def test_a_share_above_all_of_the_capacity_is_refused(market):
    settings = (*market.settlement_settings()[:-1], 1_001)

    refused_ = deployment_refusal(Settlement, settings, by=market.operator)
    assert refused_ == ("SilentAboveAll", 1_001, 1_000)


@pytest.mark.parametrize("wh", [CAPACITY_WH + 1, -CAPACITY_WH - 1, NO_CAP])
def test_a_reading_beyond_the_connection_is_no_reading(market, wh):
    members = traded(market)
    readings = dict(zip([m.number for m in members], READINGS, strict=True))
    market.meter(P, readings | {members[3].number: wh})

    assert refused(market) == ("ReadingMissing", members[3].number, P, 0)
    tx = settle_on_estimates(market, {})
    assert fact(tx, "ReadingRefused") == (P, members[3].number, wh, CAPACITY_WH)
    assert fact(tx, "ReadingEstimated") == (P, members[3].number, -CAPACITY_WH)


@pytest.mark.parametrize("wh", [CAPACITY_WH, -CAPACITY_WH])
def test_all_that_a_connection_can_carry_is_a_reading(market, wh):
    members = traded(market)
    readings = dict(zip([m.number for m in members], READINGS, strict=True))
    market.meter(P, readings | {members[3].number: wh})

    assert "ReadingEstimated" not in market.settle(P).events


def test_the_deadline_itself_is_still_inside_the_window(market):
    traded(market)
    tx = market.settlement.awaitReadings(0, P, {"from": market.stranger})
    deadline = tx.timestamp + READING_WINDOW
    for second, settles in ((deadline, False), (deadline + 1, True)):
        web3.provider.make_request("evm_setNextBlockTimestamp", [second])
        if settles:
            assert "Settled" in market.settle(P).events
        else:
            with pytest.raises(VirtualMachineError, match="ReadingMissing"):
                market.settle(P)
        assert chain[-1].timestamp == second


def test_a_settlement_that_began_without_a_window_can_still_open_one(market):
    members = traded(market)
    market.meter(P, {m.number: 0 for m in members[:4]})
    market.settle(P, groups=1)
    assert refused(market)[0] == "ReadingMissing"
    market.settlement.awaitReadings(0, P, {"from": market.stranger})
    chain.sleep(READING_WINDOW + 1)

    assert "Settled" in market.settle(P).events
    assert market.money_sum() == 0


@pytest.mark.parametrize("laps", [-1, 1])
def test_awaiting_another_period_of_the_slot_does_not_undo_a_settlement_under_way(market, laps):
    """Else anyone could do it between two ranges, and the period would never be finished."""
    members = traded(market)
    market.meter(P, dict(zip([m.number for m in members], READINGS, strict=True)))
    market.settle(P, groups=1)
    market.deliver(P + RING)

    other = refusal(market.settlement.awaitReadings, 0, P + laps * RING, by=market.stranger)
    assert other[0] == "RingSlotBusy"
    assert market.settlement.progressOf(0, P)["nextGroup"] == 1
    assert "Settled" in market.settle(P).events


def test_an_outsider_cannot_take_the_ring_slots_of_a_young_market(market):
    """It awaited readings of long ago, and orders of the periods that share the slot were refused."""
    old = FIRST - RING
    for area, method in ((0, "awaitReadings"), (1, "awaitReadings")):
        error = refusal(getattr(market.settlement, method), area, old, by=market.stranger)
        assert error == ("PeriodTooOld", old, FIRST)
    assert refused(market, period=old) == ("PeriodTooOld", old, FIRST)
    market.settlement.awaitReadings(0, FIRST - RING + 1, {"from": market.stranger})


# --- members and others ------------------------------------------------------------------------


def test_who_is_not_yet_a_member_needs_no_reading(market):
    newcomer = market.registration(50, start=P + 1)
    market.registry.register([newcomer], {"from": market.operator})
    market.trade(P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.in_area(0)})

    assert "Settled" in market.settle(P).events
    assert market.house.balanceOf(market.registry.numberOf(newcomer[0])) == 0


def test_what_a_meter_says_of_no_member_changes_nothing(market):
    newcomer = market.registration(50, start=P + 1)
    market.registry.register([newcomer], {"from": market.operator})
    number = market.registry.numberOf(newcomer[0])
    market.trade(P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.in_area(0)} | {number: -5_000})
    market.settle(P)

    assert market.house.balanceOf(number) == house_accounts(market)[0] == 0


def test_who_is_not_yet_a_member_orders_nothing(market):
    newcomer = market.registration(50, start=P + 1)
    market.registry.register([newcomer], {"from": market.operator})
    number = market.registry.numberOf(newcomer[0])
    market.fund({number: PURSE})

    refused = refusal(market.auction.place, P, OFFER, 20, 700, by=newcomer[0])
    assert refused == ("ParticipantNotActive", number, 0)
    market.auction.place(P + 1, OFFER, 20, 700, {"from": newcomer[0]})


def test_who_left_is_settled_through_its_last_period_and_not_beyond(market):
    leaver, last = market.members[0], FIRST + 3
    market.place(last, {leaver: (OFFER, 20, 700)})
    market.registry.leaveMarket(leaver.number, leaver.sends)
    others = {m.number: 0 for m in market.in_area(0)[1:]}
    market.deliver(last + 1)
    for period in (last, last + 1):
        market.trade(period)
        market.end(period, 1)
        market.meter(period, others)

    error = ("ReadingMissing", leaver.number, last, 0)
    assert refused(market, period=last) == error
    assert "Settled" in market.settle(last + 1).events


def test_who_left_still_delivers_what_it_sold(market):
    leaver, buyer = market.members[:2]
    market.place(P, {leaver: (OFFER, 20, 700), buyer: (BID, 20, 700)})
    market.registry.leaveMarket(leaver.number, leaver.sends)
    market.trade(P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.in_area(0)})
    market.settle(P)

    paid = 700 * BAND.price(20)
    assert changes(market, [leaver]) == [paid - 700 * (RETAIL + 60)]


def test_a_bid_is_backed_for_all_it_may_come_to_owe(market):
    """Whoever consumes what it ordered pays out of its hold, whatever of it traded."""
    buyer, seller = market.members[:2]
    wh = PURSE // HOLD_RATE // 12
    market.house.withdraw(PURSE - wh * HOLD_RATE, buyer.sends)
    market.place(P, {buyer: (BID, 55, wh), seller: (OFFER, 20, wh // 3)})
    market.trade(P)
    assert market.house.balanceOf(buyer.number) == 0
    market.deliver(P)
    market.meter(P, {m.number: -wh if m is buyer else 0 for m in market.in_area(0)})
    tx = market.settle(P)

    assert "DebtIncurred" not in tx.events
    assert market.house.balanceOf(buyer.number) == (wh // 3) * (60 - 20)


def test_settling_no_group_at_all_is_refused(market):
    """It would begin a settlement, after which the meter oracle takes no correction."""
    traded(market)
    refused = refusal(market.settlement.settle, 0, P, 0, by=market.stranger)
    assert refused == ("NothingToSettle", 0, P)
