"""Flexibility that is reviewed after its readings were corrected: sent, rebuilt, and forged."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_utils import keccak

from gridbourse.audit.check import rebuild
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import logs_of, rules_of
from gridbourse.chain.bindings.flexibility import Report, RequestTerms, Row
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.encoding.commitment import ProofError
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.index.history import read_history
from gridbourse.model.flexibility.products import Way
from oracle.meter.corrections import book_corrections
from oracle.verifier.reviews import Reviewed, book_reviews
from tests.audit.forging import altered, dropped, plus, repeated
from tests.chain.street import FIRST, MTU, Street, open_street

P, METERED = FIRST + 2, 1
CORRECTED = {8: 350, 9: 600, 11: 0}
Content = dict[str, Any]


def sold(street: Street) -> None:
    """Two requests that seller 8 shares, one of them of participant 10, and one downwards of the TSO."""
    flex, keys = street.market.flexibility, street.market.keys

    def terms(way: Way, wh: int) -> RequestTerms:
        return RequestTerms(METERED, 0, way, False, wh, 30, P * MTU - 600)

    buyers = {
        keys["dso"]: (Way.UP, {8: 400, 9: 600}),
        street.key(10): (Way.UP, {8: 300}),
        keys["tso"]: (Way.DOWN, {11: 200}),
    }
    asked = {}
    for buyer, (way, offers) in buyers.items():
        number = flex.request(buyer, P, terms(way, sum(offers.values())))
        for who, wh in offers.items():
            flex.offer(street.key(who), P, number, [Row(who, 7, wh)])
        asked[number] = offers
    street.advance_to(P, -600)
    for number in asked:
        flex.clear(keys["operator"], P, number)
        flex.market.award(keys["operator"], P, number)
    street.judge(P)
    street.advance_to(P + 1)
    street.market.meter.submit(P, 1, {8: 700, 9: 0, 10: -50, 11: -200})
    for number, offers in asked.items():
        reports = [Report(who, 0, MTU, keccak(text="evidence")) for who in offers]
        flex.verify(keys["verifier"], P, number, reports)
    street.market.settlement.settle(keys["operator"], FIRST_AREA, P, 1)


class Lived:
    """A street whose readings were corrected and whose flexibility was reviewed."""

    def __init__(self, street: Street) -> None:
        self.street, market = street, street.market
        sold(street)
        history = read_history(market).rebuilt
        self.early = book_reviews(market, history, market.keys["operator"])
        book_corrections(market, history, {P: CORRECTED})
        self.reviewed = book_reviews(market, history, market.keys["operator"], [P])
        self.again = book_reviews(market, history, market.keys["operator"])
        self.kept = history
        self.logs = deployment_logs(market)


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    with open_street() as street:
        yield Lived(street)


@pytest.fixture
def content(lived: Lived) -> Content:
    return {"logs": [dict(log) for log in lived.logs]}


def rebuilt(lived: Lived, content: Content) -> Rebuilt:
    record = lived.street.market.record
    return rebuild(record, rules_of(record), logs_of(content["logs"]))


def test_what_is_due_is_reviewed_once(lived: Lived) -> None:
    paid, more = 70, 140  # with the penalty, which is all of the price
    assert lived.early == [], "nothing is due before a correction"
    assert lived.again == []
    assert lived.reviewed == [
        Reviewed(P, 0, 8, 400, 350, -50 * more),
        Reviewed(P, 0, 9, 0, 600, 600 * more),
        Reviewed(P, 1, 8, 300, 0, -300 * more),
        Reviewed(P, 2, 11, 200, 0, -200 * more),
    ]
    assert paid * 2 == more


def test_an_honest_log_is_rebuilt_through_reviews(lived: Lived, content: Content) -> None:
    found, market = rebuilt(lived, content), lived.street.market
    assert list(map(str, found.findings.differences)) == []
    assert found.flexibility is not None
    assert found.flexibility.reviews.count == 4
    balances = market.house.balances(12)
    assert {who: found.money.free[who] for who in balances} == balances
    assert market.house.money_sum(market.registry.seat_limit()) == 0
    for kept in (found, lived.kept):
        commitment = kept.metering.evidence.of(FIRST_AREA, P)
        assert commitment.value == market.settlement.commitment(FIRST_AREA, P)
    told = market.flexibility.delivery.read("verifiedOf", FIRST_AREA, P)
    assert found.flexibility.reviews.commitments[FIRST_AREA, P].value == told
    assert found.flexibility.reviews.due(FIRST_AREA, P) == []


def test_logs_that_are_not_the_chains_are_said_to_be(lived: Lived, content: Content) -> None:
    """Somebody's copy of the log lacks the reviews, and has another baseline."""
    dropped("FlexibilityReview", "LegReviewed")(content)
    altered("FlexibilityDelivery", "LegVerified", _in("result", 2, 5))(content)
    market, found = lived.street.market, rebuilt(lived, content)
    with pytest.raises(ProofError, match=f"period {P}: the log does not give"):
        book_reviews(market, found, market.keys["operator"])


def _in(name: str, place: int, more: int) -> Callable[[Content], None]:
    def alter(values: Content) -> None:
        values[name] = [*values[name]]
        values[name][place] += more

    return alter


REVIEW = ("FlexibilityReview", "LegReviewed")
FORGERIES: dict[str, tuple[Callable[[Content], None], str, str]] = {
    "whose leg": (altered(*REVIEW, plus("participant", 2)), "review", "participant 10"),
    "what was metered": (altered(*REVIEW, plus("meteredWh", 1)), "review", "participant 8"),
    "what was delivered": (altered(*REVIEW, _in("outcome", 0, 1)), "review", "participant 8"),
    "a penalty": (altered(*REVIEW, _in("outcome", 4, 1), 1), "review", "participant 9"),
    "damages": (altered(*REVIEW, _in("outcome", 5, 1), 2), "review", "participant 8"),
    "a compensation": (altered(*REVIEW, plus("compensatedMicroEur", 1)), "review", "participant 8"),
    "a review twice": (repeated(*REVIEW), "review", "it stands as it is"),
    "a lost review": (dropped(*REVIEW), "position", "no review moves it"),
    "a position": (
        altered("Settlement", "PositionsCorrected", plus("corrected", 1)), "position", "group 2",
    ),
    "a position before": (
        altered("Settlement", "PositionsCorrected", plus("settled", 1)), "position", "group 2",
    ),
    "whose position": (
        altered("Settlement", "PositionsCorrected", plus("group", 1)), "position", "group 3",
    ),
    "a commitment": (
        altered("Settlement", "PositionsCorrected", lambda v: v.update(commitment=bytes(32))),
        "commitment", "group 2",
    ),
    "a lost position": (dropped("Settlement", "PositionsCorrected", -1), "correction", "group 2"),
    "money of a review": (
        altered("ClearingHouse", "GroupCorrected", plus("deltas", 1), -1), "correction", "µEUR",
    ),
    "money of the supplier": (
        altered("ClearingHouse", "GroupCorrected", plus("supplierMicroEur", 1), -1),
        "identity", "changes of a correction sum to 0",
    ),
    "lost money": (
        dropped("ClearingHouse", "GroupCorrected", -1), "correction", "no money was moved for it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_review_is_found(lived: Lived, content: Content, name: str) -> None:
    forgery, what, place = FORGERIES[name]
    forgery(content)
    found = [str(d) for d in rebuilt(lived, content).findings.differences]
    assert any(line.startswith(f"{what}: ") and place in line for line in found), found
