"""Review of verified flexibility, which `contracts/flexibility/FlexibilityReview.sol` must equal.

Verification rests on readings that may be corrected later. Once its period is settled a leg is reviewed by
the reading that settlement used: all its results change to those of that reading, positions
too, so that energy is paid as flexibility or charged as imbalance, never both and never neither. A leg
that was decided without a reading keeps its result.
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
from gridbourse.model.house_accounts import area_of_dso, is_dso
from gridbourse.model.ledger import Ledger


@dataclass(frozen=True)
class Verified:
    """Leg that the meter verified, and its present state.

    before_wh: claimed of its response by earlier legs of the participant in the period; aggregator: 0 =
    none, else it gets what is missing to 1,000 of `permille`; metered_wh: the reading it rests on;
    compensated: paid between supplier and buyer for it, µEUR.
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
        """Result of the leg by a reading."""
        request = self.request
        return verify(
            self.leg, request.product, request.way, self.baseline_wh, metered_wh, self.before_wh
        )

    @property
    def stands(self) -> Finding:
        """Result by the reading it rests on."""
        return self.finding(self.metered_wh)


@dataclass(frozen=True)
class Review:
    """Result of a review.

    changes: accounts' receipts (− payments), µEUR, in the order in which they are booked; the supplier is
    the other side. more_wh: delivered beyond the earlier result.
    """

    now: Verified
    finding: Finding
    shared: int
    changes: tuple[tuple[int, int], ...]
    more_wh: int


def review(was: Verified, metered_wh: int) -> Review | None:
    """Review a leg by the reading its period was settled on or corrected to; None where it is unchanged."""
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
    """Compensation; where the supplier could not pay all of it, no more than was paid is given back."""
    rate = was.request.product.compensation_micro_eur_per_wh if was.request.house else 0
    if now_wh >= before_wh:
        return was.compensated + (now_wh - before_wh) * rate
    return min(now_wh * rate, was.compensated)


def leg_shares(verified: list[Verified], compensated: int) -> list[Verified]:
    """Legs of one call with the compensation paid for all: in their order, each what it moved."""
    found = []
    for one in verified:
        due = _compensated(replace(one, compensated=0), 0, one.stands.delivered_wh)
        share = min(due, compensated)
        compensated -= share
        found.append(replace(one, compensated=share))
    return found


def book(ledger: Ledger, found: Review) -> None:
    """Book the money of a review; the settlement changes the positions."""
    for account, amount in found.changes:
        if is_dso(account):
            ledger.credit({}, -amount, amount, area_of_dso(account))
        else:
            ledger.credit({account: amount}, -amount, 0)
