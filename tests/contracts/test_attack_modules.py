"""Faulty and hostile modules: what one market holds no other uses up, and the timelock binds code.

The faulty market is an account that was authorised, so that it can do what no honest code would; who
could take what is in SPECIFICATION, chapter 33.
"""

import pytest
from brownie import ZERO_ADDRESS, chain, web3

from gridbourse.chain.encoding.lanes import BID, OFFER, energy_lane
from tests.contracts.market import (
    BOOKED,
    CAPACITY_WH,
    FIRST,
    HOLD_RATE,
    MARGIN,
    MARKET,
    PURSE,
    RETAIL,
    SETTLEMENT,
    SUPPLIER,
    TIMELOCK,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
GROUP = 2
LIFETIME = 14 * 86_400


@pytest.fixture(scope="module")
def faulty(market, accounts):
    market.authorise(accounts[9], MARKET)
    return accounts[9]


@pytest.fixture(scope="module")
def other(market, faulty, accounts):
    """A second market that is not the pool."""
    market.authorise(accounts[10], MARKET)
    return accounts[10]


def energies(lanes):
    return sum(energy_lane(*pair) << (56 * member.lane) for member, pair in lanes.items())


def amounts(lanes):
    return sum((value % (1 << 64)) << (64 * member.lane) for member, value in lanes.items())


def exchange(released, claimed):
    return [(GROUP, energies(released), energies(claimed))]


def settle_without_energy(market):
    """Everybody at zero."""
    for module in market.house.markets():  # those of a test have no code to say that they are done
        if module != market.auction:
            market.house.revokeModule(module, {"from": market.operator})
    if market.auction.sessionOf(0, P)["phase"] != BOOKED:
        market.trade(P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})
    return market.settle(P)


# --- reservations, positions, payments ---------------------------------------------------------


def test_a_faulty_market_cannot_give_back_what_another_reserved(market, faulty, alice):
    """It freed a bid's hold: the buyer withdrew it, and its trade had no money behind it."""
    market.place(P, {alice: (BID, 20, 5_000)})
    order = {alice: (0, 5_000)}

    refused = refusal(market.house.reserve, 0, P, ZERO_ADDRESS, exchange(order, {}), by=faulty)
    assert refused == ("ReleasedAboveReserved", GROUP, energies(order), P << 224)
    assert market.house.balanceOf(alice.number) == PURSE - 5_000 * HOLD_RATE


@pytest.mark.parametrize("pair", [(1, 0), (0, 1), (6_000, 0), (2**28 - 1, 2**28 - 1)], ids=str)
def test_a_faulty_market_cannot_give_back_more_than_it_reserved(market, faulty, alice, bob, pair):
    """A lane below zero borrowed from the next: money out of nothing."""
    market.house.activate(0, P, {"from": faulty})
    market.house.reserve(
        0, P, ZERO_ADDRESS, exchange({}, {alice: (100, 50), bob: (7, 7)}), {"from": faulty}
    )
    more = {alice: (100 + pair[0], 50 + pair[1])} if max(pair) < 10**6 else {alice: pair}

    error = refusal(market.house.reserve, 0, P, ZERO_ADDRESS, exchange(more, {}), by=faulty)
    assert error[0] == "ReleasedAboveReserved"
    market.house.reserve(0, P, ZERO_ADDRESS, exchange({alice: (100, 50)}, {}), {"from": faulty})


def test_a_faulty_market_cannot_trade_what_another_reserved(market, faulty, alice, bob):
    """It sold one's reserved energy, and the order it backed could not be booked any more."""
    market.place(P, {alice: (BID, 20, 5_000), bob: (OFFER, 20, 5_000)})
    fills = energies({alice: (0, 1), bob: (1, 0)})

    refused = refusal(market.house.book, 0, P, [GROUP], [fills], [0], by=faulty)
    assert refused[0] in {"SoldAboveReserved", "BoughtAboveReserved"}
    assert refused[2:] == (1, 0)
    market.trade(P)
    assert tuple(market.house.accountInPeriod(alice.number, P))[4] == 5_000


def test_a_faulty_market_cannot_free_the_hold_of_what_it_booked(market, faulty, alice, bob):
    market.house.activate(0, P, {"from": faulty})
    market.house.reserve(
        0, P, ZERO_ADDRESS, exchange({}, {alice: (0, 900), bob: (900, 0)}), {"from": faulty}
    )
    fills, paid = energies({alice: (0, 600), bob: (600, 0)}), 600 * RETAIL
    words = ([GROUP], [fills], [amounts({alice: -paid, bob: paid})])
    market.house.book(0, P, *words, {"from": faulty})

    refused = refusal(
        market.house.reserve, 0, P, ZERO_ADDRESS, exchange({alice: (0, 301)}, {}), by=faulty
    )
    assert refused[0] == "ReleasedAboveReserved"
    market.house.reserve(0, P, ZERO_ADDRESS, exchange({alice: (0, 300)}, {}), {"from": faulty})


def test_a_connection_is_promised_once_over_all_markets(market, faulty, other, alice):
    market.house.activate(0, P, {"from": faulty})
    for module, wh in ((faulty, 10_000), (other, 10_000)):
        market.house.reserve(0, P, ZERO_ADDRESS, exchange({}, {alice: (wh, 0)}), {"from": module})

    refused = refusal(market.auction.place, P, OFFER, 20, 5_001, by=alice.account)
    assert refused == ("AboveConnectionCapacity", alice.number, CAPACITY_WH + 1, CAPACITY_WH)
    market.auction.place(P, OFFER, 20, 5_000, alice.sends)
    assert tuple(market.house.accountInPeriod(alice.number, P))[1] == CAPACITY_WH
    assert market.house.lastReserved(alice.number, P, P + 1) == P


def test_a_faulty_market_cannot_pay_a_seller_out_of_nothing(market, faulty, accounts, alice):
    """It booked a sale that nobody pays: settlement waits for the payer, and once the market is revoked the
    sale is void. The period ends all the same."""
    house = market.house
    house.activate(0, P, {"from": faulty})
    house.reserve(0, P, ZERO_ADDRESS, exchange({}, {alice: (CAPACITY_WH, 0)}), {"from": faulty})
    paid = CAPACITY_WH * RETAIL
    words = ([GROUP], [energies({alice: (CAPACITY_WH, 0)})], [amounts({alice: paid})])
    house.book(0, P, *words, {"from": faulty})
    market.trade(P)
    market.deliver(P)
    market.meter(P, {m.number: 0 for m in market.members})
    market.authorise(accounts[11], SETTLEMENT)
    waiting = refusal(house.settle, 0, P, [], [], [], 0, by=accounts[11])
    assert waiting == ("TradesOpen", faulty, 0, P, paid)

    market.house.revokeModule(faulty, {"from": market.operator})
    settle_without_energy(market)
    assert house.balanceOf(alice.number) == PURSE  # neither paid, nor short of what it did not sell
    assert house.periodAt(0, P % house.ringSize())["holdsMicroEur"] == 0
    assert market.ledger().money_sum == 0
    assert market.ledger().gap <= 0


# --- margins -----------------------------------------------------------------------------------


def test_a_faulty_market_cannot_take_the_margins_of_another(market, faulty, other, alice, bob):
    house = market.house
    house.transfer(alice.number, MARGIN, 700, {"from": other})
    house.transfer(bob.number, MARGIN, 30, {"from": faulty})

    refused = refusal(house.transfer, MARGIN, bob.number, 31, by=faulty)
    assert refused == ("MarginOfOthers", faulty, 31, 30)
    house.transfer(MARGIN, bob.number, 30, {"from": faulty})
    assert [house.marginOf(module) for module in (faulty, other)] == [0, 700]
    assert house.balanceOf(MARGIN) == 700


def test_revoking_a_market_locks_nobodys_money(market, other, alice):
    """Margins and reservations of a revoked market were locked for good."""
    house, by = market.house, {"from": other}
    house.activate(0, P, by)
    house.reserve(0, P, ZERO_ADDRESS, exchange({}, {alice: (0, 1_000)}), by)
    house.transfer(alice.number, MARGIN, 700, by)
    house.revokeModule(other, {"from": market.operator})

    for what, arguments in (
        (house.reserve, (0, P, ZERO_ADDRESS, exchange({alice: (0, 1_000)}, {alice: (0, 1)}))),
        (house.transfer, (alice.number, MARGIN, 1)),
        (house.transfer, (SUPPLIER, alice.number, 1)),
        (house.book, (0, P, [], [], [])),
        (house.collectSpread, (0, P, 0)),
    ):
        assert refusal(what, *arguments, by=other) == ("MissingPermission", other, MARKET)
    house.reserve(0, P, ZERO_ADDRESS, exchange({alice: (0, 400)}, {}), by)
    house.transfer(MARGIN, alice.number, 700, by)
    assert house.balanceOf(alice.number) == PURSE - 600 * HOLD_RATE
    assert refusal(house.transfer, MARGIN, alice.number, 1, by=other)[0] == "MarginOfOthers"
    settle_without_energy(market)  # and what it forgot comes back with settlement
    assert house.balanceOf(alice.number) == PURSE


def test_who_never_was_a_market_gives_nothing_back(market, alice):
    market.place(P, {alice: (BID, 20, 5_000)})

    refused = refusal(
        market.house.reserve,
        0,
        P,
        ZERO_ADDRESS,
        exchange({alice: (0, 5_000)}, {}),
        by=market.stranger,
    )
    assert refused == ("MissingPermission", market.stranger, MARKET)
    refused = refusal(market.house.transfer, MARGIN, alice.number, 1, by=market.stranger)
    assert refused == ("MissingPermission", market.stranger, MARKET)


def test_a_new_market_cannot_inherit_what_a_revoked_one_holds(
    market, faulty, other, accounts, alice
):
    """All sixteen places are taken; the one of a revoked market is free once its periods are over."""
    house = market.house
    house.activate(0, P, {"from": other})
    house.reserve(0, P, ZERO_ADDRESS, exchange({}, {alice: (0, 1_000)}), {"from": other})
    house.revokeModule(other, {"from": market.operator})
    heir = accounts[11]
    market.authorise(heir, MARKET)

    refused = refusal(house.reserve, 0, P, ZERO_ADDRESS, exchange({alice: (0, 1_000)}, {}), by=heir)
    assert refused[0] == "ReleasedAboveReserved"


# --- what the timelock binds -------------------------------------------------------------------


def test_an_address_without_code_cannot_become_a_module(market):
    """What would be deployed there later, nobody could have looked at."""
    refused = refusal(market.house.proposeModule, market.stranger, MARKET, by=market.operator)
    assert refused == ("NoCode", market.stranger)


def test_code_that_changed_under_the_timelock_is_not_authorised(market):
    module, by = market.pledges, {"from": market.operator}
    tx = market.house.proposeModule(module, MARKET, by)
    proposed = fact(tx, "ModuleProposed")[4]
    code = web3.eth.get_code(module.address)
    web3.provider.make_request("anvil_setCode", [module.address, "0x6001"])
    chain.sleep(TIMELOCK)
    chain.mine()

    refused = refusal(market.house.authoriseModule, module, by=market.operator)
    found = "0x" + web3.keccak(hexstr="0x6001").hex().removeprefix("0x")
    assert refused[:2] == ("CodeChanged", module.address)
    assert ["0x" + bytes(word).hex() for word in refused[2:]] == [str(proposed), found]
    web3.provider.make_request("anvil_setCode", [module.address, "0x" + bytes(code).hex()])
    market.house.authoriseModule(module, by)


def test_a_proposal_of_long_ago_cannot_be_sprung(market):
    module, by = market.pledges, {"from": market.operator}
    due = market.house.proposeModule(module, MARKET, by).timestamp + TIMELOCK
    web3.provider.make_request("evm_setNextBlockTimestamp", [due + LIFETIME + 1])
    chain.mine()

    refused = refusal(market.house.authoriseModule, module, by=market.operator)
    assert refused == ("ProposalExpired", module.address, due + LIFETIME)
    market.house.proposeModule(module, MARKET, by)  # in public, once more
