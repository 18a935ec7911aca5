"""Readings and settlement, rebuilt and compared (`MeterOracle.sol`, `Settlement.sol`)."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from gridbourse.audit.book import Phase
from gridbourse.audit.events import Event
from gridbourse.audit.findings import Findings
from gridbourse.audit.market import Market
from gridbourse.audit.members import Members, Participant
from gridbourse.audit.money import DSO, SUPPLIER, Money
from gridbourse.audit.tariffs import Clock, Tariffs
from gridbourse.chain.lanes import lanes64, unpack_readings
from gridbourse.model.settlement import Charges, Prices, settle


@dataclass
class SupplierEnergy:
    """Energy of a settled period, Wh, + = the supplier takes it, counted in two ways."""

    metered_wh: int = 0
    beyond_contracts_wh: int = 0


class Metering:
    """What was metered in each period, and what settlement made of it."""

    def __init__(
        self,
        members: Members,
        tariffs: Tariffs,
        clock: Clock,
        market: Market,
        money: Money,
        findings: Findings,
    ) -> None:
        self._members, self._tariffs, self._clock = members, tariffs, clock
        self._market, self._money, self._findings = market, money, findings
        self._versions: defaultdict[int, int] = defaultdict(int)
        self._settled_groups: defaultdict[int, set[int]] = defaultdict(set)
        self._settled_areas: defaultdict[int, set[int]] = defaultdict(set)
        self._awaited: set[tuple[int, int]] = set()
        # Events that come before the settlement they belong to.
        self._estimates: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self._debts: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self.readings: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self.energy: defaultdict[int, SupplierEnergy] = defaultdict(SupplierEnergy)
        self.finished: set[int] = set()

    # --- readings ----------------------------------------------------------------------------

    def submitted(self, event: Event) -> None:
        """ReadingsSubmitted: the next version; nothing a settlement rests on may change."""
        period, where = event["period"], event.at("period")
        self._clock.require_delivered(period, f"readings, {where}")
        self._versions[period] += 1
        self._findings.compare(
            "reading", f"version, {where}", event["version"], self._versions[period]
        )
        for participant, wh in unpack_readings(event["firstBlock"], event["readings"]).items():
            former = self.readings[period].get(participant)
            kept = not self._settled_groups[period] or former in (None, wh)
            self._findings.require(
                "reading", f"participant {participant}, {where}", kept, "settlement has begun"
            )
            self.readings[period][participant] = wh

    def awaited(self, event: Event) -> None:
        """ReadingsAwaited: from then on a missing reading may come to be estimated."""
        self._awaited.add((event["area"], event["period"]))

    def estimated(self, event: Event) -> None:
        """ReadingEstimated: kept until the settlement it belongs to."""
        self._estimates[event["period"]][event["participant"]] = event["estimateWh"]

    def indebted(self, event: Event) -> None:
        """DebtIncurred: kept until the settlement it belongs to."""
        self._debts[event["period"]][event["participant"]] = event["balanceMicroEur"]

    # --- settlement --------------------------------------------------------------------------

    def groups_settled(self, event: Event) -> None:
        """GroupsSettled: settle the groups with the model, compare every change, and book it."""
        period, where = event["period"], event.at("period")
        self._clock.require_delivered(period, f"settlement, {where}")
        seats = [seat for group in event["groups"] for seat in self._members.in_group(group)]
        for group in event["groups"]:
            self._require_may_settle(period, group, where)
        charges = self._charges(period, seats, where)
        deltas = dict(zip((seat.number for seat in seats), charges.delta.tolist(), strict=True))
        supplier, dso = int(charges.supplier.sum()), int(charges.dso.sum())
        chain = [
            lane
            for group, word in zip(event["groups"], event["deltas"], strict=True)
            for lane in lanes64(group, word)
        ]
        for participant, delta in chain:
            place = f"µEUR, participant {participant}, {where}"
            self._findings.compare("settlement", place, delta, deltas.get(participant, 0))
        self._findings.compare(
            "settlement", f"supplier µEUR, {where}", event["supplierMicroEur"], supplier
        )
        self._findings.compare("settlement", f"DSO µEUR, {where}", event["dsoMicroEur"], dso)
        total = sum(delta for _, delta in chain) + event["supplierMicroEur"] + event["dsoMicroEur"]
        self._findings.compare("identity", f"changes of a settlement sum to 0, {where}", total, 0)
        self._pay(period, deltas, supplier, dso, where)

    def _require_may_settle(self, period: int, group: int, where: str) -> None:
        area = self._members.area_of_group(group)
        book = self._market.books.get((-1 if area is None else area, period))
        booked = book is not None and book.phase is Phase.BOOKED
        place = f"group {group}, {where}"
        self._findings.require("settlement", place, booked, "not booked")
        first = group not in self._settled_groups[period]
        self._findings.require("settlement", place, first, "settled before")
        self._settled_groups[period].add(group)

    def _charges(self, period: int, seats: list[Participant], where: str) -> Charges:
        contracts = [self._money.position(period, seat.number).net_wh for seat in seats]
        pairs = zip(seats, contracts, strict=True)
        readings = [self._reading(period, seat, contract, where) for seat, contract in pairs]
        caps = [self._market.book(seat.area, period).export_cap(seat.number) for seat in seats]
        fees = [self._tariffs.fees(seat.zone, period) for seat in seats]
        columns = np.array(fees, dtype=np.int64).reshape(-1, 3).T
        reading, contract, cap = (
            np.array(row, dtype=np.int64) for row in (readings, contracts, caps)
        )
        paid = np.minimum(reading, cap)
        self.energy[period].metered_wh += int(paid.sum())
        self.energy[period].beyond_contracts_wh += int((paid - contract).sum())
        return settle(reading, contract, cap, Prices(*self._tariffs.energy(period), *columns))

    def _reading(self, period: int, seat: Participant, contract_wh: int, where: str) -> int:
        """The reading; where it is missing, the contract of a member and nothing of others."""
        place = f"participant {seat.number}, {where}"
        estimate = self._estimates[period].pop(seat.number, None)
        reading = self.readings[period].get(seat.number)
        missing = reading is None and seat.is_member(period)
        if estimate is not None or missing:
            expected = contract_wh if missing else None
            self._findings.compare("estimate", f"Wh, {place}", estimate, expected)
        if missing:
            awaited = (seat.area, period) in self._awaited
            self._findings.require("estimate", place, awaited, "readings were not awaited")
            return contract_wh
        return reading or 0

    def _pay(
        self, period: int, deltas: dict[int, int], supplier: int, dso: int, where: str
    ) -> None:
        debts = {
            participant: self._money.free[participant]
            for participant, delta in deltas.items()
            if self._money.settle(period, participant, delta)
        }
        self._money.free[SUPPLIER] += supplier
        self._money.free[DSO] += dso
        chain = self._debts.pop(period, {})
        for participant in sorted({*debts, *chain}):
            place = f"µEUR, participant {participant}, {where}"
            self._findings.compare("debt", place, chain.get(participant), debts.get(participant))

    def area_settled(self, event: Event) -> None:
        """Settled: every group of the area was settled."""
        area, period = event["area"], event["period"]
        missing = set(self._members.groups(area)) - self._settled_groups[period]
        place = f"area, {event.at('area', 'period')}"
        self._findings.require(
            "settlement", place, not missing, f"groups {sorted(missing)} are not settled"
        )
        self._settled_areas[period].add(area)

    def period_finished(self, event: Event) -> None:
        """PeriodFinished: nothing of it is held or open any more, and its energy adds up."""
        period = event["period"]
        self.finished.add(period)
        held = sum(hold for (of, _), hold in self._money.holds.items() if of == period)
        opened = self._money.open_trades[period]
        where = event.at("period")
        self._findings.compare(
            "identity", f"(holds, open trades) are 0, {where}", (held, opened), (0, 0)
        )
        energy = self.energy[period]
        self._findings.compare(
            "identity",
            f"metered Wh within caps = Wh the supplier takes, {where}",
            energy.metered_wh,
            energy.beyond_contracts_wh,
        )

    def require_nothing_loose(self) -> None:
        """At the end: no event waits for its settlement, and no period is finished by half."""
        for what, loose in (("estimate", self._estimates), ("debt", self._debts)):
            for period, of_period in loose.items():
                for participant in of_period:
                    place = f"period {period}, participant {participant}"
                    self._findings.require(
                        what, place, False, "no settlement in the log explains it"
                    )
        areas = len(self._members.areas)
        for period, settled in self._settled_areas.items():
            finished = len(settled) == areas
            self._findings.compare(
                "settlement", f"period {period} finished", period in self.finished, finished
            )
