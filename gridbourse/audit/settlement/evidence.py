"""Evidence of the settlement of every period: leaves of its commitment (`Commitment.sol`), from the log."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from gridbourse.audit.core.caps import Caps
from gridbourse.audit.core.money import Money
from gridbourse.audit.core.registry import Members
from gridbourse.chain.encoding.commitment import Commitment, Leaf
from gridbourse.chain.encoding.lanes import PER_GROUP, energy_lane, seats_of, word56, word64


class SettlementEvidence:
    """Commitments of each area and period, with the leaves that corrections need a proof of."""

    def __init__(self, members: Members, caps: Caps, money: Money) -> None:
        self._members, self._caps, self._money = members, caps, money
        self._commitments: defaultdict[tuple[int, int], Commitment] = defaultdict(Commitment)

    def of(self, area: int, period: int) -> Commitment:
        """Commitment of an area and period; empty before settlement."""
        return self._commitments[area, period]

    def reading_wh(self, area: int, period: int, participant: int) -> int | None:
        """Reading that a participant was settled on or last corrected to, Wh; None: not settled."""
        commitment = self.of(area, period)
        if not commitment.has(participant):
            return None
        return commitment.leaf(participant // PER_GROUP).readings_wh[participant]

    def settled(
        self, area: int, period: int, groups: Sequence[int], readings_wh: Mapping[int, int]
    ) -> None:
        """Append the groups of an area that one call settled, on readings by seat and the present state."""
        if groups:
            leaves = [self._leaf(area, period, group, readings_wh) for group in groups]
            self.of(area, period).extend(leaves)

    def _leaf(self, area: int, period: int, group: int, readings_wh: Mapping[int, int]) -> Leaf:
        seats = seats_of([group])
        traded = {seat: energy_lane(*self._money.position(period, seat)) for seat in seats}
        return Leaf(
            period,
            group,
            self._members.profiles(group, period),
            period << 224 | word56(traded),
            word64({seat: readings_wh[seat] for seat in seats}),
            self._caps.word(area, period, group),
        )
