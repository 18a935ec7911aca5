"""Which contracts may move money and energy, how one comes to, and what only modules do."""

import pytest
from brownie import ZERO_ADDRESS, ClearingHouse, chain, web3
from brownie.exceptions import VirtualMachineError
from eth_utils import to_checksum_address

from gridbourse.chain.encoding.lanes import BID, OFFER
from tests.contracts.market import (
    FIRST,
    MARKET,
    OPERATOR,
    ORACLE,
    PURSE,
    SETTLEMENT,
    TIMELOCK,
    role,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
GROUP = 2
MARGIN = 6


LIFETIME = 14 * 86_400


@pytest.fixture
def module(market):
    """Something with code that is no module yet."""
    return market.pledges


def codehash(module):
    return "0x" + web3.keccak(web3.eth.get_code(module.address)).hex().removeprefix("0x")


def test_a_module_is_proposed_and_after_the_timelock_authorised(market, module):
    by = {"from": market.operator}
    tx = market.house.proposeModule(module, MARKET, by)

    due = tx.timestamp + TIMELOCK
    proposed = (module, MARKET, due, due + LIFETIME, codehash(module))
    assert fact(tx, "ModuleProposed") == proposed
    assert tuple(market.house.proposalOf(module)) == (MARKET, due, codehash(module))
    refused = refusal(market.house.authoriseModule, module, by=market.operator)
    assert refused == ("TimelockRunning", module.address, due)
    assert market.house.permissionsOf(module) == 0
    chain.sleep(TIMELOCK)
    assert fact(market.house.authoriseModule(module, by), "ModuleAuthorised") == (module, MARKET)
    assert market.house.permissionsOf(module) == MARKET
    assert market.house.isMarket(module)
    refused = refusal(market.house.authoriseModule, module, by=market.operator)
    assert refused == ("NotProposed", module.address)


def test_a_module_is_revoked_at_once(market):
    tx = market.house.revokeModule(market.auction, {"from": market.operator})

    assert fact(tx, "ModuleRevoked") == (market.auction,)
    order = (P, BID, 3, 10)
    refused = refusal(market.auction.place, *order, by=market.members[0].account)
    assert refused == (
        "MissingPermission",
        market.auction.address,
        MARKET | SETTLEMENT | ORACLE,
    )


def test_until_it_is_sealed_there_is_no_timelock(market, module):
    by = {"from": market.operator}
    house = ClearingHouse.deploy(*market.house_settings(), by)
    house.proposeModule(module, MARKET, by)
    house.authoriseModule(module, by)
    assert house.permissionsOf(module) == MARKET

    assert "Sealed" in house.seal(by).events
    assert house.isSealed()
    house.proposeModule(market.clock, MARKET, by)
    assert refusal(house.authoriseModule, market.clock, by=market.operator)[0] == "TimelockRunning"


@pytest.mark.parametrize("method", ["proposeModule", "authoriseModule", "revokeModule", "seal"])
def test_the_operator_alone_decides_on_modules(market, method):
    arguments = {"proposeModule": (market.dso, MARKET), "seal": ()}.get(method, (market.dso,))

    refused = refusal(getattr(market.house, method), *arguments, by=market.dso)
    assert refused == ("MissingRole", market.dso, role("OPERATOR"))


@pytest.mark.parametrize(
    ("method", "arguments", "permission"),
    [
        ("activate", (0, P), MARKET | SETTLEMENT | ORACLE),
        ("reserve", (0, P, ZERO_ADDRESS, []), MARKET),
        ("book", (0, P, [], [], []), MARKET),
        ("bookAt", (0, P, 1, [], []), MARKET),
        ("collectSpread", (0, P, 1), MARKET),
        ("transfer", (8, 9, 1), MARKET),
        ("settle", (0, P, [], [], [], 0), SETTLEMENT),
        ("finishArea", (0, P), SETTLEMENT),
        ("correct", (0, P, GROUP, 0, 0, 0), SETTLEMENT),
    ],
)
def test_each_action_needs_its_permission(market, method, arguments, permission):
    action = getattr(market.house, method)

    refused = refusal(action, *arguments, by=market.operator)
    assert refused == ("MissingPermission", market.operator, permission)
    for module, has in (
        (market.auction, MARKET),
        (market.settlement, SETTLEMENT),
        (market.meters, ORACLE),
    ):
        if not has & permission:
            refused = refusal(action, *arguments, by=module)
            assert refused == ("MissingPermission", module.address, permission)


def test_what_was_proposed_before_the_seal_waits_as_long_as_what_comes_after(market, module):
    by = {"from": market.operator}
    house = ClearingHouse.deploy(*market.house_settings(), by)
    house.proposeModule(module, MARKET, by)
    chain.sleep(2 * LIFETIME)  # what a proposal lives for begins with the seal's timelock too
    sealed = house.seal(by)

    refused = refusal(house.authoriseModule, module, by=market.operator)
    assert refused == ("TimelockRunning", module.address, sealed.timestamp + TIMELOCK)
    assert refusal(house.seal, by=market.operator) == ("AlreadySealed", sealed.timestamp)
    chain.sleep(TIMELOCK)
    house.authoriseModule(module, by)


def test_a_revoked_module_has_nothing_proposed_either(market, module):
    by = {"from": market.operator}
    market.house.proposeModule(module, MARKET, by)
    market.house.revokeModule(module, by)
    chain.sleep(TIMELOCK + 1)

    refused = refusal(market.house.authoriseModule, module, by=market.operator)
    assert refused == ("NotProposed", module.address)


# --- the list of markets -----------------------------------------------------------------------


def test_every_market_is_listed_while_it_may_book(market):
    assert market.house.markets() == (market.auction,)
    market.authorise(market.stranger, MARKET)
    market.authorise(market.dso, MARKET | ORACLE)
    assert market.house.markets() == (market.auction, market.stranger, market.dso)

    by = {"from": market.operator}
    market.house.revokeModule(market.stranger, by)
    assert set(market.house.markets()) == {str(market.auction), str(market.dso)}
    market.authorise(market.dso, ORACLE)
    market.authorise(market.auction, MARKET)  # once more: listed once
    assert market.house.markets() == (market.auction,)
    market.house.revokeModule(market.auction, by)
    market.house.revokeModule(market.stranger, by)
    assert market.house.markets() == ()


def test_there_is_room_for_sixteen_markets(market):
    others = [to_checksum_address(bytes([number]).rjust(20, b"\1")) for number in range(1, 17)]
    for other in others[:-1]:
        market.authorise(other, MARKET)
    with pytest.raises(VirtualMachineError, match="TooManyMarkets"):
        market.authorise(others[-1], MARKET)
    market.house.revokeModule(others[3], {"from": market.operator})
    market.authorise(others[-1], MARKET)  # in the place of who left


# --- money a module moves ----------------------------------------------------------------------


@pytest.fixture
def desk(market):
    market.authorise(market.stranger, MARKET)
    return market.stranger


def test_a_market_moves_free_money_from_account_to_account(market, desk):
    alice, bob = market.members[:2]
    move = market.house.transfer
    tx = move(alice.number, MARGIN, 700, {"from": desk})
    assert fact(tx, "Transferred") == (desk, alice.number, MARGIN, 700)
    move(MARGIN, bob.number, 300, {"from": desk})
    move(MARGIN, OPERATOR, 400, {"from": desk})

    balances = [market.house.balanceOf(who) for who in (alice.number, bob.number, MARGIN, OPERATOR)]
    assert balances == [PURSE - 700, PURSE + 300, 0, 400]
    assert market.money_sum() == 0


def test_a_transfer_takes_what_is_free_and_no_more(market, desk):
    alice = market.members[0]
    market.place(P, {alice: (BID, 3, 100), market.members[1]: (OFFER, 3, 100)})
    free = market.house.balanceOf(alice.number)

    refused = refusal(market.house.transfer, alice.number, MARGIN, free + 1, by=desk)
    assert refused == ("InsufficientMoney", alice.number, free, free + 1)
    refused = refusal(market.house.transfer, MARGIN, alice.number, 1, by=desk)
    assert refused == ("MarginOfOthers", desk, 1, 0)
    for ends in ((alice.number, 26), (26, alice.number), (0, alice.number)):
        assert refusal(market.house.transfer, *ends, 1, by=desk)[0] == "UnknownAccount"


def test_margins_come_and_go_by_markets_alone(market):
    refused = refusal(market.house.withdrawHouse, MARGIN, 0, by=market.operator)
    assert refused == ("MarginIsHeldForOthers", MARGIN)
    refused = refusal(market.house.deposit, [MARGIN], [0], by=market.treasurer)
    assert refused == ("MarginIsHeldForOthers", MARGIN)


def test_the_last_period_with_energy_promised_is_found(market):
    alice, bob = market.members[:2]
    last = lambda who, start, end: market.house.lastReserved(who.number, start, end)  # noqa: E731
    assert last(alice, FIRST, FIRST + 4) == 0
    market.place(P, {alice: (OFFER, 3, 100), bob: (BID, 3, 100)})

    assert last(alice, FIRST, FIRST + 4) == last(bob, P, P) == P
    assert last(alice, P + 1, FIRST + 4) == last(alice, FIRST, P - 1) == 0
