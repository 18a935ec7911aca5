"""Attacks with a gateway's or an aggregator's key by trades: what it promises of others' connections."""

import pytest
from brownie.exceptions import VirtualMachineError
from brownie.test import given
from hypothesis import settings
from hypothesis import strategies as st

from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import BID, MASK28, OFFER, energy_lane, order_lane
from gridbourse.model.agent_limit import is_within
from tests.contracts import test_aggregator_auction as auctions
from tests.contracts.bilateral_markets import Counter, Neighbours, offer_draft
from tests.contracts.market import CAPACITY_WH, FEED_IN, FIRST, RETAIL
from tests.contracts.order_books import Hall
from tests.contracts.refusal import fact, refusal
from tests.contracts.test_attack_batches import left_out, selector

P = FIRST + 2
SELL_WH, BUY_WH = 500, 300
ABOVE = "AboveAgentLimit"
SELECTOR = selector("AboveAgentLimit(uint256,uint256,uint256)")


@pytest.fixture
def victim(market):
    """Lets its gateway sell 500 and buy 300 Wh in a period, of 25 kWh that its connection carries."""
    member = market.members[0]
    market.registry.limitAgents(SELL_WH, BUY_WH, member.sends)
    return member


@pytest.fixture(scope="module")
def book(market):
    return Hall.open(market)


@pytest.fixture(scope="module")
def neighbours(market):
    return Neighbours.open(market)


@pytest.fixture(scope="module")
def over_the_counter(market):
    return Counter.open(market)


def reserved(market, member):
    """(sell, buy) Wh over all markets."""
    return tuple(market.house.accountInPeriod(member.number, P))[1:3]


def limits_of(market, member):
    return tuple(market.registry.agentLimitsOf(member.number))


def refused_in_pool(market, member, side, wh, sequence=1):
    words = [member.group << 224 | order_lane(side, 0, wh, sequence) << (56 * member.lane)]
    return refusal(market.auction.placeBatch, 0, P, words, by=market.gateway)


def new_order(member, side, wh, tick=0):
    return BookOrder(int(member.number), Action.LIMIT, side, tick, wh)


# --- what it takes -----------------------------------------------------------------------------


def test_a_gateway_cannot_sell_a_whole_connection_at_the_floor(market, victim):
    """Before: 25 kWh at feed-in to an accomplice, bought back at retail: 5.50 EUR a period. Now 0.11."""
    assert CAPACITY_WH * (RETAIL - FEED_IN) == 5_500_000
    refused = refused_in_pool(market, victim, OFFER, CAPACITY_WH)
    assert refused == (ABOVE, victim.number, CAPACITY_WH, SELL_WH)
    assert refused_in_pool(market, victim, OFFER, SELL_WH + 1)[0] == ABOVE
    market.place(P, {victim: (OFFER, 0, SELL_WH)})
    assert reserved(market, victim) == (SELL_WH, 0)
    assert SELL_WH * (RETAIL - FEED_IN) == 110_000


def test_a_gateway_cannot_buy_a_whole_connection_at_the_ceiling(market, victim):
    refused = refused_in_pool(market, victim, BID, BUY_WH + 1)
    assert refused == (ABOVE, victim.number, BUY_WH + 1, BUY_WH)
    market.place(P, {victim: (BID, 0, BUY_WH)})
    assert reserved(market, victim) == (0, BUY_WH)


def test_a_gateway_cannot_use_the_limit_in_every_market_anew(market, victim, book, neighbours):
    """Over all markets of a period, together with what the participant promised itself."""
    market.auction.place(P, OFFER, 20, 100, victim.sends)
    book.batch(P, new_order(victim, OFFER, 300))
    assert reserved(market, victim) == (400, 0)
    by, rest = market.gateway, SELL_WH - 400
    too_much = [new_order(victim, OFFER, rest + 1).pack()]
    refused = (ABOVE, victim.number, SELL_WH + 1, SELL_WH)
    assert refusal(book.contract.placeBatch, 0, P, too_much, by=by) == refused
    draft = offer_draft(victim, rest + 1, FEED_IN)
    assert refusal(neighbours.contract.list, 0, P, [draft], by=by) == refused
    neighbours.contract.list(0, P, [offer_draft(victim, rest, FEED_IN)], {"from": by})
    assert reserved(market, victim) == (SELL_WH, 0)


def test_a_gateway_cannot_raise_an_order_of_the_book_by_replacing_it(market, victim, book):
    """Nor by what its participant keeps reserved there for orders of its own."""
    book.contract.keep(P, 2_000, 0, victim.sends)
    book.offer(P, victim, 20, 100)
    assert reserved(market, victim) == (2_000, 0)
    replaced = BookOrder(int(victim.number), Action.REPLACE, 0, 20, 1_500, position=0, new_tick=0)
    refused = refusal(book.contract.placeBatch, 0, P, [replaced.pack()], by=market.gateway)
    assert refused[0] == ABOVE
    assert book.queue(P, 20) == [(victim.number, 0, 100)]


def test_a_gateway_cannot_make_a_deal_fail_by_filling_the_connection(
    market, victim, over_the_counter
):
    """Before: 25 kWh in the pool, and the seller of a deal of 24 kWh lost its margin to the buyer."""
    buyer = market.members[1]
    deal = over_the_counter.deal(victim, buyer, P, wh=CAPACITY_WH - SELL_WH,
                                 seller_margin_micro_eur=4_000_000)  # fmt: skip
    over_the_counter.conclude(deal)
    assert refused_in_pool(market, victim, OFFER, CAPACITY_WH)[0] == ABOVE
    market.place(P, {victim: (OFFER, 0, SELL_WH)})
    over_the_counter.perform(deal, P)
    assert reserved(market, victim) == (CAPACITY_WH, 0)


@pytest.mark.parametrize("batch", [False, True])
def test_a_gateway_cannot_answer_an_auction_with_a_whole_connection(market, batch):
    hall = auctions.Hall(market)
    victim, number = hall.prosumers[0], hall.post(hall.buyer, True, CAPACITY_WH, 0)
    market.registry.limitAgents(SELL_WH, 0, victim.sends)
    refused = (ABOVE, victim.number, SELL_WH + 1, SELL_WH)
    if batch:
        assert hall.refused_batch(number, market.gateway, {victim: (0, SELL_WH + 1)}) == refused
        hall.bring(number, market.gateway, {victim: (0, SELL_WH)})
    else:
        assert hall.refused(number, victim, 0, SELL_WH + 1, by=market.gateway) == refused
    hall.answer(number, victim, 0, CAPACITY_WH)  # itself it may
    assert hall.reserved(victim) == (CAPACITY_WH, 0)


def test_an_aggregator_cannot_answer_with_more_than_its_customer_lets_it(market):
    hall = auctions.Hall(market)
    victim = hall.prosumers[0]
    hall.contract_with(hall.seller, victim)
    market.registry.limitAgents(SELL_WH, 0, victim.sends)
    number = hall.post(hall.buyer, True, CAPACITY_WH, 0)
    refused = hall.refused(number, victim, 0, SELL_WH + 1, by=hall.seller.account)
    assert refused == (ABOVE, victim.number, SELL_WH + 1, SELL_WH)
    hall.contract.answer(0, P, number, victim.number, 0, SELL_WH, hall.seller.sends)
    assert hall.reserved(victim) == (SELL_WH, 0)


# --- what stays possible -----------------------------------------------------------------------


def test_one_who_lowers_its_limit_cannot_undo_the_batch_of_its_gateway(market, victim):
    others = market.in_area(0)[1:4]
    tx = market.place(P, dict.fromkeys((victim, *others), (OFFER, 30, 1_000)))
    assert left_out(tx) == [(victim.number, SELECTOR)]
    assert [market.auction.orderOf(who.number, P)[2] for who in others] == [1_000] * 3


def test_a_gateway_may_always_promise_less(market, victim):
    market.place(P, {victim: (OFFER, 30, SELL_WH)})
    market.registry.limitAgents(100, 0, victim.sends)
    market.place(P, {victim: (OFFER, 30, 400)}, sequence=2)
    assert reserved(market, victim) == (400, 0)
    market.place(P, {victim: (OFFER, 30, 0)}, sequence=3)
    assert reserved(market, victim) == (0, 0)
    assert refused_in_pool(market, victim, OFFER, 101, sequence=4)[0] == ABOVE


def test_a_participant_is_not_bound_by_what_it_lets_its_agents(market, victim, book, neighbours):
    """Its own orders in every market, in its gateway's batch too where it is the gateway itself."""
    market.auction.place(P, OFFER, 20, 1_000, victim.sends)
    book.offer(P, victim, 20, 1_000)
    neighbours.offer(P, victim, 1_000, FEED_IN)
    assert reserved(market, victim) == (3_000, 0)


def test_no_limit_is_the_connection_and_a_limit_is_told(market):
    member = market.members[0]
    assert limits_of(market, member) == (MASK28, MASK28)
    market.place(P, {member: (OFFER, 0, CAPACITY_WH)})
    tx = market.registry.limitAgents(0, 7, member.sends)
    assert fact(tx, "AgentsLimited") == (member.number, 0, 7)
    assert limits_of(market, member) == (0, 7)
    assert limits_of(market, market.members[1]) == (MASK28, MASK28)
    for pair in ((MASK28 + 1, 0), (0, MASK28 + 1)):
        refused = refusal(market.registry.limitAgents, *pair, by=member.account)
        assert refused == ("LimitOutOfRange", *pair, MASK28)
    stranger = refusal(market.registry.limitAgents, 0, 0, by=market.stranger)
    assert stranger == ("UnknownParticipant", market.stranger.address)


# --- the contract is the model -----------------------------------------------------------------

energies = st.integers(0, 2_000)


@settings(max_examples=30)
@given(rows=st.lists(st.tuples(*[energies] * 8), min_size=4, max_size=4))
def test_what_an_agent_may_promise_is_the_models(market, rows):
    """Of four of a group at once: (limits, promised beside, before, after), each sold and bought."""
    four = [member for member in market.members if member.group == market.members[0].group]
    assert len(four) == 4
    promised, released, claimed, fits = 0, 0, 0, []
    for member, row in zip(four, rows, strict=True):
        limits, beside, before, after = (row[i : i + 2] for i in range(0, 8, 2))
        market.registry.limitAgents(*limits, member.sends)
        held = [a + b for a, b in zip(beside, before, strict=True)]
        shift = 56 * member.lane
        promised |= energy_lane(*held) << shift
        released |= energy_lane(*before) << shift
        claimed |= energy_lane(*after) << shift
        fits.append(all(map(is_within, held, before, after, limits)))
    words = (four[0].group, promised, released, claimed)
    for agent, exempt in ((market.gateway, None), (four[2].account, 2)):
        expected = all(fit or lane == exempt for lane, fit in enumerate(fits))
        refused = may(market, agent, words)
        assert (refused is None) == expected
        if refused is not None:
            first = next(i for i, fit in enumerate(fits) if not fit and i != exempt)
            assert refused[:2] == (ABOVE, four[first].number)


def may(market, agent, words):
    """The refusal of an exchange by an agent; None where it may."""
    try:
        market.registry.requireWithinLimits(agent, *words)
    except VirtualMachineError:
        return refusal(market.registry.requireWithinLimits, agent, *words, by=market.stranger)
    return None
