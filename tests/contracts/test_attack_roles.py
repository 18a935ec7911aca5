"""Attacks by who holds the keys of the market's service: on roles, and on who is told from whom by them."""

import pytest
from brownie import chain

from tests.contracts.market import FIRST, TIMELOCK, role, signer
from tests.contracts.refusal import fact, refusal

ADMIN = b"\0" * 32
REMOVAL = role("ADMIN_REMOVAL")
LIFE = 14 * 86_400
NEWCOMER = 100  # a serial number nobody has yet


@pytest.fixture
def registry(market):
    return market.registry


@pytest.fixture
def thief(market):
    return market.stranger


@pytest.fixture
def second(registry, market, accounts):
    """Another admin and operator, whose key is somebody else's."""
    for which in (ADMIN, role("OPERATOR")):
        registry.proposeRole(which, accounts[9], {"from": market.operator})
    chain.sleep(TIMELOCK)
    for which in (ADMIN, role("OPERATOR")):
        registry.grantRole(which, accounts[9], {"from": accounts[9]})
    return accounts[9]


def test_an_operator_cannot_make_itself_the_meter_in_one_step(market, registry):
    """It would sign readings of its own, and be gone with everybody's deposits in the same block."""
    by = {"from": market.operator}
    meter = (role("METER_ORACLE"), market.operator)
    assert refusal(registry.grantRole, *meter, by=market.operator) == ("RoleNotProposed", *meter)
    proposed = registry.proposeRole(*meter, by)
    due = proposed.timestamp + TIMELOCK
    told = (role("METER_ORACLE").hex(), market.operator, due, due + LIFE)
    assert fact(proposed, "RoleProposed") == ("0x" + told[0], *told[1:])
    refused = refusal(registry.grantRole, *meter, by=market.operator)
    assert refused == ("RoleTimelockRunning", *meter, due)
    chain.sleep(TIMELOCK)
    registry.grantRole(*meter, by)
    assert registry.hasRole(*meter)
    # What was used up is not used again: taken at once, it is given behind the timelock.
    registry.revokeRole(*meter, by)
    assert refusal(registry.grantRole, *meter, by=market.operator) == ("RoleNotProposed", *meter)


def test_an_operator_cannot_keep_a_role_in_store(market, registry, thief):
    """Proposals that everybody has forgotten: they end, and can be withdrawn before."""
    by, dso = {"from": market.operator}, (role("DSO"), thief)
    registry.proposeRole(*dso, by)
    refused = refusal(registry.withdrawRole, *dso, by=thief)
    assert refused == ("AccessControlUnauthorizedAccount", thief, ADMIN)
    tx = registry.withdrawRole(*dso, by)
    assert fact(tx, "RoleProposalWithdrawn") == ("0x" + role("DSO").hex(), thief)
    assert refusal(registry.withdrawRole, *dso, by=market.operator) == ("RoleNotProposed", *dso)
    due = registry.proposeRole(*dso, by).timestamp + TIMELOCK
    chain.sleep(TIMELOCK + LIFE)
    chain.mine()
    refused = refusal(registry.grantRole, *dso, by=market.operator)
    assert refused == ("RoleProposalExpired", *dso, due + LIFE)


def test_a_stranger_cannot_propose(registry, thief):
    refused = ("AccessControlUnauthorizedAccount", thief, ADMIN)
    assert refusal(registry.proposeRole, role("DSO"), thief, by=thief) == refused
    assert refusal(registry.proposeRole, role("GATEWAY"), thief, by=thief) == refused
    assert refusal(registry.proposeRemoval, thief, by=thief) == refused


def test_the_last_admin_and_operator_cannot_leave(market, registry):
    """Nobody could ever give a role again, register or suspend."""
    for which in (ADMIN, role("OPERATOR")):
        last = ("LastHolder", which, market.operator)
        who = market.operator
        assert refusal(registry.renounceRole, which, who, by=who) == last
    refused = refusal(registry.revokeRole, role("OPERATOR"), market.operator, by=market.operator)
    assert refused == ("LastHolder", role("OPERATOR"), market.operator)


def test_an_admin_cannot_leave_to_a_key_that_nobody_has(market, registry):
    """A mistyped successor never takes the role up, so that it is none."""
    nobody, by = "0x" + 40 * "1", {"from": market.operator}
    for which in (ADMIN, role("OPERATOR")):
        registry.proposeRole(which, nobody, by)
    chain.sleep(TIMELOCK)
    chain.mine()
    for which in (ADMIN, role("OPERATOR")):
        refused = refusal(registry.grantRole, which, nobody, by=market.operator)
        assert refused == ("OnlyItself", which, nobody, market.operator)
        refused = refusal(registry.renounceRole, which, market.operator, by=market.operator)
        assert refused == ("LastHolder", which, market.operator)


def test_an_admin_leaves_once_its_successor_is_there(market, registry, second):
    by = {"from": market.operator}
    for which in (ADMIN, role("OPERATOR")):
        registry.renounceRole(which, market.operator, by)
        assert (registry.holdersOf(which), registry.hasRole(which, second)) == (1, True)


def test_the_thief_of_one_admins_key_cannot_put_out_the_others(market, registry, second):
    """Else it would be alone in no time, and give itself the rest after the timelock."""
    remove = (ADMIN, second)
    refused = refusal(registry.revokeRole, *remove, by=market.operator)
    assert refused == ("RoleNotProposed", REMOVAL, second)
    registry.proposeRemoval(second, {"from": market.operator})
    registry.withdrawRole(REMOVAL, second, {"from": second})
    chain.sleep(TIMELOCK)
    chain.mine()
    refused = refusal(registry.revokeRole, *remove, by=market.operator)
    assert refused == ("RoleNotProposed", REMOVAL, second)
    registry.proposeRemoval(market.operator, {"from": second})
    chain.sleep(TIMELOCK)
    registry.revokeRole(ADMIN, market.operator, {"from": second})
    assert not registry.hasRole(ADMIN, market.operator)
    refused = refusal(registry.proposeRemoval, market.operator, by=second)
    assert refused == ("MissingRole", market.operator, ADMIN)


def test_an_operator_cannot_make_a_victim_a_gateway(market, registry, alice):
    """Who calls is told by its roles first: with a gateway's, a participant could reveal nothing."""
    for name in ("GATEWAY", "DSO", "TSO", "SUPPLIER", "METER_ORACLE"):
        registry.proposeRole(role(name), alice.account, {"from": market.operator})
    chain.sleep(TIMELOCK)
    chain.mine()
    none = ("ParticipantHoldsNoOffice", alice.account, alice.number)
    add = refusal(registry.addGateway, alice.account, by=market.operator)
    assert add == (*none, role("GATEWAY"))
    for name in ("GATEWAY", "DSO", "TSO", "SUPPLIER", "METER_ORACLE"):
        refused = refusal(registry.grantRole, role(name), alice.account, by=market.operator)
        assert refused == (*none, role(name))


def test_an_office_cannot_register_as_a_participant(market, registry):
    """The reverse: and a key that meters, mints or judges is none that trades."""
    for who in (market.gateway, market.dso, market.meter_oracle, market.treasurer):
        row = (who, role("a point"), 0, 0, 25_000, FIRST)
        refused = refusal(registry.register, [row], by=market.operator)
        assert refused == ("HoldsOffice", who, market.registry.officesOf(who))
    registry.revokeRole(role("GATEWAY"), market.gateway, {"from": market.operator})
    registry.register(
        [(market.gateway, role("a point"), 0, 0, 25_000, FIRST)], {"from": market.operator}
    )
    refused = refusal(registry.addGateway, market.gateway, by=market.operator)
    assert refused == ("AccountTaken", market.gateway, 1)


def test_an_operator_cannot_make_an_accomplice_a_gateway_in_one_step(market, registry, accounts):
    """A mandate given to a number is not given to whoever gets the number next: but it is announced."""
    who, by = accounts[9], {"from": market.operator}
    assert refusal(registry.addGateway, who, by=market.operator) == (
        "RoleNotProposed", role("GATEWAY"), who,
    )  # fmt: skip
    registry.proposeRole(role("GATEWAY"), who, by)
    chain.sleep(TIMELOCK)
    assert fact(registry.addGateway(who, by), "GatewayAdded") == (3, who)


def test_before_the_seal_roles_are_given_at_once(market, accounts):
    by, who = {"from": market.operator}, accounts[9]
    fresh = market.contracts.ParticipantRegistry.deploy(market.operator, by)
    fresh.grantRole(role("DSO"), who, by)
    fresh.grantRole(role("GATEWAY"), who, by)
    assert (fresh.gatewayNumberOf(who), fresh.officesOf(who)) == (1, 2)
    refused = refusal(fresh.proposeRole, role("TSO"), who, by=market.operator)
    assert refused == ("NotSealed",)
    refused = refusal(fresh.grantRole, role("TSO"), who, by=who)
    assert refused == ("AccessControlUnauthorizedAccount", who, ADMIN)


def test_an_aggregator_is_a_participant_and_no_office(market, registry, alice):
    market.give("AGGREGATOR", alice.account)
    assert registry.officesOf(alice.account) == 0
    market.give("AGGREGATOR", signer(NEWCOMER))  # before it registers
    registry.register([market.registration(NEWCOMER)], {"from": market.operator})
