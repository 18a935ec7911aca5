"""Attacks by operator and counterparty: who is kept from acting loses what it had set aside."""

import pytest

from tests.contracts.bilateral_markets import Counter
from tests.contracts.market import FIRST, LEFT, PURSE, SUPPLIER, SUSPENDED
from tests.contracts.refusal import refusal
from tests.contracts.test_aggregator_auction import BOND, SALT, Hall, begin_reveal, sealed

P = FIRST + 2
REMOVED = 7
MARGIN = 200_000


@pytest.fixture(scope="module")
def otc(market):
    return Counter.open(market)


def hold_back(market, member, way):
    """The operator's two ways."""
    act = {"suspended": market.registry.suspend, "taken out": market.registry.leaveMarket}[way]
    act(member.number, {"from": market.operator})
    return {"suspended": SUSPENDED, "taken out": REMOVED}[way]


@pytest.mark.parametrize("way", ["suspended", "taken out"])
@pytest.mark.parametrize("side", ["seller", "buyer"])
def test_operator_and_counterparty_cannot_take_a_margin(market, otc, alice, bob, way, side):
    """Before: 0.15 EUR a period and kWh, out of the margin of who could do nothing about it."""
    deal = otc.deal(alice, bob, P)
    otc.conclude(deal)
    victim, other = (alice, bob) if side == "seller" else (bob, alice)
    status = hold_back(market, victim, way)
    perform = (deal.open, deal.hidden, P)
    for who in (other.account, market.operator, market.dso):
        refused = refusal(otc.contract.perform, *perform, by=who)
        assert refused[:2] == ("ParticipantNotActive", victim.number)
        assert refused[2] in (status, 0)  # of who is no member in the period any more
    market.close_gate(P)
    otc.close(deal)
    assert market.balances([alice, bob]).tolist() == [PURSE, PURSE]


def test_supplier_and_seller_cannot_take_the_margin_of_a_buyer_on_credit(market, otc, alice, bob):
    """Before: the supplier took its guarantee away, and the buyer's margin went to the seller."""
    deal = otc.deal(bob, alice, P)
    otc.conclude(deal)
    house = market.house
    house.setCreditLimit(alice.number, 50_000_000, {"from": market.treasurer})
    house.withdraw(house.balanceOf(alice.number), alice.sends)  # it orders on credit from now on
    house.withdrawHouse(SUPPLIER, house.spendableOf(SUPPLIER), {"from": market.supplier})
    for who in (bob.account, market.operator, market.dso):
        refused = refusal(otc.contract.perform, deal.open, deal.hidden, P, by=who)
        assert refused[:2] == ("CreditNotCovered", alice.group)
    assert otc.left(deal) == (200_000, 100_000)
    market.close_gate(P)
    otc.close(deal)
    assert house.balanceOf(alice.number) == 100_000
    assert house.balanceOf(bob.number) == PURSE


def test_a_deal_goes_on_when_its_party_is_reinstated(market, otc, alice, bob):
    deal = otc.deal(alice, bob, P)
    otc.conclude(deal)
    hold_back(market, alice, "suspended")
    market.registry.reinstate(alice.number, {"from": market.operator})
    assert "DealPerformed" in otc.perform(deal, P).events


def test_who_leaves_by_itself_cannot_walk_away_from_a_deal(market, otc, alice, bob):
    """The exception is for who is kept from acting, not for who will not."""
    deal = otc.deal(alice, bob, P)
    otc.conclude(deal)
    market.registry.leaveMarket(alice.number, alice.sends)
    assert market.registry.profileOf(alice.number)[-1] == LEFT
    assert "Defaulted" in otc.perform(deal, P).events


@pytest.fixture(scope="module")
def hall(market):
    return Hall(market)


@pytest.mark.parametrize("way", ["suspended", "taken out"])
def test_operator_and_aggregator_cannot_take_a_bond(hall, way):
    """Suspended between commitment and reveal: the bond goes back, the answer does not count."""
    market, ann = hall.market, hall.prosumers[0]
    number = hall.post(hall.buyer, True, 1_000, 20, is_sealed=True)
    hall.contract.commit(0, P, number, sealed(hall, ann, 5, 700), ann.sends)
    assert market.house.balanceOf(ann.number) == PURSE - BOND
    hold_back(market, ann, way)
    begin_reveal(hall)
    hall.contract.reveal(0, P, number, 5, 700, SALT, ann.sends)

    assert market.house.balanceOf(ann.number) == PURSE
    assert tuple(hall.contract.answerOf(0, P, number, ann.number)) == (0, 0)
    assert hall.end(number) == []
    refused = refusal(hall.contract.forfeit, 0, P, number, ann.number, by=market.stranger)
    assert refused == ("NotCommitted", ann.number, number, bytes(28), bytes(28))


def test_who_leaves_by_itself_cannot_take_its_bond_along(hall):
    market, ann = hall.market, hall.prosumers[0]
    number = hall.post(hall.buyer, True, 1_000, 20, is_sealed=True)
    hall.contract.commit(0, P, number, sealed(hall, ann, 5, 700), ann.sends)
    market.registry.leaveMarket(ann.number, ann.sends)
    begin_reveal(hall)
    refused = refusal(hall.contract.reveal, 0, P, number, 5, 700, SALT, by=ann.account)
    assert refused[:2] == ("ParticipantNotActive", ann.number)
