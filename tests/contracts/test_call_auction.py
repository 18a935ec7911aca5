"""The call auction: orders until gate closure, clearing, booking after an acceptance."""

import pytest
from brownie import CallAuction

from gridbourse.chain.encoding.lanes import BID, OFFER, group_words, lanes64, order_lane
from gridbourse.model.caps import NO_CAP
from tests.contracts.market import (
    BOOKED,
    CAPACITY_WH,
    CLEARED,
    FIRST,
    GATE_CLOSURE,
    HOLD_RATE,
    HORIZON,
    MARKET,
    MTU,
    NO_VERDICT,
    OPEN,
    PURSE,
    RETAIL,
    RING,
    SPREAD,
    Market,
)
from tests.contracts.refusal import deployment_refusal, fact, refusal
from tests.model.books import BAND, LAST

MAX_GATEWAY_SEQUENCE = 247
MAX_GATEWAY_SEQUENCE = 247
P = FIRST + 2


def order(market, member, period=P):
    """(side, tick, Wh, sequence)."""
    return tuple(market.auction.orderOf(member.number, period))


def reserved(market, member):
    """(sell, buy) Wh."""
    return tuple(market.house.accountInPeriod(member.number, P))[1:3]


def phase(market, area=0):
    return market.auction.sessionOf(area, P)["phase"]


def outcome(market):
    found = market.auction.outcomeOf(0, P)
    return found["volumeWh"], found["priceTick"]


def refused_batch(market, lanes, area=0, period=P, by=None):
    words = group_words(lanes)
    by = by or market.gateway
    return refusal(market.auction.placeBatch, area, period, words, by=by)


# --- own orders --------------------------------------------------------------------------------


def test_a_participant_places_an_order(market, alice):
    tx = market.auction.place(P, BID, 30, 1_000, alice.sends)

    assert fact(tx, "OrderPlaced") == (0, P, alice.number, BID, 30, 1_000, 1)
    assert order(market, alice) == (BID, 30, 1_000, 1)
    assert reserved(market, alice) == (0, 1_000)
    assert market.house.balanceOf(alice.number) == PURSE - 1_000 * HOLD_RATE


@pytest.mark.parametrize(("side", "tick", "wh"), [(BID, 31, 400), (OFFER, 30, 400), (OFFER, 0, 1)])
def test_a_new_order_takes_the_place_of_the_former(market, alice, side, tick, wh):
    market.auction.place(P, BID, 30, 1_000, alice.sends)
    tx = market.auction.place(P, side, tick, wh, alice.sends)

    assert fact(tx, "OrderPlaced")[-1] == 2
    assert order(market, alice) == (side, tick, wh, 2)
    assert reserved(market, alice) == ((0, wh) if side == BID else (wh, 0))


def test_a_replaced_order_does_not_trade(market, alice, bob):
    market.auction.place(P, BID, 50, 1_000, alice.sends)
    market.auction.place(P, BID, 20, 300, alice.sends)
    market.auction.place(P, OFFER, 10, 5_000, bob.sends)
    market.trade(P)

    assert tuple(market.house.accountInPeriod(alice.number, P))[4] == 300


def test_a_cancelled_order_gives_everything_back(market, alice):
    market.auction.place(P, BID, 30, 1_000, alice.sends)
    tx = market.auction.cancel(P, alice.sends)

    assert fact(tx, "OrderPlaced") == (0, P, alice.number, BID, 0, 0, 2)
    assert order(market, alice) == (BID, 0, 0, 2)
    assert reserved(market, alice) == (0, 0)
    assert market.house.balanceOf(alice.number) == PURSE


def test_an_order_may_come_back_after_a_cancellation(market, alice):
    market.auction.place(P, BID, 30, 1_000, alice.sends)
    market.auction.cancel(P, alice.sends)
    market.auction.place(P, OFFER, 7, 5, alice.sends)

    assert order(market, alice) == (OFFER, 7, 5, 3)


def test_there_must_be_an_order_to_cancel(market, alice):
    error = ("NoOrder", alice.number, P)

    assert refusal(market.auction.cancel, P, by=alice.account) == error
    market.auction.place(P, BID, 30, 1_000, alice.sends)
    market.auction.cancel(P, alice.sends)
    assert refusal(market.auction.cancel, P, by=alice.account) == error


@pytest.mark.parametrize(
    ("side", "tick", "wh", "error"),
    [
        (BID, 30, 0, ("ZeroQuantity", 8)),
        (2, 30, 5, ("MalformedOrder", 8, 5)),
        (BID, 30, NO_CAP + 1, ("MalformedOrder", 8, NO_CAP + 1)),
        (BID, LAST + 1, 5, ("TickOutOfBand", 8, LAST + 1, BAND.ticks)),
        (BID, 1 << 16, 5, ("TickOutOfBand", 8, 1 << 16, BAND.ticks)),
        (OFFER, 3, CAPACITY_WH + 1, ("AboveConnectionCapacity", 8, CAPACITY_WH + 1, CAPACITY_WH)),
    ],
)
def test_an_impossible_order_is_refused(market, alice, side, tick, wh, error):
    assert refusal(market.auction.place, P, side, tick, wh, by=alice.account) == error


@pytest.mark.parametrize("tick", [0, LAST])
def test_the_edges_of_the_band_are_in_it(market, alice, tick):
    market.auction.place(P, BID, tick, 5, alice.sends)

    assert order(market, alice) == (BID, tick, 5, 1)


def test_a_stranger_has_no_orders(market):
    error = ("UnknownParticipant", market.stranger)

    assert refusal(market.auction.place, P, BID, 3, 5, by=market.stranger) == error
    assert refusal(market.auction.cancel, P, by=market.stranger) == error


def test_sequences_run_out_rather_than_over(market, alice):
    market.place(P, {alice: (BID, 3, 5)}, sequence=MAX_GATEWAY_SEQUENCE)
    for wh in range(6, 14):
        market.auction.place(P, BID, 3, wh, alice.sends)

    assert order(market, alice) == (BID, 3, 13, 255)
    refused = refusal(market.auction.place, P, BID, 3, 14, by=alice.account)
    assert refused == ("SequenceExhausted", alice.number)


def test_orders_of_one_period_leave_those_of_another(market, alice):
    market.auction.place(P, BID, 30, 1_000, alice.sends)
    market.auction.place(P + 1, OFFER, 3, 70, alice.sends)

    assert order(market, alice) == (BID, 30, 1_000, 1)
    assert order(market, alice, P + 1) == (OFFER, 3, 70, 1)


# --- gate closure ------------------------------------------------------------------------------


def test_orders_are_taken_until_gate_closure(market, alice):
    closure = P * MTU - GATE_CLOSURE
    market.advance_to(P, -GATE_CLOSURE - 1)
    market.auction.place(P, BID, 3, 5, alice.sends)
    market.close_gate(P)

    error = ("GateClosed", P, closure, closure)
    assert refusal(market.auction.place, P, BID, 3, 6, by=alice.account) == error
    assert refusal(market.auction.cancel, P, by=alice.account) == error
    assert refused_batch(market, {alice.number: order_lane(BID, 3, 6, 9)}) == error
    assert refusal(market.auction.placeSigned, 0, P, [], by=market.gateway) == error


def test_orders_are_taken_as_far_as_the_horizon(market, alice):
    last = FIRST + HORIZON

    refused = refusal(market.auction.place, last + 1, BID, 3, 5, by=alice.account)
    assert refused == ("BeyondHorizon", last + 1, last)
    market.auction.place(last, BID, 3, 5, alice.sends)


def test_nothing_is_cleared_before_gate_closure(market):
    market.advance_to(P, -GATE_CLOSURE - 1)

    assert refusal(market.auction.clear, 0, P, by=market.stranger) == ("GateStillOpen", P)


# --- batches under a mandate -------------------------------------------------------------------


def test_a_gateway_brings_the_orders_of_many(market):
    orders = {m: (i % 2, 20 + i, 100 + i) for i, m in enumerate(market.in_area(0))}
    tx = market.place(P, orders)

    assert fact(tx, "OrdersPlaced")[:4] == (0, P, market.gateway, False)
    lanes = {m.number: order_lane(*orders[m], 1) for m in orders}
    assert list(fact(tx, "OrdersPlaced")[4]) == group_words(lanes)
    assert {m: order(market, m)[:3] for m in orders} == orders


def test_an_empty_lane_changes_nothing(market, alice, bob):
    market.place(P, {alice: (BID, 30, 100), bob: (BID, 31, 100)})
    market.place(P, {alice: (BID, 32, 50)}, sequence=2)

    assert order(market, bob) == (BID, 31, 100, 1)
    assert order(market, alice) == (BID, 32, 50, 2)


@pytest.mark.parametrize("sequence", [0, 1, 4])
def test_an_order_that_was_replaced_does_not_come_back(market, alice, sequence):
    market.place(P, {alice: (BID, 30, 100)}, sequence=4)

    refused = refused_batch(market, {alice.number: order_lane(BID, 30, 900, sequence)})
    assert refused == ("StaleSequence", alice.number, sequence, 4)


def test_a_first_order_has_a_sequence_above_zero(market, alice):
    refused = refused_batch(market, {alice.number: order_lane(BID, 30, 900, 0)})
    assert refused == ("StaleSequence", alice.number, 0, 0)


def test_a_cancellation_by_a_gateway_is_an_order_of_nothing(market, alice):
    market.place(P, {alice: (BID, 30, 100)})
    market.place(P, {alice: (BID, 0, 0)}, sequence=2)

    assert order(market, alice) == (BID, 0, 0, 2)
    assert market.house.balanceOf(alice.number) == PURSE


def test_a_gateway_needs_the_mandate_of_each(market, alice, bob):
    lanes = {m.number: order_lane(BID, 30, 100, 1) for m in (alice, bob)}

    refused = refused_batch(market, lanes, by=market.other_gateway)
    assert refused == ("NoMandate", alice.number, 1, 2)
    market.registry.giveMandate(0, bob.sends)
    refused = refused_batch(market, {bob.number: lanes[bob.number]})
    assert refused == ("NoMandate", bob.number, 0, 1)


def test_who_is_no_gateway_brings_nothing(market, alice):
    for method, batch in (("placeBatch", []), ("placeSigned", [])):
        refused = refusal(getattr(market.auction, method), 0, P, batch, by=alice.account)
        assert refused == ("UnknownGateway", alice.account, 0)


def test_an_order_belongs_in_the_area_of_its_connection(market):
    other = market.in_area(1)[0]

    refused = refused_batch(market, {other.number: order_lane(BID, 30, 100, 1)})
    assert refused == ("GroupOfOtherArea", other.group, 0)
    assert refused_batch(market, {}, area=2) == ("UnknownArea", 2)


def test_bits_beyond_an_order_are_refused(market, alice):
    lane = order_lane(BID, 30, 100, 1) | 1 << 53

    assert refused_batch(market, {alice.number: lane}) == ("MalformedOrder", alice.number, lane)


def test_a_batch_of_which_nothing_goes_in_is_refused_by_its_first_error(market, alice, bob):
    lanes = {
        alice.number: order_lane(BID, LAST + 2, 100, 1),
        market.members[5].number: order_lane(BID, LAST + 1, 100, 1),
    }

    refused = refused_batch(market, lanes)
    assert refused == ("TickOutOfBand", alice.number, LAST + 2, BAND.ticks)


def test_a_part_of_a_batch_is_the_contracts_own_call(market):
    place_part, signed_part = market.auction.placePart, market.auction.placeSignedPart
    for method in (place_part, signed_part):
        refused = refusal(method, market.gateway, 0, P, [], by=market.gateway)
        assert refused == ("OnlyItself", market.gateway)


# --- clearing and booking ----------------------------------------------------------------------


def test_a_period_walks_from_open_to_booked(market, alice, bob):
    market.place(P, {alice: (BID, 40, 600), bob: (OFFER, 20, 600)})
    assert phase(market) == OPEN
    market.close_gate(P)
    cleared = market.clear(P)
    assert phase(market) == CLEARED

    told = fact(cleared, "Cleared")
    root = market.auction.bookOf(0, P)[2]
    assert told[:6] == (0, P, 0, root, 600, BAND.price(30))
    assert [tuple(margin) for margin in told[6:]] == [(40, 600, 600), (20, 600, 600)]
    assert outcome(market) == (600, 30)
    refused = refusal(market.auction.clear, 0, P, by=market.stranger)
    assert refused == ("WrongPhase", 0, P, CLEARED)

    market.accept(P)
    assert fact(market.book(P), "Booked") == (0, P, 600, 0)
    assert phase(market) == BOOKED
    assert market.auction.booked(0, P)
    for method, arguments in ((market.auction.book, (9,)), (market.auction.clear, ())):
        refused = refusal(method, 0, P, *arguments, by=market.stranger)
        assert refused == ("WrongPhase", 0, P, BOOKED)


def test_trades_move_money_at_the_uniform_price(market, alice, bob):
    market.place(P, {alice: (BID, 40, 600), bob: (OFFER, 20, 500)})
    market.trade(P)

    paid = 500 * BAND.price(40)  # the bid is rationed, so its margin sets the price
    assert [market.house.paymentOf(m.number, P) for m in (alice, bob)] == [-paid, paid]
    assert market.house.balanceOf(alice.number) == PURSE - 600 * HOLD_RATE
    assert market.house.balanceOf(bob.number) == PURSE
    assert market.house.balanceOf(SPREAD) == 0
    assert market.money_sum() == 0


def test_nothing_is_booked_before_clearing_and_before_acceptance(market, alice, bob):
    market.place(P, {alice: (BID, 40, 600), bob: (OFFER, 20, 500)})

    refused = refusal(market.auction.book, 0, P, 9, by=market.stranger)
    assert refused == ("WrongPhase", 0, P, OPEN)
    market.close_gate(P)
    market.clear(P)
    refused = refusal(market.auction.book, 0, P, 9, by=market.stranger)
    assert refused == ("NotAccepted", 0, P, NO_VERDICT, 0, 0)


def test_an_area_without_a_crossing_books_nothing_and_is_done(market, alice, bob):
    market.place(P, {alice: (BID, 19, 600), bob: (OFFER, 20, 500)})
    market.close_gate(P)
    assert fact(market.clear(P), "Cleared")[4:6] == (0, 0)
    market.accept(P)
    assert fact(market.book(P), "Booked") == (0, P, 0, 0)


def test_booking_resumes_over_ranges_of_any_size(market):
    members = market.in_area(0)
    market.place(P, {m: (i % 2, 28, 101 + i) for i, m in enumerate(members)})
    market.close_gate(P)
    market.clear(P)
    market.accept(P)
    _, fills, _ = market.auction.fillsOf(0, P)

    assert "Booked" not in market.book(P, groups=0).events
    assert "Booked" not in market.book(P, groups=1).events
    assert "Booked" not in market.book(P, groups=1).events
    assert "Booked" in market.book(P, groups=1).events
    assert [
        market.house.positionsOfGroups(0, P, [g])[0] & ((1 << 224) - 1) for g in (2, 3, 4)
    ] == list(fills)
    assert market.money_sum() == 0


def test_an_area_has_one_number(market, alice, bob):
    """A number that is the area's only in the key of the ring slot would book nobody and end the booking."""
    market.place(P, {alice: (BID, 40, 600), bob: (OFFER, 20, 600)})
    alias = (P % RING) << 64
    market.close_gate(P)
    refused = refusal(market.auction.clear, alias, P, by=market.stranger)
    assert refused == ("AreaOutOfRange", alias)
    market.clear(P)
    market.accept(P)
    refused = refusal(market.auction.book, alias, P, 9, by=market.stranger)
    assert refused == ("AreaOutOfRange", alias)
    market.book(P)
    assert market.house.paymentOf(bob.number, P) > 0


def test_the_preview_tells_what_booking_will_do(market):
    members = market.in_area(0)
    market.place(P, {m: (i % 2, 20 + (i % 3), 100 + 7 * i) for i, m in enumerate(members)})
    market.close_gate(P)
    assert [list(words) for words in market.auction.fillsOf(0, P)[1:]] == [[0] * 3, [0] * 3]
    market.clear(P)
    groups, fills, payments = map(list, market.auction.fillsOf(0, P))
    market.accept(P)
    booked = market.book(P).events["TradesBooked"]

    assert [list(booked[k]) for k in ("groups", "fills", "payments")] == [groups, fills, payments]
    assert groups == [2, 3, 4]
    assert any(fills)
    paid = [amount for word in payments for _, amount in lanes64(0, word)]
    assert any(paid)
    assert sum(paid) == 0


def test_areas_clear_apart(market, alice):
    seller, buyer = market.in_area(1)[:2]
    market.place(P, {alice: (BID, 50, 900)})
    market.place(P, {seller: (OFFER, 10, 500), buyer: (BID, 12, 400)})
    market.trade(P, 1)

    assert tuple(market.house.accountInPeriod(buyer.number, P))[4] == 400
    assert phase(market, 0) == OPEN
    market.clear(P)
    assert outcome(market) == (0, 0)


def test_a_slot_is_used_again_for_a_later_period(market, alice, bob):
    market.place(P, {alice: (BID, 40, 600), bob: (OFFER, 20, 600)})
    market.trade(P)
    market.close_gate(P + RING - 1)
    order_again = (P + RING, BID, 33, 10)
    refused = refusal(market.auction.place, *order_again, by=alice.account)
    assert refused == ("RingSlotBusy", 0, P + RING, P)

    market.trade(P, 1)
    market.meter(P, {m.number: 0 for m in market.members})
    market.settle(P)
    market.auction.place(*order_again, alice.sends)
    assert order(market, alice, P + RING) == (BID, 33, 10, 1)  # its sequence begins anew
    assert order(market, alice) == (0, 0, 0, 0)
    market.close_gate(P + RING)
    market.clear(P + RING)
    assert market.auction.outcomeOf(0, P + RING)["volumeWh"] == 0  # the old offer is gone
    assert not market.auction.booked(0, P)


# --- deployment --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"tick": 0}, ("BadBand", 80, 0, 56)),
        ({"ticks": 0}, ("BadBand", 80, 4, 0)),
        ({"ticks": 260}, ("BadBand", 80, 4, 260)),
        ({"maxRounds": 0}, ("BadRounds", 0)),
        ({"maxRounds": 256}, ("BadRounds", 256)),
    ],
)
def test_an_auction_needs_a_band_and_rounds(market, other, error):
    settings = market.auction_settings(**other)

    assert deployment_refusal(CallAuction, settings, by=market.operator) == error


def test_a_band_whose_floor_is_above_the_retail_price_takes_no_orders(market, alice):
    settings = market.auction_settings(floor=RETAIL + 1)
    auction = CallAuction.deploy(settings, {"from": market.operator})
    market.authorise(auction, MARKET)

    refused = refusal(auction.place, P, BID, 3, 5, by=alice.account)
    assert refused == ("BandAboveRetail", RETAIL + 1, RETAIL)
    # The period goes its way all the same: else its ring slot would never be free again.
    market.deliver(P)
    assert "Cleared" in auction.clear(0, P, {"from": market.stranger}).events


# --- pay as bid --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_price_market(market):
    """A market of its own where each pays and receives its own limit."""
    return Market(market.contracts, pay_as_bid=True).admit(10)


def test_pay_as_bid_leaves_a_spread_on_its_account(own_price_market):
    market = own_price_market
    a, b, c, d = market.members[:4]
    orders = {a: (OFFER, 10, 300), b: (BID, 50, 400), c: (OFFER, 20, 300), d: (BID, 30, 100)}
    market.place(P, orders)
    market.trade(P)

    received = [300 * BAND.price(10), 200 * BAND.price(20)]  # the dearer offer is rationed
    paid = [400 * BAND.price(50), 100 * BAND.price(30)]
    assert [market.house.paymentOf(m.number, P) for m in (a, c)] == received
    assert [-market.house.paymentOf(m.number, P) for m in (b, d)] == paid
    assert market.house.balanceOf(SPREAD) == sum(paid) - sum(received)
    assert market.money_sum() == 0


def test_pay_as_bid_may_book_the_offers_before_the_bids(own_price_market):
    market = own_price_market
    seller, buyer = market.members[0], market.members[9]
    market.place(P, {seller: (OFFER, 10, 300), buyer: (BID, 50, 300)})
    market.close_gate(P)
    market.clear(P)
    market.accept(P)
    for _ in range(3):
        market.book(P, groups=1)

    assert market.house.balanceOf(SPREAD) == 300 * (BAND.price(50) - BAND.price(10))
    assert market.money_sum() == 0
