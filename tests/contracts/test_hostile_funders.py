"""Receivers that call again while they are paid: what is paid for is written down before money moves."""

import pytest
from brownie import web3

from tests.contracts.campaigns import (
    EVIDENCE,
    GOAL,
    MILESTONES,
    NOBODY,
    RENT,
    Launched,
    income_of,
    pass_to,
    terms_of,
)
from tests.contracts.harnesses import deploy_harness
from tests.contracts.market import FIRST, role

SHARE = GOAL // 2
OWNER = 17  # number of who makes the campaigns


class Hostile:
    """A contract that holds money and does, and does again, what it is told."""

    def __init__(self, functions, accounts):
        self._functions, self._from = functions, {"from": accounts[0].address}
        self.address = functions.address

    def run(self, contract, data):
        return self._sent(self._functions.run(str(contract), data))

    def arm(self, contract, data):
        self._sent(self._functions.arm(str(contract), data))

    def tries(self):
        return self._functions.tried().call(), self._functions.succeeded().call()

    def _sent(self, function):
        # What a node estimates is what the outer call needs: too little for the one within.
        sent = function.transact(self._from | {"gas": 5_000_000})
        done = web3.eth.wait_for_transaction_receipt(sent)
        assert done["status"] == 1
        return done


@pytest.fixture(scope="module")
def currency(tmp_path_factory, accounts):
    return deploy_harness("TellingCurrency", tmp_path_factory, accounts)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, accounts):
    return Hostile(deploy_harness("HostileFunder", tmp_path_factory, accounts), accounts)


def launched_in(market, currency, kind, *more):
    """A campaign in the telling currency; anyone may fund."""
    owner, by = market.members[9], {"from": market.operator}
    for purpose in ("FUND", "HOLD_SHARES"):
        market.registry.setOpen(role(purpose), True, by)
    terms = terms_of(owner)
    at = (market.registry, market.clock, currency.address)
    contract = getattr(market.contracts, kind).deploy(at, terms, *more, by)
    return Launched(market, contract, owner, terms, market.other_gateway)


def funded(launched, currency, hostile, alice, by_hostile=SHARE, by_alice=SHARE):
    contract = launched.contract
    contract.open(MILESTONES, launched.owner.sends)
    pass_to(launched.terms.start)
    send(currency.mint(hostile.address, 3 * SHARE))
    send(currency.mint(alice.account.address, by_alice))
    approval = currency.approve(str(contract), 3 * SHARE)._encode_transaction_data()
    hostile.run(currency.address, approval)
    alice.account.transfer(currency.address, data=approval)
    hostile.run(contract, contract.fund.encode_input(by_hostile))
    contract.fund(by_alice, {"from": alice.account})
    return contract


def send(function):
    web3.eth.wait_for_transaction_receipt(function.transact({"from": web3.eth.accounts[0]}))


def held(currency, contract):
    return currency.balanceOf(str(contract)).call()


def test_a_refund_is_paid_once(market, currency, hostile, alice):
    launched = launched_in(market, currency, "DonationCampaign", NOBODY)
    contract = funded(launched, currency, hostile, alice)
    contract.abandon(EVIDENCE, launched.owner.sends)
    before = currency.balanceOf(hostile.address).call()
    hostile.arm(contract, contract.refund.encode_input())
    hostile.run(contract, contract.refund.encode_input())

    assert hostile.tries() == (1, 0)
    assert currency.balanceOf(hostile.address).call() == before + SHARE
    assert held(currency, contract) == contract.totalSupply() == SHARE
    contract.refund(alice.sends)
    assert held(currency, contract) == 0


def test_what_is_released_is_paid_once(market, currency, hostile, alice):
    launched = launched_in(market, currency, "DonationCampaign", hostile.address)
    contract = funded(launched, currency, hostile, alice)
    pass_to(launched.terms.end)
    contract.conclude(alice.sends)
    launched.confirm(0)
    before = currency.balanceOf(hostile.address).call()
    hostile.arm(contract, contract.withdraw.encode_input())
    hostile.run(contract, contract.withdraw.encode_input())

    assert hostile.tries() == (1, 0)
    assert currency.balanceOf(hostile.address).call() == before + MILESTONES[0]
    assert held(currency, contract) == GOAL - MILESTONES[0]


def test_who_funds_while_funding_gives_twice_and_gets_twice(market, currency, hostile, alice):
    """Nothing is wrong with that: each call takes its own money."""
    launched = launched_in(market, currency, "RewardCampaign")
    contract = funded(launched, currency, hostile, alice, by_hostile=1_000)
    hostile.arm(contract, contract.fund.encode_input(500))
    hostile.run(contract, contract.fund.encode_input(500))

    tried, succeeded = hostile.tries()
    assert succeeded >= 1
    given = 1_000 + 500 * (1 + succeeded)
    assert contract.balanceOf(hostile.address) == given
    assert (
        held(currency, contract)
        == contract.totalSupply()
        == contract.fundedMicroEur()
        == given + SHARE
    )
    assert tried > succeeded  # until its maximum, its money or the cap is reached


@pytest.fixture
def house(currency, tmp_path_factory, accounts):
    """Says that everybody has plenty; it has what it is given."""
    return deploy_harness("FullHouse", tmp_path_factory, accounts, currency.address)


@pytest.fixture
def owed(market, currency, hostile, alice, house):
    """Three periods of a rent, in the telling currency; half is the hostile one's."""
    at = (house.address, *income_of(market), 1_000)
    launched = launched_in(market, currency, "EquityCampaign", *at)
    market.currency.addSystemHolder(launched.contract, {"from": market.operator})
    launched.contract.offer(RENT, 1_000, launched.owner.sends)
    contract = funded(launched, currency, hostile, alice)
    pass_to(launched.terms.end)
    contract.conclude(alice.sends)
    launched.operating()
    market.advance_to(FIRST + 4)
    return contract


@pytest.fixture
def rented(owed, currency, house, alice):
    send(currency.mint(house.address, 10**9))
    owed.collect(OWNER, [], alice.sends)
    return owed


def test_no_more_is_collected_than_the_house_has(owed, currency, house, alice):
    """Who has something there has it also while others owe; what is short comes later."""
    owed.collect(OWNER, [], alice.sends)
    assert owed.collectedMicroEur() == 0
    send(currency.mint(house.address, 1_200))
    owed.collect(OWNER, [], alice.sends)
    assert owed.collectedMicroEur() == 1_200
    send(currency.mint(house.address, 10**9))
    owed.collect(OWNER, [], alice.sends)
    assert owed.collectedMicroEur() == owed.dueOf(OWNER) == 3_000


def test_a_claim_is_paid_once(rented, currency, hostile, alice):
    before, collected = currency.balanceOf(hostile.address).call(), rented.collectedMicroEur()
    hostile.arm(rented, rented.claim.encode_input())
    hostile.run(rented, rented.claim.encode_input())

    assert collected == 3_000
    assert hostile.tries() == (1, 0)
    assert currency.balanceOf(hostile.address).call() == before + collected // 2
    assert rented.claimableOf(alice.account) == collected // 2
    assert held(currency, rented) == GOAL + collected // 2


def test_shares_given_away_while_claiming_earn_nothing_twice(market, rented, hostile):
    bob = market.members[1].account
    hostile.arm(rented, rented.transfer.encode_input(bob, SHARE))
    hostile.run(rented, rented.claim.encode_input())

    assert hostile.tries() == (1, 1)
    assert rented.balanceOf(bob) == SHARE
    assert rented.claimableOf(bob) == rented.claimableOf(hostile.address) == 0
