"""Slips and attacks of an operator that nothing could undo: what it names once, and areas."""

from brownie import ZERO_ADDRESS, ParticipantRegistry

from tests.contracts.market import (
    FIRST,
    GATE_CLOSURE,
    HORIZON,
    MTU,
    metering_point,
    role,
    signer,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 1
NEWCOMER = 100


def selector(method):
    return bytes.fromhex(method.signature.removeprefix("0x"))


# --- what is named once ------------------------------------------------------------------------


def test_an_operator_cannot_end_redemption_for_good(market, alice):
    """The zero address as a holder: from then on nobody could give currency back to the bank."""
    add = market.currency.addSystemHolder
    refused = refusal(add, ZERO_ADDRESS, by=market.operator)
    assert refused == ("NoContract", ZERO_ADDRESS)
    refused = refusal(add, market.dso, by=market.operator)
    assert refused == ("NoContract", market.dso)
    market.currency.mint(alice.account, 5, role("bank"), {"from": market.treasurer})
    market.currency.redeem(5, alice.sends)
    assert market.currency.balanceOf(alice.account) == 0


def test_an_operator_cannot_keep_a_participants_contract_from_being_paid(market):
    """A participant's own contract takes what others send it; a system contract would not."""
    wallet = market.contracts.FlexibilityProducts.deploy(
        market.registry, market.clock, {"from": market.operator}
    )
    row = (wallet.address, metering_point(NEWCOMER), 0, 0, 25_000, FIRST)
    market.registry.register([row], {"from": market.operator})
    refused = refusal(market.currency.addSystemHolder, wallet, by=market.operator)
    assert refused == ("ParticipantsAccount", wallet.address)


def test_an_operator_cannot_connect_a_registry_to_the_wrong_contracts(market):
    """Zero, without code, swapped, or those of another registry: nobody could ever leave the market."""
    by = {"from": market.operator}
    fresh = ParticipantRegistry.deploy(market.operator, by)
    clock, house, pledges = market.clock.address, market.house.address, market.pledges.address
    asks_clock = selector(market.clock.lastOpenPeriod)
    asks_house = selector(market.house.ringSize)
    asks_pledges = selector(market.pledges.pledgedPermille)
    for wrong, error in (
        ((ZERO_ADDRESS, house, pledges), ("NoContract", ZERO_ADDRESS)),
        ((clock, market.dso, pledges), ("NoContract", market.dso)),
        ((clock, house, ZERO_ADDRESS), ("NoContract", ZERO_ADDRESS)),
        ((house, clock, pledges), ("AnotherContract", house, asks_clock)),
        ((clock, clock, pledges), ("AnotherContract", clock, asks_house)),
        ((clock, house, house), ("AnotherContract", house, asks_pledges)),
        ((clock, house, pledges), ("OtherRegistry", clock, market.registry.address)),
    ):
        assert refusal(fresh.connect, *wrong, by=market.operator) == error
    own = market.contracts.MarketClock.deploy(fresh, True, MTU, GATE_CLOSURE, HORIZON, by)
    refused = refusal(fresh.connect, own, house, pledges, by=market.operator)
    assert refused == ("OtherRegistry", house, market.registry.address)
    mine = market.contracts.ClearingHouse.deploy(*market.house_settings(registry=fresh), by)
    tx = fresh.connect(own, mine, pledges, by)
    assert fact(tx, "RegistryConnected") == (own.address, mine.address, pledges)


def test_an_operator_cannot_name_a_pool_without_code(market):
    grid = market.contracts.GridOracle.deploy(
        market.registry, market.clock, market.house, {"from": market.operator}
    )
    assert refusal(grid.setMarket, ZERO_ADDRESS, by=market.operator) == ("NoContract", ZERO_ADDRESS)


# --- areas -------------------------------------------------------------------------------------


def settled(market, period, *areas):
    for area in areas:
        market.trade(period, area)
    market.deliver(period)
    for area in areas:
        if members := market.in_area(area):
            market.meter(period, {m.number: 0 for m in members})
    return [market.settle(period, area) for area in areas]


def test_an_area_opened_by_mistake_can_be_closed(market):
    by, registry = {"from": market.operator}, market.registry
    mistake = registry.addArea(b"nort", by).return_value
    tx = registry.closeArea(mistake, by)
    closed = market.clock.lastOpenPeriod() + 1
    assert fact(tx, "AreaEnded") == (mistake, closed)
    assert registry.closedFrom(mistake) == closed
    registry.requireAreaIn(mistake, closed - 1)
    refused = refusal(registry.requireAreaIn, mistake, closed, by=market.stranger)
    assert refused == ("AreaClosed", mistake, closed)
    market.advance_to(closed)
    settled(market, closed, 0, 1)
    refused = refusal(market.settlement.settle, mistake, closed, 9, by=market.stranger)
    assert refused == ("AreaClosed", mistake, closed)


def test_a_period_that_takes_orders_cannot_lose_an_area(market):
    """What has begun with it ends with it: nothing is settled twice, or not at all."""
    by, registry = {"from": market.operator}, market.registry
    mistake = registry.addArea(b"nort", by).return_value
    registry.closeArea(mistake, by)
    *_, last = settled(market, P, 0, 1, mistake)
    assert fact(last, "PeriodFinished") == (mistake, P)


def test_an_operator_cannot_close_an_area_over_its_members(market):
    by, registry = {"from": market.operator}, market.registry
    member = market.in_area(1)[0]
    first = market.clock.lastOpenPeriod() + 1
    refused = refusal(registry.closeArea, 1, by=market.operator)
    assert refused == ("AreaHasMembers", 1, member.number, first)
    for member in market.in_area(1):
        registry.leaveMarket(member.number, by)
    registry.closeArea(1, by)
    refused = refusal(registry.closeArea, 1, by=market.operator)
    assert refused == ("AreaClosed", 1, first)
    row = (signer(NEWCOMER), metering_point(NEWCOMER), 1, 0, 25_000, first + 9)
    assert refusal(registry.register, [row], by=market.operator) == ("AreaClosed", 1, first)
    assert refusal(registry.closeArea, 2, by=market.operator) == ("UnknownArea", 2)
    fresh = ParticipantRegistry.deploy(market.operator, by)
    fresh.addArea(b"x", by)
    assert refusal(fresh.closeArea, 0, by=market.operator) == ("NotConnected",)


def test_a_stranger_cannot_close_an_area(market):
    refused = refusal(market.registry.closeArea, 0, by=market.stranger)
    assert refused == ("MissingRole", market.stranger, role("OPERATOR"))
