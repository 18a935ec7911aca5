"""What a period was settled on, hash by hash: the off-chain half of `Commitment.sol`.

Each settling call makes a Merkle tree over its groups; the roots of the calls are chained in order.
With the leaves at hand - they follow from the chain's logs - any group can be proven, and corrected,
when its ring slots have long been rewritten.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from gridbourse.chain.encoding.lanes import (
    PER_GROUP,
    energy_lane,
    lanes56,
    lanes64,
    pair,
    word56,
    word64,
)
from gridbourse.errors import GridbourseError

NO_CAPS = (1 << 256) - 1
"""The caps of a leaf whose period had none in force."""
NOTHING_SETTLED = bytes(32)
TAG_SHIFT = 224


class ProofError(GridbourseError):
    """Something that the period was not settled on."""


class Leaf(NamedTuple):
    """What a group of four was settled on, word by word as the contracts hold it.

    readings: signed 64-bit lanes, Wh, estimates in place of missing ones. positions: energy lanes
    (sold, bought). caps: energy lanes (export, import), or NO_CAPS.
    """

    period: int
    group: int
    profiles: int
    positions: int
    readings: int
    caps: int = NO_CAPS

    @property
    def hash(self) -> bytes:
        """192 bytes are hashed here and 64 in an inner node, so that no node passes for a leaf."""
        return keccak(encode(["uint256"] * len(self), self))

    @property
    def readings_wh(self) -> dict[int, int]:
        """Readings by seat, taken or not, Wh, + injects."""
        return dict(lanes64(self.group, self.readings))

    def corrected(self, readings_wh: Mapping[int, int]) -> "Leaf":
        """The same group with some of its readings, by seat, as they should have been."""
        for seat in readings_wh:
            self._require_seat(seat)
        return self._replace(readings=word64({**self.readings_wh, **readings_wh}))

    def repositioned(self, seat: int, more_sold_wh: int, more_bought_wh: int) -> "Leaf":
        """The same group with what one of it traded changed, as `Settlement.reposition` does."""
        self._require_seat(seat)
        lanes = dict(lanes56(self.group, self.positions))
        sold, bought = pair(lanes[seat])
        lanes[seat] = energy_lane(sold + more_sold_wh, bought + more_bought_wh)
        return self._replace(positions=self.period << TAG_SHIFT | word56(lanes))

    def _require_seat(self, seat: int) -> None:
        if seat // PER_GROUP != self.group:
            raise ProofError(f"participant {seat} is not of group {self.group}")


class Path(NamedTuple):
    """Where a leaf is: siblings in its call's tree, the chain before it, the later calls' roots."""

    siblings: list[bytes]
    before: bytes
    later: list[bytes]


class Commitment:
    """The evidence of one area and period, call by call, and the hash that stands for all of it."""

    def __init__(self) -> None:
        self._calls: list[list[Leaf]] = []

    def extend(self, leaves: Sequence[Leaf]) -> None:
        """Add what one more call settled, in the order of its groups."""
        if leaves:
            self._calls.append(list(leaves))

    @property
    def value(self) -> bytes:
        """As `Settlement.commitmentOf` has it."""
        return chain_of([[leaf.hash for leaf in call] for call in self._calls])

    def leaf(self, group: int) -> Leaf:
        """What a group was settled on, or last corrected to; ProofError when it was not settled."""
        call, at = self._place(group)
        return self._calls[call][at]

    def has(self, participant: int) -> bool:
        """Whether the participant was settled: its group was, and its seat was taken by then."""
        group = participant // PER_GROUP
        leaves = (leaf for call in self._calls for leaf in call if leaf.group == group)
        return any(dict(lanes64(group, leaf.profiles))[participant] for leaf in leaves)

    def path(self, group: int) -> Path:
        """Proof that a group's leaf is part of the commitment."""
        return path_of([[leaf.hash for leaf in call] for call in self._calls], *self._place(group))

    def replace(self, leaf: Leaf) -> None:
        """Put a corrected leaf in the place of its group's."""
        call, at = self._place(leaf.group)
        self._calls[call][at] = leaf

    def _place(self, group: int) -> tuple[int, int]:
        for call, leaves in enumerate(self._calls):
            for at, leaf in enumerate(leaves):
                if leaf.group == group:
                    return call, at
        raise ProofError(f"group {group} was not settled")


def proven(leaf: Leaf, path: Path) -> bytes:
    """The commitment a leaf belongs to by its path."""
    node = leaf.hash
    for sibling in path.siblings:
        node = _parent(node, sibling)
    return _chained(path.before, [node, *path.later])


def chain_of(calls: Sequence[Sequence[bytes]]) -> bytes:
    """The commitment to calls of hashed leaves, none of them empty."""
    return _chained(NOTHING_SETTLED, map(_root, calls))


def path_of(calls: Sequence[Sequence[bytes]], call: int, at: int) -> Path:
    """Proof that a call has a hashed leaf at a place."""
    roots = [_root(leaves) for leaves in calls]
    return Path(
        _siblings(calls[call], at), _chained(NOTHING_SETTLED, roots[:call]), roots[call + 1 :]
    )


def _root(nodes: Sequence[bytes]) -> bytes:
    while len(nodes) > 1:
        nodes = _level_above(nodes)
    return nodes[0]


def _siblings(nodes: Sequence[bytes], at: int) -> list[bytes]:
    """From the bottom up; a node without one moves up as it is."""
    found = []
    while len(nodes) > 1:
        if at ^ 1 < len(nodes):
            found.append(nodes[at ^ 1])
        nodes, at = _level_above(nodes), at // 2
    return found


def _level_above(nodes: Sequence[bytes]) -> list[bytes]:
    pairs = (nodes[i : i + 2] for i in range(0, len(nodes), 2))
    return [_parent(*pair) if len(pair) == 2 else pair[0] for pair in pairs]


def _parent(one: bytes, other: bytes) -> bytes:
    """Commutative, as OpenZeppelin's `Hashes`: a proof needs no left and right."""
    return keccak(b"".join(sorted((one, other))))


def _chained(before: bytes, roots: Iterable[bytes]) -> bytes:
    for root in roots:
        before = keccak(before + root)
    return before
