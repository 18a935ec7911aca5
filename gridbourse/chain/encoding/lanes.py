"""Packing of words as the contracts hold them: `Lanes.sol`, `OrderLane.sol`, `MeterOracle.sol`.

A group is the participants 4g..4g+3. A tagged word is group or period (32 bits) above four lanes of
56 bits; an untagged word is four signed lanes of 64 bits.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from gridbourse.chain.encoding.arguments import ArgumentError

PER_GROUP = 4
MASK28 = (1 << 28) - 1
MASK56 = (1 << 56) - 1
PER_BLOCK = 7
BLOCK_BYTES = 28
MISSING_WH = -(1 << 31)
MAX_READING_WH = (1 << 31) - 1
BID, OFFER = 0, 1


def order_lane(side: int, tick: int, wh: int, sequence: int) -> int:
    """One order: Wh: 28 | tick: 16 | side: 1 | sequence: 8."""
    return wh << 25 | tick << 9 | side << 8 | sequence


def energy_lane(out: int, into: int) -> int:
    """A pair of 28-bit energies: (sell, buy), (sold, bought) or (export cap, import cap)."""
    return out << 28 | into


def group_words(lanes: Mapping[int, int], empty: int = 0) -> list[int]:
    """Tagged words of the groups the participants are in, ascending; lanes by participant number."""
    groups: dict[int, list[int]] = defaultdict(lambda: [empty] * PER_GROUP)
    for participant, lane in lanes.items():
        groups[participant // PER_GROUP][participant % PER_GROUP] = lane
    return [
        group << 224 | sum(lane << (56 * i) for i, lane in enumerate(four))
        for group, four in sorted(groups.items())
    ]


def seats_of(groups: Iterable[int]) -> list[int]:
    """The four seats of each group, taken or not."""
    return [group * PER_GROUP + lane for group in groups for lane in range(PER_GROUP)]


def lanes56(group: int, word: int) -> Iterator[tuple[int, int]]:
    """(participant, lane) of the four 56-bit lanes of a word."""
    for i in range(PER_GROUP):
        yield group * PER_GROUP + i, word >> (56 * i) & MASK56


def lanes64(group: int, word: int) -> Iterator[tuple[int, int]]:
    """(participant, signed lane) of the four 64-bit lanes of a word."""
    for i in range(PER_GROUP):
        lane = word >> (64 * i) & 0xFFFF_FFFF_FFFF_FFFF
        yield group * PER_GROUP + i, lane - (1 << 64) if lane >> 63 else lane


def word56(lanes: Mapping[int, int]) -> int:
    """The untagged word of one group's 56-bit lanes, by participant number."""
    return sum(lane << (56 * (who % PER_GROUP)) for who, lane in lanes.items())


def word64(lanes: Mapping[int, int]) -> int:
    """The word of one group's signed 64-bit lanes, by participant number."""
    return sum((lane % (1 << 64)) << (64 * (who % PER_GROUP)) for who, lane in lanes.items())


def pair(lane: int) -> tuple[int, int]:
    """(out, into) of an energy lane."""
    return lane >> 28, lane & MASK28


def pack_readings(readings: Mapping[int, int]) -> tuple[int, bytes]:
    """(first block, bytes) of a batch; participants between the given ones are missing in it.

    ArgumentError for no reading at all, a negative participant, or Wh that four bytes do not hold.
    """
    _require_packable(readings)
    first, last = min(readings) // PER_BLOCK, max(readings) // PER_BLOCK
    blocks = bytearray()
    for block in range(first, last + 1):
        # The lowest lane is the first participant, so a block is written from its last one down.
        for participant in reversed(range(block * PER_BLOCK, (block + 1) * PER_BLOCK)):
            blocks += readings.get(participant, MISSING_WH).to_bytes(4, "big", signed=True)
    return first, bytes(blocks)


def _require_packable(readings: Mapping[int, int]) -> None:
    if not readings:
        raise ArgumentError("submit", "readings", dict(readings), "at least one reading")
    for participant, wh in readings.items():
        if not isinstance(participant, int) or participant < 0:
            raise ArgumentError("submit", "participant", participant, "a participant's number")
        if not isinstance(wh, int) or not -MAX_READING_WH <= wh <= MAX_READING_WH:
            rule = f"a whole number in -(2^31 - 1) to 2^31 - 1, Wh of participant {participant}"
            raise ArgumentError("submit", "readings", wh, rule)


def unpack_readings(first_block: int, data: bytes) -> dict[int, int]:
    """Readings of a batch by participant, the missing ones left out."""
    readings = {}
    for at in range(0, len(data), BLOCK_BYTES):
        base = (first_block + at // BLOCK_BYTES) * PER_BLOCK
        for lane in range(PER_BLOCK):
            start = at + BLOCK_BYTES - 4 * (lane + 1)
            wh = int.from_bytes(data[start : start + 4], "big", signed=True)
            if wh != MISSING_WH:
                readings[base + lane] = wh
    return readings


ALL_GROUPS = 1 << 31
"""More groups than an area has: as many as one transaction carries is for the caller to choose."""
