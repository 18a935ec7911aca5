"""What participants keep reserved in an order book for orders to come, rebuilt (`OrderBook.keep`).

The log does not say whether an order came from its participant or through a gateway. Only the former
draws on what is kept, so it is taken that whoever keeps collateral orders for itself.
"""

from gridbourse.audit.events import Event
from gridbourse.audit.findings import Findings
from gridbourse.audit.members import Members
from gridbourse.audit.reservations import NOTHING, Energy, Reservations


class Collateral:
    """Energy kept by period and participant, all of it reserved."""

    def __init__(self, members: Members, reservations: Reservations, findings: Findings) -> None:
        self._members, self._reservations, self._findings = members, reservations, findings
        self._kept: dict[tuple[int, int], Energy] = {}

    def kept(self, event: Event) -> None:
        """CollateralKept: in place of what was kept; nothing at all ends it."""
        period, participant = event["period"], event["participant"]
        claimed = Energy(event["sellWh"], event["buyWh"])
        former = self._kept.pop((period, participant), NOTHING)
        where = event.at("area")
        self._reservations.exchange(period, participant, former, claimed, where)
        if claimed != NOTHING:
            self._kept[period, participant] = claimed

    def claim(self, period: int, participant: int, claimed: Energy, where: str) -> None:
        """Back an order: by what is kept, and by more where that is not enough."""
        kept = self._kept.get((period, participant))
        if kept is not None:
            drawn = Energy(*map(min, kept, claimed))
            self._kept[period, participant] = _minus(kept, drawn)
            claimed = _minus(claimed, drawn)
            member = self._members.participants.get(participant)
            active = member is not None and member.active
            place = f"participant {participant}, period {period}, {where}"
            self._findings.require("reservation", place, active, "not active")
        self._reservations.claim(period, participant, claimed, where)

    def free(self, period: int, participant: int, released: Energy) -> None:
        """Give back what backed an order: to what is kept, or free."""
        kept = self._kept.get((period, participant))
        if kept is None:
            self._reservations.give_back(period, participant, released)
        else:
            self._kept[period, participant] = _plus(kept, released)

    def take_back(self, period: int, participant: int, released: Energy) -> None:
        """Undo what was freed a moment ago, and was only half of an exchange."""
        kept = self._kept.get((period, participant))
        if kept is None:
            self._reservations.take_back(period, participant, released)
        else:
            self._kept[period, participant] = _minus(kept, released)


def _plus(one: Energy, other: Energy) -> Energy:
    return Energy(one.out_wh + other.out_wh, one.into_wh + other.into_wh)


def _minus(one: Energy, other: Energy) -> Energy:
    return Energy(one.out_wh - other.out_wh, one.into_wh - other.into_wh)
