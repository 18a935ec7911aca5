"""Attacks on a participant's account: by who lost, stole or wants its key."""

import pytest
from brownie import chain

from gridbourse.chain.encoding.lanes import OFFER
from tests.contracts.market import FIRST, SUSPENDED, TIMELOCK, role, signer
from tests.contracts.order_books import Hall, rested_at, trades_in
from tests.contracts.refusal import fact, refusal

VETO, LIFE = 7 * 86_400, 14 * 86_400
NEWCOMER = 100


@pytest.fixture
def registry(market):
    return market.registry


@pytest.fixture
def fresh():
    """The new key."""
    return signer(NEWCOMER)


def suspend(market, member):
    market.registry.suspend(member.number, {"from": market.operator})


def test_who_lost_its_key_cannot_lose_its_money(market, registry, alice, fresh):
    """Before: 100 EUR behind a lost key were gone for good. Everything follows the number."""
    market.give("AGGREGATOR", alice.account)
    suspend(market, alice)
    profile = registry.profilesOf(alice.group)
    tx = registry.proposeAccount(alice.number, fresh, {"from": market.operator})
    due = tx.timestamp + VETO
    told = (alice.number, fresh, market.operator, due, due + LIFE)
    assert fact(tx, "AccountProposed") == told
    refused = refusal(registry.takeAccount, alice.number, by=fresh)
    assert refused == ("VetoRunning", alice.number, due)
    chain.sleep(VETO)
    tx = registry.takeAccount(alice.number, {"from": fresh})

    assert fact(tx, "AccountReplaced") == (alice.number, alice.account, fresh)
    assert (registry.accountOf(alice.number), registry.numberOf(fresh)) == (fresh, alice.number)
    unknown = ("UnknownParticipant", alice.account)
    assert refusal(registry.numberOf, alice.account, by=alice.account) == unknown
    assert registry.profilesOf(alice.group) == profile  # mandate, place and suspension stay
    assert registry.hasRole(role("AGGREGATOR"), fresh)
    assert not registry.hasRole(role("AGGREGATOR"), alice.account)
    registry.reinstate(alice.number, {"from": market.operator})
    assert registry.memberOf(fresh)[0] == alice.number
    registry.giveMandate(2, {"from": fresh})


def test_a_hostile_operator_cannot_take_an_account_over(market, registry, alice, fresh):
    """It has to suspend it first, for all to see, and its holder says no once in seven days."""
    refused = refusal(registry.proposeAccount, alice.number, fresh, by=market.operator)
    assert refused == ("NotSuspended", alice.number, 1)
    suspend(market, alice)
    registry.proposeAccount(alice.number, fresh, {"from": market.operator})
    tx = registry.withdrawAccount(alice.number, alice.sends)
    assert fact(tx, "AccountWithdrawn") == (alice.number, fresh, alice.account)
    chain.sleep(VETO)
    chain.mine()
    refused = refusal(registry.takeAccount, alice.number, by=fresh)
    assert refused == ("NoSuccession", alice.number, "0x" + 40 * "0", fresh)
    # A second proposal is no second chance: its time begins anew.
    registry.proposeAccount(alice.number, fresh, {"from": market.operator})
    error, *_ = refusal(registry.takeAccount, alice.number, by=fresh)
    assert error == "VetoRunning"


def test_a_thief_cannot_take_an_account_over_in_one_step(market, registry, alice, bob, fresh):
    """Whoever has the key proposes; the owner, who has it too, and the operator withdraw."""
    for saviour in (alice.account, market.operator):
        registry.proposeAccount(alice.number, fresh, alice.sends)
        registry.withdrawAccount(alice.number, {"from": saviour})
    refused = refusal(registry.withdrawAccount, alice.number, by=alice.account)
    assert refused == ("NoSuccession", alice.number, "0x" + 40 * "0", alice.account)
    stranger = ("NotItsAccount", alice.number, bob.account)
    assert refusal(registry.proposeAccount, alice.number, fresh, by=bob.account) == stranger
    assert refusal(registry.withdrawAccount, alice.number, by=bob.account) == stranger


def test_nobody_takes_a_place_that_was_not_proposed_for_it(market, registry, alice, bob, fresh):
    taken = refusal(registry.proposeAccount, alice.number, bob.account, by=alice.account)
    assert taken == ("AccountTaken", bob.account, bob.number)
    office = refusal(registry.proposeAccount, alice.number, market.dso, by=alice.account)
    assert office == ("HoldsOffice", market.dso, 3)
    unknown = refusal(registry.proposeAccount, 4_000, fresh, by=market.operator)
    assert unknown == ("UnknownNumber", 4_000)
    registry.proposeAccount(alice.number, fresh, alice.sends)
    registry.register([market.registration(NEWCOMER)], {"from": market.operator})
    chain.sleep(VETO)
    chain.mine()
    refused = refusal(registry.takeAccount, alice.number, by=fresh)
    assert refused == ("AccountTaken", fresh, registry.numberOf(fresh))


def test_a_forgotten_proposal_cannot_be_kept_in_store(registry, alice, fresh):
    due = registry.proposeAccount(alice.number, fresh, alice.sends).timestamp + VETO
    chain.sleep(VETO + LIFE)
    chain.mine()
    refused = refusal(registry.takeAccount, alice.number, by=fresh)
    assert refused == ("SuccessionExpired", alice.number, due + LIFE)


def test_a_stolen_key_orders_nothing_once_it_is_suspended_or_replaced(
    market, registry, alice, fresh
):
    registry.proposeAccount(alice.number, fresh, alice.sends)
    suspend(market, alice)
    refused = refusal(market.auction.place, FIRST + 2, 0, 3, 100, by=alice.account)
    assert refused == ("ParticipantNotActive", alice.number, SUSPENDED)
    chain.sleep(VETO)
    registry.takeAccount(alice.number, {"from": fresh})
    unknown = ("UnknownParticipant", alice.account)
    assert refusal(market.house.withdraw, 1, by=alice.account) == unknown
    assert refusal(market.auction.cancel, FIRST + 2, by=alice.account) == unknown
    assert VETO > TIMELOCK  # a household looks less often than a market's service


def test_a_replaced_key_cannot_trade_the_orders_of_its_successor(
    market, registry, alice, bob, fresh
):
    """Before: the book knew the thief's key for good, and let it replace the owner's offer of 10 Wh
    by one of 25,000 Wh at the floor, for an accomplice to buy."""
    hall, period = Hall.open(market), FIRST + 2
    hall.cancel(period, alice, 0, rested_at(hall.bid(period, alice, 0, 10)))
    hall.contract.keep(period, 0, 0, alice.sends)
    registry.proposeAccount(alice.number, fresh, alice.sends)
    suspend(market, alice)
    chain.sleep(VETO)
    registry.takeAccount(alice.number, {"from": fresh})
    registry.reinstate(alice.number, {"from": market.operator})
    own, order = {"from": fresh}, hall.contract
    position = rested_at(order.place(period, OFFER, 30, 10, 0, own))
    hall.bid(period, bob, 0, 25_000)

    unknown = ("UnknownParticipant", alice.account)
    for call, terms in (
        (order.replace, (period, 30, position, 0, 25_000)),
        (order.cancel, (period, 30, position)),
        (order.place, (period, OFFER, 0, 25_000, 0)),
        (order.keep, (period, 25_000, 0)),
    ):
        assert refusal(call, *terms, by=alice.account) == unknown
    assert hall.resting(period, OFFER) == [(alice.number, 30, 10)]
    tx = order.replace(period, 30, position, 29, 20, own)  # the owner's new key has them all
    assert trades_in(tx) == []
    order.cancel(period, 29, rested_at(tx), own)
    assert hall.resting(period, OFFER) == []
    assert hall.reserved(period, alice) == (0, 0)
