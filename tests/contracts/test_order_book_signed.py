"""Orders of the book that participants sign for a gateway: bound to all that matters."""

from dataclasses import dataclass
from typing import Any

import pytest
from brownie import chain, web3
from eth_account import Account

from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.encoding.signed_orders import book_domain, sign_book_order
from tests.contracts.market import FIRST
from tests.contracts.order_books import Hall
from tests.contracts.refusal import refusal

P = FIRST + 2


@pytest.fixture(scope="module")
def hall(market):
    return Hall.open(market)


@pytest.fixture
def alice(market):
    """She gave nobody a mandate: what she signs is all a gateway has of her."""
    member = market.members[0]
    market.registry.giveMandate(0, member.sends)
    return member


@dataclass
class Desk:
    """Signs for one member."""

    hall: Hall
    member: Any

    def sign(self, by=None, chain_id=None, contract=None, area=0, period=P, gateway=None, **terms):
        named = {"side": BID, "tick": 30, "wh": 1_000, "sequence": 1} | terms
        domain = book_domain(chain_id or web3.eth.chain_id, contract or self.hall.contract.address)
        return sign_book_order(
            Account.from_key((by or self.member).account.private_key),
            domain,
            area,
            period,
            BookOrder(self.member.number, **named),
            gateway or self.hall.market.gateway.address,
            chain[-1].timestamp + 3_600,
        )


@pytest.fixture
def desk(hall, alice):
    return Desk(hall, alice)


def bring(hall, *orders):
    return hall.contract.placeSigned(0, P, orders, {"from": hall.market.gateway})


def refused(hall, *orders, area=0, period=P, by=None):
    return refusal(hall.contract.placeSigned, area, period, orders, by=by or hall.market.gateway)


def test_a_signed_order_goes_in_without_a_mandate(hall, desk, alice):
    bring(hall, desk.sign())

    assert hall.queue(P, 30) == [(alice.number, 0, 1_000)]
    assert hall.reserved(P, alice) == (0, 1_000)


def test_cancelling_and_replacing_are_signed_as_well(hall, desk, alice):
    bring(
        hall,
        desk.sign(),
        desk.sign(action=Action.REPLACE, position=0, new_tick=31, wh=900, sequence=2),
    )
    assert hall.queue(P, 31) == [(alice.number, 0, 900)]

    bring(hall, desk.sign(action=Action.CANCEL, tick=31, position=0, wh=0, sequence=3))
    assert hall.resting(P, BID) == []
    assert hall.reserved(P, alice) == (0, 0)


def test_no_signature_is_used_twice(hall, desk, alice):
    first, second = desk.sign(sequence=1), desk.sign(sequence=2)
    bring(hall, first, first)
    assert hall.reserved(P, alice) == (0, 1_000)
    bring(hall, second)

    assert refused(hall, second) == ("StaleSequence", alice.number, 2, 2)
    assert refused(hall, first) == ("StaleSequence", alice.number, 1, 2)
    hall.cancel(P, alice, 30, 0)
    hall.cancel(P, alice, 30, 1)
    assert refused(hall, second) == ("StaleSequence", alice.number, 2, 2)


def test_it_expires(hall, desk, alice):
    order = desk.sign()
    chain.sleep(3_601)
    chain.mine()

    assert refused(hall, order)[:2] == ("SignatureExpired", alice.number)


def test_it_is_for_one_place_and_one_gateway(hall, desk, market, alice):
    order = desk.sign()
    for where in ({"area": 1}, {"period": P + 1}, {"by": market.other_gateway}):
        assert refused(hall, order, **where)[:2] == ("SignerIsNotParticipant", alice.number)
    for foreign in (
        desk.sign(chain_id=1),
        desk.sign(contract=market.auction.address),
        desk.sign(by=market.members[1]),
    ):
        assert refused(hall, foreign)[:2] == ("SignerIsNotParticipant", alice.number)
    assert refused(hall, order, by=market.stranger)[0] == "UnknownGateway"


@pytest.mark.parametrize(
    "other",
    [
        {"side": OFFER},
        {"tick": 31},
        {"wh": 1_001},
        {"action": Action.IMMEDIATE_OR_CANCEL},
        {"position": 1},
        {"new_tick": 1},
        {"sequence": 9},
    ],
    ids=lambda other: next(iter(other)),
)
def test_nothing_in_it_can_be_changed(hall, desk, alice, other):
    word, expiry, r, vs = desk.sign()
    changed = BookOrder.unpack(word)._replace(**other).pack()

    assert refused(hall, (changed, expiry, r, vs))[:2] == ("SignerIsNotParticipant", alice.number)
    assert refused(hall, (word, expiry + 1, r, vs))[:2] == ("SignerIsNotParticipant", alice.number)


def test_the_domain_is_the_contracts_own(hall):
    fields, name, version, chain_id, contract, _, extensions = hall.contract.eip712Domain()

    assert (str(fields), name, version) == ("0x0f", "gridbourse OrderBook", "1")
    assert (chain_id, contract, len(extensions)) == (web3.eth.chain_id, hall.contract.address, 0)
