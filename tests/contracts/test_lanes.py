"""Four lanes of a word at once do what four numbers do one by one, without running over."""

import random
from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from tests.contracts.harnesses import deploy_harness

MASK28, MASK32, MASK64 = 2**28 - 1, 2**32 - 1, 2**64 - 1
EDGES = (-(2**63), -(2**62) - 1, -1, 0, 1, 2**62, 2**63 - 1)
ENERGIES = (0, 1, MASK28 - 1, MASK28)
NONE, ACTIVE, SUSPENDED, LEFT = range(4)
Four = Sequence[int]


@pytest.fixture(scope="module")
def lanes(tmp_path_factory, accounts):
    return deploy_harness("FourLanes", tmp_path_factory, accounts)


def word(values: Four, bits: int) -> int:
    return sum((value % 2**bits) << (bits * lane) for lane, value in enumerate(values))


def signed(value: int, bits: int = 64) -> int:
    value %= 2**bits
    return value - (value >> (bits - 1) << bits)


def of_word(value: int) -> list[int]:
    return [signed(value >> (64 * lane)) for lane in range(4)]


def pairs() -> Iterator[tuple[Four, Four]]:
    """Edges beside each other in every way, then anything."""
    for a, b in product(EDGES, EDGES):
        yield (a, b, a, b), (b, a, a, b)
    rng = random.Random(7)
    for _ in range(150):
        half = 2 ** rng.choice((63, 62, 40))
        yield tuple(tuple(rng.randrange(-half, half) for _ in range(4)) for _ in range(2))  # type: ignore[misc]


def test_signed_lanes_are_numbers_of_their_own(lanes):
    for a, b in pairs():
        added, within, less, least, positive, any_below_0, total = lanes.signed(
            word(a, 64), word(b, 64)
        ).call()

        sums = [x + y for x, y in zip(a, b, strict=True)]
        differences = [x - y for x, y in zip(a, b, strict=True)]
        assert of_word(added) == [signed(s) for s in sums]
        assert within == all(-(2**63) <= s < 2**63 for s in sums)
        assert of_word(less) == [signed(d) for d in differences]
        if all(-(2**63) <= d < 2**63 for d in differences):
            assert of_word(least) == [min(x, y) for x, y in zip(a, b, strict=True)]
        assert of_word(positive) == [max(x, 0) for x in a]
        assert any_below_0 == (min(a) < 0)
        assert total == sum(a)


def test_readings_of_32_bits_keep_their_sign(lanes):
    for four in product((-(2**31), -1, 0, 1, 2**31 - 1), repeat=4):
        read = lanes.fromInt32s(word(four, 32) | MASK32 << 128 | 5 << 200).call()
        assert of_word(read) == list(four)


def test_energies_stay_in_their_lanes(lanes):
    for out, into, other in product(ENERGIES, repeat=3):
        a = word([out << 28 | into, into << 28 | out] * 2, 56) | MASK32 << 224
        b = word([other << 28] * 4, 56) | 7 << 224
        outs, intos, nets, above = lanes.energies(a, b).call()

        assert of_word(outs) == [out, into] * 2
        assert of_word(intos) == [into, out] * 2
        assert of_word(nets) == [out - into, into - out] * 2
        assert above == (max(out, into) > other)


def test_one_lane_above_is_found_in_each(lanes):
    for lane in range(4):
        a = word([2 << 28 if lane == at else 1 << 28 for at in range(4)], 56)
        assert lanes.energies(a, word([1 << 28] * 4, 56)).call()[3]
        assert not lanes.energies(a, word([2 << 28] * 4, 56)).call()[3]


def test_members_leavers_and_zones_of_a_group(lanes):
    rng = random.Random(7)
    for statuses in product((NONE, ACTIVE, SUSPENDED, LEFT), repeat=4):
        zones = [rng.choice((0, 1, 4_094, 4_095)) for _ in range(4)]
        four = word(
            [
                (rng.getrandbits(36) << 28 | zone << 16 | rng.getrandbits(12) << 4 | status)
                if status
                else 0
                for zone, status in zip(zones, statuses, strict=True)
            ],
            64,
        )
        members, of_zone, any_left = lanes.profiles(four, zones[0]).call()

        assert of_word(members) == [-1 if status else 0 for status in statuses]
        here = zones[0]
        assert of_word(of_zone) == [
            -1 if (zone if status else 0) == here else 0
            for zone, status in zip(zones, statuses, strict=True)
        ]
        assert any_left == (LEFT in statuses)
