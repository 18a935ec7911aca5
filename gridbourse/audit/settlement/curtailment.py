"""Curtailment compensation, rebuilt (`CurtailmentCompensation.sol`)."""

from collections import defaultdict
from dataclasses import dataclass, field

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.transfers import Transfer
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.encoding.lanes import MASK56, lanes56
from gridbourse.model.curtailment import compensation_micro_eur, held_back_wh, outstanding_wh
from gridbourse.model.house_accounts import dso_account

WHAT = "curtailment"
GROUP_SHIFT = 224


@dataclass
class Curtailment:
    """Compensation by the DSO. schedules_wh: stated, paid_wh: paid for, by (period, participant);
    paid_micro_eur and held_back_wh: by period, without what came back."""

    reach_permille: int
    common: Common
    metering: Metering
    schedules_wh: dict[tuple[int, int], int] = field(default_factory=dict)
    paid_micro_eur: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    held_back_wh: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    name: str = "CurtailmentCompensation"
    paid_wh: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def is_booked(self, area: int, period: int) -> bool:
        """Always True: it trades nothing."""
        return True

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return {
            "SchedulesStated": self.stated,
            "Compensated": self.compensated,
            "CompensationReturned": self.returned,
        }

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {"schedules_stated": len(self.schedules_wh), "compensations": len(self.paid_wh)}

    def stated(self, event: Event) -> None:
        """SchedulesStated: before delivery begins; later than that, none is changed."""
        area, period = event["area"], event["period"]
        self.common.clock.require_undelivered(period, f"schedules, {event.where}")
        for word in event["words"]:
            for who, lane in lanes56(word >> GROUP_SHIFT, word):
                # Of those of another area the DSO says nothing.
                if lane != MASK56 and self.common.members.area_of(who) in (area, None):
                    self.schedules_wh[period, who] = lane

    def compensated(self, event: Event) -> None:
        """Compensated: due by cap and reading beyond earlier payments, from the DSO's account."""
        self._pay(event, event["heldBackWh"])

    def returned(self, event: Event) -> None:
        """CompensationReturned: paid beyond the sum due now, as far as it is free."""
        self._pay(event, -event["returnedWh"])

    def _pay(self, event: Event, told_wh: int) -> None:
        """Compare and book a payment; told_wh: + to the participant, − back to the DSO."""
        period, who = event["period"], event["participant"]
        where = f"participant {who}, {event.at('period')}"
        area = self.common.members.area_of(who)
        settled = (area, period) in self.metering.finished and told_wh != 0
        self.common.findings.require(WHAT, where, settled, "not settled, or for nothing")
        rate = self._rate(period, who)
        due, paid = self._held_back(period, who), self.paid_wh[period, who]
        wh = outstanding_wh(due, paid, rate, self.common.money.may_leave(who))
        amount = wh * rate
        told_amount = event["amountMicroEur"] * (1 if told_wh > 0 else -1)
        told = (told_wh, told_amount)
        self.common.findings.compare(WHAT, f"(Wh, µEUR), {where}", told, (wh, amount))
        dso = dso_account(area or 0)
        transfer = Transfer(dso, who, amount) if amount > 0 else Transfer(who, dso, -amount)
        self.common.transfers.move_next(self.name, [transfer], where)
        self.paid_wh[period, who] += wh
        self.paid_micro_eur[period] += amount
        self.held_back_wh[period] += wh

    def _rate(self, period: int, who: int) -> int:
        member = self.common.members.participants.get(who)
        if member is None:
            return 0
        tariffs = self.common.tariffs
        fee = tariffs.fees(member.area, member.zone, period).export_fee
        return compensation_micro_eur(1, tariffs.energy(member.area, period).feed_in, fee)

    def _held_back(self, period: int, who: int) -> int:
        member = self.common.members.participants.get(who)
        if member is None:
            return 0
        reading = self.metering.evidence.reading_wh(member.area, period, who)
        if reading is None:
            return 0
        return held_back_wh(
            self.schedules_wh.get((period, who)),
            self.metering.caps_of(period, who)[0],
            reading,
            member.capacity_wh,
            self.reach_permille,
        )

    def trades_booked(self, event: Event) -> None:
        """Require that it books no trades."""
        self.common.findings.require(WHAT, event.where, False, "it books no trades")

    def require_nothing_loose(self) -> None:
        """Final check: nothing waits here."""
