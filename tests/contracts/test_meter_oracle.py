"""Net readings: seven to a block, versioned, plausible, and fixed once settlement has begun."""

import pytest

from gridbourse.chain.encoding.lanes import BLOCK_BYTES, MISSING_WH, PER_BLOCK, pack_readings
from gridbourse.model.caps import NO_CAP
from tests.contracts.market import CAPACITY_WH, FIRST, RING, metering_point, role
from tests.contracts.refusal import fact, refusal

P = FIRST + 2


@pytest.fixture
def delivered(market):
    market.deliver(P)
    return market


def readings_of(market, numbers, period=P, area=0):
    return [market.meters.readingOf(area, period, number) for number in numbers]


def block(*lanes):
    """A block as it travels: the lane of the first participant last."""
    return b"".join(lane.to_bytes(4, "big", signed=True) for lane in reversed(lanes))


def refused(market, period=P, version=1, first=1, data=b"\0" * BLOCK_BYTES, by=None, area=0):
    by = by or market.meter_oracle
    return refusal(market.meters.submit, area, period, version, first, data, by=by)


def test_a_batch_is_stored_and_told_as_it_came(delivered):
    first, data = pack_readings({8: 120, 9: -3_500, 10: 0, 13: NO_CAP, 14: -NO_CAP})
    tx = delivered.meters.submit(0, P, 1, first, data, {"from": delivered.meter_oracle})

    assert fact(tx, "ReadingsSubmitted") == (0, P, 1, 1, "0x" + data.hex())
    expected = [120, -3_500, 0, MISSING_WH, MISSING_WH, NO_CAP, -NO_CAP, MISSING_WH]
    assert readings_of(delivered, range(8, 16)) == expected
    assert delivered.meters.versionOf(0, P) == 1


def test_the_lowest_lane_is_the_first_participant_of_a_block(delivered):
    data = block(MISSING_WH, 80, 90, 100, 110, 120, 130) + block(
        140, 150, 160, 170, *[MISSING_WH] * 3
    )
    delivered.meters.submit(0, P, 1, 1, data, {"from": delivered.meter_oracle})

    assert readings_of(delivered, range(8, 18)) == list(range(80, 171, 10))


def test_readings_reach_the_settlement_by_group(delivered):
    delivered.meter(P, {8: 1, 9: -2, 11: 4})

    word = delivered.meters.readingsOfGroups(0, P, [2])[0]
    lanes = [word >> (64 * lane) & (2**64 - 1) for lane in range(4)]
    signed = [lane - 2**64 if lane >> 63 else lane for lane in lanes]
    assert signed == [1, -2, MISSING_WH, 4]


def test_a_later_version_corrects_and_completes(delivered):
    delivered.meter(P, {8: 100, 9: 200})
    delivered.meter(P, {9: 250, 10: 300})  # 8 is missing in it, and stays

    assert readings_of(delivered, (8, 9, 10)) == [100, 250, 300]
    assert delivered.meters.versionOf(0, P) == 2


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_version_out_of_turn_is_refused(delivered, version):
    delivered.meter(P, {8: 100})

    assert refused(delivered, version=version) == ("VersionOutOfTurn", 0, P, version, 2)


def test_periods_have_their_own_versions_and_readings(delivered):
    delivered.meter(P, {8: 100})
    delivered.meter(P - 1, {8: 50})

    assert readings_of(delivered, [8]) == [100]
    assert readings_of(delivered, [8], P - 1) == [50]
    assert delivered.meters.versionOf(0, P - 2) == 0
    assert readings_of(delivered, [8], P - 2) == [MISSING_WH]


def test_what_is_not_delivered_is_not_metered(market):
    market.advance_to(P + 1, -1)
    assert refused(market) == ("NotDelivered", P, P)

    market.deliver(P)
    market.meter(P, {8: 1})


def test_the_meter_oracle_alone_brings_readings(delivered):
    for account in (delivered.operator, delivered.grid_oracle, delivered.members[0].account):
        error = ("MissingRole", account, role("METER_ORACLE"))
        assert refused(delivered, by=account) == error


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES + 4])
def test_a_batch_is_whole_blocks(delivered, size):
    assert refused(delivered, data=b"\0" * size) == ("BadLength", size, BLOCK_BYTES)


@pytest.mark.parametrize("wh", [NO_CAP + 1, -NO_CAP - 1, 2**31 - 1, -(2**31) + 1])
def test_an_absurd_reading_is_refused(delivered, wh):
    data = block(MISSING_WH, 0, wh, 0, 0, 0, 0)

    assert refused(delivered, data=data) == ("ReadingAbsurd", 9, wh, NO_CAP)


def test_a_reading_of_nobody_is_refused(delivered):
    """Seats 8..17 are taken in the area, 20..24 in another: house accounts, empty seats and what is beyond
    are nobody."""
    missing = MISSING_WH
    for number in (0, 7, 18, 19, 21, 25, 27, 28, 1_000_000):
        lanes = [5 if number % PER_BLOCK == lane else missing for lane in range(PER_BLOCK)]
        first, data = number // PER_BLOCK, block(*lanes)
        assert refused(delivered, first=first, data=data) == ("UnknownMeter", 0, number)
        assert delivered.meters.versionOf(0, P) == 0


def test_seats_beyond_the_first_256_are_known_apart(market):
    """A batch may cross from one word of seats into the next."""
    rows = [
        (f"0x{serial + 1:040x}", metering_point(1_000 + serial), 0, 0, CAPACITY_WH, FIRST)
        for serial in range(240)
    ]
    for start in (0, 120):
        market.registry.register(rows[start : start + 120], {"from": market.operator})
    last = market.registry.seatLimit() - 1
    assert last > 256
    market.deliver(P)
    nobody = last + 1
    lanes = [5 if lane == nobody % PER_BLOCK else MISSING_WH for lane in range(PER_BLOCK)]
    refused_ = refused(market, first=nobody // PER_BLOCK, data=block(*lanes))
    assert refused_ == ("UnknownMeter", 0, nobody)
    market.meter(P, {255: 1, 256: 2, 257: 3})

    assert readings_of(market, (255, 256, 257)) == [1, 2, 3]


def test_a_batch_reaches_no_other_period(delivered):
    """A block number that would run over into the ring key's period is refused."""
    delivered.meter(P, {8: -10})
    other = ((P % RING) ^ ((P - 1) % RING)) << 64 | 1
    data = block(*[MISSING_WH] * PER_BLOCK)

    refused_ = refusal(delivered.meters.submit, 0, P - 1, 1, other, data, by=delivered.meter_oracle)
    assert refused_ == ("UnknownMeter", 0, other)
    assert readings_of(delivered, (8,)) == [-10]


def test_lanes_of_nobody_may_be_missing(delivered):
    padded = block(*[5] * 4, *[MISSING_WH] * 3) + block(*[MISSING_WH] * PER_BLOCK)
    delivered.meters.submit(1, P, 1, 3, padded, {"from": delivered.meter_oracle})

    assert readings_of(delivered, (21, 24, 25, 28), area=1) == [5, 5, MISSING_WH, MISSING_WH]


def test_areas_have_versions_and_readings_of_their_own(delivered):
    """14..20 are one block: 14..17 of area 0, 20 of area 1, each in the copy of its own."""
    delivered.meter(P, {14: 140, 17: 170, 20: 200})

    assert readings_of(delivered, (14, 17, 20)) == [140, 170, MISSING_WH]
    assert readings_of(delivered, (14, 17, 20), area=1) == [MISSING_WH, MISSING_WH, 200]
    assert [delivered.meters.versionOf(area, P) for area in (0, 1)] == [1, 1]
    delivered.meter_area(1, P, {20: 201})
    assert [delivered.meters.versionOf(area, P) for area in (0, 1)] == [1, 2]
    assert readings_of(delivered, (14, 17, 20)) == [140, 170, MISSING_WH]


def test_a_reading_for_who_is_of_another_area_is_refused(delivered):
    for area, number in ((0, 20), (1, 17), (1, 8)):
        lanes = [5 if number % PER_BLOCK == lane else MISSING_WH for lane in range(PER_BLOCK)]
        first, data = number // PER_BLOCK, block(*lanes)
        told = refused(delivered, first=first, data=data, area=area)
        assert told == ("UnknownMeter", area, number)
    assert refused(delivered, area=2, first=2) == ("UnknownArea", 2)


def test_once_settlement_has_begun_a_reading_is_completed_but_not_changed(market):
    market.trade(P)
    market.deliver(P)
    market.meter(P, dict.fromkeys(range(8, 12), 10))
    market.settle(P, groups=1)

    first, data = pack_readings({9: 11, 12: 20})
    told = refused(market, version=2, first=first, data=data)
    assert told == ("SettlementBegun", 0, P, 9, 10, 11)
    market.meter(P, {9: 10, 12: 20})
    assert readings_of(market, (9, 12)) == [10, 20]


def test_a_slot_is_used_again_once_its_period_is_settled(market):
    market.deliver(P)
    market.meter(P, {member.number: 10 for member in market.members})
    market.deliver(P + RING)
    taken = ("RingSlotBusy", 0, P + RING, P)
    assert refused(market, period=P + RING) == taken

    market.trade(P)
    market.settle(P)
    market.meter(P + RING, {8: 77})
    assert readings_of(market, (8, 9), P + RING) == [77, MISSING_WH]
    assert readings_of(market, (8,), P) == [MISSING_WH]
    assert refused(market) == ("RingSlotBusy", 0, P, P + RING)


def test_a_gap_inside_a_batch_changes_nothing(delivered):
    delivered.meter(P, {10: 9})
    delivered.meter(P, {8: 1, 14: 2})

    assert readings_of(delivered, (8, 10, 14)) == [1, 9, 2]
