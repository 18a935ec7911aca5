"""Verified flexibility measured anew: what `contracts/flexibility/FlexibilityReview.sol` must equal.

Verification rests on readings that may be corrected later. Once its period is settled a leg is reviewed by
the reading that settlement stands on: everything it came to changes to what that reading says, positions
too, so that energy is paid as flexibility or charged as imbalance, never both and never neither. A leg
that was ruled without a reading stays as it was ruled.
"""

from dataclasses import dataclass, replace

from gridbourse.model.flexibility.market import (
    PERMILLE,
    Finding,
    Leg,
    Request,
    aggregators_part,
    verify,
)
from gridbourse.model.flexibility.products import Way
from gridbourse.model.ledger import DSO, Ledger


@dataclass(frozen=True)
class Verified:
    """A leg that the meter verified, and what it stands at.

    before_wh: what earlier legs of the participant in the period wanted of its response; aggregator: 0 =
    none, else it gets what is missing to 1,000 of `permille`; metered_wh: the reading it stands on;
    compensated: what supplier and buyer have paid each other for it, µEUR.
    """

    request: Request
    leg: Leg
    buyer: int
    baseline_wh: int
    metered_wh: int
    before_wh: int = 0
    aggregator: int = 0
    permille: int = PERMILLE
    compensated: int = 0

    def finding(self, metered_wh: int) -> Finding:
        """What the leg comes to by a reading."""
        request = self.request
        return verify(
            self.leg, request.product, request.way, self.baseline_wh, metered_wh, self.before_wh
        )

    @property
    def stands(self) -> Finding:
        """What it comes to by the reading it stands on."""
        return self.finding(self.metered_wh)


@dataclass(frozen=True)
class Review:
    """What a review finds, and changes.

    changes: what accounts receive (− pay), µEUR, in the order in which it is booked; the supplier stands
    against it. more_wh: delivered beyond what stood before.
    """

    now: Verified
    finding: Finding
    shared: int
    changes: tuple[tuple[int, int], ...]
    more_wh: int


def review(was: Verified, metered_wh: int) -> Review | None:
    """Review a leg by the reading its period was settled on or corrected to; None where it stands."""
    before, found = was.stands, was.finding(metered_wh)
    if (before.delivered_wh, before.off_wh) == (found.delivered_wh, found.off_wh):
        return None
    compensated = _compensated(was, before.delivered_wh, found.delivered_wh)
    parts = [aggregators_part(each.paid_micro_eur, was.permille) for each in (before, found)]
    paid, shared = found.paid_micro_eur - before.paid_micro_eur, parts[1] - parts[0]
    penalty = found.penalty_micro_eur - before.penalty_micro_eur
    damages = found.damages_micro_eur - before.damages_micro_eur
    given = compensated - was.compensated
    if was.request.way is Way.DOWN:
        given = -given
    changes = (
        (was.leg.participant, paid - shared - penalty),
        (was.aggregator, shared),
        (was.buyer, damages + given - paid),
    )
    back = [change for change in changes if change[1] < 0]
    forth = [change for change in changes if change[1] > 0]
    return Review(
        replace(was, metered_wh=metered_wh, compensated=compensated),
        found,
        parts[1],
        (*back, *forth),  # cover is there for what is credited once the rest is given back
        found.delivered_wh - before.delivered_wh,
    )


def _compensated(was: Verified, before_wh: int, now_wh: int) -> int:
    """Where the supplier could not pay all of it, nothing is given back beyond what was paid."""
    rate = was.request.product.compensation_micro_eur_per_wh if was.request.house else 0
    if now_wh >= before_wh:
        return was.compensated + (now_wh - before_wh) * rate
    return min(now_wh * rate, was.compensated)


def leg_shares(verified: list[Verified], compensated: int) -> list[Verified]:
    """The legs of one call with what was paid for them all: in their order, each what it moved."""
    found = []
    for one in verified:
        due = _compensated(replace(one, compensated=0), 0, one.stands.delivered_wh)
        share = min(due, compensated)
        compensated -= share
        found.append(replace(one, compensated=share))
    return found


def book(ledger: Ledger, found: Review) -> None:
    """Book what a review changes in money; positions are the settlement's to change."""
    for account, amount in found.changes:
        if account == DSO:
            ledger.credit({}, -amount, amount)
        else:
            ledger.credit({account: amount}, -amount, 0)
