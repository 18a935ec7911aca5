"""What each connection has promised in a period over all markets, rebuilt (`ClearingHouse.reserve`)."""

from collections import defaultdict
from typing import NamedTuple

from gridbourse.audit.findings import Findings
from gridbourse.audit.members import Members
from gridbourse.audit.money import Money
from gridbourse.chain.lanes import OFFER


class Energy(NamedTuple):
    """Wh promised out of a connection (offers) and into it (bids)."""

    out_wh: int = 0
    into_wh: int = 0

    @classmethod
    def of(cls, side: int, wh: int) -> "Energy":
        """What an order promises; side 0 bid, 1 offer."""
        return cls(wh, 0) if side == OFFER else cls(0, wh)


NOTHING = Energy()


class Reservations:
    """Energy reserved by orders, listings and trades of every market, with the money behind it."""

    def __init__(self, members: Members, money: Money, findings: Findings) -> None:
        self._members, self._money, self._findings = members, money, findings
        self.reserved: defaultdict[tuple[int, int], Energy] = defaultdict(Energy)
        # By period and participant: what may be reserved beyond that, but the log does not tell.
        self.doubt: dict[tuple[int, int], Energy] = {}

    def claim(self, period: int, participant: int, claimed: Energy, where: str) -> None:
        """Promise more, by the rules."""
        self.exchange(period, participant, NOTHING, claimed, where)

    def give_back(self, period: int, participant: int, released: Energy) -> None:
        """Promise less: always allowed."""
        self._change(period, participant, released, NOTHING)

    def take_back(self, period: int, participant: int, released: Energy) -> None:
        """Undo what was given back a moment ago, and was only half of an exchange."""
        self._change(period, participant, NOTHING, released)

    def exchange(
        self, period: int, participant: int, released: Energy, claimed: Energy, where: str
    ) -> None:
        """Give back and promise anew; what grows on either side needs leave."""
        if claimed.out_wh > released.out_wh or claimed.into_wh > released.into_wh:
            refusal = self._refusal(period, participant, released, claimed)
            place = f"participant {participant}, period {period}, {where}"
            self._findings.require("reservation", place, refusal is None, refusal or "")
        self._change(period, participant, released, claimed)

    def most(self, period: int, participant: int, side: int) -> int:
        """The most Wh the participant could promise more just now, without a doubt."""
        member = self._members.participants.get(participant)
        if member is None or not (member.active and member.is_member(period)):
            return 0
        doubt = self.doubt.get((period, participant), NOTHING)
        rate = self._money.hold_rate(period)
        credit = self._money.free[participant] + self._money.credit_limits[participant]
        credit -= doubt.into_wh * rate
        if credit < 0:
            return 0
        held = self._after(period, participant, NOTHING, doubt)
        if side == OFFER:
            return member.capacity_wh - held.out_wh
        return min(member.capacity_wh - held.into_wh, credit // rate)

    def _change(self, period: int, participant: int, released: Energy, claimed: Energy) -> None:
        self.reserved[period, participant] = self._after(period, participant, released, claimed)
        self._money.hold(period, participant, claimed.into_wh - released.into_wh)

    def _after(self, period: int, participant: int, released: Energy, claimed: Energy) -> Energy:
        held = self.reserved[period, participant]
        return Energy(
            held.out_wh + claimed.out_wh - released.out_wh,
            held.into_wh + claimed.into_wh - released.into_wh,
        )

    def _refusal(
        self, period: int, participant: int, released: Energy, claimed: Energy
    ) -> str | None:
        """Why the clearing house would not let it, in its order of asking."""
        member = self._members.participants.get(participant)
        if member is None or not member.is_member(period):
            return "no member in the period"
        if not member.active:
            return "not active"
        if max(self._after(period, participant, released, claimed)) > member.capacity_wh:
            return "above the connection"
        credit = self._money.free[participant] + self._money.credit_limits[participant]
        needed = (claimed.into_wh - released.into_wh) * self._money.hold_rate(period)
        return None if credit >= max(needed, 0) else "not enough money"
