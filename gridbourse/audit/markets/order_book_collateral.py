"""Reservations that participants keep in an order book for orders to come, rebuilt (`OrderBook.keep`).

The log does not say whether an order came from its participant or through a gateway. Only the former
draws on the reservation, and only the participant's own cancellations return to it. So it lies between
two bounds, which are closer the less a gateway does for the participant; each `keep` makes them equal.
Nobody is blamed for an order that one of the bounds allows.
"""

from typing import NamedTuple

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.registry import Members
from gridbourse.audit.core.reservations import NOTHING, Energy, Reservations


class Kept(NamedTuple):
    """Least reservation kept, which counts as reserved, and most."""

    least: Energy
    most: Energy


class Collateral:
    """Energy kept by period and participant, all of it reserved."""

    def __init__(self, members: Members, reservations: Reservations, findings: Findings) -> None:
        self._members, self._reservations, self._findings = members, reservations, findings
        self._kept: dict[tuple[int, int], Kept] = {}

    def kept(self, event: Event) -> None:
        """CollateralKept: in place of the former reservation; 0 ends it."""
        period, participant = event["period"], event["participant"]
        claimed = Energy(event["sellWh"], event["buyWh"])
        former = self._kept.pop((period, participant), Kept(NOTHING, NOTHING))
        # The upper bound is allowed already; the energy reserved afterwards is the same either way.
        doubt = _minus(former.most, former.least)
        self._reservations.take_back(period, participant, doubt)
        where = event.at("area")
        self._reservations.exchange(period, participant, former.most, claimed, where)
        self._reservations.doubt.pop((period, participant), None)
        if claimed != NOTHING:
            self._kept[period, participant] = Kept(claimed, claimed)

    def claim(self, period: int, participant: int, claimed: Energy, where: str) -> None:
        """Back an order: a participant's own by the kept reservation, and beyond it by more."""
        kept = self._kept.get((period, participant))
        if kept is None:
            self._reservations.claim(period, participant, claimed, where)
            return
        member = self._members.participants.get(participant)
        active = member is not None and member.active
        place = f"participant {participant}, period {period}, {where}"
        self._findings.require("reservation", place, active, "not active")
        drawn = _least(kept.least, claimed)
        more = _minus(claimed, drawn)
        if _least(claimed, kept.most) == claimed:
            self._reservations.take_back(period, participant, more)  # may all have been kept
        else:
            self._reservations.claim(period, participant, more, where)
        self._set(period, participant, Kept(_minus(kept.least, drawn), kept.most))

    def free(self, period: int, participant: int, released: Energy) -> None:
        """Give back the backing of an order, to the kept reservation or free."""
        self._reservations.give_back(period, participant, released)
        kept = self._kept.get((period, participant))
        if kept is not None:
            self._set(period, participant, Kept(kept.least, _plus(kept.most, released)))

    def replace(
        self, period: int, participant: int, freed: Energy, claimed: Energy, where: str
    ) -> None:
        """Back an order whose former self was freed a moment ago: more than that has to be allowed."""
        if (period, participant) in self._kept:
            self.claim(period, participant, claimed, where)
            return
        self._reservations.take_back(period, participant, freed)
        self._reservations.exchange(period, participant, freed, claimed, where)

    def _set(self, period: int, participant: int, kept: Kept) -> None:
        self._kept[period, participant] = kept
        self._reservations.doubt[period, participant] = _minus(kept.most, kept.least)


def _plus(one: Energy, other: Energy) -> Energy:
    return Energy(one.out_wh + other.out_wh, one.into_wh + other.into_wh)


def _minus(one: Energy, other: Energy) -> Energy:
    return Energy(one.out_wh - other.out_wh, one.into_wh - other.into_wh)


def _least(one: Energy, other: Energy) -> Energy:
    return Energy(*map(min, one, other))
