"""Corrections after settlement, long after the ring slot was used again, as the checker sees them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gridbourse.audit.check import rebuild
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import logs_of, rules_of
from gridbourse.chain.deployment.market import AREA
from gridbourse.chain.encoding.commitment import Commitment, Leaf, ProofError, proven
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Reverted
from gridbourse.chain.operations.event_log import deployment_logs
from tests.audit.forging import altered, dropped, plus, repeated
from tests.invariants.model_market import Order
from tests.invariants.ring_market import FIRST, NUMBERS, RING, RingMarket

PERIOD = FIRST
ORDERS = {8: Order(OFFER, 10, 900), 9: Order(BID, 20, 500), 14: Order(BID, 15, 300)}


@pytest.fixture(scope="module")
def corrected() -> Iterator[RingMarket]:
    """The first period settled in three calls, its slot used again, then two of its groups corrected."""
    with session("devnet-child") as w3:
        market = RingMarket(w3)
        market.deposit(dict.fromkeys(NUMBERS, 400_000))
        for period in (PERIOD, PERIOD + RING):
            market.live(period, ORDERS, 1)
        market.correct(PERIOD, {8: 950, 15: 70})
        market.correct(PERIOD, {8: 1_000, 9: -3_000})
        yield market


@pytest.fixture
def content(corrected: RingMarket) -> dict[str, Any]:
    return {"logs": deployment_logs(corrected.market)}


def rebuilt(market: RingMarket, content: dict[str, Any]) -> Rebuilt:
    record = market.market.record
    return rebuild(record, rules_of(record), logs_of(content["logs"]))


def test_an_honest_log_is_rebuilt(corrected: RingMarket, content: dict[str, Any]) -> None:
    found = rebuilt(corrected, content)
    assert list(map(str, found.findings.differences)) == []
    assert found.corrections.count == 3
    balances = corrected.look()
    assert {n: found.money.free[n] for n in balances} == balances
    assert balances[9] < 0, "its correction took it into debt"
    commitment = found.metering.evidence.of(AREA, PERIOD)
    assert commitment.value == corrected.market.settlement.commitment(AREA, PERIOD)
    assert commitment.leaf(2).readings_wh == {8: 1_000, 9: -3_000, 10: -10, 11: -11}


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "a corrected reading": (
        altered("Settlement", "ReadingsCorrected", plus("corrected", 1)),
        "commitment",
        "group 2",
    ),
    "a settled reading": (
        altered("Settlement", "ReadingsCorrected", plus("settled", 1)),
        "correction",
        "settled readings",
    ),
    "a group": (
        altered("Settlement", "ReadingsCorrected", plus("group", 7)),
        "correction",
        "group 9",
    ),
    "money of a correction": (
        altered("ClearingHouse", "GroupCorrected", plus("deltas", 1)),
        "correction",
        "participant 8",
    ),
    "the supplier's side": (
        altered("ClearingHouse", "GroupCorrected", plus("supplierMicroEur", 1)),
        "identity",
        "changes of a correction sum to 0",
    ),
    "a lost correction": (
        dropped("Settlement", "ReadingsCorrected"),
        "correction",
        "participant 8",
    ),
    "lost money": (dropped("ClearingHouse", "GroupCorrected", -1), "correction", "no money"),
    "a correction twice": (
        repeated("Settlement", "ReadingsCorrected"),
        "correction",
        "settled readings",
    ),
    "a debt of a correction": (
        altered("ClearingHouse", "DebtIncurred", plus("balanceMicroEur", 1), -1),
        "debt",
        "participant 9",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_correction_is_found(
    corrected: RingMarket, content: dict[str, Any], name: str
) -> None:
    forgery, what, place = FORGERIES[name]
    forgery(content)
    found = [str(d) for d in rebuilt(corrected, content).findings.differences]
    assert any(line.startswith(f"{what}: ") and place in line for line in found), found


def test_a_commitment_that_is_not_what_was_settled_on(
    corrected: RingMarket, content: dict[str, Any]
) -> None:
    altered("Settlement", "Settled", lambda values: values.update(commitment=bytes(32)))(content)
    [found] = rebuilt(corrected, content).findings.differences
    assert (found.what, found.chain) == ("commitment", "0x" + "00" * 32)


def test_what_is_not_so_cannot_be_proven(corrected: RingMarket) -> None:
    """The contract refuses a leaf the period was not settled on."""
    commitment = corrected.checker.metering.evidence.of(AREA, PERIOD)
    leaf = commitment.leaf(3)
    lie = leaf.corrected({12: 5_000})
    by, settlement = corrected.keys["meter oracle"], corrected.market.settlement
    with pytest.raises(Reverted) as refused:
        settlement.correct(by, AREA, lie, commitment.path(3), leaf)
    assert refused.value.name == "ProofDoesNotMatch"
    assert refused.value.values["proven"] == proven(lie, commitment.path(3))
    corrected.chain.unseen.clear()


@pytest.mark.parametrize("calls", [[1], [2], [5], [1, 3], [4, 1, 2]], ids=str)
def test_every_leaf_has_a_path_to_the_commitment(calls: list[int]) -> None:
    commitment, groups = Commitment(), iter(range(2, 99))
    for size in calls:
        commitment.extend([Leaf(PERIOD, next(groups), 7, 0, 3 * size) for _ in range(size)])
    for group in range(2, 2 + sum(calls)):
        leaf, path = commitment.leaf(group), commitment.path(group)
        assert proven(leaf, path) == commitment.value
        assert proven(leaf._replace(readings=1), path) != commitment.value


def test_a_group_that_was_not_settled_has_no_proof() -> None:
    with pytest.raises(ProofError, match="group 2 was not settled"):
        Commitment().path(2)
    with pytest.raises(ProofError, match="participant 12 is not of group 2"):
        Leaf(PERIOD, 2, 0, 0, 0).corrected({12: 1})
