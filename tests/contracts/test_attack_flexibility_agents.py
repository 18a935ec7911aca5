"""Attacks with an agent's key: what a gateway or aggregator takes from those it acts for by flexibility."""

import pytest

from gridbourse.chain.bindings.flexibility import lot_drawn
from gridbourse.model.flexibility.market import bond_micro_eur
from gridbourse.model.flexibility.products import CONGESTION, CONGESTION_METERED, Way
from tests.contracts.flexibility_hall import (
    BAND,
    DSO,
    GATEWAY,
    MARGIN,
    SALT,
    SUPPLIER,
    FlexibilityHall,
    P,
)
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import CAPACITY_WH, PURSE, SUSPENDED, role
from tests.contracts.refusal import refusal
from tests.contracts.test_flexibility_market import refused_offer

TOP = BAND.ticks - 1


@pytest.fixture(scope="module")
def contracts(market, tmp_path_factory, accounts):
    return deploy_contract("ContractList", tmp_path_factory, accounts)


@pytest.fixture(scope="module")
def hall(market, contracts):
    return FlexibilityHall(market, contracts.address)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


@pytest.fixture(scope="module")
def agent(hall, people, contracts, accounts):
    """An aggregator of two, which let it put nothing at risk yet."""
    hall.whole.give("AGGREGATOR", people[0].account)
    for who in people[1:3]:
        transact(contracts.functions.set(who.number, people[0].number, 800, True), accounts)
    return people[0]


def declare_for(hall, by, who, wh):
    hall.schedules.declare(P, [who.number], [wh], {"from": by})


def test_a_gateway_cannot_take_bonds_by_an_accomplices_request_for_little(hall, people):
    """It buys little for an accomplice, declares false schedules and offers all their connections carry.

    Nobody allowed it anything: it puts nothing at risk. Before: 25 kWh × 490 µEUR × 2 of each, to its buyer.
    """
    accomplice, *victims = people
    hall.whole.registry.giveMandate(0, accomplice.sends)
    posted = hall.request(CONGESTION, Way.UP, 100, TOP, accomplice)
    gateway = hall.whole.gateway
    bond = bond_micro_eur(posted.request, CAPACITY_WH, BAND)
    assert bond == 24_500_000  # 24.5 EUR a victim and period
    for victim in victims:
        hall.agents.allow(GATEWAY, 0, victim.sends)
        declare_for(hall, gateway, victim, -CAPACITY_WH)
        refused = refused_offer(hall, posted, victim, 0, CAPACITY_WH, gateway)
        assert refused == ("BeyondAllowance", victim.number, GATEWAY, bond, 0)
        assert hall.balance(victim) == PURSE


@pytest.mark.parametrize("asked_wh", [100, 10_000])
def test_a_gateway_cannot_take_more_than_it_was_allowed_nor_turn_it_to_its_buyer(
    hall, people, asked_wh
):
    """With an allowance, seed and salt its own: all stand by with false schedules. The accomplice gets
    nothing, and each victim loses at most its allowance."""
    accomplice, *victims = people
    hall.whole.registry.giveMandate(0, accomplice.sends)
    gateway, allowance = hall.whole.gateway, 1_000_000
    wh = allowance // (TOP * 10 * 2)
    chosen = next(s for s in seeds() if all(stands_by(s, victim) for victim in victims[:3]))
    posted = hall.request(CONGESTION, Way.UP, asked_wh, TOP, accomplice, seed=chosen)
    for victim in victims[:3]:
        hall.agents.allow(GATEWAY, allowance, victim.sends)
        declare_for(hall, gateway, victim, -CAPACITY_WH)
        refused = refused_offer(hall, posted, victim, TOP, wh + 1, gateway)
        assert refused[:3] == ("BeyondAllowance", victim.number, GATEWAY)
        hall.offer(posted, victim, TOP, wh, gateway)
        assert hall.requests.atRiskOf(victim.number, P) == wh * TOP * 10 * 2
    supplier = hall.balance(SUPPLIER)
    assert hall.run(posted) == []
    hall.deliver({})
    hall.verify_declared(posted, [victim.number for victim in victims[:3]])
    assert hall.balance(accomplice) == PURSE
    lost = [PURSE - hall.balance(victim) for victim in victims[:3]]
    at_stake = min(wh, asked_wh)  # nobody stands by with more than was asked for
    assert lost == [at_stake * TOP * 10 * 2] * 3
    assert max(lost) <= allowance
    assert hall.balance(SUPPLIER) == supplier + sum(lost)
    assert hall.balance(MARGIN) == 0


def seeds():
    return (i.to_bytes(32, "big") for i in range(1 << 16))


def stands_by(seed, who):
    return lot_drawn(seed, SALT, 0, P, 0, who.number) % 300 >= 200


def test_an_agent_cannot_use_an_allowance_twice_in_a_period(hall, people):
    """Over all requests of a period, whoever asks; taken back it is free again, lowered it holds at once."""
    ann, gateway = people[1], hall.whole.gateway
    hall.agents.allow(GATEWAY, 100 * 100, ann.sends)
    first, second = (hall.request(CONGESTION_METERED, Way.UP, 500, 10) for _ in range(2))
    hall.offer(first, ann, 4, 60, gateway)
    refused = refused_offer(hall, second, ann, 4, 41, gateway)
    assert refused == ("BeyondAllowance", ann.number, GATEWAY, 101 * 100, 100 * 100)
    hall.offer(second, ann, 4, 40, gateway)
    hall.offer(first, ann, 4, 0, gateway)
    assert hall.requests.atRiskOf(ann.number, P) == 40 * 100
    hall.agents.allow(GATEWAY, 30 * 100, ann.sends)
    hall.offer(second, ann, 4, 35, gateway)  # less than before passes
    refused = refused_offer(hall, second, ann, 4, 36, gateway)
    assert refused[0] == "BeyondAllowance"
    hall.offer(second, ann, 4, 5_000)  # its own offer is its own affair
    assert hall.requests.atRiskOf(ann.number, P) == 0


def test_an_agent_cannot_sell_its_principals_to_itself(hall, people, agent):
    """To itself, or to another it acts for. (A participant holds no office of the house.)"""
    ann, ben = people[1:3]
    for who in (ann, ben):
        hall.agents.allow(agent.number, 10**9, who.sends)
    towards = lambda number, buyer: ("TowardsItself", number, buyer)  # noqa: E731
    own = hall.request(CONGESTION_METERED, Way.UP, 100, 10, agent)
    bens = hall.request(CONGESTION_METERED, Way.UP, 100, 10, ben)
    house = hall.request(CONGESTION_METERED, Way.UP, 100, 10, DSO)
    for posted, buyer in ((own, agent.number), (bens, ben.number)):
        refused = refused_offer(hall, posted, ann, 4, 10, agent.account)
        assert refused == towards(agent.number, buyer)
        refused = refused_offer(hall, posted, ann, 4, 10, hall.whole.gateway)
        assert refused == towards(GATEWAY, buyer)  # it has everybody's mandate
    hall.offer(house, ann, 4, 10, agent.account)
    hall.offer(own, ann, 4, 10)  # the participant itself may


def test_a_revoked_or_suspended_aggregator_cannot_act_any_more(hall, people, agent):
    """Its role, and whether it is active, are asked each time; before, it went on acting."""
    ann, registry = people[1], hall.whole.registry
    hall.agents.allow(agent.number, 10**9, ann.sends)
    posted = hall.request(CONGESTION, Way.UP, 100, 10)
    declare = lambda: refusal(  # noqa: E731
        hall.schedules.declare, P, [ann.number], [-9], by=agent.account
    )
    gone = ("NotForAnother", ann.number, agent.number)
    declare_for(hall, agent.account, ann, -5)
    hall.offer(posted, ann, 4, 10, agent.account)
    registry.suspend(agent.number, hall.by)
    assert refused_offer(hall, posted, ann, 4, 20, agent.account) == gone
    assert declare() == gone
    registry.reinstate(agent.number, hall.by)
    registry.revokeRole(role("AGGREGATOR"), agent.account, hall.by)
    assert refused_offer(hall, posted, ann, 4, 20, agent.account) == gone
    assert declare() == gone
    hall.whole.give("AGGREGATOR", agent.account)
    registry.leaveMarket(agent.number, agent.sends)
    assert refused_offer(hall, posted, ann, 4, 20, agent.account) == gone
    hall.offer(posted, ann, 4, 0)  # what it had brought its principal takes back
    assert (hall.balance(ann), hall.balance(MARGIN)) == (PURSE, 100 * 100)


def test_a_gateway_that_lost_its_role_cannot_act_any_more(hall, people):
    ann, gateway = people[1], hall.whole.gateway
    posted = hall.request(CONGESTION_METERED, Way.UP, 100, 10)
    hall.offer(posted, ann, 4, 10, gateway)
    hall.whole.registry.revokeRole(role("GATEWAY"), gateway, hall.by)
    assert refused_offer(hall, posted, ann, 4, 20, gateway) == ("UnknownParticipant", gateway)


def test_an_agent_cannot_change_what_its_principal_says_itself(hall, people):
    """Nor put a false schedule under the offer that it is about to make."""
    ann, ben, gateway = people[1], people[2], hall.whole.gateway
    posted = hall.request(CONGESTION, Way.UP, 500, 10)
    hall.declare(ann, -300)
    declare = lambda who: refusal(  # noqa: E731
        hall.schedules.declare, P, [who.number], [-CAPACITY_WH], by=gateway
    )
    assert declare(ann) == ("OwnSchedule", ann.number, GATEWAY)
    hall.offer(posted, ann, 4, 100)
    for wh in (0, 100, 200):
        refused = refused_offer(hall, posted, ann, 9, wh, gateway)
        assert refused == ("OwnOffer", ann.number, GATEWAY)
    declare_for(hall, gateway, ben, -400)
    hall.schedules.withdraw(P, ben.sends)
    assert tuple(hall.schedules.scheduleOf(P, ben.number)) == (False, 0)
    assert declare(ben) == ("OwnSchedule", ben.number, GATEWAY)
    assert refused_offer(hall, posted, ben, 4, 10, gateway) == ("NoSchedule", ben.number, P)


def test_a_principal_always_takes_back_and_lowers(hall, people):
    """Whoever brought the offer, suspended or gone; and its schedule with it."""
    ann, gateway, registry = people[1], hall.whole.gateway, hall.whole.registry
    posted = hall.request(CONGESTION, Way.UP, 500, 10)
    declare_for(hall, gateway, ann, -CAPACITY_WH)
    hall.offer(posted, ann, 4, 400, gateway)
    registry.suspend(ann.number, hall.by)
    hall.offer(posted, ann, 4, 100)
    assert refused_offer(hall, posted, ann, 4, 101) == ("NotAMember", ann.number, SUSPENDED)
    assert refused_offer(hall, posted, ann, 3, 100) == ("NotAMember", ann.number, SUSPENDED)
    fixed = refusal(hall.schedules.withdraw, P, by=ann.account)
    assert fixed == ("ScheduleFixed", ann.number, P)
    hall.offer(posted, ann, 0, 0)
    hall.schedules.withdraw(P, ann.sends)
    assert (hall.balance(ann), hall.reserved(ann)) == (PURSE, (0, 0))


def test_a_schedule_withdrawn_far_ahead_cannot_wipe_the_slot_of_a_nearer_period(hall, people):
    ann, ben = people[:2]
    hall.declare(ben, -5)
    last = hall.whole.clock.lastOpenPeriod()
    refused = refusal(hall.schedules.withdraw, last + 1, by=ann.account)
    assert refused == ("BeyondHorizon", last + 1, last)
    current = hall.whole.clock.currentPeriod()
    refused = refusal(hall.schedules.withdraw, current, by=ann.account)
    assert refused == ("DeliveryBegun", current, current)


def test_nobody_sets_the_allowance_of_another(hall, people):
    ann, stranger = people[1], hall.whole.stranger
    assert refusal(hall.agents.allow, GATEWAY, 5, by=stranger) == ("UnknownParticipant", stranger)
    hall.agents.allow(GATEWAY, 5, ann.sends)
    assert hall.agents.allowanceOf(ann.number, GATEWAY) == 5
    most = (1 << 56) - 1
    refused = refusal(hall.agents.allow, GATEWAY, most + 1, by=ann.account)
    assert refused == ("AllowanceOutOfRange", most + 1, most)
