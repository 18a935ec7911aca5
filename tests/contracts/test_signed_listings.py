"""Listings that participants sign for a gateway: bound to chain, contract, place, time and gateway."""

from dataclasses import dataclass
from typing import Any

import pytest
from brownie import chain, web3
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak

from gridbourse.chain.bindings.bilateral import Draft, listing_domain, sign_listing
from tests.contracts.bilateral_markets import MAX_OPEN, PV, Neighbours
from tests.contracts.market import FIRST, GATE_CLOSURE, MTU, SUSPENDED, Market
from tests.contracts.refusal import refusal

P = FIRST + 2


@dataclass
class Desk:
    """Signs for the gateway, as a participant would."""

    neighbours: Neighbours
    expiry: int

    @property
    def market(self) -> Market:
        return self.neighbours.market

    def sign(self, member, draft, sequence=1, **other: Any) -> Any:
        where = {"area": member.area, "period": P, "gateway": self.market.gateway.address}
        where |= {key: other.pop(key) for key in [*where] if key in other}
        contract = other.pop("contract", self.neighbours.contract.address)
        domain = listing_domain(other.pop("chain_id", web3.eth.chain_id), contract)
        key = Account.from_key(member.account.private_key)
        expiry = other.pop("expiry", self.expiry)
        return sign_listing(key, domain, draft=draft, sequence=sequence, expiry=expiry, **where)

    def list(self, *signed, area=0):
        by = {"from": self.market.gateway}
        return self.neighbours.contract.listSigned(area, P, signed, by).return_value

    def refused(self, *signed, area=0, period=P, by=None):
        list_signed = self.neighbours.contract.listSigned
        return refusal(list_signed, area, period, signed, by=by or self.market.gateway)

    def refused_signer(self, *signed, **where):
        name, number, signer, account = self.refused(*signed, **where)
        assert name == "SignerIsNotParticipant"
        assert signer != account
        return number


@pytest.fixture(scope="module")
def neighbours(market):
    return Neighbours.open(market)


@pytest.fixture
def desk(neighbours):
    return Desk(neighbours, chain[-1].timestamp + 3_600)


@pytest.fixture
def alice(market):
    """She gave nobody a mandate: what she signs is all a gateway has of her."""
    member = market.members[0]
    market.registry.giveMandate(0, member.sends)
    return member


@pytest.fixture
def draft(alice):
    return Draft(int(alice.number), True, 500, 200, 0, 1, PV)


def test_signed_listings_go_on_the_board_without_a_mandate(market, desk, alice, draft):
    bob = market.members[1]
    offer = Draft(int(bob.number), False, 300, 90)
    assert (
        desk.list(desk.sign(alice, draft), desk.sign(bob, offer), desk.sign(alice, draft, 7)) == 0
    )

    rows = desk.neighbours.contract.listingsOf(0, P, 0, 9)
    assert [tuple(row)[1:] for row in rows] == [draft, offer, draft]
    assert tuple(desk.neighbours.contract.countsOf(alice.number, P)) == (2, 7)
    assert tuple(market.house.accountInPeriod(alice.number, P))[1:3] == (0, 1_000)


def test_a_signature_is_used_once(desk, alice, draft):
    first, fifth = desk.sign(alice, draft), desk.sign(alice, draft, 5)
    assert desk.refused(first, first) == ("StaleSequence", alice.number, 1, 1)
    desk.list(fifth)
    desk.neighbours.contract.withdraw(0, P, [0], alice.sends)

    assert desk.refused(fifth) == ("StaleSequence", alice.number, 5, 5)
    assert desk.refused(first) == ("StaleSequence", alice.number, 1, 5)
    assert desk.refused(desk.sign(alice, draft, 0))[0] == "StaleSequence"
    assert desk.list(desk.sign(alice, draft, 6)) == 1


def test_sequence_and_open_listings_do_not_touch_each_other(desk, alice, draft):
    highest = (1 << 40) - 1
    for sequence in (1, 2, highest):
        desk.list(desk.sign(alice, draft, sequence))

    counts = desk.neighbours.contract.countsOf
    assert tuple(counts(alice.number, P)) == (MAX_OPEN, highest)
    desk.neighbours.contract.withdraw(0, P, [0, 1, 2], alice.sends)
    assert tuple(counts(alice.number, P)) == (0, highest)
    assert tuple(counts(alice.number, P + 1)) == (0, 0)


@pytest.mark.parametrize("field", range(7))
def test_a_tampered_listing_has_another_signer(desk, market, alice, draft, field):
    signed = desk.sign(alice, draft)
    value = draft[field]
    other = (not value) if isinstance(value, bool) else value + 1
    tampered = (*draft[:field], other, *draft[field + 1 :])

    number = desk.refused_signer((tampered, *signed[1:]))
    assert number == tampered[0]


def test_sequence_and_expiry_are_signed_too(desk, alice, draft):
    _, sequence, expiry, *signature = desk.sign(alice, draft)

    assert desk.refused_signer((draft, sequence + 1, expiry, *signature)) == alice.number
    assert desk.refused_signer((draft, sequence, expiry + 1, *signature)) == alice.number


def test_a_signature_binds_gateway_place_chain_and_contract(desk, market, alice, draft):
    signed = desk.sign(alice, draft)

    assert desk.refused_signer(signed, by=market.other_gateway) == alice.number
    assert desk.refused_signer(signed, area=1) == alice.number
    assert desk.refused_signer(signed, period=P + 1) == alice.number
    for other in ({"chain_id": 1}, {"contract": market.house.address}):
        assert desk.refused_signer(desk.sign(alice, draft, **other)) == alice.number
    elsewhere = desk.sign(alice, draft, area=1)
    assert desk.refused(elsewhere, area=1) == ("GroupOfOtherArea", alice.group, 1)


def test_nobody_signs_for_another(desk, market, alice, draft):
    bob = market.members[1]

    refused = desk.refused(desk.sign(bob, draft))
    assert refused == ("SignerIsNotParticipant", alice.number, bob.account, alice.account)
    empty_seat = (draft._replace(participant=18), 1, desk.expiry, bytes(32), bytes(32))
    name, number, signer, account = desk.refused(empty_seat)
    assert (name, number, int(signer, 16), int(account, 16)) == ("SignerIsNotParticipant", 18, 0, 0)


def test_signed_listings_keep_to_the_same_rules(desk, market, alice, draft):
    closure = P * MTU - GATE_CLOSURE
    signed = desk.sign(alice, draft)
    assert desk.refused(signed, by=market.stranger) == ("UnknownGateway", market.stranger, 0)
    below = desk.sign(alice, draft._replace(wh=9))
    assert desk.refused(below)[:3] == ("QuantityOutOfRange", alice.number, 9)
    late = desk.sign(alice, draft, expiry=chain[-1].timestamp - 1)
    assert desk.refused(late)[:3] == ("SignatureExpired", alice.number, late.expiry)
    market.registry.suspend(alice.number, {"from": market.operator})
    assert desk.refused(signed) == ("ParticipantNotActive", alice.number, SUSPENDED)
    market.close_gate(P)
    assert desk.refused(signed) == ("GateClosed", P, closure, closure)


def test_the_domain_is_written_as_eip_712_says(neighbours):
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    name, version = keccak(text="gridbourse BilateralMarket"), keccak(text="1")
    fields = [keccak(text=kind), name, version, web3.eth.chain_id, neighbours.contract.address]
    separator = keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], fields))

    assert neighbours.contract.domainSeparator() == "0x" + separator.hex()
