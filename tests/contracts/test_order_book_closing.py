"""The order book after gate closure: what rests is released, what traded is judged, the period settles."""

import pytest
from brownie import chain

from gridbourse.chain.book_order import BookOrder
from gridbourse.chain.lanes import BID
from gridbourse.model.trade_word import TradeWord
from tests.contracts.market import (
    FIRST,
    PURSE,
    VERDICT_WINDOW,
)
from tests.contracts.order_books import (
    GROUP_SIZE,
    Hall,
    trades_in,
)
from tests.contracts.refusal import fact, refusal
from tests.model.books import BAND

P = FIRST + 2


@pytest.fixture(scope="module")
def hall(market):
    return Hall.open(market)


@pytest.fixture
def alice(market):
    return market.members[0]


@pytest.fixture
def bob(market):
    return market.members[1]


def test_gate_closure_ends_trading_and_anyone_releases_what_rests(market, hall, alice, bob):
    hall.bid(P, alice, 30, 600)
    hall.bid(P, alice, 29, 600)
    hall.offer(P, bob, 40, 700)
    release = hall.contract.release
    assert refusal(release, 0, P, 9, by=market.stranger) == ("GateStillOpen", P)
    market.close_gate(P)
    for call, *arguments in [
        (hall.contract.place, P, BID, 30, 100, 0),
        (hall.contract.cancel, P, 30, 0),
        (hall.contract.replace, P, 30, 0, 30, 100),
        (hall.contract.keep, P, 100, 0),
    ]:
        assert refusal(call, *arguments, by=alice.account)[0] == "GateClosed"

    tx = hall.contract.release(0, P, 1, {"from": market.stranger})  # the lowest tick first
    released = [BookOrder.unpack(word) for word in fact(tx, "BookReleased")[2]]
    assert released == [BookOrder(alice.number, tick=29, wh=600)]
    assert hall.reserved(P, alice) == (0, 600)
    hall.contract.release(0, P, 9, {"from": market.stranger})
    assert [hall.reserved(P, m) for m in (alice, bob)] == [(0, 0), (0, 0)]
    assert tuple(hall.contract.top(0, P)) == (0, 0, 0, 0)
    assert "BookReleased" not in hall.contract.release(0, P, 9, {"from": market.stranger}).events


def test_what_was_not_released_comes_back_with_the_settlement_and_not_twice(market, hall, alice):
    hall.bid(P, alice, 30, 600)
    market.trade(P)  # the pool has its say in every period as well
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})
    market.settle(P)

    assert market.house.balanceOf(alice.number) == PURSE
    refused = refusal(hall.contract.release, 0, P, 9, by=market.stranger)
    assert refused == ("SettlementBegun", P)


# --- the DSO -----------------------------------------------------------------------------------


def test_a_rejected_trade_alone_is_undone_and_what_was_traded_onward_stands(market, hall):
    seller, trader, buyer = market.members[:3]
    hall.offer(P, seller, 30, 500)
    first = trades_in(hall.bid(P, trader, 30, 500))
    hall.offer(P, trader, 35, 500)
    onward = trades_in(hall.bid(P, buyer, 35, 500))
    market.close_gate(P)
    hall.seal(P)
    hall.judge(P, 0, first + onward, rejected=0b01)

    assert hall.reserved(P, seller) == (0, 0)
    assert hall.position(P, trader) == (500, 0)  # short: that becomes imbalance
    assert hall.position(P, buyer) == (0, 500)
    assert hall.reserved(P, trader) == (500, 0)
    assert market.house.balanceOf(trader.number) == PURSE + 500 * BAND.price(35)
    assert market.house.balanceOf(seller.number) == PURSE
    assert market.money_sum() == 0


def test_a_full_group_is_sealed_and_expires_without_an_oracle(market, hall, alice, bob):
    for _ in range(GROUP_SIZE):
        hall.offer(P, alice, 30, 100)
        tx = hall.bid(P, bob, 30, 100)
    sealed = fact(tx, "GroupSealed")
    assert sealed[:4] == (0, P, 0, GROUP_SIZE)
    words = [TradeWord(alice.number, bob.number, 100, BAND.price(30)).pack()] * GROUP_SIZE
    expire = hall.contract.expire
    assert refusal(expire, 0, P, 0, words, by=market.stranger)[0] == "VerdictAwaited"
    chain.sleep(VERDICT_WINDOW + 1)
    chain.mine()
    hall.contract.expire(0, P, 0, words, {"from": market.stranger})

    assert [hall.reserved(P, m) for m in (alice, bob)] == [(0, 0), (0, 0)]
    assert [market.house.balanceOf(m.number) for m in (alice, bob)] == [PURSE, PURSE]


def test_a_period_of_the_book_settles(market, hall, alice, bob):
    trades = trades_in(hall.offer(P, alice, 30, 1_000)) + trades_in(hall.bid(P, bob, 30, 1_000))
    market.trade(P)
    market.deliver(P)
    market.meter(
        P, {m.number: 0 for m in market.members} | {alice.number: 1_000, bob.number: -1_000}
    )
    assert refusal(market.settlement.settle, 0, P, 100, by=market.stranger) == (
        "NotBooked", hall.contract.address, 0, P,
    )  # fmt: skip
    hall.seal(P)
    hall.judge(P, 0, trades)
    market.settle(P)

    price = 1_000 * BAND.price(30)
    local_fee = 1_000 * 10  # zone 1
    assert market.house.balanceOf(alice.number) == PURSE + price
    assert market.house.balanceOf(bob.number) == PURSE - price - local_fee
    assert market.money_sum() == 0
