"""The settlement currency: minted against deposits in the bank, held by known parties only."""

import pytest
from eth_utils import keccak

from tests.contracts.market import role
from tests.contracts.refusal import fact, refusal

TRANSFER = keccak(text="bank transfer 1")


@pytest.fixture
def alice(market):
    return market.members[0].account


@pytest.fixture
def bob(market):
    return market.members[1].account


def mint(market, to, amount, reference=TRANSFER):
    return market.currency.mint(to, amount, reference, {"from": market.treasurer})


def test_one_token_is_one_euro_in_micro_euro(market):
    assert market.currency.decimals() == 6


def test_the_treasurer_mints_against_a_bank_reference(market, alice):
    before = market.currency.totalSupply()
    tx = mint(market, alice, 5_000_000)

    assert fact(tx, "Minted") == (alice, 5_000_000, "0x" + TRANSFER.hex())
    assert market.currency.balanceOf(alice) == 5_000_000
    assert market.currency.totalSupply() == before + 5_000_000


def test_a_bank_reference_is_minted_against_once(market, alice, bob):
    mint(market, alice, 5)

    refused = refusal(market.currency.mint, bob, 7, TRANSFER, by=market.treasurer)
    assert refused == ("BankReferenceSpent", TRANSFER)


def test_nobody_else_mints(market, alice):
    for account in (alice, market.operator, market.dso):
        refused = refusal(market.currency.mint, alice, 1, TRANSFER, by=account)
        assert refused == ("MissingRole", account, role("TREASURER"))


def test_it_moves_between_known_parties(market, alice, bob):
    mint(market, alice, 100)
    market.currency.transfer(bob, 60, {"from": alice})
    market.currency.approve(market.dso, 40, {"from": alice})
    market.currency.transferFrom(alice, market.supplier, 40, {"from": market.dso})

    assert market.currency.balanceOf(bob) == 60
    assert market.currency.balanceOf(market.supplier) == 40


def test_it_never_reaches_a_stranger(market, alice):
    mint(market, alice, 100)
    stranger, error = market.stranger, ("HolderNotPermitted", market.stranger)

    other = keccak(text="bank transfer 2")
    assert refusal(market.currency.mint, stranger, 1, other, by=market.treasurer) == error
    assert refusal(market.currency.transfer, stranger, 1, by=alice) == error
    market.currency.approve(market.dso, 1, {"from": alice})
    refused = refusal(market.currency.transferFrom, alice, stranger, 1, by=market.dso)
    assert refused == error


def test_who_left_may_still_hold_what_it_is_owed(market, alice, bob):
    market.registry.leaveMarket(market.members[0].number, {"from": alice})
    mint(market, bob, 10)

    market.currency.transfer(alice, 10, {"from": bob})
    assert market.currency.balanceOf(alice) == 10


def test_redeemed_currency_is_gone(market, alice):
    mint(market, alice, 100)
    before = market.currency.totalSupply()
    tx = market.currency.redeem(30, {"from": alice})

    assert fact(tx, "Redeemed") == (alice, 30)
    assert market.currency.totalSupply() == before - 30
    assert market.currency.balanceOf(alice) == 70
    refused = refusal(market.currency.redeem, 71, by=alice)
    assert refused == ("ERC20InsufficientBalance", alice, 70, 71)


def test_a_system_contract_holds_currency_once_the_operator_says_so(market, alice):
    mint(market, alice, 10)
    contract = market.tariff.address
    refused = refusal(market.currency.transfer, contract, 1, by=alice)
    assert refused == ("HolderNotPermitted", contract)
    refused = refusal(market.currency.addSystemHolder, contract, by=alice)
    assert refused == ("MissingRole", alice, role("OPERATOR"))

    tx = market.currency.addSystemHolder(contract, {"from": market.operator})
    assert fact(tx, "SystemHolderAdded") == (contract,)
    assert market.currency.systemHolder(contract)
    refused = refusal(market.currency.transfer, contract, 1, by=alice)
    assert refused == ("OnlyByHolder", contract, alice)


def test_a_contract_takes_currency_only_when_it_asks_for_it(market, alice):
    """Else anyone could put the clearing house's holdings off what it has booked."""
    mint(market, alice, 10)
    refused = refusal(market.currency.transfer, market.house, 1, by=alice)
    assert refused == ("OnlyByHolder", market.house, alice)
    assert market.money_sum() == 0

    market.currency.approve(market.house, 10, {"from": alice})
    market.house.deposit([1], [10], {"from": alice})
    assert market.money_sum() == 0
