"""Readings and positions corrected after settlement (`Settlement.sol`, `ClearingHouse.sol`), rebuilt."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.money import GroupChange
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.encoding.commitment import Leaf, ProofError
from gridbourse.chain.encoding.lanes import PER_GROUP, lanes56, lanes64, pair

NOTHING = GroupChange({}, 0, 0)


class Move(NamedTuple):
    """Change of a participant's position in a settled period, Wh, − less."""

    area: int
    period: int
    participant: int
    more_sold_wh: int
    more_bought_wh: int


class Corrections:
    """Readings and positions before and after each correction; the difference is booked.

    A review of flexibility tells beforehand which positions it moves and which other changes it books.
    """

    def __init__(self, common: Common, metering: Metering) -> None:
        self._members, self._metering = common.members, metering
        self._money, self._findings = common.money, common.findings
        # Kept from the readings to the money they move.
        self._differences: dict[tuple[int, int, int], GroupChange] = {}
        self._moves: deque[tuple[Move, str]] = deque()
        self._booked: deque[tuple[int, int, int, GroupChange, str]] = deque()
        self.count = 0

    def readings_corrected(self, event: Event) -> None:
        """ReadingsCorrected: of the readings that stand, to new ones that are committed."""
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
        self._differences[area, period, group] = self._difference(before, after)
        self.count += 1

    def expect(
        self,
        moves: Sequence[Move],
        area: int,
        period: int,
        booked: Sequence[tuple[int, GroupChange]],
        where: str,
    ) -> None:
        """Expect a review to move these positions, then to book these changes of groups, in this order."""
        self._moves.extend((move, where) for move in moves)
        self._booked.extend((area, period, group, change, where) for group, change in booked)

    def positions_corrected(self, event: Event) -> None:
        """PositionsCorrected: as the review before it says; nothing else moves a position."""
        area, period, group = event["area"], event["period"], event["group"]
        where = event.at("area", "period", "group")
        move = self._moves[0][0] if self._moves else None
        place = (area, period, group)
        if move is None or (move.area, move.period, move.participant // PER_GROUP) != place:
            self._findings.require("position", where, False, "no review moves it")
            return
        self._moves.popleft()
        commitment = self._metering.evidence.of(area, period)
        before = commitment.leaf(group)
        after = before.repositioned(*move[2:])
        told = (event["settled"], event["corrected"])
        self._findings.compare("position", where, told, (before.positions, after.positions))
        commitment.replace(after)
        self._findings.compare("commitment", where, event["commitment"], commitment.value)
        self._differences[area, period, group] = self._difference(before, after)

    def _difference(self, before: Leaf, after: Leaf) -> GroupChange:
        """Difference of two settlements by the model; members of the period stay the same."""
        seats = self._members.members_of(before.group, before.period)
        was, is_ = (
            self._metering.changes(before.period, seats, leaf.readings_wh, _contracts(leaf))
            for leaf in (before, after)
        )
        deltas = {who: is_.deltas[who] - was.deltas[who] for who in is_.deltas}
        return GroupChange(deltas, is_.supplier - was.supplier, is_.dso - was.dso)

    def group_corrected(self, event: Event) -> None:
        """GroupCorrected: compare the changes with the model, and book them."""
        key = (event["area"], event["period"], event["group"])
        area, period, group = key
        where = event.at("area", "period", "group")
        rebuilt = self._differences.pop(key, None) or self._next(key)
        deltas = dict(lanes64(group, event["deltas"]))
        chain = GroupChange(deltas, event["supplierMicroEur"], event["dsoMicroEur"])
        self._metering.compare_changes("correction", chain, rebuilt, where)
        self._metering.compare_ends(period, self._money.correct(area, rebuilt), where)

    def _next(self, key: tuple[int, int, int]) -> GroupChange:
        """Next change of a review, where it is of this area, period and group."""
        if self._booked and self._booked[0][:3] == key:
            return self._booked.popleft()[3]
        return NOTHING

    def require_nothing_loose(self) -> None:
        """Final check: every correction has moved its money, every review its positions and its money."""
        for _, where in self._moves:
            self._findings.require("position", where, False, "no position was moved for it")
        for *_, where in self._booked:
            self._findings.require("correction", where, False, "no money was moved for it")
        for area, period, group in self._differences:
            place = f"area {area}, period {period}, group {group}"
            self._findings.require("correction", place, False, "no money was moved for it")


def _contracts(leaf: Leaf) -> dict[int, int]:
    """Net energy contracted by seat, Wh, + sells."""
    lanes = ((seat, pair(lane)) for seat, lane in lanes56(leaf.group, leaf.positions))
    return {seat: sold - bought for seat, (sold, bought) in lanes}
