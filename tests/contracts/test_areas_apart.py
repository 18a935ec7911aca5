"""Market areas on one deployment do not depend on each other: one that stops holds up none of the others."""

import pytest
from brownie import chain

from gridbourse.chain.encoding.lanes import BID, OFFER
from tests.contracts.market import (
    FIRST,
    HOLD_RATE,
    OPEN,
    PURSE,
    READING_WINDOW,
    RING,
    VERDICT_WINDOW,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 2


@pytest.fixture
def stopped(market):
    """Orders of area 1 in P, and from then on nobody clears, judges, meters or settles it."""
    seller, buyer, *_, last = market.in_area(1)
    market.place(P, {seller: (OFFER, 30, 400), buyer: (BID, 30, 400), last: (BID, 20, 100)})
    return market


def live(market, period):
    """A period of area 0 from its orders to its end; the transaction that ends it."""
    seller, buyer, *_ = market.in_area(0)
    if market.clock.currentPeriod() < period - 2:
        market.advance_to(period - 2)
    market.place(period, {seller: (OFFER, 30, 400), buyer: (BID, 30, 400)})
    market.trade(period)
    market.deliver(period)
    readings = {m.number: 0 for m in market.in_area(0)}
    market.meter(period, readings | {seller.number: 400, buyer.number: -400})
    return market.settle(period)


def end_by_anyone(market, area, period):
    anyone = {"from": market.stranger}
    assert market.auction.sessionOf(area, period)["phase"] == OPEN
    market.auction.clear(area, period, anyone)
    chain.sleep(VERDICT_WINDOW + 1)
    market.auction.expire(area, period, anyone)
    market.auction.book(area, period, 100, anyone)
    market.settlement.awaitReadings(area, period, anyone)
    chain.sleep(READING_WINDOW + 1)
    return market.settlement.settle(area, period, 100, anyone)


def test_an_area_that_stops_holds_up_none_of_the_others(stopped):
    """Longer than a lap of the ring; then anyone ends what waits there, no oracle helping."""
    house, (first, second, *_) = stopped.house, stopped.in_area(0)
    there, buyer, *_ = stopped.in_area(1)
    for period in range(P, P + RING + 3, 2):  # each takes orders when the one before is over
        tx = live(stopped, period)
        assert fact(tx, "PeriodFinished") == (0, period)
        for member in (first, second):
            assert house.accountInPeriod(member.number, period)[0] == 0, "its hold is free"
            house.withdraw(1_000, member.sends)
        assert tuple(house.accountInPeriod(buyer.number, P)) == (400 * HOLD_RATE, 0, 400, 0, 0)
        assert stopped.money_sum() == 0
    assert house.balanceOf(first.number) > PURSE > house.balanceOf(second.number)
    stopped.auction.place(P + RING + 4, OFFER, 30, 1, there.sends)  # another slot of its own ring

    tx = end_by_anyone(stopped, 1, P)
    assert fact(tx, "PeriodFinished") == (1, P)
    assert house.accountInPeriod(buyer.number, P)[0] == 0
    assert stopped.house.periodAt(1, P % RING)["holdsMicroEur"] == 0
    assert stopped.money_sum() == 0


def test_the_slot_that_a_stopped_area_holds_is_its_own(stopped):
    """Its next period of the slot waits; that of the others does not."""
    seller, *_ = stopped.in_area(1)
    live(stopped, P)
    stopped.advance_to(P + RING - 2)
    busy = ("RingSlotBusy", 1, P + RING, P)
    assert refusal(stopped.auction.place, P + RING, OFFER, 30, 1, by=seller.account) == busy
    assert fact(live(stopped, P + RING), "PeriodFinished") == (0, P + RING)
    end_by_anyone(stopped, 1, P)
    stopped.advance_to(P + 2 * RING - 2)
    stopped.auction.place(P + 2 * RING, OFFER, 30, 1, seller.sends)


def test_a_gateway_cannot_wipe_the_orders_of_a_stopped_area(stopped):
    """An empty word for one of its groups, in another area that has the next period of the slot."""
    *_, last = stopped.in_area(1)
    order = tuple(stopped.auction.orderOf(last.number, P))
    stopped.registry.leaveMarket(last.number, last.sends)  # blank in what comes
    live(stopped, P)
    stopped.advance_to(P + RING - 2)
    stopped.auction.placeBatch(0, P + RING, [last.group << 224], {"from": stopped.gateway})
    assert tuple(stopped.auction.orderOf(last.number, P)) == order
    group = stopped.in_area(1)[0].group
    batch = (0, P + RING, [group << 224])
    refused = refusal(stopped.auction.placeBatch, *batch, by=stopped.gateway)
    assert refused == ("GroupOfOtherArea", group, 0)


def test_one_area_settles_before_the_gate_of_another_is_cleared(stopped):
    """What is not booked in an area is its own affair."""
    live(stopped, P)
    refused = refusal(stopped.settlement.settle, 1, P, 9, by=stopped.stranger)
    assert refused == ("NotBooked", stopped.auction, 1, P)
