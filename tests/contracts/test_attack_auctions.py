"""Aggregators and sellers of deals against those who share their room, and bonds lost to others."""

import pytest
from brownie import AggregatorAuction, chain

from gridbourse.chain.bindings.portfolios import GATEWAY_BIT
from gridbourse.chain.encoding.lanes import BID, group_words, order_lane
from tests.contracts.bilateral_markets import Counter, anchors
from tests.contracts.market import BAND, CAPACITY_WH, FIRST, GATE_CLOSURE, PURSE, TIMELOCK, role
from tests.contracts.refusal import fact, refusal
from tests.contracts.test_aggregator_auction import (
    BOND,
    MARGIN,
    MAX_POSTED,
    MIN_WH,
    REVEAL_SECONDS,
    SALT,
    Hall,
    as_model,
)

P = FIRST + 2
MAX_PERFORMED = 3
GATEWAY = GATEWAY_BIT | 1


@pytest.fixture(scope="module")
def hall(market):
    return Hall(market)


# --- room --------------------------------------------------------------------------------------


def test_one_aggregator_cannot_take_the_auctions_of_all(hall):
    """Before: 256 auctions of 1 Wh, and no other aggregator could ask for anything in the period."""
    for _ in range(MAX_POSTED):
        hall.post(hall.buyer, True, MIN_WH, 30)
    post = hall.contract.post
    refused = refusal(post, P, True, MIN_WH, 30, False, False, by=hall.buyer.account)
    assert refused == ("TooManyOfOne", hall.buyer.number, P, MAX_POSTED)
    refused = refusal(post, P, True, MIN_WH - 1, 30, False, False, by=hall.seller.account)
    assert refused == ("QuantityOutOfRange", hall.seller.number, MIN_WH - 1, MIN_WH, (1 << 28) - 1)
    assert hall.post(hall.seller, False, 1_000, 30) == MAX_POSTED
    hall.contract.post(P + 1, True, MIN_WH, 30, False, False, hall.buyer.sends)


def test_deals_of_one_seller_cannot_starve_those_of_others(market):
    """Before: 40 deals of 1 Wh waited for the DSO one by one before an honest one."""
    counter = Counter.open(market, max_performed=MAX_PERFORMED)
    flooder, friend, honest, buyer = market.in_area(0)[:4]
    dust = counter.deal(flooder, friend, P, wh=MIN_WH - 1)
    counter.conclude(dust)
    refused = refusal(counter.contract.perform, dust.open, dust.hidden, P, by=market.operator)
    assert refused[0] == "QuantityOutOfRange"
    for number in range(MAX_PERFORMED + 1):
        deal = counter.deal(flooder, friend, P, wh=MIN_WH, salt=bytes([number]) * 32)
        counter.conclude(deal)
        tx = counter.perform(deal, P)
    owed = MIN_WH * 150  # retail price less that of the deal: the seller is in default
    assert fact(tx, "Defaulted")[1:] == (P, flooder.number, owed, owed)
    assert counter.contract.ledgerOf(0, P)["groups"] == MAX_PERFORMED

    fair = counter.deal(honest, buyer, P)
    counter.conclude(fair)
    counter.perform(fair, P)
    assert counter.contract.ledgerOf(0, P)["groups"] == MAX_PERFORMED + 1


def test_a_seller_cannot_get_out_of_a_deal_by_filling_its_own_room(market):
    """The buyer of the deal that is one too many is paid what the supplier makes it lose."""
    counter = Counter.open(market, max_performed=MAX_PERFORMED)
    seller, friend, victim = market.in_area(0)[:3]
    for number in range(MAX_PERFORMED):
        dummy = counter.deal(seller, friend, P, wh=MIN_WH, salt=bytes([number]) * 32)
        counter.conclude(dummy)
        counter.perform(dummy, P)
    forward = counter.deal(seller, victim, P)
    counter.conclude(forward)
    before = market.house.balanceOf(victim.number)
    counter.perform(forward, P)

    assert market.house.balanceOf(victim.number) - before == 1_000 * 150


# --- an aggregator and those it answers for ----------------------------------------------------


def test_an_aggregator_cannot_answer_its_own_auction_in_a_members_name(hall):
    """Before: it bought 25 kWh a member and period at its own floor, 1.87 EUR below the feed-in tariff."""
    member = hall.prosumers[0]
    hall.contract_with(hall.buyer, member)
    number = hall.post(hall.buyer, True, 1_000, 30)
    refused = hall.refused(number, member, 0, 1_000, by=hall.buyer.account)
    assert refused == ("TowardsItself", hall.buyer.number, hall.buyer.number)
    words = group_words({member.number: order_lane(BID, 0, 1_000, 1)})
    assert hall.refused_batch(number, hall.buyer.account, words) == refused
    hall.answer(number, member, 30, 1_000)


def becomes_a_gateway(market, who):
    """Whether the operator can make a participant one, in public and after the timelock."""
    registry, gateway = market.registry, role("GATEWAY")
    registry.proposeRole(gateway, who.account, {"from": market.operator})
    chain.sleep(TIMELOCK)
    chain.mine()
    refused = refusal(registry.addGateway, who.account, by=market.operator)
    assert refused == ("ParticipantHoldsNoOffice", who.account, who.number, gateway)
    return registry.hasRole(gateway, who.account)


def test_an_aggregator_that_is_a_gateway_too_cannot_either(hall, market):
    """Before: as the gateway of a member it bought from it at its own floor. It is one or the other now."""
    assert not becomes_a_gateway(market, hall.buyer)


@pytest.mark.parametrize("buys", [True, False])
def test_a_gateway_cannot_answer_the_auction_of_another_it_acts_for(hall, market, buys):
    """Before: 25 kWh at the floor in the victim's name, 6.75 EUR a period, with no allowance of anybody."""
    victim, crook, allowed = hall.prosumers[0], hall.buyer, hall.agents.allowanceOf
    market.registry.giveMandate(1, crook.sends)
    assert allowed(victim.number, GATEWAY) == allowed(crook.number, GATEWAY) == 0
    tick = 0 if buys else BAND.ticks - 1
    number = hall.post(crook, buys, CAPACITY_WH // 10, tick)
    refused = hall.refused_batch(number, market.gateway, {victim: (tick, 1_000)})
    assert refused == ("TowardsItself", GATEWAY, crook.number)
    assert hall.refused(number, victim, tick, 1_000, by=market.gateway) == refused
    assert hall.reserved(victim) == (0, 0)
    hall.answer(number, victim, tick, 100)  # itself it may
    assert [wh for _, wh, _ in as_model(buys, hall.end(number))] == [100]


def test_a_gateway_brings_answers_again_once_the_aggregator_took_its_mandate_back(hall, market):
    victim, aggregator = hall.prosumers[0], hall.buyer
    market.registry.giveMandate(1, aggregator.sends)
    number = hall.post(aggregator, True, 1_000, 20)
    assert hall.refused_batch(number, market.gateway, {victim: (5, 700)})[0] == "TowardsItself"
    market.registry.giveMandate(2, aggregator.sends)
    hall.bring(number, market.gateway, {victim: (5, 700)})
    assert hall.reserved(victim) == (700, 0)


# --- bonds -------------------------------------------------------------------------------------


@pytest.fixture
def committed(hall, market):
    """(number, who): an answer under seal, and the time to reveal it."""
    number, who = hall.post(hall.buyer, True, 1_000, 30, is_sealed=True), hall.prosumers[0]
    seal = hall.contract.commitmentTo(who.number, 20, 1_000, SALT)
    hall.contract.commit(0, P, number, seal, who.sends)
    assert market.house.balanceOf(who.number) == PURSE - BOND
    market.advance_to(P, -GATE_CLOSURE - REVEAL_SECONDS)
    return number, who


def reveal(hall, number, who):
    return hall.contract.reveal(0, P, number, 20, 1_000, SALT, who.sends)


def test_the_operator_cannot_cost_a_bond_by_naming_the_victim_a_gateway(hall, market, committed):
    """Before: the answer was refused for want of a mandate, and the bond went to the aggregator."""
    number, who = committed
    assert not becomes_a_gateway(market, who)
    reveal(hall, number, who)

    assert market.house.balanceOf(who.number) == PURSE
    assert tuple(hall.contract.answerOf(0, P, number, who.number)) == (20, 1_000)


def test_the_operator_cannot_cost_a_bond_by_suspending(hall, market, committed):
    """Before: who was suspended could not reveal, and the aggregator took the bond."""
    number, who = committed
    market.registry.suspend(who.number, {"from": market.operator})
    tx = reveal(hall, number, who)

    assert fact(tx, "BondReturned") == (0, P, number, who.number, BOND)
    assert market.house.balanceOf(who.number) == PURSE
    assert market.house.balanceOf(MARGIN) == 0
    assert hall.contract.answerOf(0, P, number, who.number)[1] == 0


def test_nobody_is_bonded_for_what_there_is_no_time_to_reveal(hall, market):
    """Before: with a reveal window of 0 every bond went to the aggregator."""
    for seconds in (0, 59):
        settings = (
            anchors(market), market.tariff, hall.portfolios, BAND.floor_micro_eur_per_wh,
            BAND.tick_micro_eur_per_wh, BAND.ticks, 64, seconds, BOND, MIN_WH, MAX_POSTED,
        )  # fmt: skip
        contract = AggregatorAuction.deploy(settings, {"from": market.operator})
        refused = refusal(contract.post, P, True, 1_000, 30, False, True, by=hall.buyer.account)
        assert refused == ("NoTimeToReveal", seconds, 60)
