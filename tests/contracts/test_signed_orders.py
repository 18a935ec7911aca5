"""Orders that participants sign for a gateway: bound to chain, contract, place and time."""

from dataclasses import replace

import pytest
from brownie import chain, web3
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak

from gridbourse.chain.encoding.lanes import BID, OFFER, order_lane
from gridbourse.chain.encoding.signed_orders import OrderTerms, order_domain, sign_order
from tests.contracts.market import FIRST, SUSPENDED
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def alice(market):
    """She gave nobody a mandate: what she signs is all a gateway has of her."""
    member = market.members[0]
    market.registry.giveMandate(0, member.sends)
    return member


@pytest.fixture
def terms(market, alice):
    soon = chain[-1].timestamp + 3_600
    gateway = market.gateway.address
    return OrderTerms(0, P, alice.number, BID, 30, 1_000, 1, gateway, soon)


def signed(market, terms, member, chain_id=None, contract=None):
    domain = order_domain(chain_id or web3.eth.chain_id, contract or market.auction.address)
    return sign_order(Account.from_key(member.account.private_key), domain, terms)


def refused(market, *orders, area=0, period=P, by=None):
    place = market.auction.placeSigned
    return refusal(place, area, period, orders, by=by or market.gateway)


def refused_signer(market, order, **where):
    name, participant, signer, account = refused(market, order, **where)
    assert (name, account) == ("SignerIsNotParticipant", market.members[0].account)
    assert signer != account
    return participant


def order_of(market, member):
    return tuple(market.auction.orderOf(member.number, P))


def test_a_signed_order_goes_in_without_a_mandate(market, alice, terms):
    order = signed(market, terms, alice)
    tx = market.auction.placeSigned(0, P, [order], {"from": market.gateway})

    word = alice.group << 224 | order_lane(BID, 30, 1_000, 1)
    told = fact(tx, "OrdersPlaced")
    assert (*told[:4], list(told[4])) == (0, P, market.gateway, True, [word])
    assert order_of(market, alice) == (BID, 30, 1_000, 1)


def test_a_gateway_brings_signed_orders_of_many(market, alice, terms):
    others = {m: replace(terms, participant=m.number, side=OFFER) for m in market.members[1:6]}
    orders = [signed(market, terms, alice)] + [signed(market, t, m) for m, t in others.items()]
    market.auction.placeSigned(0, P, orders, {"from": market.gateway})

    assert [order_of(market, m)[0] for m in market.members[:6]] == [BID, *[OFFER] * 5]
    assert order_of(market, market.members[6]) == (0, 0, 0, 0)


def test_a_newer_signature_replaces_an_older_one_and_never_the_other_way(market, alice, terms):
    first = signed(market, terms, alice)
    second = signed(market, replace(terms, tick=20, sequence=2), alice)
    market.auction.placeSigned(0, P, [first], {"from": market.gateway})
    market.auction.placeSigned(0, P, [second], {"from": market.gateway})

    assert order_of(market, alice) == (BID, 20, 1_000, 2)
    assert refused(market, first) == ("StaleSequence", alice.number, 1, 2)
    assert refused(market, second) == ("StaleSequence", alice.number, 2, 2)


def test_a_replayed_order_does_not_come_back_after_a_cancellation(market, alice, terms):
    order = signed(market, terms, alice)
    market.auction.placeSigned(0, P, [order], {"from": market.gateway})
    market.auction.cancel(P, alice.sends)

    assert refused(market, order) == ("StaleSequence", alice.number, 1, 2)


def test_one_order_cannot_be_in_a_batch_twice(market, alice, terms):
    order = signed(market, terms, alice)

    tx = market.auction.placeSigned(0, P, [order, order], {"from": market.gateway})

    told = fact(tx, "OrderLeftOut")
    assert bytes(told[5])[:4] == keccak(text="StaleSequence(uint256,uint256,uint256)")[:4]
    assert refused(market, order, order) == ("StaleSequence", alice.number, 1, 1)


def test_a_signature_holds_until_it_expires(market, alice, terms):
    order = signed(market, terms, alice)
    chain.sleep(3_601)
    chain.mine()

    name, participant, expiry, now = refused(market, order)
    assert (name, participant, expiry) == ("SignatureExpired", alice.number, terms.expiry)
    assert now > expiry


def test_another_gateway_cannot_use_it(market, alice, terms):
    order = signed(market, terms, alice)

    assert refused_signer(market, order, by=market.other_gateway) == alice.number


def test_it_is_for_one_area_and_one_period(market, alice, terms):
    order = signed(market, terms, alice)

    assert refused_signer(market, order, area=1) == alice.number
    assert refused_signer(market, order, period=P + 1) == alice.number
    elsewhere = signed(market, replace(terms, area=1), alice)
    assert refused(market, elsewhere, area=1) == ("GroupOfOtherArea", alice.group, 1)


def test_it_is_for_one_chain_and_one_contract(market, alice, terms):
    other_chain = signed(market, terms, alice, chain_id=1)
    other_contract = signed(market, terms, alice, contract=market.house.address)

    assert refused_signer(market, other_chain) == alice.number
    assert refused_signer(market, other_contract) == alice.number


@pytest.mark.parametrize(
    "change",
    [{"side": OFFER}, {"tick": 31}, {"wh": 999}, {"sequence": 2}, {"wh": 1_000 + (1 << 28)}],
    ids=str,
)
def test_a_tampered_order_has_another_signer(market, alice, terms, change):
    _, _, expiry, r, vs = signed(market, terms, alice)
    other = replace(terms, **change)
    lane = order_lane(other.side, other.tick, other.wh, other.sequence)

    assert refused_signer(market, (alice.number, lane, expiry, r, vs)) == alice.number
    _, lane, _, r, vs = signed(market, terms, alice)
    assert refused_signer(market, (alice.number, lane, expiry + 1, r, vs)) == alice.number


def test_nobody_signs_for_another(market, alice, terms):
    bob = market.members[1]
    forged = signed(market, terms, bob)

    refused_ = refused(market, forged)
    assert refused_ == ("SignerIsNotParticipant", alice.number, bob.account, alice.account)
    _, *rest = signed(market, terms, alice)
    passed_off = refused(market, (bob.number, *rest))
    assert passed_off[0::3] == ("SignerIsNotParticipant", bob.account)


def test_seats_without_a_participant_have_no_signer(market, alice, terms):
    _, *rest = signed(market, terms, alice)

    name, participant, signer, account = refused(market, (18, *rest))
    assert (name, participant) == ("SignerIsNotParticipant", 18)
    assert int(account, 16) == 0
    # A signature that recovers nobody does not pass for the account of nobody.
    name, _, signer, _ = refused(market, (18, rest[0], rest[1], b"\0" * 32, b"\0" * 32))
    assert (name, int(signer, 16)) == ("SignerIsNotParticipant", 0)


def test_the_mirror_image_of_a_signature_is_none(market, alice, terms):
    number, lane, expiry, r, vs = signed(market, terms, alice)
    parity, s = divmod(int.from_bytes(vs, "big"), 1 << 255)
    mirrored = (CURVE_ORDER - s) ^ (1 - parity) << 255

    order = (number, lane, expiry, r, mirrored.to_bytes(32, "big"))
    assert refused_signer(market, order) == alice.number


def test_bits_beyond_an_order_are_refused_even_when_signed(market, alice, terms):
    order = signed(market, replace(terms, wh=1_000 + (1 << 28)), alice)

    assert refused(market, order) == ("MalformedOrder", alice.number, order[1])


def test_who_is_suspended_cannot_order_by_signature(market, alice, terms):
    market.registry.suspend(alice.number, {"from": market.operator})

    error = ("ParticipantNotActive", alice.number, SUSPENDED)
    assert refused(market, signed(market, terms, alice)) == error


def test_a_cancellation_can_be_signed(market, alice, terms):
    first = signed(market, terms, alice)
    nothing = signed(market, replace(terms, tick=0, wh=0, sequence=2), alice)
    market.auction.placeSigned(0, P, [first], {"from": market.gateway})
    market.auction.placeSigned(0, P, [nothing], {"from": market.gateway})

    assert order_of(market, alice) == (BID, 0, 0, 2)


def test_the_domain_is_written_as_eip_712_says(market):
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    name, version = keccak(text="gridbourse CallAuction"), keccak(text="1")
    fields = [keccak(text=kind), name, version, web3.eth.chain_id, market.auction.address]
    separator = keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], fields))

    assert market.auction.domainSeparator() == "0x" + separator.hex()
