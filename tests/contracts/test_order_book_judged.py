"""Trades of the order book wait for the DSO in groups, are booked or undone, and the period settles."""

import pytest
from brownie import chain

from gridbourse.model.trade import TradeWord
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
    assert market.house.paymentOf(trader.number, P) == 500 * BAND.price(35)
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
    market.close_gate(P)
    chain.sleep(VERDICT_WINDOW + 1)
    chain.mine()
    hall.contract.expire(0, P, 0, words, {"from": market.stranger})

    assert [hall.reserved(P, m) for m in (alice, bob)] == [(0, 0), (0, 0)]
    assert [market.house.balanceOf(m.number) for m in (alice, bob)] == [PURSE, PURSE]


def test_a_period_of_the_book_settles(market, hall, alice, bob):
    trades = trades_in(hall.offer(P, alice, 30, 1_000)) + trades_in(hall.bid(P, bob, 30, 1_000))
    market.trade(P)  # the pool has its say in every period as well
    hall.seal(P)
    hall.judge(P, 0, trades)
    market.deliver(P)
    readings = {alice.number: 1_000, bob.number: -1_000}
    market.meter(P, {m.number: 0 for m in market.members} | readings)
    market.settle(P)

    price = 1_000 * BAND.price(30)
    local_fee = 1_000 * 10  # zone 1
    assert market.house.balanceOf(alice.number) == PURSE + price
    assert market.house.balanceOf(bob.number) == PURSE - price - local_fee
    assert market.money_sum() == 0
