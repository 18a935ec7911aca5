"""One member, or its gateway, against the others of a batch, and a gateway against its principal."""

import pytest
from brownie import chain, web3
from brownie.exceptions import VirtualMachineError
from eth_account import Account

from gridbourse.chain.encoding.lanes import BID, OFFER, group_words, order_lane
from gridbourse.chain.encoding.signed_orders import OrderTerms, order_domain, sign_order
from tests.contracts.bilateral_markets import Neighbours
from tests.contracts.market import FIRST, HOLD_RATE, PURSE
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
MAX_GATEWAY_SEQUENCE, MAX_SEQUENCE = 247, 255
INSUFFICIENT = "InsufficientMoney(uint256,int256,uint256)"


def selector(error):
    return bytes(web3.keccak(text=error)[:4])


def order(market, member, period=P):
    return tuple(market.auction.orderOf(member.number, period))


def left_out(tx):
    """(participant, selector of the error) of the orders a batch went in without."""
    rows = []
    events = tx.events["OrderLeftOut"] if "OrderLeftOut" in tx.events else []  # noqa: SIM401
    for event in events:
        group, lanes = event["word"] >> 224, event["word"] & (1 << 224) - 1
        (lane,) = [lane for lane in range(4) if lanes >> (56 * lane) & (1 << 56) - 1]
        rows.append((group * 4 + lane, bytes(event["reason"])[:4]))
    return rows


# --- one member against the others of its gateway ----------------------------------------------


@pytest.mark.parametrize("place", [0, 3, 9])
def test_who_withdraws_its_money_cannot_keep_its_neighbours_out_of_the_market(market, place):
    """Before: one withdrawal in the block before, and no order of the whole batch went in."""
    members = market.in_area(0)
    poor = members[place]
    market.house.withdraw(PURSE, poor.sends)
    tx = market.place(P, dict.fromkeys(members, (BID, 30, 100)))

    assert left_out(tx) == [(poor.number, selector(INSUFFICIENT))]
    assert order(market, poor) == (0, 0, 0, 0)
    for member in members:
        if member is not poor:
            assert order(market, member) == (BID, 30, 100, 1)
            assert market.house.balanceOf(member.number) == PURSE - 100 * HOLD_RATE


def test_who_changes_its_gateway_cannot_undo_the_batch_of_the_former_one(market):
    members = market.in_area(0)
    for gone in (members[1], members[6]):
        market.registry.giveMandate(0, gone.sends)
    tx = market.place(P, dict.fromkeys(members, (OFFER, 30, 100)))

    assert [who for who, _ in left_out(tx)] == [members[1].number, members[6].number]
    placed = [member for member in members if order(market, member)[2]]
    assert len(placed) == 8
    market.close_gate(P)
    market.clear(P)
    market.accept(P)
    market.book(P)
    assert market.money_sum() == 0


def test_who_left_cannot_undo_the_batch_of_its_former_gateway(market):
    """In an area other than 0 too: its profile is blank, which reads as area 0."""
    members = market.in_area(1)
    market.registry.leaveMarket(members[1].number, members[1].sends)
    stale = {m.number: order_lane(BID, 30, 0 if m is members[1] else 100, 1) for m in members}
    tx = market.auction.placeBatch(1, P, group_words(stale), {"from": market.gateway})

    assert [who for who, _ in left_out(tx)] == [members[1].number]
    assert [order(market, m)[2] for m in members if m is not members[1]] == [100] * (
        len(members) - 1
    )


def test_a_signature_that_ran_out_cannot_undo_those_of_others(market):
    members, now = market.in_area(0)[:5], chain[-1].timestamp
    domain = order_domain(web3.eth.chain_id, market.auction.address)
    gateway, signed = market.gateway.address, []
    for member in members:
        expiry = now - 1 if member is members[2] else now + 3_600
        terms = OrderTerms(0, P, member.number, BID, 30, 100, 1, gateway, expiry)
        signed.append(sign_order(Account.from_key(member.account.private_key), domain, terms))
    tx = market.auction.placeSigned(0, P, signed, {"from": market.gateway})

    assert [who for who, _ in left_out(tx)] == [members[2].number]
    assert [order(market, member)[2] for member in members] == [100, 100, 0, 100, 100]


def test_a_batch_without_a_stale_member_costs_what_it_did(market):
    tx = market.place(P, dict.fromkeys(market.in_area(0), (BID, 30, 100)))
    assert left_out(tx) == []
    assert len(tx.events["OrdersPlaced"]) == 1


def test_a_gateway_cannot_leave_orders_out_by_sending_too_little_gas(market):
    """Running out of gas is no reason to leave an order out: then nothing of the batch goes in."""
    words = group_words({m.number: order_lane(BID, 30, 100, 1) for m in market.in_area(0)})
    send = market.auction.placeBatch
    enough = send(0, P, words, {"from": market.gateway}).gas_used
    chain.undo()
    for gas in range(60_000, enough, enough // 12):
        try:
            send(0, P, words, {"from": market.gateway, "gas_limit": gas})
            expected = 10
        except VirtualMachineError:
            expected = 0
        assert sum(order(market, member)[2] > 0 for member in market.in_area(0)) == expected
        if expected:
            break


def test_one_stale_listing_cannot_undo_all_pairings(market):
    """Before: who withdrew its listing in the block before undid the pairings of everybody."""
    within = Neighbours.open(market)
    a, b, c, d = market.in_area(0)[:4]
    pairs = [
        (within.offer(P, seller, 1_000, 100), within.request(P, buyer, 1_000, 200), 1_000, 150)
        for seller, buyer in ((a, b), (c, d))
    ]
    within.contract.withdraw(0, P, [pairs[0][0]], a.sends)
    tx = within.pair(P, *pairs)

    assert fact(tx, "PairingStale") == (0, P, *pairs[0][:3])
    assert fact(tx, "Paired")[4:] == pairs[1][:2]
    assert [within.left(P, listing) for pair in pairs for listing in pair[:2]] == [0, 1_000, 0, 0]


# --- a gateway against its principal -----------------------------------------------------------


def test_a_gateway_cannot_use_up_the_sequence_of_its_principal(market, alice):
    """Before: one order with sequence 255, and its owner could neither cancel nor replace it."""
    lane = order_lane(BID, 30, 1_000, MAX_SEQUENCE)
    send = market.auction.placeBatch
    refused = refusal(send, 0, P, group_words({alice.number: lane}), by=market.gateway)
    assert refused == ("SequenceReserved", alice.number, MAX_SEQUENCE, MAX_GATEWAY_SEQUENCE)

    market.place(P, {alice: (BID, 30, 1_000)}, sequence=MAX_GATEWAY_SEQUENCE)
    market.auction.place(P, BID, 31, 900, alice.sends)
    assert order(market, alice) == (BID, 31, 900, MAX_GATEWAY_SEQUENCE + 1)
    market.auction.cancel(P, alice.sends)
    assert market.house.balanceOf(alice.number) == PURSE


def test_who_used_up_its_sequence_can_still_lower_and_cancel(market, alice):
    domain = order_domain(web3.eth.chain_id, market.auction.address)
    key = Account.from_key(alice.account.private_key)
    terms = OrderTerms(0, P, alice.number, BID, 30, 1_000, MAX_SEQUENCE, market.gateway.address,
                       chain[-1].timestamp + 3_600)  # fmt: skip
    signed = sign_order(key, domain, terms)
    market.auction.placeSigned(0, P, [signed], {"from": market.gateway})

    refused = refusal(market.auction.place, P, BID, 31, 900, by=alice.account)
    assert refused == ("SequenceExhausted", alice.number)
    market.auction.place(P, BID, 30, 400, alice.sends)
    assert order(market, alice) == (BID, 30, 400, MAX_SEQUENCE)
    again = refusal(market.auction.placeSigned, 0, P, [signed], by=market.gateway)
    assert again == ("StaleSequence", alice.number, MAX_SEQUENCE, MAX_SEQUENCE)
    market.auction.cancel(P, alice.sends)
    assert order(market, alice)[2] == 0
    assert market.house.balanceOf(alice.number) == PURSE
    market.close_gate(P)
    market.clear(P)
    assert market.auction.outcomeOf(0, P)["volumeWh"] == 0
