"""Market time: replayed or of the blocks, gate closure, horizon, delivery."""

import pytest
from brownie import CallAuction, MarketClock, OverTheCounter, Settlement, chain

from tests.contracts.market import FIRST, GATE_CLOSURE, HORIZON, MTU, RING, role
from tests.contracts.refusal import deployment_refusal, fact, refusal

NOW = FIRST * MTU


def clock_at(market, time):
    market.clock.advanceTo(time, {"from": market.operator})
    return market.clock


def test_the_operator_drives_a_replay_clock(market):
    tx = market.clock.advanceTo(NOW + 1, {"from": market.operator})

    assert fact(tx, "ClockAdvanced") == (NOW + 1,)
    assert market.clock.timestamp() == NOW + 1
    refused = refusal(market.clock.advanceTo, NOW + 2, by=market.stranger)
    assert refused == ("MissingRole", market.stranger, role("OPERATOR"))


def test_a_replay_clock_runs_forward_only(market):
    clock = clock_at(market, NOW)

    refused = refusal(clock.advanceTo, NOW - 1, by=market.operator)
    assert refused == ("ClockRunsForward", NOW - 1, NOW)
    clock.advanceTo(NOW, {"from": market.operator})  # to stand still is not to run backward


def test_a_replay_clock_does_not_follow_the_blocks(market):
    before = market.clock.timestamp()
    chain.sleep(10 * MTU)
    chain.mine()

    assert market.clock.timestamp() == before


def test_a_period_changes_with_its_first_second(market):
    assert clock_at(market, NOW + MTU - 1).currentPeriod() == FIRST
    assert clock_at(market, NOW + MTU).currentPeriod() == FIRST + 1


def test_orders_are_taken_until_gate_closure(market):
    period = FIRST + 1
    closure = period * MTU - GATE_CLOSURE
    clock = clock_at(market, closure - 1)

    assert clock.gateClosure(period) == closure
    clock.requireOpen(period)
    assert not clock.gateClosed(period)
    clock_at(market, closure)
    assert clock.gateClosed(period)
    refused = refusal(clock.requireOpen, period, by=market.stranger)
    assert refused == ("GateClosed", period, closure, closure)


def test_orders_are_taken_as_far_as_the_horizon(market):
    clock, last = market.clock, FIRST + HORIZON

    assert clock.lastOpenPeriod() == last
    clock.requireOpen(last)
    refused = refusal(clock.requireOpen, last + 1, by=market.stranger)
    assert refused == ("BeyondHorizon", last + 1, last)
    # As the gate of one period closes, the one behind the horizon opens.
    clock_at(market, (FIRST + 1) * MTU - GATE_CLOSURE)
    clock.requireOpen(last + 1)


@pytest.mark.parametrize("period", [0, 2**32])
def test_periods_that_no_word_can_carry_are_refused(market, period):
    error = ("PeriodOutOfRange", period)

    for question in (market.clock.requireOpen, market.clock.gateClosed, market.clock.gateClosure):
        assert refusal(question, period, by=market.stranger) == error


def test_a_period_is_delivered_when_it_has_ended(market):
    assert not clock_at(market, NOW + MTU - 1).delivered(FIRST)
    assert clock_at(market, NOW + MTU).delivered(FIRST)


def test_in_production_market_time_is_block_time(market):
    clock = MarketClock.deploy(
        market.registry, False, MTU, GATE_CLOSURE, HORIZON, {"from": market.operator}
    )
    chain.sleep(10 * MTU)
    chain.mine()
    now = chain[-1].timestamp

    assert abs(clock.timestamp() - now) <= 1
    assert clock.currentPeriod() == now // MTU
    clock.requireOpen(now // MTU + 2)
    assert clock.gateClosed(now // MTU)
    refused = refusal(clock.advanceTo, NOW * 3, by=market.operator)
    assert refused == ("NotAReplayClock",)


@pytest.mark.parametrize(("mtu", "horizon"), [(0, HORIZON), (MTU, 0)])
def test_a_clock_needs_a_time_unit_and_a_horizon(market, mtu, horizon):
    settings = (market.registry, True, mtu, GATE_CLOSURE, horizon)

    refused = deployment_refusal(MarketClock, *settings, by=market.operator)
    assert refused == ("BadClock", mtu, horizon)


def test_one_request_cannot_hold_a_ring_that_is_too_short(market):
    """In block time the ring comes round whatever waits: so nothing waits longer than it."""
    by = {"from": market.operator}
    clock = MarketClock.deploy(market.registry, False, MTU, GATE_CLOSURE, HORIZON, by)
    ring, lead = RING * MTU, (HORIZON + 1) * MTU + GATE_CLOSURE
    room = ring - lead
    at = (market.registry, clock, market.house, market.grid)
    settlement, silent = (*at, market.meters, market.tariff), (market.silent_permille,)
    pool = (*at, market.tariff, 80, 1, 221, False, 3)
    for kind, settings, more in ((Settlement, settlement, silent), (CallAuction, pool, ())):
        kind.deploy((*settings, room, *more), by)
        refused = deployment_refusal(kind, (*settings, room + 1, *more), by=market.operator)
        assert refused == ("RingTooShort", ring, ring + 1)
    deals = ((*at, room + 1), market.tariff, 10, 16)
    refused = deployment_refusal(OverTheCounter, *deals, by=market.operator)
    assert refused == ("RingTooShort", ring, ring + 1)
