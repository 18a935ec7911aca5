"""Neighbour to neighbour: the board, the pairings and their limits, the DSO's verdict one by one."""

import pytest
from brownie import chain

from gridbourse.model.trade import MOST_WH, TradeWord
from tests.contracts.bilateral_markets import (
    MAX_OPEN,
    MIN_WH,
    PV,
    SELLER,
    WIND,
    Neighbours,
    bilateral_settings,
    judge,
    offer_draft,
    request_draft,
)
from tests.contracts.market import (
    ALGORITHM,
    CAPACITY_WH,
    FEES,
    FIRST,
    GATE_CLOSURE,
    HOLD_RATE,
    HORIZON,
    MTU,
    OPERATOR,
    PURSE,
    REPORT,
    RETAIL,
    RING,
    SUSPENDED,
    VERDICT_WINDOW,
    role,
)
from tests.contracts.refusal import deployment_refusal, fact, refusal

P = FIRST + 2
WH, LEAST, MOST = 1_000, 100, 200


@pytest.fixture(scope="module")
def within(market):
    """Any price within both limits, nobody has to subscribe."""
    return Neighbours.open(market)


@pytest.fixture
def alice(market):
    return market.members[0]  # zone 0


@pytest.fixture
def bob(market):
    return market.members[1]  # zone 1


@pytest.fixture
def carol(market):
    return market.members[2]  # zone 2, below zone 1


def reserved(market, member, period=P):
    """(sell, buy) Wh."""
    return tuple(market.house.accountInPeriod(member.number, period))[1:3]


def position(market, member, period=P):
    """(sold, bought) Wh."""
    return tuple(market.house.accountInPeriod(member.number, period))[3:5]


def refused_list(neighbours, *drafts, by, area=0, period=P):
    return refusal(neighbours.contract.list, area, period, drafts, by=by)


def refused_pair(neighbours, *pairings, area=0, period=P, by=None):
    pair = neighbours.contract.pair
    return refusal(pair, area, period, pairings, by=by or neighbours.market.operator)


# --- the board ---------------------------------------------------------------------------------


def test_an_offer_reserves_energy_and_a_request_money_and_energy(market, within, alice, bob):
    tx = within.contract.list(0, P, [offer_draft(alice, WH, LEAST)], alice.sends)
    within.request(P, bob, 700, MOST)

    *place, draft = fact(tx, "Listed")
    assert (place, tuple(draft)) == ([0, P, 0], offer_draft(alice, WH, LEAST))
    assert reserved(market, alice) == (WH, 0)
    assert reserved(market, bob) == (0, 700)
    assert market.house.balanceOf(alice.number) == PURSE
    assert market.house.balanceOf(bob.number) == PURSE - 700 * HOLD_RATE


def test_listings_are_numbered_in_their_area_and_period(market, within, alice, bob, carol):
    elsewhere = market.in_area(1)[0]
    numbers = [
        within.offer(P, alice, WH, LEAST),
        within.request(P, bob, WH, MOST, zone=1, sources=PV),
        within.offer(P, carol, WH, LEAST, buyer=bob),
        within.offer(P + 1, alice, WH, LEAST),
        within.offer(P, elsewhere, WH, LEAST),
    ]

    assert numbers == [0, 1, 2, 0, 0]
    listed = within.contract.listingsOf(0, P, 0, 10)
    assert [tuple(row) for row in listed] == [
        (P, alice.number, False, WH, LEAST, 0, 0, 0),
        (P, bob.number, True, WH, MOST, 0, 1, PV),
        (P, carol.number, False, WH, LEAST, bob.number, 0, 0),
    ]
    assert [row["participant"] for row in within.contract.listingsOf(0, P, 1, 1)] == [bob.number]
    assert tuple(within.contract.listingsOf(0, P, 3, 5)) == ()
    assert tuple(within.contract.boardOf(0, P)) == (P, 3, 0)


def test_a_gateway_lists_for_those_who_gave_it_a_mandate(market, within, alice, bob):
    drafts = [offer_draft(alice, WH, LEAST), request_draft(bob, WH, MOST)]
    within.contract.list(0, P, drafts, {"from": market.gateway})

    assert [reserved(market, alice), reserved(market, bob)] == [(WH, 0), (0, WH)]
    refused = refused_list(within, *drafts, by=market.other_gateway)
    assert refused == ("NoMandate", alice.number, 1, 2)
    market.registry.giveMandate(0, bob.sends)
    assert refused_list(within, *drafts, by=market.gateway) == ("NoMandate", bob.number, 0, 1)


def test_nobody_lists_or_withdraws_for_another(market, within, alice, bob):
    listing = within.offer(P, alice, WH, LEAST)

    error = ("NotForAnother", alice.number, bob.number)
    assert refused_list(within, offer_draft(alice, WH, LEAST), by=bob.account) == error
    withdraw = within.contract.withdraw
    assert refusal(withdraw, 0, P, [listing], by=bob.account) == error
    stranger = ("UnknownParticipant", market.stranger)
    assert refused_list(within, offer_draft(alice, WH, LEAST), by=market.stranger) == stranger
    assert refusal(withdraw, 0, P, [listing], by=market.stranger) == stranger
    other = ("NoMandate", alice.number, 1, 2)
    assert refusal(withdraw, 0, P, [listing], by=market.other_gateway) == other


def test_a_listing_is_of_its_participants_area(market, within, alice):
    elsewhere = market.in_area(1)[0]

    refused = refused_list(within, offer_draft(alice, WH, LEAST), by=alice.account, area=1)
    assert refused == ("GroupOfOtherArea", alice.group, 1)
    drafts = [offer_draft(alice, WH, LEAST), offer_draft(elsewhere, WH, LEAST)]
    refused = refused_list(within, *drafts, by=market.gateway)
    assert refused == ("GroupOfOtherArea", elsewhere.group, 0)
    refused = refused_list(within, offer_draft(alice, WH, LEAST), by=alice.account, area=2)
    assert refused == ("UnknownArea", 2)


@pytest.mark.parametrize(
    ("draft", "error"),
    [
        ((False, MIN_WH - 1, 0, 0, 0, 0), ("QuantityOutOfRange", 8, MIN_WH - 1, MIN_WH, MOST_WH)),
        ((True, 0, 0, 0, 0, 0), ("QuantityOutOfRange", 8, 0, MIN_WH, MOST_WH)),
        ((True, 1 << 28, 9, 0, 0, 0), ("QuantityOutOfRange", 8, 1 << 28, MIN_WH, MOST_WH)),
        ((False, 50, RETAIL + 1, 0, 0, 0), ("PriceAboveRetail", 8, RETAIL + 1, RETAIL)),
        ((True, 50, 65_535, 0, 0, 0), ("PriceAboveRetail", 8, 65_535, RETAIL)),
        ((False, 50, 9, 0, 1, 0), ("ClaimedBySeller", 8, 1, 0)),
        ((False, 50, 9, 0, 0, PV), ("ClaimedBySeller", 8, 0, PV)),
        ((True, 50, 9, 0, 3, 0), ("UnknownZone", 3)),
        ((False, CAPACITY_WH + 1, 9, 0, 0, 0),
         ("AboveConnectionCapacity", 8, CAPACITY_WH + 1, CAPACITY_WH)),
    ],
)  # fmt: skip
def test_an_impossible_listing_is_refused(market, within, alice, draft, error):
    assert refused_list(within, (alice.number, *draft), by=alice.account) == error
    # One bad draft takes the good one before it along.
    good = offer_draft(alice, WH, LEAST)
    if error[0] != "AboveConnectionCapacity":
        assert refused_list(within, good, (alice.number, *draft), by=alice.account) == error


def test_the_edges_of_a_listing_are_in(within, alice, bob):
    assert within.offer(P, alice, MIN_WH, RETAIL) == 0
    assert within.request(P, bob, CAPACITY_WH, 0, zone=2, sources=(1 << 64) - 1) == 1


def test_a_participant_has_only_so_many_open_listings_a_period(within, alice, bob):
    for _ in range(MAX_OPEN):
        last = within.offer(P, alice, WH, LEAST)

    one_more = offer_draft(alice, WH, LEAST)
    error = ("TooManyOpen", alice.number, P, MAX_OPEN)
    assert refused_list(within, one_more, by=alice.account) == error
    within.offer(P + 1, alice, WH, LEAST)
    within.offer(P, bob, WH, LEAST)
    within.contract.withdraw(0, P, [last], alice.sends)
    within.offer(P, alice, WH, LEAST)
    assert within.contract.countsOf(alice.number, P)[0] == MAX_OPEN


def test_a_listing_paired_whole_is_open_no_more(within, alice, bob):
    offer, request = within.offer(P, alice, WH, LEAST), within.request(P, bob, WH, MOST)
    within.pair(P, (offer, request, WH - 1, LEAST))
    assert within.contract.countsOf(alice.number, P)[0] == 1
    within.pair(P, (offer, request, 1, LEAST))

    assert within.contract.countsOf(alice.number, P)[0] == 0
    assert within.contract.countsOf(bob.number, P)[0] == 0
    assert within.left(P, offer) == within.left(P, request) == 0


def test_nobody_lists_without_money(market, within, alice):
    market.house.withdraw(PURSE - HOLD_RATE * MIN_WH + 1, alice.sends)

    free = HOLD_RATE * MIN_WH - 1
    refused = refused_list(within, request_draft(alice, MIN_WH, 0), by=alice.account)
    assert refused == ("InsufficientMoney", alice.number, free, free + 1)
    within.offer(P, alice, MIN_WH, 0)


def test_who_is_suspended_does_not_list_but_withdraws(market, within, alice):
    listing = within.offer(P, alice, WH, LEAST)
    market.registry.suspend(alice.number, {"from": market.operator})

    refused = refused_list(within, offer_draft(alice, WH, LEAST), by=alice.account)
    assert refused == ("ParticipantNotActive", alice.number, SUSPENDED)
    within.contract.withdraw(0, P, [listing], alice.sends)
    assert reserved(market, alice) == (0, 0)


def test_a_withdrawn_listing_gives_back_what_is_left_of_it(market, within, alice, bob):
    offer, request = within.offer(P, alice, WH, LEAST), within.request(P, bob, 400, MOST)
    within.pair(P, (offer, request, 300, LEAST))
    tx = within.contract.withdraw(0, P, [offer], alice.sends)
    within.contract.withdraw(0, P, [request], {"from": market.gateway})

    assert fact(tx, "ListingWithdrawn") == (0, P, offer, WH - 300)
    assert [reserved(market, alice), reserved(market, bob)] == [(300, 0), (0, 300)]
    error = ("NoListing", 0, P, offer)
    assert refusal(within.contract.withdraw, 0, P, [offer], by=alice.account) == error
    assert refused_pair(within, (offer, request, 1, LEAST)) == ("NothingPaired", 0, P)


def test_a_listing_is_withdrawn_once(market, within, alice):
    listing = within.offer(P, alice, WH, LEAST)
    within.offer(P, alice, WH, LEAST)

    twice = refusal(within.contract.withdraw, 0, P, [listing, listing], by=alice.account)
    assert twice == ("NoListing", 0, P, listing)
    missing = refusal(within.contract.withdraw, 0, P, [2], by=alice.account)
    assert missing == ("NoListing", 0, P, 2)


# --- pairings ----------------------------------------------------------------------------------


def test_one_seller_has_many_buyers_and_the_reverse(market, within, alice, bob, carol):
    dora = market.members[3]
    offers = [within.offer(P, alice, WH, LEAST), within.offer(P, dora, 500, LEAST)]
    requests = [within.request(P, bob, 800, MOST), within.request(P, carol, 600, MOST)]
    tx = within.pair(
        P,
        (offers[0], requests[0], 600, LEAST),
        (offers[0], requests[1], 400, MOST),
        (offers[1], requests[0], 200, 150),
    )

    trades = [
        TradeWord(alice.number, bob.number, 600, LEAST),
        TradeWord(alice.number, carol.number, 400, MOST),
        TradeWord(dora.number, bob.number, 200, 150),
    ]
    told = [tuple(event.values()) for event in tx.events["Paired"]]
    assert told == [
        (0, P, 0, trades[0].pack(), offers[0], requests[0]),
        (0, P, 1, trades[1].pack(), offers[0], requests[1]),
        (0, P, 2, trades[2].pack(), offers[1], requests[0]),
    ]
    assert [within.left(P, n) for n in (*offers, *requests)] == [0, 300, 0, 200]
    judge(market, within.contract, P, trades)
    assert position(market, alice) == (WH, 0)
    assert position(market, bob) == (0, 800)
    assert market.house.paymentOf(alice.number, P) == 600 * LEAST + 400 * MOST
    assert market.money_sum() == 0


def limits(within, alice, bob):
    """An offer and a request that may be paired at LEAST .. MOST."""
    return within.offer(P, alice, WH, LEAST), within.request(P, bob, WH, MOST)


def test_only_the_operator_pairs(market, within, alice, bob):
    pairing = (*limits(within, alice, bob), WH, LEAST)

    for caller in (alice.account, market.gateway, market.stranger, market.dso):
        refused = refused_pair(within, pairing, by=caller)
        assert refused == ("MissingRole", caller, role("OPERATOR"))


@pytest.mark.parametrize(
    ("wh", "price", "error"),
    [
        (0, LEAST, ("EmptyPairing", 0, 1)),
        (WH - 1, LEAST - 1, ("PriceBelowOffer", 0, LEAST - 1, LEAST)),
        (WH - 1, MOST + 1, ("PriceAboveRequest", 1, MOST + 1, MOST)),
    ],
)
def test_a_pairing_keeps_to_both_limits(market, within, alice, bob, wh, price, error):
    offer, request = limits(within, alice, bob)

    assert refused_pair(within, (offer, request, wh, price)) == error
    # With a good one before it, none of the two goes through.
    both = refused_pair(within, (offer, request, 1, LEAST), (offer, request, wh, price))
    assert both == error
    assert within.left(P, offer) == within.left(P, request) == WH
    assert within.contract.ledgerOf(0, P)["groups"] == 0
    within.pair(P, (offer, request, WH - 1, LEAST), (offer, request, 1, MOST))


def test_no_more_is_paired_than_is_asked_for(within, alice, bob):
    offer, request = within.offer(P, alice, WH, LEAST), within.request(P, bob, 400, MOST)

    assert refused_pair(within, (offer, request, 401, LEAST)) == ("NothingPaired", 0, P)
    tx = within.pair(P, (offer, request, 300, LEAST), (offer, request, 300, LEAST))
    assert fact(tx, "PairingStale") == (0, P, offer, request, 300)
    assert (within.left(P, offer), within.left(P, request)) == (WH - 300, 100)


def test_sides_cannot_be_swapped(within, alice, bob):
    offer, request = limits(within, alice, bob)

    assert refused_pair(within, (request, offer, WH, LEAST)) == ("NotAnOffer", request)
    assert refused_pair(within, (offer, offer, WH, LEAST)) == ("NotARequest", offer)
    assert refused_pair(within, (offer, 2, WH, LEAST)) == ("NoListing", 0, P, 2)
    other_period = refused_pair(within, (offer, request, WH, LEAST), period=P + 1)
    assert other_period == ("NoListing", 0, P + 1, offer)
    other_area = refused_pair(within, (offer, request, WH, LEAST), area=1)
    assert other_area == ("NoListing", 1, P, offer)
    assert refused_pair(within, area=2) == ("UnknownArea", 2)


def test_nobody_trades_with_itself(within, alice):
    offer, request = within.offer(P, alice, WH, LEAST), within.request(P, alice, WH, MOST)

    assert refused_pair(within, (offer, request, WH, LEAST)) == ("SelfTrade", alice.number)


def test_a_directed_offer_is_for_its_buyer_alone(within, alice, bob, carol):
    offer = within.offer(P, alice, WH, LEAST, buyer=carol)
    of_bob, of_carol = (within.request(P, who, WH, MOST) for who in (bob, carol))

    refused = refused_pair(within, (offer, of_bob, WH, LEAST))
    assert refused == ("OtherPartner", offer, bob.number, carol.number)
    within.pair(P, (offer, of_carol, WH, LEAST))


def test_a_request_may_name_its_seller(within, alice, bob, carol):
    of_alice, of_carol = (within.offer(P, who, WH, LEAST) for who in (alice, carol))
    request = within.request(P, bob, WH, MOST, seller=carol)

    refused = refused_pair(within, (of_alice, request, WH, LEAST))
    assert refused == ("OtherPartner", request, alice.number, carol.number)
    within.pair(P, (of_carol, request, WH, LEAST))


@pytest.mark.parametrize(
    ("attested", "accepted", "fits"),
    [
        (0, 0, True), (PV, 0, True), (PV, PV, True), (PV, PV | WIND, True), (PV | WIND, PV | WIND, True),
        (0, PV, False), (WIND, PV, False), (PV | WIND, PV, False), (1 << 200, (1 << 64) - 1, False),
    ],
)  # fmt: skip
def test_sources_are_attested_never_claimed(market, within, alice, bob, attested, accepted, fits):
    offer = within.offer(P, alice, WH, LEAST)
    request = within.request(P, bob, WH, MOST, sources=accepted)
    market.registry.attest(alice.number, attested, {"from": market.operator})

    if fits:
        within.pair(P, (offer, request, WH, LEAST))
    else:
        refused = refused_pair(within, (offer, request, WH, LEAST))
        assert refused == ("SourceNotAccepted", request, alice.number, attested, accepted)


@pytest.mark.parametrize(
    ("seller_zone", "wished", "fits"),
    [
        (0, 0, True), (1, 0, True), (2, 0, True), (1, 1, True), (2, 1, True), (2, 2, True),
        (0, 1, False), (0, 2, False), (1, 2, False),
    ],
)  # fmt: skip
def test_the_seller_is_in_the_zone_asked_for_or_below_it(market, within, seller_zone, wished, fits):
    seller, buyer = market.members[seller_zone], market.members[3]
    offer = within.offer(P, seller, WH, LEAST)
    request = within.request(P, buyer, WH, MOST, zone=wished)

    if fits:
        within.pair(P, (offer, request, WH, LEAST))
    else:
        refused = refused_pair(within, (offer, request, WH, LEAST))
        assert refused == ("OutsideZone", request, seller.number, seller_zone, wished)


def test_without_an_energy_margin_the_price_is_the_sellers(market, alice, bob):
    vandebron = Neighbours.open(market, priceRule=SELLER)
    offer, request = limits(vandebron, alice, bob)

    refused = refused_pair(vandebron, (offer, request, WH, LEAST + 1))
    assert refused == ("NotTheSellersPrice", offer, LEAST + 1, LEAST)
    vandebron.pair(P, (offer, request, WH, LEAST))


# --- the DSO -----------------------------------------------------------------------------------


def paired(within, alice, bob, wh=WH, price=150):
    offer, request = limits(within, alice, bob)
    within.pair(P, (offer, request, wh, price))
    return TradeWord(alice.number, bob.number, wh, price)


def test_a_rejected_trade_gives_both_sides_their_reservations_back(market, within, alice, bob):
    trade = paired(within, alice, bob, wh=600)
    judge(market, within.contract, P, [trade], rejected=(0,))

    assert [reserved(market, alice), reserved(market, bob)] == [(WH - 600, 0), (0, WH - 600)]
    assert position(market, alice) == position(market, bob) == (0, 0)
    # It does not go back on the board.
    assert [within.left(P, n) for n in (0, 1)] == [WH - 600, WH - 600]


def test_trades_are_judged_one_by_one_and_in_order(market, within, alice, bob):
    offer, request = limits(within, alice, bob)
    within.pair(
        P, (offer, request, 100, 150), (offer, request, 200, 150), (offer, request, 50, 150)
    )
    words = [TradeWord(alice.number, bob.number, wh, 150).pack() for wh in (100, 200, 50)]

    def refused(group, *trades, rejected=0):
        verdict = (group, trades, rejected, ALGORITHM, REPORT, [])
        judge_ = market.grid.judge
        return refusal(judge_, within.contract, 0, P, *verdict, by=market.grid_oracle)

    assert refused(1, words[1]) == ("NotNextGroup", 0, P, 1, 0, 3)
    assert refused(0, words[1])[0] == "OtherTrades"
    assert refused(0, words[0], words[1])[0] == "OtherTrades"
    assert refused(0, words[0], rejected=2) == ("RejectedBeyondGroup", 2, 1)
    judge(market, within.contract, P, [TradeWord.unpack(w) for w in words], rejected=(1,))
    assert position(market, alice) == (150, 0)
    assert refused(3, words[0]) == ("NotNextGroup", 0, P, 3, 3, 3)


def test_without_an_oracle_a_trade_expires(market, within, alice, bob):
    trade = paired(within, alice, bob)
    arguments = (0, P, 0, [trade.pack()])

    early = refusal(within.contract.expire, *arguments, by=market.stranger)
    assert early[:3] == ("VerdictAwaited", 0, P)
    market.close_gate(P)
    chain.sleep(VERDICT_WINDOW + 1)
    tx = within.contract.expire(*arguments, {"from": market.stranger})
    assert fact(tx, "GroupDecided") == (0, P, 0, 1, True)
    assert reserved(market, alice) == reserved(market, bob) == (0, 0)
    assert market.house.balanceOf(bob.number) == PURSE


# --- after gate closure ------------------------------------------------------------------------


def test_gate_closure_ends_listing_pairing_and_withdrawing(market, within, alice, bob):
    offer, request = limits(within, alice, bob)
    market.close_gate(P)

    closure = P * MTU - GATE_CLOSURE
    error = ("GateClosed", P, closure, closure)
    assert refused_list(within, offer_draft(alice, WH, LEAST), by=alice.account) == error
    assert refused_pair(within, (offer, request, WH, LEAST)) == error
    assert refusal(within.contract.withdraw, 0, P, [offer], by=alice.account) == error


def test_listings_are_taken_as_far_as_the_horizon(market, within, alice):
    last = FIRST + HORIZON
    draft = offer_draft(alice, WH, LEAST)

    refused = refused_list(within, draft, by=alice.account, period=last + 1)
    assert refused == ("BeyondHorizon", last + 1, last)
    within.offer(last, alice, WH, LEAST)


def test_what_was_not_paired_is_released_page_by_page(market, within, alice, bob, carol):
    offer, request = limits(within, alice, bob)
    within.request(P, carol, 50, MOST)
    within.pair(P, (offer, request, WH, LEAST))
    within.offer(P, alice, 300, LEAST)
    early = refusal(within.contract.release, 0, P, 9, by=market.stranger)
    assert early == ("GateStillOpen", P)
    market.close_gate(P)
    by = {"from": market.stranger}
    pages = [fact(within.contract.release(0, P, 3, by), "ListingsReleased") for _ in range(2)]

    assert pages == [(0, P, 0, 3), (0, P, 3, 4)]
    assert [reserved(market, alice), reserved(market, bob)] == [(WH, 0), (0, WH)]
    assert market.house.balanceOf(carol.number) == PURSE
    nothing = refusal(within.contract.release, 0, P, 9, by=market.stranger)
    assert nothing == ("NothingToRelease", 0, P)
    assert refusal(within.contract.release, 1, P, 9, by=market.stranger) == (
        "NothingToRelease",
        1,
        P,
    )


def test_no_page_is_empty(market, within, alice):
    within.offer(P, alice, WH, LEAST)
    market.close_gate(P)

    refused = refusal(within.contract.release, 0, P, 0, by=market.stranger)
    assert refused == ("NothingToRelease", 0, P)


def finish(market, within, trade):
    """Judged, with the pool beside it empty, metered as contracted."""
    judge(market, within.contract, P, [trade])
    for area in (0, 1):
        market.trade(P, area)
    market.deliver(P)
    readings = {m.number: 0 for m in market.members}
    market.meter(P, readings | {trade.seller: trade.wh, trade.buyer: -trade.wh})


def test_settlement_waits_for_every_trade(market, within, alice, bob):
    trade = paired(within, alice, bob)
    market.trade(P)
    market.deliver(P)

    refused = refusal(market.settlement.settle, 0, P, 9, by=market.stranger)
    assert refused == ("NotBooked", within.contract, 0, P)
    assert not within.contract.booked(0, P)
    chain.sleep(VERDICT_WINDOW + 1)
    within.contract.expire(0, P, 0, [trade.pack()], {"from": market.stranger})
    assert within.contract.booked(0, P)


def test_settlement_gives_back_what_nobody_released(market, within, alice, bob, carol):
    trade = paired(within, alice, bob, price=150)
    within.request(P, carol, 5_000, MOST)
    finish(market, within, trade)
    market.settle(P)

    late = refusal(within.contract.release, 0, P, 9, by=market.stranger)
    assert late == ("SettlementBegun", 0, P)
    assert market.house.balanceOf(carol.number) == PURSE
    # Who sells to a neighbour pays no fee; who buys pays the local fee of its zone.
    assert market.house.balanceOf(alice.number) == PURSE + WH * 150
    assert market.house.balanceOf(bob.number) == PURSE - WH * (150 + FEES[bob.zone][1])
    market.settle(P, area=1)
    assert market.money_sum() == 0


def test_a_ring_slot_comes_round_with_an_empty_board(market, within, alice, bob):
    trade = paired(within, alice, bob)
    within.offer(P, alice, 300, LEAST)
    finish(market, within, trade)
    market.settle(P)
    again = P + RING
    market.advance_to(again - 2)

    assert tuple(within.contract.boardOf(0, again)) == (again, 0, 0)
    assert within.contract.countsOf(alice.number, again)[0] == 0
    assert within.offer(again, alice, WH, LEAST) == 0
    gone = refused_pair(within, (0, 1, 1, LEAST), period=again)
    assert gone == ("NoListing", 0, again, 1)


# --- subscriptions and rules -------------------------------------------------------------------


@pytest.fixture(scope="module")
def club(market):
    """Both sides subscribe: 2 000 µEUR a period."""
    return Neighbours.open(market, subscription=2_000)


def test_only_subscribers_list(market, club, alice):
    draft = offer_draft(alice, WH, LEAST)
    assert refused_list(club, draft, by=alice.account) == ("NotSubscribed", alice.number, P, 0)

    tx = club.contract.subscribe(2, alice.sends)
    until = FIRST + 3  # the next open period is FIRST + 1
    assert fact(tx, "Subscribed") == (alice.number, FIRST + 1, until, 4_000)
    assert market.house.balanceOf(alice.number) == PURSE - 4_000
    assert market.house.balanceOf(OPERATOR) == 4_000
    club.offer(until - 1, alice, WH, LEAST)
    after = refused_list(club, draft, by=alice.account, period=until)
    assert after == ("NotSubscribed", alice.number, until, until)


def test_a_subscription_is_extended_from_its_end(market, club, alice):
    club.contract.subscribe(2, alice.sends)
    tx = club.contract.subscribe(3, alice.sends)
    assert fact(tx, "Subscribed") == (alice.number, FIRST + 3, FIRST + 6, 6_000)
    market.advance_to(FIRST + 20)
    tx = club.contract.subscribe(1, alice.sends)

    assert fact(tx, "Subscribed") == (alice.number, FIRST + 21, FIRST + 22, 2_000)
    assert club.contract.subscribedUntil(alice.number) == FIRST + 22


def test_a_subscription_is_paid_or_there_is_none(market, club, within, alice):
    subscribe = club.contract.subscribe
    market.house.withdraw(PURSE - 3_999, alice.sends)

    assert refusal(subscribe, 2, by=alice.account) == (
        "InsufficientMoney",
        alice.number,
        3_999,
        4_000,
    )
    assert club.contract.subscribedUntil(alice.number) == 0
    nothing = ("NothingToSubscribe", alice.number, 0, 2_000)
    assert refusal(subscribe, 0, by=alice.account) == nothing
    assert refusal(subscribe, 1, by=market.stranger) == ("UnknownParticipant", market.stranger)
    free = refusal(within.contract.subscribe, 1, by=alice.account)
    assert free == ("NothingToSubscribe", alice.number, 1, 0)


@pytest.mark.parametrize(
    ("rules", "values"),
    [
        ({"minWh": 0}, (0, MAX_OPEN)),
        ({"minWh": MOST_WH + 1}, (MOST_WH + 1, MAX_OPEN)),
        ({"maxOpen": 0}, (MIN_WH, 0)),
        ({"maxOpen": 1 << 16}, (MIN_WH, 1 << 16)),
    ],
)
def test_a_market_without_limits_is_refused(market, rules, values):
    settings = bilateral_settings(market, **rules)

    refused = deployment_refusal(market.contracts.BilateralMarket, settings, by=market.operator)
    assert refused == ("BadLimits", *values)
