"""Verified legs of a test and what their period was settled on, as anyone keeps them who has legs reviewed.

The model decides what each review comes to; the chain has to do the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gridbourse.chain.bindings.flexibility_review import VerifiedLeg, VerifiedLegs, evidence_for
from gridbourse.chain.encoding.commitment import NO_CAPS, Commitment, Leaf
from gridbourse.chain.encoding.lanes import MISSING_WH, PER_GROUP, lanes64, word64
from gridbourse.model.flexibility.market import Leg
from gridbourse.model.flexibility.review import Review, Verified, leg_shares, review
from tests.contracts.flexibility_hall import DSO, FlexibilityHall, P, Posted


class Reviews:
    """contracts: (aggregator, permille) by participant. legs: as verified; stand: what each stands at."""

    def __init__(
        self, hall: FlexibilityHall, contracts: Mapping[int, tuple[int, int]] | None = None
    ) -> None:
        self.hall, self.contracts = hall, contracts or {}
        self.verified, self.settled = VerifiedLegs(), Commitment()
        self.legs: list[VerifiedLeg] = []
        self.stand: dict[VerifiedLeg, Verified] = {}
        self.before: defaultdict[int, int] = defaultdict(int)

    # --- verifying -----------------------------------------------------------------------------

    def verify(self, posted: Posted, baselines: Mapping[int, int]) -> Any:
        """Verify legs by baselines, and keep what of it is committed."""
        noted = self._noted(posted, baselines)
        tx = self.hall.verify(posted, baselines)
        self._commit(posted, noted, tx)
        return tx

    def verify_declared(self, posted: Posted, participants: Iterable[int]) -> Any:
        """Verify legs by the schedules declared, and keep what of it is committed."""
        schedules = {who: self.hall.schedules.scheduleOf(P, who)[1] for who in participants}
        noted = self._noted(posted, schedules)
        tx = self.hall.verify_declared(posted, schedules)
        self._commit(posted, noted, tx)
        return tx

    def _noted(self, posted: Posted, baselines: Mapping[int, int]) -> list[Verified]:
        terms = self.hall.market.legsOf(0, P, posted.number, list(baselines))
        noted = []
        for (who, baseline), (wh, price, bond, stands_by) in zip(
            baselines.items(), terms, strict=True
        ):
            reading = self.hall.whole.meters.readingOf(0, P, who)
            if reading == MISSING_WH:
                continue
            leg = Leg(who, wh, price, bond, stands_by)
            contract = (0, 1_000) if stands_by else self.contracts.get(who, (0, 1_000))
            noted.append(
                Verified(posted.request, leg, posted.buyer, baseline, reading, self.before[who],
                         *contract)
            )  # fmt: skip
            self.before[who] += 0 if stands_by else wh
        return noted

    def _commit(self, posted: Posted, noted: list[Verified], tx: Any) -> None:
        told = tx.events["Compensated"]["microEur"] if "Compensated" in tx.events else 0
        noted = leg_shares(noted, abs(told))
        legs = [_leg_of(posted, one) for one in noted]
        self.verified.extend(legs)
        self.legs += legs
        self.stand |= dict(zip(legs, noted, strict=True))
        committed = bytes(self.hall.delivery.verifiedOf(0, P))
        assert committed == self.verified.value

    # --- settling ------------------------------------------------------------------------------

    def settle(self, groups_a_call: int = 2) -> None:
        """Settle the period in ranges, and keep what it is settled on."""
        market = self.hall.whole
        groups = list(market.registry.groupsOf(0, 0, 9))
        for start in range(0, len(groups), groups_a_call):
            market.settle(P, groups=groups_a_call)
            self.settled.extend([self._leaf(g) for g in groups[start : start + groups_a_call]])

    def _leaf(self, group: int) -> Leaf:
        market = self.hall.whole
        readings = market.meters.readingsOfGroups(0, P, [group])[0]
        known = {who: 0 if wh == MISSING_WH else wh for who, wh in lanes64(group, readings)}
        positions = int(market.house.positionsOfGroups(0, P, [group])[0])
        profiles = int(market.registry.profilesOf(group))
        return Leaf(P, group, profiles, positions, word64(known), NO_CAPS)

    def correct(self, readings_wh: Mapping[int, int]) -> None:
        """Correct readings of the settled period."""
        by = {"from": self.hall.whole.meter_oracle}
        for who, wh in readings_wh.items():
            leaf, path = self.evidence(who)
            corrected = leaf.corrected({who: wh})
            self.hall.whole.settlement.correct(0, leaf, path, corrected.readings, by)
            self.settled.replace(corrected)

    def evidence(self, who: int) -> tuple[Leaf, Any]:
        group = who // PER_GROUP
        return self.settled.leaf(group), self.settled.path(group)

    # --- reviewing -----------------------------------------------------------------------------

    def due(self, leg: VerifiedLeg) -> Review | None:
        """What the model makes of a leg by the reading its period stands on."""
        reading = self.settled.leaf(leg.participant // PER_GROUP).readings_wh[leg.participant]
        return review(self.stand[leg], reading)

    def arguments(self, leg: VerifiedLeg, more_wh: int = 0) -> tuple[Any, ...]:
        """What a review is sent with; the commitment is changed as the review changes it."""
        return leg, self.verified.path(leg), *evidence_for(self.settled, leg, more_wh)

    def review(self, leg: VerifiedLeg, by: Any = None) -> Any:
        """Have a leg reviewed, by anyone, as the model says."""
        found = self.due(leg)
        assert found is not None
        arguments = self.arguments(leg, found.more_wh)
        tx = self.hall.review.review(*arguments, {"from": by or self.hall.whole.stranger})
        self.stand[leg] = found.now
        assert bytes(self.hall.whole.settlement.commitmentOf(0, P)) == self.settled.value
        event = tx.events["LegReviewed"]
        assert tuple(event["outcome"]) == (
            found.finding.delivered_wh, found.finding.off_wh, found.finding.paid_micro_eur,
            found.shared, found.finding.penalty_micro_eur, found.finding.damages_micro_eur,
        )  # fmt: skip
        assert event["compensatedMicroEur"] == found.now.compensated
        booked = list(tx.events["GroupCorrected"])[-len(found.changes) :] if found.changes else []
        assert [_changed(each) for each in booked] == list(found.changes)
        return tx

    def review_all(self) -> int:
        """Have every leg reviewed that is due; how many were."""
        due = [leg for leg in self.legs if self.due(leg) is not None]
        for leg in due:
            self.review(leg)
        return len(due)


def _changed(event: Any) -> tuple[int, int]:
    """The account that a booking of a review is about, and what it receives from the supplier."""
    if event["dsoMicroEur"]:
        assert event["deltas"] == 0
        assert event["supplierMicroEur"] == -event["dsoMicroEur"]
        return DSO, event["dsoMicroEur"]
    (found,) = ((who, wh) for who, wh in lanes64(event["group"], event["deltas"]) if wh)
    assert event["supplierMicroEur"] == -found[1]
    return found


def _leg_of(posted: Posted, one: Verified) -> VerifiedLeg:
    product, leg = posted.request.product, one.leg
    return VerifiedLeg(
        0, P, posted.number, leg.participant, posted.buyer, one.aggregator, one.permille,
        int(posted.request.way), product.declared, leg.stands_by, product.penalty_percent,
        product.compensation_micro_eur_per_wh, leg.wh, leg.price_micro_eur_per_wh,
        leg.bond_micro_eur, one.baseline_wh, one.metered_wh, one.before_wh, one.compensated,
    )  # fmt: skip
