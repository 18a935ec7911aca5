"""Readings corrected after settlement: proven by the period's commitment, the difference booked.

The Merkle tree is built here once more from its description, so that a proof is not made by what
checks it.
"""

from dataclasses import dataclass, replace

import pytest
from brownie import chain
from eth_abi import encode
from eth_utils import keccak

from gridbourse.chain.encoding.lanes import BID, MISSING_WH, OFFER, lanes64
from gridbourse.model.caps import NO_CAP
from tests.contracts.market import CAPACITY_WH, DSO, FIRST, RING, SUPPLIER, role
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
NO_CAPS = (1 << 256) - 1
READINGS = [6_500, -4_000, -1_500, 2_000, 300, 2_000, 0, -2_400, 900, -90]


@dataclass(frozen=True)
class Leaf:
    """What a group was settled on; the contract's tuple by `vars(leaf).values()`."""

    period: int
    group: int
    profiles: int
    positions: int
    readings: int
    caps: int = NO_CAPS

    @property
    def hash(self) -> bytes:
        return keccak(encode(["uint256"] * 6, list(self.words)))

    @property
    def words(self) -> tuple[int, ...]:
        return tuple(vars(self).values())


def lanes(four):
    return sum((wh % (1 << 64)) << (64 * lane) for lane, wh in enumerate(four))


def node(left: bytes, right: bytes) -> bytes:
    return keccak(b"".join(sorted((left, right))))


def tree(leaves: list[bytes], at: int) -> tuple[bytes, list[bytes]]:
    """Root of a call's leaves and the siblings of one; an odd last node moves up as it is."""
    siblings = []
    while len(leaves) > 1:
        if at ^ 1 < len(leaves):
            siblings.append(leaves[at ^ 1])
        pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
        leaves = [node(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        at //= 2
    return leaves[0], siblings


def path_of(calls: list[list[Leaf]], wanted: Leaf) -> tuple[list[bytes], bytes, list[bytes]]:
    """Siblings in the leaf's call, the chain before that call, the roots of the later calls."""
    chain, found = b"\0" * 32, None
    for leaves in calls:
        at = leaves.index(wanted) if wanted in leaves else 0
        root, siblings = tree([leaf.hash for leaf in leaves], at)
        if found:
            found[2].append(root)
        elif wanted in leaves:
            found = (siblings, chain, [])
        chain = keccak(chain + root)
    return found


def settled(market, ranges=(9,), readings=READINGS, caps=None):
    """Trades and settles area 0 in ranges; returns the leaves, call by call, as anyone saw them."""
    members = market.in_area(0)
    orders = [(OFFER, 10, 6_000), (BID, 50, 4_000), (BID, 45, 900), (OFFER, 12, 3_000)]
    market.place(P, dict(zip(members, orders, strict=False)))
    market.close_gate(P)
    if caps:
        market.clear(P)
        market.cap(P, {members[i]: pair for i, pair in caps.items()})
    market.trade(P)
    market.deliver(P)
    market.meter(P, dict(zip([m.number for m in members], readings, strict=True)))
    calls, groups = [], list(market.registry.groupsOf(0, 0, 9))
    for size in ranges:
        market.settle(P, groups=size)
        calls.append([leaf_of(market, group, caps) for group in groups[:size]])
        groups = groups[size:]
    return calls


def leaf_of(market, group, caps=None):
    readings = market.meters.readingsOfGroups(0, P, [group])[0]
    known = [0 if wh == MISSING_WH else wh for _, wh in lanes64(group, readings)]
    return Leaf(
        P,
        group,
        int(market.registry.profilesOf(group)),
        int(market.house.positionsOfGroups(0, P, [group])[0]),
        lanes(known),
        int(market.grid.capsOf(P, group)) if caps else NO_CAPS,
    )


def correct(market, calls, leaf, readings, area=0):
    by = {"from": market.meter_oracle}
    words = (area, leaf.words, path_of(calls, leaf), lanes(readings))
    return market.settlement.correct(*words, by)


def refused(market, leaf, path, readings=(0, 0, 0, 0), area=0, by=None):
    words = (area, leaf.words, path, lanes(readings))
    return refusal(market.settlement.correct, *words, by=by or market.meter_oracle)


def wealth(market):
    """Every account there is."""
    return list(market.house.balances(market.registry.seatLimit()))


# --- what it comes to --------------------------------------------------------------------------

CORRECTED = [7_000, -4_100, -200, 1_000, *READINGS[4:]]


@pytest.mark.parametrize("caps", [None, {0: (5_000, NO_CAP)}], ids=["free", "capped"])
def test_a_correction_comes_to_what_the_right_reading_would_have(market, caps):
    """The period is lived twice: settled wrongly and corrected, and right from the start."""
    calls = settled(market, caps=caps)
    wrong = wealth(market)
    correct(market, calls, calls[0][0], CORRECTED[:4])
    corrected = wealth(market)
    assert market.money_sum() == 0

    chain.revert()
    settled(market, readings=CORRECTED, caps=caps)
    assert wealth(market) == corrected != wrong


def test_a_correction_tells_what_was_and_what_is(market):
    calls = settled(market)
    leaf = calls[0][1]
    before = market.settlement.commitmentOf(0, P)
    tx = correct(market, calls, leaf, [300, 2_100, 0, -2_400])

    told = fact(tx, "ReadingsCorrected")
    after = market.settlement.commitmentOf(0, P)
    assert told == (0, P, 3, leaf.readings, lanes([300, 2_100, 0, -2_400]), after)
    assert after != before
    # Member 13 injects 100 Wh more than it was settled on; its zone is the second.
    deltas = dict(lanes64(3, fact(tx, "GroupCorrected")[3]))
    assert deltas == {12: 0, 13: 100 * 80, 14: 0, 15: 0}
    assert fact(tx, "GroupCorrected")[4:] == (-100 * 80, 0)


def test_the_supplier_and_the_dso_stand_against_a_correction(market):
    calls = settled(market)
    before = [market.house.balanceOf(account) for account in (SUPPLIER, DSO)]
    correct(market, calls, calls[0][1], [300, 2_000, 0, -2_500])  # 15 drew 100 Wh more

    after = [market.house.balanceOf(account) for account in (SUPPLIER, DSO)]
    assert [a - b for a, b in zip(after, before, strict=True)] == [100 * 300, 100 * 50]
    assert market.money_sum() == 0


def test_a_correction_may_take_a_participant_into_debt(market):
    calls = settled(market)
    poor = market.members[4]
    market.house.withdraw(market.house.balanceOf(poor.number), poor.sends)
    tx = correct(market, calls, calls[0][1], [200, 2_000, 0, -2_400])

    owed = 100 * (80 - 0)  # it had been paid for 100 Wh too many, less the export fee of its zone
    assert fact(tx, "DebtIncurred") == (poor.number, P, -owed)
    assert market.house.balanceOf(poor.number) == -owed


# --- proofs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranges", [(9,), (1, 9), (2, 9), (1, 1, 9)], ids=str)
def test_every_group_of_every_call_can_be_proven(market, ranges):
    calls = settled(market, ranges)
    for leaf in [leaf for leaves in calls for leaf in leaves]:
        correct(market, calls, leaf, [wh for _, wh in lanes64(leaf.group, leaf.readings)])

    assert market.money_sum() == 0


def test_a_correction_is_corrected_from_where_it_left_off(market):
    calls = settled(market, (1, 9))
    settled_so = wealth(market)
    leaf = calls[1][0]
    was = [wh for _, wh in lanes64(leaf.group, leaf.readings)]
    correct(market, calls, leaf, [0, 0, 0, 0])
    path = path_of(calls, leaf)
    assert refused(market, leaf, path)[0] == "ProofDoesNotMatch"  # it is not what stands any more

    now = replace(leaf, readings=0)
    calls[1][0] = now
    correct(market, calls, now, was)
    assert wealth(market) == settled_so


def test_a_correction_comes_long_after_its_slots_were_used_again(market):
    calls = settled(market)
    market.trade(P, 1)
    market.meter(P, {m.number: 0 for m in market.in_area(1)})
    market.settle(P, 1)
    market.advance_to(P + RING - 1)
    market.place(P + RING, {market.members[0]: (OFFER, 3, 77)})
    market.trade(P + RING)
    before = market.house.balanceOf(13)

    correct(market, calls, calls[0][1], [300, 2_100, 0, -2_400])
    assert market.house.balanceOf(13) == before + 100 * 80
    assert market.money_sum() == 0
    again = refusal(market.settlement.settle, 0, P, 9, by=market.stranger)
    assert again == ("AlreadySettled", 0, P)


def test_what_was_not_settled_on_cannot_be_proven(market):
    calls = settled(market, (1, 9))
    leaf = calls[1][0]
    siblings, before, later = path_of(calls, leaf)
    committed = bytes(market.settlement.commitmentOf(0, P))

    forgeries = [
        replace(leaf, readings=leaf.readings + 1),
        replace(leaf, positions=leaf.positions ^ 1),
        replace(leaf, profiles=leaf.profiles ^ 1 << 16),  # another zone
        replace(leaf, caps=0),
        replace(leaf, group=leaf.group + 1),
    ]
    for forged in forgeries:
        error = refused(market, forged, (siblings, before, later))
        assert error[:4] == ("ProofDoesNotMatch", 0, P, committed)
    for path in ((siblings, b"\1" * 32, later), ([], before, later), (siblings, before, [before])):
        assert refused(market, leaf, path)[0] == "ProofDoesNotMatch"


def test_an_inner_node_does_not_pass_for_a_leaf(market):
    """A leaf is 192 bytes before hashing; two hashes side by side are 64."""
    calls = settled(market)
    first, second = (leaf.hash for leaf in calls[0][:2])
    node_words = [int.from_bytes(h, "big") for h in sorted((first, second))]
    fake = Leaf(P, *node_words, 0, 0, 0)

    path = ([calls[0][2].hash], b"\0" * 32, [])
    assert refused(market, fake, path)[0] == "ProofDoesNotMatch"


# --- what is refused ---------------------------------------------------------------------------


def test_what_is_not_settled_is_not_corrected(market):
    calls = settled(market, (1,))  # two of three groups are still to come
    leaf = calls[0][0]

    assert refused(market, leaf, path_of(calls, leaf)) == ("NotSettled", 0, P)
    assert refused(market, replace(leaf, period=P + 1), ([], b"\0" * 32, [])) == (
        "NotSettled",
        0,
        P + 1,
    )


def test_a_proof_is_of_one_area(market):
    calls = settled(market)
    leaf = calls[0][0]

    assert refused(market, leaf, path_of(calls, leaf), area=1) == ("NotSettled", 1, P)


def test_the_meter_oracle_alone_corrects(market):
    calls = settled(market)
    leaf, operator = calls[0][0], market.operator

    error = refused(market, leaf, path_of(calls, leaf), by=operator)
    assert error == ("MissingRole", operator, role("METER_ORACLE"))


@pytest.mark.parametrize("wh", [CAPACITY_WH + 1, -CAPACITY_WH - 1, NO_CAP, MISSING_WH])
def test_what_no_connection_carries_is_no_correction(market, wh):
    calls = settled(market)
    leaf = calls[0][0]

    error = refused(market, leaf, path_of(calls, leaf), (0, wh, 0, 0))
    assert error == ("ReadingAbsurd", 9, wh, CAPACITY_WH)


def test_a_seat_without_a_participant_has_no_reading(market):
    calls = settled(market)
    leaf = calls[0][2]  # 16 and 17 sit in it

    for wh in (5, -5):
        error = refused(market, leaf, path_of(calls, leaf), (0, 0, wh, 0))
        assert error == ("ReadingOfNobody", 18, wh)
