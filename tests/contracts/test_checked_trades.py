"""Trades wait for the DSO in groups: what a verdict binds, what a rejection gives back, what expires."""

import pytest
from brownie import OrderBook, chain

from gridbourse.chain.encoding.lanes import energy_lane, group_words
from gridbourse.model.caps import NO_CAP
from gridbourse.model.trade import TradeWord
from tests.contracts.bilateral_markets import authorise
from tests.contracts.market import (
    ALGORITHM,
    FIRST,
    HOLD_RATE,
    MARKET,
    PURSE,
    REPORT,
    RING,
    VERDICT_WINDOW,
    role,
)
from tests.contracts.order_books import GROUP_SIZE, Hall, book_settings, trades_in
from tests.contracts.refusal import deployment_refusal, fact, refusal

P = FIRST + 2
TICK, WH = 5, 100
FREE = energy_lane(NO_CAP, NO_CAP)


@pytest.fixture(scope="module")
def hall(market):
    market.house.revokeModule(market.auction, {"from": market.operator})  # the book is alone here
    return Hall.open(market, maxOpen=2 * GROUP_SIZE)  # of one seller, whom others fill


@pytest.fixture
def parties(market):
    """Seller and buyer, of different groups of four."""
    return market.members[0], market.members[4]


@pytest.fixture
def trade(hall, parties):
    def made(count=1, wh=WH):
        seller, buyer = parties
        words = []
        for _ in range(count):
            hall.offer(P, seller, TICK, wh)
            words += trades_in(hall.bid(P, buyer, TICK, wh))
        return words

    return made


def ledger(hall):
    """(groups sealed, groups judged, trades in the open one)."""
    found = hall.contract.ledgerOf(0, P)
    return found["groups"], found["judged"], found["count"]


def refused_judge(hall, *verdict, caps=()):
    market = hall.market
    arguments = (hall.contract, 0, P, *verdict, ALGORITHM, REPORT, list(caps))
    return refusal(market.grid.judge, *arguments, by=market.grid_oracle)


# --- groups ------------------------------------------------------------------------------------


def test_a_group_is_full_or_sealed_by_the_oracle_or_after_gate_closure_by_anyone(hall, trade):
    market = hall.market
    trade(GROUP_SIZE + 1)
    assert ledger(hall) == (1, 0, 1)
    refused = refusal(hall.contract.sealGroup, 0, P, by=market.stranger)
    assert refused == ("MissingRole", market.stranger, role("GRID_ORACLE"))
    hall.seal(P)
    assert ledger(hall) == (2, 0, 0)
    assert hall.contract.sealedGroupOf(0, P, 1)["count"] == 1
    refused = refusal(hall.contract.sealGroup, 0, P, by=market.grid_oracle)
    assert refused == ("NothingToSeal", 0, P)

    trade()
    market.close_gate(P)
    tx = hall.contract.sealGroup(0, P, {"from": market.stranger})
    assert fact(tx, "GroupSealed")[:4] == (0, P, 2, 1)


@pytest.mark.parametrize("size", [0, 257])
def test_a_group_fits_the_bits_of_a_verdict(market, size):
    settings = book_settings(market, groupSize=size)
    refused = deployment_refusal(OrderBook, settings, by=market.operator)
    assert refused == ("BadGroupSize", size, 256)


def test_a_book_of_an_area_that_does_not_exist_is_not_entered(hall):
    refused = refusal(hall.contract.placeBatch, 2, P, [], by=hall.market.gateway)
    assert refused == ("UnknownArea", 2)


# --- verdicts ----------------------------------------------------------------------------------


def test_what_is_accepted_is_booked_and_due_at_settlement(hall, trade, parties):
    market, (seller, buyer) = hall.market, parties
    words = trade(2)
    hall.seal(P)
    before = market.balances([seller, buyer])
    tx = hall.judge(P, 0, words)

    paid = 2 * WH * market.band.price(TICK)
    assert (hall.position(P, seller), hall.position(P, buyer)) == ((2 * WH, 0), (0, 2 * WH))
    assert [market.house.paymentOf(who.number, P) for who in (seller, buyer)] == [paid, -paid]
    assert market.balances([seller, buyer]).tolist() == before.tolist()
    assert fact(tx, "GroupDecided") == (0, P, 0, 0, False)
    assert fact(tx, "TradesJudged")[:5] == (0, P, hall.contract, 0, 0)
    assert market.money_sum() == 0


def test_a_rejected_trade_alone_gives_its_reservations_back(hall, trade, parties):
    market, (seller, buyer) = hall.market, parties
    words = trade(3)
    hall.seal(P)
    hall.judge(P, 0, words, rejected=0b010)

    assert hall.position(P, seller) == hall.reserved(P, seller) == (2 * WH, 0)
    assert hall.position(P, buyer) == hall.reserved(P, buyer) == (0, 2 * WH)
    assert market.money_sum() == 0


def test_what_was_traded_onward_stands_and_becomes_imbalance(hall, market):
    """The middleman's purchase is rejected, its sale is not: it is short, and pays the supplier."""
    maker, middle, end = market.members[0], market.members[4], market.members[8]
    hall.offer(P, maker, TICK, WH)
    bought = trades_in(hall.bid(P, middle, TICK, WH))
    hall.offer(P, middle, TICK + 2, WH)
    sold = trades_in(hall.bid(P, end, TICK + 2, WH))
    hall.seal(P)
    hall.judge(P, 0, bought + sold, rejected=0b01)
    assert hall.position(P, middle) == (WH, 0)
    assert hall.position(P, maker) == hall.reserved(P, maker) == (0, 0)

    market.deliver(P)
    market.meter(P, {m.number: -WH if m is end else 0 for m in market.members})
    market.settle(P)
    price, fees = market.band.price(TICK + 2), market.prices_of([middle])
    short = WH * (price - 300 - int(fees.import_fee[0]))
    assert market.house.balanceOf(middle.number) == PURSE + short
    assert market.money_sum() == 0


def test_groups_are_judged_in_order_and_once(hall, trade):
    words = trade(2 * GROUP_SIZE)
    first, second = words[:GROUP_SIZE], words[GROUP_SIZE:]

    assert refused_judge(hall, 1, second, 0) == ("NotNextGroup", 0, P, 1, 0, 2)
    hall.judge(P, 0, first)
    assert refused_judge(hall, 0, first, 0) == ("NotNextGroup", 0, P, 0, 1, 2)
    hall.judge(P, 1, second)
    assert refused_judge(hall, 2, [], 0) == ("NotNextGroup", 0, P, 2, 2, 2)


def test_a_verdict_binds_the_trades_it_is_about(hall, trade, parties):
    words = trade(wh=WH) + trade(wh=2 * WH)
    hall.seal(P)
    root = bytes(hall.contract.sealedGroupOf(0, P, 0)["root"])
    more = TradeWord.unpack(words[0])._replace(wh=WH + 1).pack()

    for other in ([], words[:1], words[::-1], [*words, words[0]], [more, words[1]]):
        name, area, period, group, of, given = refused_judge(hall, 0, other, 0)
        assert (name, area, period, group, of) == ("OtherTrades", 0, P, 0, root)
        assert given != root
    assert refused_judge(hall, 0, words, 0b100) == ("RejectedBeyondGroup", 0b100, 2)
    assert ledger(hall) == (1, 0, 0)


def test_the_grid_oracle_contract_alone_decides(hall, trade):
    words = trade()
    hall.seal(P)
    market = hall.market

    refused = refusal(hall.contract.applyVerdict, 0, P, 0, words, 0, by=market.grid_oracle)
    assert refused == ("OnlyGridOracle", market.grid_oracle)


def test_caps_come_with_a_verdict_before_delivery_begins(hall, trade, parties):
    market, (seller, _) = hall.market, parties
    words = trade()
    hall.seal(P)
    caps = group_words({seller.number: energy_lane(WH - 1, NO_CAP)}, FREE)
    arguments = (hall.contract, 0, P, 0, words, 1, ALGORITHM, REPORT, caps)
    market.advance_to(P)
    refused = refusal(market.grid.judge, *arguments, by=market.grid_oracle)
    assert refused == ("DeliveryBegun", P, P)
    chain.undo()

    market.grid.judge(*arguments, {"from": market.grid_oracle})
    assert market.grid.verdictOf(0, P)[2]
    assert market.grid.capsOf(P, seller.group) & ((1 << 56) - 1) == energy_lane(WH - 1, NO_CAP)
    assert hall.position(P, seller) == (0, 0)


# --- no verdict --------------------------------------------------------------------------------


def test_without_a_verdict_in_time_anyone_gives_everything_back(hall, trade, parties):
    market, (seller, buyer) = hall.market, parties
    words = trade(2)
    tx = hall.seal(P)
    deadline = tx.timestamp + VERDICT_WINDOW
    held = market.house.balanceOf(buyer.number)
    assert held == PURSE - 2 * WH * HOLD_RATE
    refused = refusal(hall.contract.expire, 0, P, 0, words, by=market.stranger)
    assert refused == ("VerdictAwaited", 0, P, deadline)

    chain.sleep(VERDICT_WINDOW + 1)
    chain.mine()
    refused = refusal(hall.contract.expire, 0, P, 0, words, by=market.stranger)
    assert refused == ("VerdictAwaited", 0, P, deadline), "others still trade"
    market.close_gate(P)
    refused = refusal(hall.contract.expire, 0, P, 0, words[:1], by=market.stranger)
    assert refused[0] == "OtherTrades"
    tx = hall.contract.expire(0, P, 0, words, {"from": market.stranger})
    assert fact(tx, "GroupDecided") == (0, P, 0, 0b11, True)
    assert market.balances([seller, buyer]).tolist() == [PURSE, PURSE]
    assert (hall.reserved(P, seller), hall.reserved(P, buyer)) == ((0, 0), (0, 0))
    assert refused_judge(hall, 0, words, 0) == ("NotNextGroup", 0, P, 0, 1, 1)


# --- settlement --------------------------------------------------------------------------------


def test_nothing_settles_while_a_trade_waits(hall, trade):
    market = hall.market
    words = trade()
    assert not hall.contract.booked(0, P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})
    error = ("NotBooked", hall.contract.address, 0, P)
    assert refusal(market.settlement.settle, 0, P, 9, by=market.stranger) == error
    hall.contract.sealGroup(0, P, {"from": market.stranger})
    assert refusal(market.settlement.settle, 0, P, 9, by=market.stranger) == error

    assert refused_judge(hall, 0, words, 0) == ("DeliveryBegun", P, P + 1)
    chain.sleep(VERDICT_WINDOW + 1)
    hall.contract.expire(0, P, 0, words, {"from": market.stranger})
    assert hall.contract.booked(0, P)
    assert "Settled" in market.settle(P).events


def test_a_period_nobody_traded_in_settles(hall):
    market = hall.market
    assert not hall.contract.booked(0, P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})

    assert hall.contract.booked(0, P)
    assert "Settled" in market.settle(P).events


def test_an_area_opened_later_settles_its_own_periods(hall):
    market = hall.market
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})
    for method, rest in ((market.settlement.settle, (9,)), (market.settlement.awaitReadings, ())):
        assert refusal(method, 2, P, *rest, by=market.stranger) == ("UnknownArea", 2)
    market.registry.addArea(b"later", {"from": market.operator})

    for area in (0, 1, 2):
        assert "PeriodFinished" in market.settle(P, area).events
    assert [market.house.periodAt(area, P % RING)["settled"] for area in (0, 1, 2)] == [True] * 3


def test_the_contract_is_the_sum_over_all_markets(market):
    """Pool and order book in one period; both bind the one connection and the one account."""
    hall = Hall.open(market)
    authorise(market, market.auction)
    seller, buyer = market.members[0], market.members[4]
    market.place(P, {seller: (1, 4, 300), buyer: (0, 4, 300)})
    hall.offer(P, seller, TICK, WH)
    words = trades_in(hall.bid(P, buyer, TICK, WH))
    market.trade(P)
    hall.seal(P)
    hall.judge(P, 0, words)
    assert hall.position(P, seller) == (300 + WH, 0)
    market.deliver(P)
    market.meter(P, {seller.number: 300 + WH, buyer.number: -300 - WH})
    missing = {m.number: 0 for m in market.members if m not in (seller, buyer)}
    market.meter(P, missing)
    market.settle(P)

    paid = 300 * market.band.price(4) + WH * market.band.price(TICK)
    fee = (300 + WH) * int(market.prices_of([buyer]).local_fee[0])
    assert market.balances([seller, buyer]).tolist() == [PURSE + paid, PURSE - paid - fee]
    assert set(market.house.markets()) >= {market.auction.address, hall.contract.address}
    assert market.house.permissionsOf(hall.contract) == MARKET
