"""Public mode: what the registry opens to anyone, what stays shut, what closing takes from nobody."""

import pytest
from brownie import chain

from gridbourse.chain.encoding.lanes import BID
from tests.contracts.campaigns import launch, launch_equity, mint
from tests.contracts.market import FIRST, role
from tests.contracts.refusal import fact, refusal
from tests.contracts.test_equity import earn

CURRENCY, FUND, SHARES = (role(name) for name in ("HOLD_CURRENCY", "FUND", "HOLD_SHARES"))
P = FIRST + 1


def set_open(market, *purposes, open_=True):
    for purpose in purposes:
        market.registry.setOpen(purpose, open_, {"from": market.operator})


@pytest.fixture(scope="module")
def owner(market):
    return market.members[9]


@pytest.fixture
def anyone(accounts):
    """Nobody the market knows."""
    return accounts[15]


def test_the_operator_alone_opens_and_only_what_can_be(market, anyone):
    registry = market.registry
    assert not registry.permits(FUND, anyone)
    tx = registry.setOpen(FUND, True, {"from": market.operator})
    assert fact(tx, "PolicySet") == ("0x" + FUND.hex(), True)
    assert registry.permits(FUND, anyone)
    assert not registry.permits(SHARES, anyone)
    assert refusal(registry.setOpen, FUND, True, by=anyone) == (
        "MissingRole",
        anyone,
        role("OPERATOR"),
    )
    other = role("MARKET")
    assert refusal(registry.setOpen, other, True, by=market.operator) == ("UnknownPurpose", other)


def test_who_is_registered_or_in_service_needs_no_policy(market, alice):
    for purpose in (CURRENCY, FUND, SHARES):
        for account in (
            alice.account,
            market.treasurer,
            market.dso,
            market.supplier,
            market.operator,
        ):
            assert market.registry.permits(purpose, account)
        assert not market.registry.permits(purpose, market.gateway)


def test_each_purpose_opens_its_own_door(market, owner, alice, anyone):
    launched = launch(market, "EquityCampaign", owner)
    mints = (anyone, 500, role("bank"))
    refused = refusal(market.currency.mint, *mints, by=market.treasurer)
    assert refused == ("HolderNotPermitted", anyone)
    set_open(market, CURRENCY)
    mint(market, {anyone: 500, alice.account: 8_000})
    launched.contract.offer(1, 500, owner.sends)
    launched.open()
    market.currency.approve(launched.contract, 500, {"from": anyone})
    assert refusal(launched.contract.fund, 500, by=anyone) == ("NotPermitted", anyone, FUND)
    set_open(market, FUND)
    launched.contract.fund(500, {"from": anyone})
    launched.fund(alice.account, 8_000)
    assert launched.contract.balanceOf(anyone) == 500


def test_anyone_funds_holds_and_claims_while_the_market_stays_shut(
    market, owner, alice, bob, anyone, accounts
):
    launched, other = launch_equity(market, owner), accounts[16]
    set_open(market, CURRENCY, FUND)
    launched.funded({anyone: 5_000, alice.account: 5_000}).operating()
    refused = refusal(launched.contract.transfer, other, 2_500, by=anyone)
    assert refused == ("NotPermitted", other, SHARES)
    set_open(market, SHARES)
    launched.contract.transfer(other, 2_500, {"from": anyone})
    earn(market, launched, P)
    for account in (anyone, other):
        due = launched.contract.claimableOf(account)
        launched.contract.claim({"from": account})
        assert market.currency.balanceOf(account) == due > 0
        order = refusal(market.auction.place, P + 2, BID, 3, 10, by=account)
        assert order == ("UnknownParticipant", account)
        assert refusal(market.house.withdraw, 1, by=account) == ("UnknownParticipant", account)


def test_a_door_that_closes_keeps_nobodys_money(market, owner, alice, anyone):
    """Who was let in gets its money back, and can give it back to the bank; nothing new comes to it."""
    launched = launch(market, "DonationCampaign", owner)
    set_open(market, CURRENCY, FUND)
    launched.open()
    mint(market, {anyone: 700, alice.account: 300})
    launched.fund(anyone, 700)
    set_open(market, CURRENCY, FUND, open_=False)
    chain.sleep(100_000)
    launched.contract.conclude({"from": anyone})
    launched.contract.refund({"from": anyone})

    assert market.currency.balanceOf(anyone) == 700
    refused = refusal(market.currency.transfer, anyone, 1, by=alice.account)
    assert refused == ("HolderNotPermitted", anyone)
    market.currency.redeem(700, {"from": anyone})


def test_a_beneficiary_is_paid_whoever_it_is(market, owner, alice, bob, anyone):
    """The operator has named the campaign, and the campaign its beneficiary."""
    gift = launch(market, "DonationCampaign", owner, anyone)
    gift.funded({alice.account: 7_000, bob.account: 4_000})
    gift.confirm(0)
    gift.contract.withdraw({"from": anyone})

    assert market.currency.balanceOf(anyone) == 4_000
    mint(market, {bob.account: 1})
    refused = refusal(market.currency.transfer, anyone, 1, by=bob.account)
    assert refused == ("HolderNotPermitted", anyone)
