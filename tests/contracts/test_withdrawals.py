"""The way out: money is set aside, waits the dispute window, and leaves or goes back."""

import pytest
from brownie import chain

from tests.contracts.market import PAYMENT, PURSE, SUPPLIER, Market
from tests.contracts.refusal import fact, refusal

WINDOW = 86_400


@pytest.fixture(scope="module")
def waiting(market):
    """A clearing house whose withdrawals wait a day."""
    return Market(market.contracts, dispute_window=WINDOW).admit(2, guarantee=1_000)


def pass_window():
    chain.sleep(WINDOW)
    chain.mine()


def announced(tx):
    return fact(tx, "WithdrawalAnnounced")


def test_money_leaves_after_the_dispute_window(waiting):
    house, alice = waiting.house, waiting.members[0]
    tx = house.withdraw(70, alice.sends)
    number, ready = tx.return_value, tx.timestamp + WINDOW
    assert announced(tx) == (number, alice.number, alice.account, 70, ready)
    assert tuple(house.withdrawalOf(number)) == (alice.number, alice.account, 70, ready, False)
    assert house.balanceOf(alice.number) == PURSE - 70
    assert house.setAsideMicroEur() == 70
    assert waiting.currency.balanceOf(alice.account) == 0
    early = refusal(house.finishWithdrawal, number, by=waiting.stranger)
    assert early == ("WithdrawalWaits", number, ready)

    pass_window()
    tx = house.finishWithdrawal(number, {"from": waiting.stranger})
    assert fact(tx, "WithdrawalFinished") == (number, 70, 0)
    assert fact(tx, "Withdrawn") == (alice.number, alice.account, 70)
    assert waiting.currency.balanceOf(alice.account) == house.withdrawalsMicroEur() == 70
    assert (house.setAsideMicroEur(), waiting.money_sum()) == (0, 0)
    for method in (house.finishWithdrawal, house.cancelWithdrawal):
        assert refusal(method, number, by=alice.account) == ("NoWithdrawal", number)


def test_its_holder_takes_back_what_is_on_its_way(waiting):
    house, (alice, bob) = waiting.house, waiting.members
    number = house.withdraw(70, alice.sends).return_value
    refused = refusal(house.cancelWithdrawal, number, by=bob.account)
    assert refused == ("NotHolder", number, alice.number, bob.account)
    tx = house.cancelWithdrawal(number, alice.sends)

    assert fact(tx, "WithdrawalCancelled") == (number, alice.number, 70)
    assert house.balanceOf(alice.number) == PURSE
    assert (house.setAsideMicroEur(), waiting.money_sum()) == (0, 0)


def test_what_is_on_its_way_is_not_there_twice(waiting):
    house, alice = waiting.house, waiting.members[0]
    house.withdraw(PURSE, alice.sends)

    refused = refusal(house.withdraw, 1, by=alice.account)
    assert refused == ("InsufficientMoney", alice.number, 0, 1)


@pytest.fixture
def module(waiting, accounts):
    waiting.authorise(accounts[9], PAYMENT)
    waiting.currency.addSystemHolder(waiting.pledges, {"from": waiting.operator})
    return accounts[9]


def test_what_a_payment_module_takes_waits_too(waiting, module):
    """Less what its payer is in debt by then: what the module took from it says so."""
    house, alice = waiting.house, waiting.members[0]
    tx = house.collect(alice.number, PURSE, {"from": module})
    number = tx.return_value
    assert announced(tx)[1:4] == (alice.number, module, PURSE)
    assert house.takenFrom(module, alice.number) == PURSE
    assert house.receivedBy(module) == 0
    refused = refusal(house.cancelWithdrawal, number, by=alice.account)
    assert refused == ("NotHolder", number, alice.number, alice.account)

    waiting.house.setCreditLimit(alice.number, 0, {"from": waiting.treasurer})
    pass_window()
    house.finishWithdrawal(number, alice.sends)
    assert house.receivedBy(module) == house.takenFrom(module, alice.number) == PURSE
    assert waiting.currency.balanceOf(module) == PURSE


def test_what_a_payment_module_gives_back_it_has_not_taken(waiting, module):
    house, alice = waiting.house, waiting.members[0]
    number = house.collect(alice.number, 50, {"from": module}).return_value
    house.cancelWithdrawal(number, {"from": module})

    assert house.takenFrom(module, alice.number) == 0
    assert house.balanceOf(alice.number) == PURSE


def test_a_revoked_payment_module_gets_nothing_more(waiting, module):
    house, alice = waiting.house, waiting.members[0]
    number = house.collect(alice.number, 50, {"from": module}).return_value
    house.revokeModule(module, {"from": waiting.operator})
    pass_window()

    refused = refusal(house.finishWithdrawal, number, by=module)
    assert refused == ("MissingPermission", module, PAYMENT)
    house.cancelWithdrawal(number, alice.sends)
    assert house.balanceOf(alice.number) == PURSE


def test_the_desk_holds_nothing_of_its_own(waiting):
    """Its functions are the clearing house's: on its own storage it has neither money nor modules."""
    desk = waiting.contracts.ClearingHouseDesk.at(waiting.house.desk())
    alice = waiting.members[0]

    refused = refusal(desk.withdraw, 1, by=alice.account)
    assert refused == ("InsufficientMoney", alice.number, 0, 1)
    waiting.currency.approve(desk, 10, {"from": waiting.treasurer})
    waiting.currency.mint(waiting.treasurer, 10, b"x".rjust(32), {"from": waiting.treasurer})
    error = refusal(desk.deposit, [SUPPLIER], [10], by=waiting.treasurer)
    assert error[0] in {"HolderNotPermitted", "OnlyByHolder"}
