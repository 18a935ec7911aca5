"""Over the counter: signed deals with hidden terms, performed period by period, secured by margins."""

from dataclasses import replace

import pytest
from brownie import chain, web3
from eth_abi import encode
from eth_utils import keccak

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.over_the_counter import DealOutcome, Margins, SupplierPrices, walk
from gridbourse.model.trade import MOST_WH, TradeWord
from tests.contracts.bilateral_markets import MIN_WH, Counter, Neighbours, judge
from tests.contracts.market import (
    CAPACITY_WH,
    FEED_IN,
    FEES,
    FIRST,
    GATE_CLOSURE,
    HOLD_RATE,
    HORIZON,
    LEFT,
    MTU,
    PURSE,
    RETAIL,
    SUSPENDED,
    VERDICT_WINDOW,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
WH, PRICE = 1_000, 150
SELLER_MARGIN, BUYER_MARGIN = 200_000, 100_000
MARGIN = 6
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SUPPLIER_PRICES = SupplierPrices(RETAIL, FEED_IN)


@pytest.fixture(scope="module")
def otc(market):
    return Counter.open(market)


@pytest.fixture
def sara(market):
    """Sells."""
    return market.members[0]


@pytest.fixture
def ben(market):
    """Buys."""
    return market.members[1]


@pytest.fixture
def spot(otc, sara, ben):
    return otc.deal(sara, ben, P)


@pytest.fixture
def strip(otc, sara, ben):
    return otc.deal(sara, ben, FIRST + 1, count=3)


def free(market, member):
    return market.house.balanceOf(member.number)


def held_margin(market):
    return market.house.balanceOf(MARGIN)


def reserved(market, member, period=P):
    """(sell, buy) Wh."""
    return tuple(market.house.accountInPeriod(member.number, period))[1:3]


def position(market, member, period=P):
    """(sold, bought) Wh."""
    return tuple(market.house.accountInPeriod(member.number, period))[3:5]


def refused_conclude(otc, deal, by_seller, by_buyer):
    return refusal(otc.contract.conclude, deal, by_seller, by_buyer, by=otc.market.stranger)


def refused_perform(otc, deal, period=P, by=None, hidden=None):
    arguments = (deal.open, hidden or deal.hidden, period)
    return refusal(otc.contract.perform, *arguments, by=by or otc.market.operator)


def trade_of(deal):
    t = deal.terms
    return TradeWord(t.seller, t.buyer, t.wh, t.price_micro_eur_per_wh)


# --- quotes ------------------------------------------------------------------------------------


def test_quotes_are_commitments_for_the_record(otc, sara, ben, spot):
    wish = keccak(text="1 MWh next week, and a salt")
    asked = otc.contract.request(wish, ben.sends)
    quoted = otc.contract.quote(0, spot.terms_hash(), sara.sends)

    assert fact(asked, "QuoteRequested") == (0, ben.number, "0x" + wish.hex())
    assert fact(quoted, "Quoted") == (0, sara.number, "0x" + spot.terms_hash().hex())
    assert otc.contract.request(wish, sara.sends).return_value == 1
    assert otc.contract.requests() == 2


def test_bad_quotes_are_refused(market, otc, sara):
    request, quote, wish = otc.contract.request, otc.contract.quote, keccak(text="wish")

    assert refusal(quote, 0, wish, by=sara.account) == ("UnknownRequest", 0, 0)
    request(wish, sara.sends)
    assert refusal(quote, 1, wish, by=sara.account) == ("UnknownRequest", 1, 1)
    empty = ("EmptyCommitment", sara.number)
    assert refusal(request, bytes(32), by=sara.account) == empty
    assert refusal(quote, 0, bytes(32), by=sara.account) == empty
    stranger = ("UnknownParticipant", market.stranger)
    assert refusal(request, wish, by=market.stranger) == stranger
    assert refusal(quote, 0, wish, by=market.stranger) == stranger


# --- concluding --------------------------------------------------------------------------------


def test_a_deal_sets_both_margins_aside_and_hides_its_terms(market, otc, sara, ben, spot):
    signed = otc.signed(spot)
    tx = otc.contract.conclude(spot.open, *signed, {"from": market.stranger})

    digest = spot.digest(otc.domain)
    name, seller, buyer, told = fact(tx, "DealConcluded")
    assert (name, seller, buyer) == ("0x" + digest.hex(), sara.number, ben.number)
    assert tuple(told)[:5] == spot.open[:5]
    assert free(market, sara) == PURSE - SELLER_MARGIN
    assert free(market, ben) == PURSE - BUYER_MARGIN
    assert held_margin(market) == SELLER_MARGIN + BUYER_MARGIN
    assert tuple(otc.contract.stateOf(digest)) == (1, SELLER_MARGIN, BUYER_MARGIN)
    # Nothing of the terms is in the transaction but their hash.
    values = (word.to_bytes(32, "big").hex() for word in (P, WH))
    assert not any(value in tx.input for value in values)
    assert spot.terms.salt.hex() not in tx.input
    assert spot.terms_hash().hex() in tx.input


def test_the_hashes_are_those_of_eip_712(otc, spot):
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    name, version = keccak(text="gridbourse OverTheCounter"), keccak(text="1")
    fields = [keccak(text=kind), name, version, web3.eth.chain_id, otc.contract.address]
    separator = keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], fields))

    assert otc.contract.domainSeparator() == "0x" + separator.hex()
    assert otc.contract.termsHashOf(spot.hidden) == "0x" + spot.terms_hash().hex()
    assert otc.contract.hashOf(spot.open) == "0x" + spot.digest(otc.domain).hex()


def test_a_deal_is_concluded_once(market, otc, spot):
    digest = otc.conclude(spot)
    signed = otc.signed(spot)

    assert refused_conclude(otc, spot.open, *signed) == ("ConcludedBefore", digest)
    market.close_gate(P)
    otc.close(spot)
    assert refused_conclude(otc, spot.open, *signed) == ("ConcludedBefore", digest)


def test_another_salt_makes_another_deal(market, otc, spot):
    otc.conclude(spot)
    otc.conclude(replace(spot, terms=replace(spot.terms, salt=b"t" * 32)))

    assert held_margin(market) == 2 * (SELLER_MARGIN + BUYER_MARGIN)


def test_signatures_cannot_be_swapped(otc, sara, ben, spot):
    by_seller, by_buyer = otc.signed(spot)

    refused = refused_conclude(otc, spot.open, by_buyer, by_seller)
    assert refused == ("SignerIsNotParticipant", sara.number, ben.account, sara.account)
    refused = refused_conclude(otc, spot.open, by_seller, by_seller)
    assert refused == ("SignerIsNotParticipant", ben.number, sara.account, ben.account)


@pytest.mark.parametrize("field", range(6))
def test_what_was_signed_cannot_be_changed(otc, sara, spot, field):
    signed = otc.signed(spot)
    tampered = list(spot.open)
    tampered[field] = bytes(32) if field == 5 else tampered[field] + 2
    error, number, signer, account = refused_conclude(otc, tampered, *signed)

    assert (error, number) == ("SignerIsNotParticipant", tampered[0])
    assert account != signer
    assert (account == sara.account) == (field != 0)


def test_signatures_bind_the_chain_and_the_contract(market, otc, sara, ben, spot):
    for other in ({"chainId": 1}, {"verifyingContract": market.house.address}):
        signed = (otc.sign(spot, party, **other) for party in (sara, ben))
        error, number, signer, account = refused_conclude(otc, spot.open, *signed)
        assert (error, number, account) == ("SignerIsNotParticipant", sara.number, sara.account)
        assert signer != account


def test_the_mirror_image_of_a_signature_is_none(otc, sara, spot):
    (r, vs), by_buyer = otc.signed(spot)
    parity, s = divmod(int.from_bytes(vs, "big"), 1 << 255)
    mirrored = ((CURVE_ORDER - s) ^ (1 - parity) << 255).to_bytes(32, "big")

    refused = refused_conclude(otc, spot.open, (r, mirrored), by_buyer)
    assert refused[:2] == ("SignerIsNotParticipant", sara.number)
    nobody = refused_conclude(otc, spot.open, (bytes(32), bytes(32)), by_buyer)
    assert (nobody[1], int(nobody[2], 16)) == (sara.number, 0)


def test_seats_without_a_participant_have_no_signer(otc, ben, spot):
    by_seller, by_buyer = otc.signed(spot)
    empty_seat = (18, *spot.open[1:])

    for by_nobody in (by_seller, (bytes(32), bytes(32))):
        refused = refused_conclude(otc, empty_seat, by_nobody, by_buyer)
        assert (refused[:2], int(refused[3], 16)) == (("SignerIsNotParticipant", 18), 0)


def test_signatures_expire(otc, sara, spot):
    signed = otc.signed(spot)
    chain.sleep(3_601)
    chain.mine()

    error, number, expiry, now = refused_conclude(otc, spot.open, *signed)
    assert (error, number, expiry) == ("SignatureExpired", sara.number, spot.expiry)
    assert now > expiry


def test_nobody_deals_with_itself(otc, sara, spot):
    deal = (sara.number, sara.number, *spot.open[2:])

    refused = refused_conclude(otc, deal, *otc.signed(spot))
    assert refused == ("SelfTrade", sara.number)


def test_who_may_not_order_concludes_nothing(market, otc, sara, ben, spot):
    signed = otc.signed(spot)
    market.registry.suspend(ben.number, {"from": market.operator})
    refused = refused_conclude(otc, spot.open, *signed)
    assert refused == ("ParticipantNotActive", ben.number, SUSPENDED)
    market.registry.leaveMarket(sara.number, sara.sends)

    refused = refused_conclude(otc, spot.open, *signed)
    assert refused == ("ParticipantNotActive", sara.number, LEFT)


def test_a_margin_is_there_or_there_is_no_deal(market, otc, sara, ben, spot):
    market.house.withdraw(PURSE - BUYER_MARGIN + 1, ben.sends)
    refused = refused_conclude(otc, spot.open, *otc.signed(spot))

    assert refused == ("InsufficientMoney", ben.number, BUYER_MARGIN - 1, BUYER_MARGIN)
    assert held_margin(market) == 0
    assert free(market, sara) == PURSE


def test_a_deal_needs_no_margin(market, otc, sara, ben):
    deal = otc.deal(sara, ben, P, seller_margin_micro_eur=0, buyer_margin_micro_eur=0)
    otc.conclude(deal)
    otc.perform(deal, P)

    assert held_margin(market) == 0
    assert reserved(market, sara) == (WH, 0)


# --- performing --------------------------------------------------------------------------------


def test_a_performed_period_is_a_trade_for_the_dso(market, otc, sara, ben, spot):
    digest = otc.conclude(spot)
    tx = otc.perform(spot, P)

    trade = trade_of(spot)
    assert fact(tx, "DealPerformed") == ("0x" + digest.hex(), 0, P, 0, trade.pack())
    assert [reserved(market, who) for who in (sara, ben)] == [(WH, 0), (0, WH)]
    assert otc.contract.performed(digest, 0)
    judge(market, otc.contract, P, [trade])
    assert [position(market, who) for who in (sara, ben)] == [(WH, 0), (0, WH)]
    assert free(market, sara) == PURSE - SELLER_MARGIN
    assert market.house.paymentOf(sara.number, P) == WH * PRICE
    assert otc.left(spot) == (SELLER_MARGIN, BUYER_MARGIN)


@pytest.mark.parametrize("who", ["sara", "ben", "operator", "dso"])
def test_parties_operator_and_dso_perform(market, otc, sara, ben, spot, who):
    otc.conclude(spot)
    parties = {"sara": sara.account, "ben": ben.account}
    by = parties.get(who) or getattr(market, who)
    otc.contract.perform(spot.open, spot.hidden, P, {"from": by})

    assert reserved(market, sara) == (WH, 0)


def test_nobody_else_performs(market, otc, spot):
    otc.conclude(spot)

    for by in (market.stranger, market.gateway, market.members[2].account, market.supplier):
        assert refused_perform(otc, spot, by=by) == ("NotAParty", by)


def test_only_the_terms_that_were_signed_open_a_deal(otc, sara, ben, spot):
    digest = otc.conclude(spot)
    missing = ("NoDeal", digest)

    for field, other in enumerate((1, P + 1, 2, WH + 1, PRICE - 1, b"t" * 32)):
        hidden = (*spot.hidden[:field], other, *spot.hidden[field + 1 :])
        assert refused_perform(otc, spot, hidden=hidden) == missing
        tampered = refusal(otc.contract.close, spot.open, hidden, by=sara.account)
        assert tampered == missing
    unsigned = otc.deal(sara, ben, P, wh=WH + 1)
    assert refused_perform(otc, unsigned) == ("NoDeal", unsigned.digest(otc.domain))


def test_a_strip_is_performed_period_by_period(market, otc, sara, ben, strip):
    digest = otc.conclude(strip)
    for period in (FIRST + 2, FIRST + 1, FIRST + 3):
        otc.perform(strip, period)

    refused = refused_perform(otc, strip, FIRST + 2)
    assert refused == ("PerformedBefore", digest, FIRST + 2)
    assert all(reserved(market, sara, FIRST + n) == (WH, 0) for n in (1, 2, 3))
    for beyond in (FIRST + 4, FIRST):
        refused = refused_perform(otc, strip, beyond)
        name = "GateClosed" if beyond == FIRST else "OutsideStrip"
        assert refused[0] == name
    assert refused_perform(otc, strip, FIRST + 4)[1:] == (digest, FIRST + 4, FIRST + 1, 3)


def test_before_the_first_period_there_is_nothing_to_perform(otc, sara, ben):
    later = otc.deal(sara, ben, P + 1)
    digest = otc.conclude(later)

    assert refused_perform(otc, later) == ("OutsideStrip", digest, P, P + 1, 1)


def test_a_period_is_performed_while_it_takes_orders(market, otc, sara, ben, spot):
    otc.conclude(spot)
    far = otc.deal(sara, ben, FIRST + HORIZON + 1)
    otc.conclude(far)
    refused = refused_perform(otc, far, FIRST + HORIZON + 1)
    assert refused == ("BeyondHorizon", FIRST + HORIZON + 1, FIRST + HORIZON)
    market.close_gate(P)

    closure = P * MTU - GATE_CLOSURE
    assert refused_perform(otc, spot) == ("GateClosed", P, closure, closure)


def test_a_price_above_retail_is_not_performed(otc, sara, ben):
    dear = otc.deal(sara, ben, P, price_micro_eur_per_wh=RETAIL + 1)
    digest = otc.conclude(dear)

    assert refused_perform(otc, dear) == ("PriceAboveRetail", digest, RETAIL + 1, RETAIL)
    at_retail = otc.deal(sara, ben, P, price_micro_eur_per_wh=RETAIL)
    otc.conclude(at_retail)
    otc.perform(at_retail, P)


@pytest.mark.parametrize("wh", [0, MOST_WH + 1])
def test_an_impossible_quantity_is_not_performed(otc, spot, wh):
    object.__setattr__(spot.terms, "wh", wh)  # what our own terms refuse, others may sign
    digest = otc.conclude(spot)

    assert refused_perform(otc, spot) == ("QuantityOutOfRange", digest, wh, MIN_WH, MOST_WH)


def test_both_parties_are_in_the_area_of_the_terms(market, otc, sara, ben):
    elsewhere = market.in_area(1)[0]
    across = otc.deal(sara, elsewhere, P)
    otc.conclude(across)
    assert refused_perform(otc, across) == ("OtherArea", elsewhere.number, 1, 0)
    wrong = otc.deal(sara, ben, P, area=1)
    otc.conclude(wrong)
    assert refused_perform(otc, wrong) == ("OtherArea", sara.number, 0, 1)


# --- default -----------------------------------------------------------------------------------


def defaults(tx):
    return [tuple(event.values())[1:] for event in tx.events["Defaulted"]]


def sell_out(market, member, period=P):
    """Its connection is promised to the pool."""
    market.auction.place(period, OFFER, 50, CAPACITY_WH, member.sends)


def spend(market, member, but=0):
    market.house.withdraw(free(market, member) - but, member.sends)


def test_a_seller_without_energy_pays_what_the_buyer_loses(market, otc, sara, ben, spot):
    otc.conclude(spot)
    sell_out(market, sara)
    tx = otc.perform(spot, P)

    owed = (RETAIL - PRICE) * WH
    assert defaults(tx) == [(P, sara.number, owed, owed)]
    assert free(market, ben) == PURSE - BUYER_MARGIN + owed
    assert reserved(market, ben) == (0, 0)
    assert otc.left(spot) == (SELLER_MARGIN - owed, BUYER_MARGIN)
    assert otc.contract.ledgerOf(0, P)["groups"] == 0


def test_a_buyer_without_money_pays_what_the_seller_loses(market, otc, sara, ben, spot):
    digest = otc.conclude(spot)
    spend(market, ben, but=WH * HOLD_RATE - 1)
    tx = otc.perform(spot, P)

    owed = (PRICE - FEED_IN) * WH
    assert defaults(tx) == [(P, ben.number, owed, owed)]
    assert free(market, sara) == PURSE - SELLER_MARGIN + owed
    assert reserved(market, sara) == (0, 0)
    assert otc.left(spot) == (SELLER_MARGIN, BUYER_MARGIN - owed)
    # The period is done with: it cannot be performed again.
    assert refused_perform(otc, spot) == ("PerformedBefore", digest, P)


@pytest.mark.parametrize("way", ["left", "in debt"])
def test_who_may_not_order_is_in_default(market, otc, sara, ben, spot, way):
    otc.conclude(spot)
    if way == "left":
        market.registry.leaveMarket(sara.number, sara.sends)
    else:
        put_into_debt(market, sara)
    tx = otc.perform(spot, P)

    owed = (RETAIL - PRICE) * WH
    assert defaults(tx) == [(P, sara.number, owed, owed)]


def put_into_debt(market, member):
    """Consumes in a period what it cannot pay."""
    spend(market, member)
    market.trade(FIRST)
    market.deliver(FIRST)
    market.meter(FIRST, {m.number: -10 * (m == member) for m in market.members})
    market.settle(FIRST)
    assert free(market, member) < 0


def test_if_neither_can_neither_owes(market, otc, sara, ben, spot):
    otc.conclude(spot)
    sell_out(market, sara)
    spend(market, ben)
    tx = otc.perform(spot, P)

    assert defaults(tx) == [(P, sara.number, 0, 0), (P, ben.number, 0, 0)]
    assert otc.left(spot) == (SELLER_MARGIN, BUYER_MARGIN)


def test_a_default_that_costs_the_other_nothing_is_free(market, otc, sara, ben):
    cheap = otc.deal(sara, ben, P, price_micro_eur_per_wh=FEED_IN - 1)
    otc.conclude(cheap)
    spend(market, ben)
    tx = otc.perform(cheap, P)

    assert defaults(tx) == [(P, ben.number, 0, 0)]
    dear = otc.deal(sara, ben, P, price_micro_eur_per_wh=RETAIL, buyer_margin_micro_eur=0)
    otc.conclude(dear)
    sell_out(market, sara)
    market.fund({ben.number: PURSE})
    assert defaults(otc.perform(dear, P)) == [(P, sara.number, 0, 0)]


def test_a_strip_of_defaults_takes_the_margin_and_no_more(market, otc, sara, ben):
    deal = otc.deal(sara, ben, FIRST + 1, count=3)  # 150 000 a period, a margin of 200 000
    otc.conclude(deal)
    paid = []
    for period in range(FIRST + 1, FIRST + 4):
        sell_out(market, sara, period)
        paid += defaults(otc.perform(deal, period))

    owed = (RETAIL - PRICE) * WH
    assert [row[2:] for row in paid] == [(owed, owed), (owed, 50_000), (owed, 0)]
    assert otc.left(deal) == (0, BUYER_MARGIN)
    course = [(DealOutcome.SELLER_DEFAULTS, SUPPLIER_PRICES)] * 3
    steps = walk(deal.terms, course).steps
    assert [(s.to_buyer + s.unpaid, s.to_buyer) for s in steps] == [row[2:] for row in paid]
    assert steps[-1].left == Margins(*otc.left(deal))


def test_a_refusal_that_is_nobodys_fault_is_no_default(market, otc, sara, ben, spot):
    otc.conclude(spot)
    first = otc.deal(sara, ben, P, wh=MIN_WH)
    otc.conclude(first)
    otc.perform(first, P)  # the period's slots are taken
    market.house.revokeModule(otc.contract, {"from": market.operator})

    error = ("MissingPermission", otc.contract.address, 1)
    assert refused_perform(otc, spot) == error


def test_too_little_gas_is_nobodys_default(market, otc, sara, ben, spot):
    digest = otc.conclude(spot)
    data = otc.contract.perform.encode_input(spot.open, spot.hidden, P)
    request = {"from": str(market.operator), "to": otc.contract.address, "data": data}
    enough = web3.eth.estimate_gas(request)

    tried = 0
    for gas in range(50_000, 2 * enough, 1_500):
        sent = web3.eth.send_transaction(request | {"gas": gas})
        receipt = web3.eth.wait_for_transaction_receipt(sent)
        if receipt["status"]:
            break
        tried += 1
        assert not otc.contract.performed(digest, 0)
    assert tried > 50
    assert [reserved(market, who) for who in (sara, ben)] == [(WH, 0), (0, WH)]
    assert otc.left(spot) == (SELLER_MARGIN, BUYER_MARGIN)


# --- the DSO, and the end ----------------------------------------------------------------------


def test_a_rejected_trade_is_nobodys_fault(market, otc, sara, ben, spot):
    otc.conclude(spot)
    otc.perform(spot, P)
    judge(market, otc.contract, P, [trade_of(spot)], rejected=(0,))

    assert [reserved(market, who) for who in (sara, ben)] == [(0, 0), (0, 0)]
    assert [position(market, who) for who in (sara, ben)] == [(0, 0), (0, 0)]
    assert otc.left(spot) == (SELLER_MARGIN, BUYER_MARGIN)


def test_without_an_oracle_a_trade_expires(market, otc, sara, ben, spot):
    otc.conclude(spot)
    otc.perform(spot, P)
    market.close_gate(P)
    chain.sleep(VERDICT_WINDOW + 1)
    tx = otc.contract.expire(0, P, 0, [trade_of(spot).pack()], {"from": market.stranger})

    assert fact(tx, "GroupDecided") == (0, P, 0, 1, True)
    assert free(market, ben) == PURSE - BUYER_MARGIN


def test_the_margins_go_back_after_the_last_gate_closure(market, otc, sara, ben, strip):
    digest = otc.conclude(strip)
    otc.perform(strip, FIRST + 1)
    market.close_gate(FIRST + 2)
    runs = refusal(otc.contract.close, strip.open, strip.hidden, by=market.stranger)
    assert runs == ("StripRuns", digest, FIRST + 4, FIRST + 3)
    market.close_gate(FIRST + 3)
    tx = otc.close(strip)

    assert fact(tx, "Closed") == ("0x" + digest.hex(), SELLER_MARGIN, BUYER_MARGIN)
    assert held_margin(market) == 0
    assert free(market, sara) == PURSE
    closed = ("DealClosed", digest)
    again = refusal(otc.contract.close, strip.open, strip.hidden, by=market.stranger)
    assert again == closed
    assert refused_perform(otc, strip, FIRST + 4) == closed


def test_a_period_nobody_performed_lapses_and_nobody_pays(market, otc, sara, ben, spot):
    otc.conclude(spot)
    market.close_gate(P)
    otc.close(spot)

    assert [free(market, who) for who in (sara, ben)] == [PURSE, PURSE]
    assert otc.contract.booked(0, P)


def test_contracts_of_all_markets_are_settled_as_one(market, otc, sara, ben):
    """Sara sells over the counter and to a neighbour, and delivers one sum."""
    neighbours, carol = Neighbours.open(market), market.members[3]
    spot = otc.deal(sara, ben, P)
    otc.conclude(spot)
    otc.perform(spot, P)
    offer, request = neighbours.offer(P, sara, 500, 90), neighbours.request(P, carol, 500, 200)
    neighbours.pair(P, (offer, request, 500, 120))
    judge(market, otc.contract, P, [trade_of(spot)])
    judge(market, neighbours.contract, P, [TradeWord(sara.number, carol.number, 500, 120)])
    market.place(P, {sara: (OFFER, 0, 300), market.members[4]: (BID, 50, 300)})
    for area in (0, 1):
        market.trade(P, area)
    price = market.band.price(market.auction.outcomeOf(0, P)["priceTick"])
    assert position(market, sara) == (WH + 500 + 300, 0)
    market.deliver(P)
    otc.close(spot)
    readings = {m.number: 0 for m in market.members} | {sara.number: 1_900, ben.number: -WH}
    market.meter(P, readings | {carol.number: -600, market.members[4].number: -300})
    for area in (0, 1):
        market.settle(P, area)

    contracts = WH * PRICE + 500 * 120 + 300 * price
    assert free(market, sara) == PURSE + contracts + 100 * (FEED_IN - FEES[sara.zone][2])
    local, imported = FEES[carol.zone][1], FEES[carol.zone][0]
    assert free(market, carol) == PURSE - 500 * (120 + local) - 100 * (RETAIL + imported)
    assert free(market, ben) == PURSE - WH * (PRICE + FEES[ben.zone][1])
    assert market.money_sum() == 0
