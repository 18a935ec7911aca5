"""Caps of the DSO, on traded and on other energy, rebuilt (`GridOracle.sol`)."""

from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.registry import Members
from gridbourse.chain.encoding.commitment import NO_CAPS
from gridbourse.chain.encoding.lanes import energy_lane, lanes56, pair, seats_of, word56
from gridbourse.model.caps import NO_CAP

GROUP_SHIFT = 224
UNCAPPED = (NO_CAP, NO_CAP)


class Caps:
    """(export, import) Wh that bind a participant in a period; they only fall."""

    def __init__(self, members: Members, findings: Findings) -> None:
        self._members, self._findings = members, findings
        self._caps: dict[tuple[int, int], tuple[int, int]] = {}
        self._in_force: set[tuple[int, int]] = set()

    def of(self, period: int, participant: int) -> tuple[int, int]:
        """(export, import) Wh; above the first, injection is not paid for."""
        return self._caps.get((period, participant), UNCAPPED)

    def capped(self, period: int) -> set[int]:
        """Participants whose export has a cap in the period."""
        return {
            who
            for (of, who), (export, _) in self._caps.items()
            if of == period and export != NO_CAP
        }

    def word(self, area: int, period: int, group: int) -> int:
        """Caps of a group as settlement reads them; NO_CAPS where the DSO set none in the period."""
        if (area, period) not in self._in_force:
            return NO_CAPS
        lanes = {seat: energy_lane(*self.of(period, seat)) for seat in seats_of([group])}
        return period << GROUP_SHIFT | word56(lanes)

    def enforce(self, area: int, period: int) -> None:
        """Note that a verdict was given: from now on settlement asks for the caps, if there are any."""
        self._in_force.add((area, period))

    def lower(self, area: int, period: int, word: int, where: str) -> int:
        """Apply the caps of a group, whose number is above four lanes; that number."""
        group = word >> GROUP_SHIFT
        same_area = self._members.area_of_group(group) == area
        self._findings.require("cap", f"group {group}, {where}", same_area, "of another area")
        for participant, lane in lanes56(group, word):
            present, given = self.of(period, participant), pair(lane)
            falls = all(new <= old for new, old in zip(given, present, strict=True))
            place = f"participant {participant}, {where}"
            self._findings.require("cap", place, falls, "caps only fall")
            self._caps[period, participant] = given
        return group
