"""Readings corrected after settlement, rebuilt and compared (`Settlement.sol`, `ClearingHouse.sol`)."""

from gridbourse.audit.common import Common
from gridbourse.audit.events import Event
from gridbourse.audit.metering import Metering
from gridbourse.audit.money import GroupChange
from gridbourse.chain.commitment import Leaf, ProofError
from gridbourse.chain.lanes import lanes64

NOTHING = GroupChange({}, 0, 0)


class Corrections:
    """What was settled on before and after each correction; the difference is what is booked."""

    def __init__(self, common: Common, metering: Metering) -> None:
        self._members, self._metering = common.members, metering
        self._money, self._findings = common.money, common.findings
        # Kept from the readings to the money they move.
        self._differences: dict[tuple[int, int], GroupChange] = {}
        self.count = 0

    def readings_corrected(self, event: Event) -> None:
        """ReadingsCorrected: of what stands, to what is committed from now on."""
        area, period, group = event["area"], event["period"], event["group"]
        where = event.at("area", "period", "group")
        settled = self._metering.is_settled(area, period)
        self._findings.require("correction", where, settled, "not settled")
        commitment = self._metering.evidence.of(area, period)
        try:
            before = commitment.leaf(group)
        except ProofError as error:
            self._findings.require("correction", where, False, str(error))
            return
        after = before._replace(readings=event["corrected"])
        self._findings.compare(
            "correction", f"settled readings, {where}", event["settled"], before.readings
        )
        for seat in self._members.members_of(group, period):
            carried = abs(after.readings_wh[seat.number]) <= seat.capacity_wh
            place = f"participant {seat.number}, {where}"
            self._findings.require("correction", place, carried, "beyond the connection")
        commitment.replace(after)
        self._findings.compare("commitment", where, event["commitment"], commitment.value)
        self._differences[period, group] = self._difference(before, after)
        self.count += 1

    def _difference(self, before: Leaf, after: Leaf) -> GroupChange:
        """By the model, settled twice; who was a member in the period does not change."""
        seats = self._members.members_of(before.group, before.period)
        was, is_ = (
            self._metering.changes(before.period, seats, leaf.readings_wh)
            for leaf in (before, after)
        )
        deltas = {who: is_.deltas[who] - was.deltas[who] for who in is_.deltas}
        return GroupChange(deltas, is_.supplier - was.supplier, is_.dso - was.dso)

    def group_corrected(self, event: Event) -> None:
        """GroupCorrected: compare what it moves with the model, and book that."""
        period, group = event["period"], event["group"]
        where = event.at("period", "group")
        rebuilt = self._differences.pop((period, group), NOTHING)
        deltas = dict(lanes64(group, event["deltas"]))
        chain = GroupChange(deltas, event["supplierMicroEur"], event["dsoMicroEur"])
        self._metering.compare_changes("correction", chain, rebuilt, where)
        self._metering.compare_ends(period, self._money.correct(rebuilt), where)

    def require_nothing_loose(self) -> None:
        """At the end: every correction has moved its money."""
        for period, group in self._differences:
            place = f"period {period}, group {group}"
            self._findings.require("correction", place, False, "no money was moved for it")
