"""Verification of delivery, rebuilt: each leg by schedule, baseline or evidence, and by the meter."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.portfolios import Portfolios
from gridbourse.audit.core.registry import Members
from gridbourse.audit.flexibility.posted_request import PostedRequest
from gridbourse.audit.flexibility.requests import Requests
from gridbourse.audit.settlement.metering import Metering
from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility import market as model
from gridbourse.model.flexibility.review import Verified

MISSING_WH = -(1 << 31)
"""Stands for a missing reading."""


@dataclass(frozen=True)
class Closing:
    """Leg that ends: energy delivered, sums paid and shared with an aggregator, and loss of the bond."""

    participant: int
    delivered_wh: int = 0
    paid: int = 0
    shared: int = 0
    aggregator: int = 0
    penalty: int = 0
    damages: int = 0
    verified: Verified | None = None
    """Measurement that a review starts from; None where no meter was read."""


@dataclass
class Batch:
    """Legs that one transaction ends, and the event by which it ends their request."""

    area: int
    period: int
    asked: PostedRequest
    block: int
    where: str
    closings: list[Closing] = field(default_factory=list)
    compensated: int = 0
    ended: Event | None = None


@dataclass(frozen=True)
class Committed:
    """Baseline that the verifier committed."""

    period: int
    participant: int
    product: int
    baseline_wh: int
    evidence_seconds: int
    evidence: bytes


@dataclass(frozen=True)
class Told:
    """Result as the log has it; see `LegResult` in FlexibilityDelivery.sol."""

    participant: int
    stood_by: bool
    baseline_wh: int
    metered_wh: int
    delivered_wh: int
    off_wh: int
    paid: int
    shared: int
    penalty: int
    evidence_seconds: int
    evidence: bytes
    damages: int


@dataclass
class Verification:
    """Verification by the model. `verified` counts legs; `committed`: baselines."""

    requests: Requests
    metering: Metering
    portfolios: Portfolios | None
    members: Members
    findings: Findings
    mtu_seconds: int
    committed: list[Committed] = field(default_factory=list)
    verified: int = 0
    _credited: defaultdict[tuple[int, int, bool], int] = field(
        default_factory=lambda: defaultdict(int)
    )

    def closing(
        self, asked: PostedRequest, period: int, leg: model.Leg, found: Told, where: str
    ) -> Closing:
        """Result of a leg by the model, compared with the log."""
        self.verified += 1
        before = self._credited[period, found.participant, asked.request.product.reactive]
        finding, metered = self._find(asked, period, leg, found, where)
        paid = finding.paid_micro_eur
        aggregator, shared = self._shared(found.participant, period, paid)
        rebuilt = (
            leg.stands_by, metered, finding.delivered_wh, finding.off_wh, paid, shared,
            finding.penalty_micro_eur, finding.damages_micro_eur,
        )  # fmt: skip
        told = (
            found.stood_by, found.metered_wh, found.delivered_wh, found.off_wh, found.paid,
            found.shared, found.penalty, found.damages,
        )  # fmt: skip
        names = "(stood by, metered, delivered, off Wh, paid, shared, penalty, damages µEUR)"
        self.findings.compare("verification", f"{names}, {where}", told, rebuilt)
        return Closing(
            found.participant, finding.delivered_wh, paid, shared, aggregator,
            finding.penalty_micro_eur, finding.damages_micro_eur,
            self._verified(asked, period, leg, found.baseline_wh, metered, before),
        )  # fmt: skip

    def _verified(
        self,
        asked: PostedRequest,
        period: int,
        leg: model.Leg,
        baseline_wh: int,
        metered: int,
        before: int,
    ) -> Verified | None:
        if metered == MISSING_WH:
            return None
        terms = (
            self.portfolios.book.contract_of(leg.participant, period) if self.portfolios else None
        )
        shared = (terms.aggregator, terms.permille) if terms and not leg.stands_by else (0, 1_000)
        return Verified(asked.request, leg, asked.buyer, baseline_wh, metered, before, *shared)

    def _find(
        self, asked: PostedRequest, period: int, leg: model.Leg, found: Told, where: str
    ) -> tuple[model.Finding, int]:
        """Finding, and the reading it rests on, Wh."""
        product, who = asked.request.product, leg.participant
        if not product.metered(self.mtu_seconds):
            self._commit(asked, period, found)
            try:
                shown_ = model.verify_by_evidence(
                    leg,
                    product,
                    found.baseline_wh,
                    found.evidence_seconds,
                    self._credited[period, who, product.reactive],
                )
                self._credited[period, who, product.reactive] += shown_.delivered_wh
            except ModelError as error:
                self.findings.require("verification", where, False, str(error))
                shown_ = model.Finding(0, leg.wh, 0, 0, 0)
            return shown_, MISSING_WH
        baseline = found.baseline_wh
        if product.declared:
            baseline = self.requests.schedules.get((period, who), 0)
            self.findings.compare("baseline", f"Wh, {where}", found.baseline_wh, baseline)
        else:
            self._commit(asked, period, found)
        reading = self._plausible(period, who)
        finding = model.verify(
            leg,
            product,
            asked.request.way,
            baseline,
            reading,
            self._credited[period, who, product.reactive],
            reading is None and self._is_silent(period, who),
        )
        if reading is not None:
            self._credited[period, who, product.reactive] += 0 if leg.stands_by else leg.wh
        return finding, MISSING_WH if reading is None else reading

    def _plausible(self, period: int, who: int) -> int | None:
        """Reading, Wh; None where it is missing, or more than the connection carries."""
        reading, member = self.metering.reading(period, who), self.members.participants.get(who)
        if reading is None or member is None or not member.is_member(period):
            return None
        return reading if abs(reading) <= member.capacity_wh else None

    def _is_silent(self, period: int, who: int) -> bool:
        """True where no meter of its area was read."""
        area = self.members.area_of(who)
        mine = (one for one in self.members.participants.values() if one.area == area)
        return all(self.metering.reading(period, one.number) is None for one in mine)

    def _commit(self, asked: PostedRequest, period: int, found: Told) -> None:
        self.committed.append(
            Committed(
                period, found.participant, asked.product, found.baseline_wh,
                found.evidence_seconds, found.evidence,
            )
        )  # fmt: skip

    def _shared(self, who: int, period: int, paid: int) -> tuple[int, int]:
        """Aggregator, and its part of the payment, µEUR."""
        terms = self.portfolios.book.contract_of(who, period) if self.portfolios else None
        if terms is None or not paid:
            return 0, 0
        return terms.aggregator, model.aggregators_part(paid, terms.permille)
