"""Energy promised of each connection in a period over all markets, rebuilt (`ClearingHouse.reserve`)."""

from collections import defaultdict
from typing import NamedTuple

from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.money import NO_AREA, Money, Position
from gridbourse.audit.core.registry import Members
from gridbourse.chain.encoding.lanes import OFFER
from gridbourse.model.agent_limit import is_within


class Energy(NamedTuple):
    """Wh promised out of a connection (offers) and into it (bids)."""

    out_wh: int = 0
    into_wh: int = 0

    @classmethod
    def of(cls, side: int, wh: int) -> "Energy":
        """Energy that an order promises; side 0 bid, 1 offer."""
        return cls(wh, 0) if side == OFFER else cls(0, wh)


NOTHING = Energy()
Place = tuple[int, int]
"""Area and period."""


class Reservations:
    """Energy reserved by orders, listings and trades of every market, with the money behind it."""

    def __init__(self, members: Members, money: Money, findings: Findings) -> None:
        self._members, self._money, self._findings = members, money, findings
        self.reserved: defaultdict[tuple[int, int], Energy] = defaultdict(Energy)
        # By period and participant: energy that may be reserved beyond that, which the log does not tell.
        self.doubt: dict[tuple[int, int], Energy] = {}

    def claim(self, period: int, participant: int, claimed: Energy, where: str) -> None:
        """Promise more, by the rules."""
        self.exchange(period, participant, NOTHING, claimed, where)

    def give_back(self, period: int, participant: int, released: Energy) -> None:
        """Promise less: always allowed."""
        self._change(period, participant, released, NOTHING)

    def take_back(self, period: int, participant: int, released: Energy) -> None:
        """Undo a release of a moment ago that was one half of an exchange."""
        self._change(period, participant, NOTHING, released)

    def exchange(
        self,
        period: int,
        participant: int,
        released: Energy,
        claimed: Energy,
        where: str,
        by: str | None = None,
    ) -> None:
        """Give back and promise anew; more on either side has to be allowed.

        by: the account that acts for the participant, or None where that is unknown or is the participant.
        """
        if by is not None:
            self._require_within_limit(period, participant, released, claimed, where, by)
        if claimed.out_wh > released.out_wh or claimed.into_wh > released.into_wh:
            refusal = self._refusal(period, participant, released, claimed)
            place = f"participant {participant}, period {period}, {where}"
            self._findings.require("reservation", place, refusal is None, refusal or "")
        self._change(period, participant, released, claimed)

    def _require_within_limit(
        self, period: int, participant: int, released: Energy, claimed: Energy, where: str, by: str
    ) -> None:
        member = self._members.participants.get(participant)
        if member is None or member.account == by.lower():
            return
        limits = (member.agents_sell_wh, member.agents_buy_wh)
        promised = self.reserved[period, participant]
        within = all(map(is_within, promised, released, claimed, limits))
        place = f"participant {participant}, period {period}, {where}"
        self._findings.require("reservation", place, within, "more than it lets its agents promise")

    def most(self, period: int, participant: int, side: int) -> int:
        """Most Wh that the participant could surely promise more now."""
        member = self._members.participants.get(participant)
        if member is None or not (member.active and member.is_member(period)):
            return 0
        doubt = self.doubt.get((period, participant), NOTHING)
        rate = self._money.hold_rate(period, participant)
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
        """Reason of the clearing house to refuse, in its order of checks; None where it allows."""
        member = self._members.participants.get(participant)
        if member is None or not member.is_member(period):
            return "no member in the period"
        if not member.active:
            return "not active"
        if max(self._after(period, participant, released, claimed)) > member.capacity_wh:
            return "above the connection"
        credit = self._money.free[participant] + self._money.credit_limits[participant]
        needed = (claimed.into_wh - released.into_wh) * self._money.hold_rate(period, participant)
        return None if credit >= max(needed, 0) else "not enough money"


class Fill(NamedTuple):
    """Booking of a market for one participant in a period; payment in µEUR, + received."""

    energy: Energy
    payment: int


NO_FILL = Fill(NOTHING, 0)


class Share(Reservations):
    """Part of one market: a connection is promised once over all of them, but each market gives back and
    books only what it reserved itself."""

    def __init__(self, market: str, whole: Reservations) -> None:
        super().__init__(whole._members, whole._money, whole._findings)
        self.reserved, self.doubt = whole.reserved, whole.doubt
        self._market = market
        self._own: defaultdict[tuple[int, int], Energy] = defaultdict(Energy)
        self._booked: defaultdict[Place, dict[int, Fill]] = defaultdict(dict)
        self.open_payments: defaultdict[Place, int] = defaultdict(int)
        """By area and period, µEUR: due to payees, with the spread, less due from payers; 0 at the end."""

    def book(self, period: int, participant: int, fill: Position, payment: int) -> None:
        """Book a trade, of energy that this market has reserved and not booked yet."""
        key = (self._area_of(participant), period)
        booked = self._booked[key].get(participant, NO_FILL)
        self._booked[key][participant] = Fill(
            Energy(booked.energy.out_wh + fill.sold_wh, booked.energy.into_wh + fill.bought_wh),
            booked.payment + payment,
        )
        self._require_backed(period, participant)
        retail = self._money.retail(period, participant)
        least, most = -fill.bought_wh * retail, fill.sold_wh * retail
        place = f"{self._market}, participant {participant}, period {period}"
        self._findings.require("payment", place, least <= payment <= most, "above the retail price")
        self.open_payments[key] += payment
        self._money.book(period, participant, fill, payment)

    def collect_spread(self, area: int, period: int, amount: int) -> None:
        """Collect a spread, from what its payers pay above what its payees get."""
        self.open_payments[area, period] += amount
        place = f"{self._market}, area {area}, period {period}"
        paid = self.open_payments[area, period] <= 0
        self._findings.require("spread", place, paid, "nobody pays it")
        self._money.collect_spread(area, period, amount)

    def void(self, area: int, period: int) -> None:
        """Undo its bookings of an area and period."""
        for participant, fill in self._booked.pop((area, period), {}).items():
            energy = Position(fill.energy.out_wh, fill.energy.into_wh)
            self._money.take_off(period, participant, energy, fill.payment)
        self.open_payments[area, period] = 0

    def _change(self, period: int, participant: int, released: Energy, claimed: Energy) -> None:
        super()._change(period, participant, released, claimed)
        former = self._own[period, participant]
        own = Energy(
            former.out_wh + claimed.out_wh - released.out_wh,
            former.into_wh + claimed.into_wh - released.into_wh,
        )
        self._own[period, participant] = own
        self._require_backed(period, participant)

    def _area_of(self, participant: int) -> int:
        area = self._members.area_of(participant)
        return NO_AREA if area is None else area

    def _require_backed(self, period: int, participant: int) -> None:
        """Require that its bookings are within its own reservations that it has not given back."""
        own, booked = (
            self._own[period, participant],
            self._booked[self._area_of(participant), period].get(participant, NO_FILL).energy,
        )
        place = f"{self._market}, participant {participant}, period {period}"
        backed = booked.out_wh <= own.out_wh and booked.into_wh <= own.into_wh
        self._findings.require("attribution", place, backed, "not reserved by this market")
