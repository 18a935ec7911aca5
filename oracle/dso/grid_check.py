"""Grid check of one period: is the schedule inside the limits, and if not, which caps make it so.

What flows if nobody curtails is the forecast of every connection point, traded or not, participant
or not; where a participant's contract is more than its forecast, the contract counts, since that is
what it means to deliver.  Caps bind market and residual alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbourse.grid.assessment import Assessment, assess
from gridbourse.grid.errors import GridError
from gridbourse.grid.limits import Limits
from gridbourse.grid.network import Network
from gridbourse.model.caps import Caps
from gridbourse.model.periods import Mtu
from oracle.common.errors import FeedError
from oracle.dso.caps import CapProposal, propose_caps
from oracle.dso.explanation import all_kept, explain
from oracle.dso.verdict import NumberedCaps, by_point, numbered, told

Whole = NDArray[np.int64]
Reals = NDArray[np.float64]


def expected_wh(schedule_wh: Whole, contract_wh: Whole) -> Whole:
    """The schedule, or the contract where that is more; a small purchase hides no export."""
    return np.where(np.abs(contract_wh) > np.abs(schedule_wh), contract_wh, schedule_wh)


@dataclass(frozen=True)
class GridFinding:
    """One state of the grid, judged.

    caps: all in force after it; wanted_wh: what flows without caps.  before: under the caps so far,
    None where the grid has no operating point then; after: under the new ones, None if there are
    none.  proposal: how the new caps came about.  facts: what a report needs to judge again.
    """

    caps: Caps
    caps_by_number: NumberedCaps
    wanted_wh: Whole
    before: Assessment | None
    after: Assessment | None
    proposal: CapProposal | None
    explanation: list[str]
    facts: dict[str, Any]

    @property
    def inside(self) -> bool:
        """No limit is broken under the caps so far: there are no new ones."""
        return self.proposal is None


@dataclass(frozen=True)
class GridView:
    """The grid as the DSO knows it.

    points: names of the connection points, in the order of every array and of ``network``.
    numbers: point -> participant number; points without one cannot be capped.
    Raises FeedError for a participant without a connection point.
    """

    network: Network
    points: Sequence[str]
    numbers: Mapping[str, int]
    limits: Limits
    mtu_seconds: int

    def __post_init__(self) -> None:
        if strangers := sorted(set(self.numbers) - set(self.points)):
            raise FeedError(f"participant of {strangers[0]}: is no connection point of this grid")

    @property
    def point_of(self) -> dict[int, str]:
        """Connection point by participant number."""
        return {number: point for point, number in self.numbers.items()}

    def find(
        self,
        period: int,
        schedule_wh: Whole,
        reactive_var: Reals,
        positions_wh: Mapping[int, int],
        in_force: NumberedCaps,
        moved_wh: Whole | None = None,
    ) -> GridFinding:
        """Judge a period.

        schedule_wh: forecast net injection of every point, Wh (+ injects); reactive_var: var;
        positions_wh: net contracts by participant number (+ sells); moved_wh: what flexibility moves
        of all that, shape (points,); None = nothing.
        Raises FeedError for arrays of another shape and for strangers, GridError where the grid has
        no operating point whatever is curtailed.
        """
        self._require_shape(schedule_wh=schedule_wh, reactive_var=reactive_var)
        held = by_point(in_force, self.points, self.numbers)
        wanted_wh = self.wanted_wh(period, schedule_wh, positions_wh)
        if moved_wh is not None:
            wanted_wh = wanted_wh + moved_wh
        held_wh = held.clip(wanted_wh)
        before = self._assess(held_wh, reactive_var)
        if before is not None and before.inside:
            caps, after, proposal = held, None, None
            explanation = [all_kept(before)]
        else:
            proposal = self._propose(held_wh, reactive_var)
            caps = held.tightened(proposal.caps)
            after = self._assess(caps.clip(wanted_wh), reactive_var)
            explanation = explain(
                self.network, self.points, held_wh, reactive_var, Mtu(self.mtu_seconds).hours,
                before, proposal,
            )  # fmt: skip
        caps_by_number = numbered(caps, self.points, self.numbers)
        facts = {
            "period": period,
            "curtailed_wh": int(np.abs(wanted_wh - caps.clip(wanted_wh)).sum()),
            "before": told(before),
            "after": told(after),
            "caps": caps_by_number,
            "caps_before": numbered(held, self.points, self.numbers),
            "points": list(self.points),
            "schedule_wh": [int(wh) for wh in schedule_wh],
            "reactive_var": [float(var) for var in reactive_var],
            "positions_wh": {int(n): int(wh) for n, wh in positions_wh.items()},
            "mtu_seconds": self.mtu_seconds,
            "limits": asdict(self.limits),
        }
        if moved_wh is not None and moved_wh.any():
            facts["moved_wh"] = [int(wh) for wh in moved_wh]
        return GridFinding(
            caps, caps_by_number, wanted_wh, before, after, proposal, explanation, facts
        )  # fmt: skip

    def _require_shape(self, **given: NDArray[Any]) -> None:
        for name, array in given.items():
            if array.shape != (len(self.points),):
                raise FeedError(f"{name}: {array.shape} must be ({len(self.points)},)")

    def wanted_wh(self, period: int, schedule_wh: Whole, positions_wh: Mapping[int, int]) -> Whole:
        """Energy that everybody means to let flow; FeedError for a position of a stranger."""
        if strangers := sorted(set(positions_wh) - set(self.numbers.values())):
            raise FeedError(f"period {period}: participant {strangers[0]} has no connection point")
        contract_wh = np.array(
            [positions_wh.get(self.numbers.get(point, -1), 0) for point in self.points],
            dtype=np.int64,
        )
        return expected_wh(schedule_wh, contract_wh)

    def _assess(self, net_wh: Whole, reactive_var: Reals) -> Assessment | None:
        hours = Mtu(self.mtu_seconds).hours
        try:
            return assess(self.network, net_wh / hours, reactive_var, self.limits)
        except GridError:
            return None

    def _propose(self, net_wh: Whole, reactive_var: Reals) -> CapProposal:
        cappable = np.array([point in self.numbers for point in self.points])
        return propose_caps(
            self.network, net_wh, reactive_var, self.limits, self.mtu_seconds, cappable
        )
