"""Who may do what, and where each metering point sits."""

import pytest
from brownie import ZERO_ADDRESS, chain, web3

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.caps import NO_CAP
from tests.contracts.market import (
    ACTIVE,
    CAPACITY_WH,
    FIRST,
    HORIZON,
    LEFT,
    SUSPENDED,
    TIMELOCK,
    metering_point,
    role,
    signer,
)
from tests.contracts.refusal import fact, refusal

NOBODY = b"\x01" * 20
NEWCOMER = 100  # a serial number nobody has yet
REMOVED = 7


def profile(market, number):
    """(capacity, area, zone, gateway, status) of a participant."""
    word = market.registry.profilesOf(number // 4) >> (number % 4 * 64) & ((1 << 64) - 1)
    return word >> 36, word >> 28 & 0xFF, word >> 16 & 0xFFF, word >> 4 & 0xFFF, word & 0xF


def groups(market, area, start, count):
    return list(market.registry.groupsOf(area, start, count))


def membership(market, number):
    return tuple(market.registry.membershipOf(number))


def register(market, *rows):
    return market.registry.register(rows, {"from": market.operator})


# --- numbers and groups ------------------------------------------------------------------------


def test_numbers_are_dense_and_a_group_belongs_to_one_area(market):
    assert [m.number for m in market.in_area(0)] == list(range(8, 18))
    assert [m.number for m in market.in_area(1)] == list(range(20, 25))
    assert groups(market, 0, 0, 99) == [2, 3, 4]
    assert groups(market, 1, 0, 99) == [5, 6]
    assert (market.registry.groupCount(0), market.registry.groupCount(1)) == (3, 2)
    assert market.registry.seatLimit() == 28


def test_an_area_fills_its_last_group_before_it_opens_another(market):
    rows = [market.registration(NEWCOMER + i) for i in range(3)]
    register(market, *rows)

    numbers = [market.registry.numberOf(row[0]) for row in rows]
    assert numbers == [18, 19, 28]
    assert groups(market, 0, 0, 99) == [2, 3, 4, 7]


def test_groups_are_handed_out_by_pages(market):
    assert groups(market, 0, 1, 1) == [3]
    assert groups(market, 0, 1, 99) == [3, 4]
    assert groups(market, 0, 3, 5) == []


def test_a_registration_is_told_in_full(market):
    row = market.registration(NEWCOMER, area=1, zone=2, capacity=777, start=FIRST + 9)
    tx = register(market, row)

    assert fact(tx, "ParticipantRegistered") == (
        25,
        row[0],
        "0x" + row[1].hex(),
        1,
        2,
        777,
        FIRST + 9,
    )
    assert profile(market, 25) == (777, 1, 2, 0, ACTIVE)
    assert market.registry.accountOf(25) == row[0]
    assert market.registry.meteringPointOf(25) == "0x" + row[1].hex()
    assert membership(market, 25) == (FIRST + 9, 2**32 - 1)


def test_registration_is_all_or_none(market):
    good, bad = market.registration(NEWCOMER), market.registration(NEWCOMER + 1, area=2)
    rows = [good, bad]

    assert refusal(market.registry.register, rows, by=market.operator) == ("UnknownArea", 2)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({0: ZERO_ADDRESS}, ("ZeroAccount",)),
        ({2: 2}, ("UnknownArea", 2)),
        ({3: 3}, ("UnknownZone", 3)),
        ({4: 0}, ("CapacityOutOfRange", 0, NO_CAP - 1)),
        ({4: NO_CAP}, ("CapacityOutOfRange", NO_CAP, NO_CAP - 1)),
    ],
)
def test_an_impossible_registration_is_refused(market, change, error):
    row = list(market.registration(NEWCOMER))
    for at, value in change.items():
        row[at] = value

    assert refusal(market.registry.register, [row], by=market.operator) == error


def test_the_largest_capacity_is_one_below_the_mark_for_none(market):
    register(market, market.registration(NEWCOMER, capacity=NO_CAP - 1))

    assert profile(market, 18)[0] == NO_CAP - 1


def test_an_account_and_a_metering_point_have_one_number_each(market):
    same_account = (signer(0), metering_point(NEWCOMER), 0, 0, CAPACITY_WH, FIRST)
    same_point = (signer(NEWCOMER), metering_point(0), 0, 0, CAPACITY_WH, FIRST)
    refused = lambda row: refusal(market.registry.register, [row], by=market.operator)  # noqa: E731

    assert refused(same_account) == ("AccountTaken", signer(0), 8)
    assert refused(same_point) == ("MeteringPointTaken", metering_point(0), 8)


# --- leaving, suspension -----------------------------------------------------------------------


def test_who_leaves_is_gone_at_the_next_gate_closure(market):
    member = market.members[0]
    tx = market.registry.leaveMarket(member.number, member.sends)

    assert fact(tx, "ParticipantLeft") == (member.number, FIRST + 1, member.account)
    assert membership(market, member.number) == (FIRST, FIRST + 1)
    assert profile(market, member.number)[-1] == LEFT


def test_who_promised_energy_leaves_after_the_last_of_it(market):
    member, neighbour = market.members[:2]
    for period in (FIRST + 1, FIRST + 2, FIRST + HORIZON):
        market.place(period, {member: (OFFER, 3, 100), neighbour: (BID, 3, 100)})
    market.auction.cancel(FIRST + HORIZON, member.sends)
    market.registry.leaveMarket(member.number, member.sends)
    market.registry.leaveMarket(neighbour.number, neighbour.sends)

    assert membership(market, member.number)[1] == FIRST + 3
    assert membership(market, neighbour.number)[1] == FIRST + HORIZON + 1


def test_profiles_as_of_a_period_are_those_of_its_members(market):
    leaver, group = market.members[0], market.members[0].group
    market.registry.leaveMarket(leaver.number, leaver.sends)
    here = [market.registry.profilesOfGroups(p, [group])[0] for p in (FIRST - 1, FIRST, FIRST + 1)]

    everyone = market.registry.profilesOf(group)
    assert here[0] == 0
    assert here[1] == everyone
    assert here[2] == everyone & ~((1 << 64) - 1)
    _, profiles = market.registry.membersOf(0, FIRST + 1, 0, 1)
    assert profiles == (here[2],)


def test_a_number_is_never_given_twice(market):
    leaver = market.members[0]
    market.registry.leaveMarket(leaver.number, leaver.sends)
    until = market.registry.membershipOf(leaver.number)[1]
    successor = [signer(NEWCOMER), metering_point(0), 0, 0, CAPACITY_WH, until - 1]
    refused = refusal(market.registry.register, [tuple(successor)], by=market.operator)
    assert refused == ("MeteringPointStillSettled", metering_point(0), until)
    successor[-1] = until
    register(market, tuple(successor))

    assert market.registry.numberOf(signer(NEWCOMER)) == 18
    assert market.registry.numberOf(leaver.account) == leaver.number  # it may still withdraw
    again = (leaver.account, metering_point(NEWCOMER), 0, 0, CAPACITY_WH, FIRST)
    refused = refusal(market.registry.register, [again], by=market.operator)
    assert refused == ("AccountTaken", leaver.account, leaver.number)


def test_a_metering_point_is_free_after_the_last_of_those_who_left_it(market):
    """The second at the point leaves before its first period: the first one is a member longer."""
    first = market.members[0]
    market.place(FIRST + HORIZON, {first: (OFFER, 3, 100)})
    market.registry.leaveMarket(first.number, first.sends)
    until = market.registry.membershipOf(first.number)[1]
    register(market, (signer(NEWCOMER), metering_point(0), 0, 0, CAPACITY_WH, until))
    market.registry.leaveMarket(
        market.registry.numberOf(signer(NEWCOMER)), {"from": market.operator}
    )

    early = (signer(NEWCOMER + 1), metering_point(0), 0, 0, CAPACITY_WH, until - 1)
    refused = refusal(market.registry.register, [early], by=market.operator)
    assert refused == ("MeteringPointStillSettled", metering_point(0), until)


def test_the_operator_may_take_a_participant_out_but_a_stranger_may_not(market):
    number = market.members[0].number

    assert refusal(market.registry.leaveMarket, number, by=market.stranger) == (
        "MissingRole",
        market.stranger,
        role("OPERATOR"),
    )
    market.registry.leaveMarket(number, {"from": market.operator})
    refused = refusal(market.registry.leaveMarket, number, by=market.operator)
    assert refused == ("NotActive", number, REMOVED)


def test_suspension_ends_by_reinstatement_only_while_it_lasts(market):
    number, by = market.members[0].number, {"from": market.operator}

    assert fact(market.registry.suspend(number, by), "ParticipantSuspended") == (number,)
    refused = refusal(market.registry.suspend, number, by=market.operator)
    assert refused == ("NotActive", number, SUSPENDED)
    assert fact(market.registry.reinstate(number, by), "ParticipantReinstated") == (number,)
    refused = refusal(market.registry.reinstate, number, by=market.operator)
    assert refused == ("NotSuspended", number, ACTIVE)
    assert profile(market, number) == (CAPACITY_WH, 0, 0, 1, ACTIVE)


def test_what_is_known_of_an_account_is_what_is_known_of_its_number(market):
    member, by = market.members[1], {"from": market.operator}
    registry = market.registry

    def of_its_number():
        four = registry.profilesOf(member.number // 4)
        return member.number, int(four) >> (64 * (member.number % 4)) & (1 << 64) - 1

    for change in (
        lambda: registry.suspend(member.number, by),
        lambda: registry.reinstate(member.number, by),
        lambda: registry.giveMandate(0, member.sends),
        lambda: registry.leaveMarket(member.number, by),
    ):
        before = of_its_number()
        assert tuple(registry.memberOf(member.account)) == before
        change()
        assert tuple(registry.memberOf(member.account)) == of_its_number() != before
    assert registry.numberOf(member.account) == member.number
    assert refusal(registry.memberOf, market.stranger, by=market.stranger) == (
        "UnknownParticipant", market.stranger,
    )  # fmt: skip


@pytest.mark.parametrize("number", [0, 3, 19, 28, 4_000])
def test_numbers_that_were_never_given_are_unknown(market, number):
    for method in (market.registry.suspend, market.registry.reinstate, market.registry.leaveMarket):
        assert refusal(method, number, by=market.operator) == ("UnknownNumber", number)
    assert market.registry.accountOf(number) == ZERO_ADDRESS


# --- mandates and gateways ---------------------------------------------------------------------


def test_a_mandate_holds_until_changed(market):
    member = market.members[0]

    tx = market.registry.giveMandate(2, member.sends)
    assert fact(tx, "MandateGiven") == (member.number, 2)
    assert profile(market, member.number)[3] == 2
    market.registry.giveMandate(0, member.sends)
    assert profile(market, member.number) == (CAPACITY_WH, 0, 0, 0, ACTIVE)


def test_a_mandate_needs_a_participant_and_a_gateway(market):
    give = market.registry.giveMandate

    refused = refusal(give, 3, by=market.members[0].account)
    assert refused == ("UnknownGateway", ZERO_ADDRESS, 3)
    assert refusal(give, 1, by=market.stranger) == ("UnknownParticipant", market.stranger)


def test_gateways_are_numbered_and_hold_their_role(market):
    market.registry.proposeRole(role("GATEWAY"), market.stranger, {"from": market.operator})
    chain.sleep(TIMELOCK)
    tx = market.registry.addGateway(market.stranger, {"from": market.operator})

    assert fact(tx, "GatewayAdded") == (3, market.stranger)
    assert market.registry.gatewayNumberOf(market.stranger) == 3
    assert market.registry.hasRole(role("GATEWAY"), market.stranger)
    refused = refusal(market.registry.addGateway, market.gateway, by=market.operator)
    assert refused == ("AccountTaken", market.gateway, 1)
    refused = refusal(market.registry.gatewayNumberOf, market.dso, by=market.dso)
    assert refused == ("UnknownGateway", market.dso, 0)


def test_a_gateway_without_its_role_is_none_any_more(market):
    market.registry.revokeRole(role("GATEWAY"), market.gateway, {"from": market.operator})

    refused = refusal(market.registry.gatewayNumberOf, market.gateway, by=market.stranger)
    assert refused == ("UnknownGateway", market.gateway, 1)


# --- places, roles, limits ---------------------------------------------------------------------


def test_areas_and_zones_are_numbered_in_order(market):
    by = {"from": market.operator}

    assert fact(market.registry.addArea(b"north", by), "AreaAdded")[0] == 2
    assert fact(market.registry.addZone(b"lane", 2, by), "ZoneAdded")[:2] == (3, 2)
    assert [market.registry.parentZone(zone) for zone in range(4)] == [0, 0, 1, 2]


def test_a_zone_lies_under_one_that_is_there(market):
    add = market.registry.addZone

    assert refusal(add, b"lane", 3, by=market.operator) == ("UnknownZone", 3)
    assert refusal(market.registry.parentZone, 3, by=market.stranger) == ("UnknownZone", 3)


# Slots of the counters in the registry's storage: a full registry takes too long to fill.
AREAS_SLOT, ZONES_SLOT, GATEWAYS_SLOT = 13, 14, 24


@pytest.mark.parametrize(
    ("slot", "full", "method", "arguments", "error"),
    [
        (AREAS_SLOT, 256, "addArea", [b"one more"], ("TooMany", "areas", 256)),
        (ZONES_SLOT, 4096, "addZone", [b"one more", 0], ("TooMany", "zones", 4095)),
        (
            GATEWAYS_SLOT,
            4095,
            "addGateway",
            [NOBODY],
            ("TooMany", "gateways", 4095),
        ),
    ],
)
def test_the_lanes_of_a_profile_limit_areas_zones_and_gateways(
    market, slot, full, method, arguments, error
):
    def fill(count):
        value = "0x" + count.to_bytes(32, "big").hex()
        set_slot = [market.registry.address, hex(slot), value]
        web3.provider.make_request("anvil_setStorageAt", set_slot)

    market.registry.proposeRole(role("GATEWAY"), NOBODY, {"from": market.operator})
    chain.sleep(TIMELOCK)
    chain.mine()
    add = getattr(market.registry, method)
    fill(full - 1)
    add.call(*arguments, {"from": market.operator})
    fill(full)
    assert refusal(add, *arguments, by=market.operator) == error


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("addArea", [b"x"]),
        ("addZone", [b"x", 0]),
        ("addGateway", [NOBODY]),
        ("register", [[]]),
        ("suspend", [8]),
        ("reinstate", [8]),
        ("connect", [NOBODY, NOBODY, NOBODY]),
        ("closeArea", [0]),
        ("attest", [8, 1]),
    ],
)
def test_the_operator_alone_keeps_the_registry(market, method, arguments):
    refused = refusal(getattr(market.registry, method), *arguments, by=market.dso)

    assert refused == ("MissingRole", market.dso, role("OPERATOR"))


def test_clock_and_clearing_house_are_named_once(market):
    both = (market.clock.address, market.house.address)
    refused = refusal(market.registry.connect, *both, market.pledges, by=market.operator)
    assert refused == ("AlreadyConnected", *both)
    assert (market.registry.clock(), market.registry.clearingHouse()) == both
    assert market.registry.pledges() == market.pledges


def test_what_energy_is_made_from_is_attested(market):
    number = market.members[0].number
    tx = market.registry.attest(number, 0b101, {"from": market.operator})

    assert fact(tx, "SourcesAttested") == (number, 0b101)
    assert market.registry.sourcesOf(number) == 0b101
    assert refusal(market.registry.attest, 7, 1, by=market.operator) == ("UnknownNumber", 7)


def test_roles_are_the_operators_to_give_and_to_take(market):
    market.give("TSO", market.stranger)
    assert market.registry.hasRole(role("TSO"), market.stranger)
    market.registry.revokeRole(role("TSO"), market.stranger, {"from": market.operator})
    assert not market.registry.hasRole(role("TSO"), market.stranger)
    refused = refusal(market.registry.grantRole, role("DSO"), market.dso, by=market.dso)
    assert refused == ("AccessControlUnauthorizedAccount", market.dso, b"\0" * 32)


def test_parties_with_an_account_here_may_hold_currency(market):
    may = market.registry.mayHoldCurrency

    holders = (market.members[0].account, market.treasurer, market.dso, market.supplier)
    assert all(may(account) for account in (*holders, market.operator))
    others = (market.stranger, market.gateway, market.meter_oracle, market.grid_oracle)
    assert not any(may(account) for account in others)
