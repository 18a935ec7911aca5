"""What hostile hands do to a period while it is settled, page by page: revoke, give back, book once more."""

import pytest
from brownie import ZERO_ADDRESS, web3

from gridbourse.chain.encoding.lanes import BID, OFFER
from tests.contracts.market import FIRST, MARKET, PURSE, RING, SPREAD, SUPPLIER
from tests.contracts.order_books import Hall, trades_in
from tests.contracts.refusal import refusal
from tests.contracts.test_attack_modules import amounts, energies, exchange

P = FIRST + 2
SAYS_YES = "0x600160005260206000f3"
"""Code that answers every question with yes."""


def code(module, runtime):
    web3.provider.make_request("anvil_setCode", [str(module), runtime])


def metered(market, **other):
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members} | other)


def test_a_revoked_market_cannot_give_a_hold_back_twice(market, alice, bob):
    """Settlement gave it back; the market's own refund, which anyone may ask for, does not again."""
    hall = Hall.open(market)
    house, last = market.house, market.members[8]
    hall.offer(P, bob, 20, 10_000)
    trades = trades_in(hall.bid(P, alice, 20, 10_000))
    market.place(P, {last: (BID, 30, 11_000)})
    house.revokeModule(hall.contract, {"from": market.operator})
    market.trade(P)
    metered(market)
    market.settle(P, 0, 1)
    assert house.balanceOf(alice.number) == PURSE

    hall.contract.sealGroup(0, P, alice.sends)
    hall.contract.expire(0, P, 0, trades, alice.sends)
    assert house.balanceOf(alice.number) == PURSE
    market.settle(P)
    assert [house.balanceOf(m.number) for m in market.members] == [PURSE] * len(market.members)
    assert market.money_sum() == 0


@pytest.fixture
def faulty(market, accounts):
    """A market in service that does what it likes, and says that it is done with every period."""
    module = accounts[10]
    market.authorise(module, MARKET)
    return module


def test_a_faulty_market_cannot_move_anything_once_a_group_is_settled(market, faulty, alice, bob):
    house, last = market.house, market.members[8]
    house.activate(0, P, {"from": faulty})
    house.reserve(
        0, P, ZERO_ADDRESS, exchange({}, {alice: (0, 10_000), bob: (10_000, 0)}), {"from": faulty}
    )
    market.place(P, {last: (BID, 30, 11_000)})
    market.trade(P)
    metered(market)
    code(faulty, SAYS_YES)
    market.settle(P, 0, 1)
    code(faulty, "0x")

    house.reserve(0, P, ZERO_ADDRESS, exchange({alice: (0, 10_000)}, {}), {"from": faulty})
    assert house.balanceOf(alice.number) == PURSE, "its hold is back already"
    more = exchange({}, {bob: (1, 0)})
    refused = refusal(house.reserve, 0, P, ZERO_ADDRESS, more, by=faulty)
    assert refused == ("PeriodSettling", 0, P)
    group, words = alice.number // 4, energies({alice: (0, 10), bob: (10, 0)})
    paid = amounts({alice: -10, bob: 10})
    refused = refusal(house.book, 0, P, [group], [words], [paid], by=faulty)
    assert refused == ("PeriodSettling", 0, P)
    refused = refusal(house.bookAt, 0, P, 1, [group], [words], by=faulty)
    assert refused == ("PeriodSettling", 0, P)
    assert refusal(house.collectSpread, 0, P, 0, by=faulty) == ("PeriodSettling", 0, P)
    code(faulty, SAYS_YES)
    market.settle(P)
    code(faulty, "0x")
    market.advance_to(P + RING - 2)
    market.place(P + RING, {last: (BID, 3, 100)})  # the ring slot is free again


def test_what_is_booked_in_part_in_one_area_is_void_there_alone(market):
    """A revocation between two pages leaves no seller paid whose buyer never pays, in whichever area."""
    house = market.house
    first, second, third, fourth = (market.members[i] for i in (0, 4, 10, 14))
    market.place(P, {first: (OFFER, 30, 20_000), second: (BID, 55, 20_000)})
    market.place(P, {third: (OFFER, 30, 100), fourth: (BID, 55, 100)})
    house.withdrawHouse(SUPPLIER, house.spendableOf(SUPPLIER), {"from": market.supplier})
    for area in (0, 1):
        market.close_gate(P)
        market.clear(P, area)
        market.accept(P, area)
    market.book(P, 0)
    market.book(P, 1, 1)
    metered(market)
    waits = refusal(market.settlement.settle, 1, P, 1, by=market.stranger)
    assert waits == ("NotBooked", market.auction, 1, P)
    market.settle(P)
    traded = house.balanceOf(second.number)
    assert traded != PURSE

    house.revokeModule(market.auction, {"from": market.operator})
    market.settle(P, 1)
    assert [house.balanceOf(m.number) for m in market.in_area(1)] == [PURSE] * 5
    assert house.balanceOf(second.number) == traded, "what was settled before stands"
    assert market.money_sum() == 0


@pytest.mark.parametrize("first", [BID, OFFER], ids=["buyers first", "sellers first"])
def test_the_operator_cannot_keep_what_one_side_pays(market, first):
    """Who revokes the pool between two pages makes its book void, whichever side was booked."""
    house = market.house
    one, other = market.members[0], market.members[4]
    sides = {BID: (BID, 55, 20_000), OFFER: (OFFER, 30, 20_000)}
    market.place(P, {one: sides[first], other: sides[1 - first]})
    market.close_gate(P)
    market.clear(P)
    market.accept(P)
    market.book(P, 0, 1)
    house.revokeModule(market.auction, {"from": market.operator})
    metered(market)
    market.settle(P)
    assert house.balanceOf(SPREAD) == 0
    assert [house.balanceOf(m.number) for m in (one, other)] == [PURSE] * 2
    assert market.money_sum() == 0
