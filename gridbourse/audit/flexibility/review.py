"""Verified legs and their reviews, rebuilt (`FlexibilityReview.sol`).

A leg stands as it was verified until its period is settled; then anyone may have it measured by the
reading that settlement stands on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.money import GroupChange
from gridbourse.audit.flexibility.posted_request import PostedRequest
from gridbourse.audit.settlement.corrections import Corrections, Move
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.bindings.flexibility_review import VerifiedLeg, VerifiedLegs
from gridbourse.chain.encoding.lanes import PER_GROUP
from gridbourse.model.flexibility.products import Way
from gridbourse.model.flexibility.review import Review, Verified, leg_shares, review
from gridbourse.model.house_accounts import is_dso, is_participant

WHAT = "review"
Key = tuple[int, int, int, int]
"""Area, period, request and participant of a leg."""


class Due(NamedTuple):
    """Leg with another result by the reading its period stands on."""

    leg: VerifiedLeg
    found: Review


@dataclass
class Reviews:
    """legs: as verified; stand: last result of each. `count`: reviews in the log."""

    common: Common
    metering: Metering
    corrections: Corrections
    commitments: defaultdict[tuple[int, int], VerifiedLegs] = field(
        default_factory=lambda: defaultdict(VerifiedLegs)
    )
    legs: dict[Key, VerifiedLeg] = field(default_factory=dict)
    stand: dict[Key, Verified] = field(default_factory=dict)
    count: int = 0

    def verified(
        self,
        area: int,
        period: int,
        asked: PostedRequest,
        found: Sequence[Verified],
        compensated: int,
    ) -> None:
        """Note the legs that one call verified by the meter; compensated: sum paid for all of them, µEUR."""
        shares = leg_shares(list(found), compensated)
        legs = [leg_of(area, period, asked.number, one) for one in shares]
        self.commitments[area, period].extend(legs)
        for leg, one in zip(legs, shares, strict=True):
            key = (area, period, asked.number, leg.participant)
            self.legs[key], self.stand[key] = leg, one

    def due(self, area: int, period: int) -> list[Due]:
        """Reviews that a settled period still needs, in the order of its legs."""
        if not self.metering.is_settled(area, period):
            return []
        found = []
        for key, leg in self.legs.items():
            if key[:2] == (area, period) and (now := self._review(key)) is not None:
                found.append(Due(leg, now))
        return found

    def _review(self, key: Key) -> Review | None:
        area, period, _, who = key
        reading = self.metering.evidence.reading_wh(area, period, who)
        return None if reading is None else review(self.stand[key], reading)

    def book(self, leg: VerifiedLeg, found: Review) -> None:
        """Set a leg to the result of its review."""
        self.stand[leg.area, leg.period, leg.number, leg.participant] = found.now

    def reviewed(self, event: Event) -> None:
        """LegReviewed: compared with the model; its positions and its money are told next."""
        area, period, who = event["area"], event["period"], event["participant"]
        key = (area, period, event["request"], who)
        where = event.at("area", "period", "request", "participant")
        findings = self.common.findings
        if key not in self.legs:
            findings.require(WHAT, where, False, "no leg that the meter verified")
            return
        findings.require(
            WHAT, where, self.metering.is_settled(area, period), "its period is not settled"
        )
        found = self._review(key)
        if found is None:
            findings.require(WHAT, where, False, "it stands as it is")
            return
        self.count += 1
        finding = found.finding
        told = (event["meteredWh"], *event["outcome"], event["compensatedMicroEur"])
        rebuilt = (
            found.now.metered_wh, finding.delivered_wh, finding.off_wh, finding.paid_micro_eur,
            found.shared, finding.penalty_micro_eur, finding.damages_micro_eur,
            found.now.compensated,
        )  # fmt: skip
        names = "(metered, delivered, off Wh, paid, shared, penalty, damages, compensated µEUR)"
        findings.compare(WHAT, f"{names}, {where}", told, rebuilt)
        leg = self.legs[key]
        self.book(leg, found)
        self.corrections.expect(_moves(leg, found.more_wh), area, period, _booked(found), where)


def leg_of(area: int, period: int, number: int, one: Verified) -> VerifiedLeg:
    """Leg as the contracts commit it; direction: by its number there."""
    product, leg = one.request.product, one.leg
    return VerifiedLeg(
        area, period, number, leg.participant, one.buyer, one.aggregator, one.permille,
        int(one.request.way), product.declared, leg.stands_by, product.penalty_percent,
        product.compensation_micro_eur_per_wh, leg.wh, leg.price_micro_eur_per_wh,
        leg.bond_micro_eur, one.baseline_wh, one.metered_wh, one.before_wh, one.compensated,
    )  # fmt: skip


def _moves(leg: VerifiedLeg, more_wh: int) -> list[Move]:
    """Moves of positions: up is sold, down is bought, and a participant that buys takes the other side."""
    if not more_wh:
        return []
    sold, bought = (more_wh, 0) if leg.direction == Way.UP else (0, more_wh)
    moves = [Move(leg.area, leg.period, leg.participant, sold, bought)]
    if is_participant(leg.buyer):
        moves.append(Move(leg.area, leg.period, leg.buyer, bought, sold))
    return moves


def _booked(found: Review) -> list[tuple[int, GroupChange]]:
    """Changes of groups in order, with the supplier on the other side."""
    return [
        (0, GroupChange({}, -amount, amount))
        if is_dso(account)
        else (account // PER_GROUP, GroupChange({account: amount}, -amount, 0))
        for account, amount in found.changes
    ]
