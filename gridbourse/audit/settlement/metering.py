"""Readings and settlement, rebuilt and compared (`MeterOracle.sol`, `Settlement.sol`)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Modules
from gridbourse.audit.core.money import GroupChange, Settled
from gridbourse.audit.core.registry import Participant
from gridbourse.audit.settlement.evidence import SettlementEvidence
from gridbourse.chain.encoding.lanes import lanes64, seats_of, unpack_readings
from gridbourse.model.settlement import Prices, settle

PERMILLE = 1000


@dataclass
class SupplierEnergy:
    """Energy of a settled period, Wh, + = the supplier takes it, counted in two ways.

    house_wh: net energy that participants sold to DSO and TSO, who hand it on to the supplier.
    """

    metered_wh: int = 0
    beyond_contracts_wh: int = 0
    house_wh: int = 0


class Refusal(NamedTuple):
    """Reading that its connection cannot carry, as the log has it."""

    wh: int
    capacity_wh: int


class Metering:
    """Readings of each period, and their settlement."""

    def __init__(self, common: Common, modules: Modules, silent_permille: int) -> None:
        self._silent_permille, self._common = silent_permille, common
        self._members, self._tariffs, self._clock = common.members, common.tariffs, common.clock
        self._caps, self._modules = common.caps, modules
        self._money, self._findings = common.money, common.findings
        self._versions: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._settled_groups: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        self._settled: set[tuple[int, int]] = set()
        self._awaited: set[tuple[int, int]] = set()
        self.evidence = SettlementEvidence(common.members, common.caps, common.money)
        # Events that come before the settlement they belong to.
        self._estimates: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self._refused: defaultdict[int, dict[int, Refusal]] = defaultdict(dict)
        self._debts: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self._waits: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self.readings: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self.settled_wh: defaultdict[int, dict[int, int]] = defaultdict(dict)
        """Wh by period that each member was settled on: its reading, or the estimate in its place."""
        self.ever: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        self.energy: defaultdict[tuple[int, int], SupplierEnergy] = defaultdict(SupplierEnergy)
        self.finished: set[tuple[int, int]] = set()
        """(area, period) of those that hold no money any more."""

    # --- readings ----------------------------------------------------------------------------

    def submitted(self, event: Event) -> None:
        """ReadingsSubmitted: the next version; readings that a settlement stands on may not change."""
        area, period, where = event["area"], event["period"], event.at("area", "period")
        self._clock.require_delivered(period, f"readings, {where}")
        self._versions[area, period] += 1
        self._findings.compare(
            "reading", f"version, {where}", event["version"], self._versions[area, period]
        )
        for participant, wh in unpack_readings(event["firstBlock"], event["readings"]).items():
            place = f"participant {participant}, {where}"
            in_area = self._members.area_of(participant) == area
            self._findings.require("reading", place, in_area, "of another area")
            former = self.readings[period].get(participant)
            kept = not self._settled_groups[area, period] or former in (None, wh)
            self._findings.require("reading", place, kept, "settlement has begun")
            self.readings[period][participant] = wh
            self.ever[participant, period].add(wh)

    def reading(self, period: int, participant: int) -> int | None:
        """Reading that stands, Wh; None where there is none."""
        return self.readings[period].get(participant)

    def caps_of(self, period: int, participant: int) -> tuple[int, int]:
        """(export, import) caps of a participant, Wh."""
        return self._caps.of(period, participant)

    def capped(self, period: int) -> set[int]:
        """Participants whose export has a cap."""
        return self._caps.capped(period)

    def awaited(self, event: Event) -> None:
        """ReadingsAwaited: from then on a missing reading may be estimated."""
        self._awaited.add((event["area"], event["period"]))

    def estimated(self, event: Event) -> None:
        """ReadingEstimated: kept until the settlement it belongs to."""
        self._estimates[event["period"]][event["participant"]] = event["estimateWh"]

    def refused(self, event: Event) -> None:
        """ReadingRefused: kept until the settlement it belongs to."""
        refusal = Refusal(event["wh"], event["capacityWh"])
        self._refused[event["period"]][event["participant"]] = refusal

    def credit_waits(self, event: Event) -> None:
        """CreditWaits: kept until the settlement or correction it belongs to."""
        waits = self._waits[event["period"]]
        waits[event["participant"]] = event["amountMicroEur"]

    def indebted(self, event: Event) -> None:
        """DebtIncurred: kept until the settlement it belongs to."""
        self._debts[event["period"]][event["participant"]] = event["balanceMicroEur"]

    # --- settlement --------------------------------------------------------------------------

    def groups_settled(self, event: Event) -> None:
        """GroupsSettled: settle the groups with the model, compare every change, and book it."""
        area, period, where = event["area"], event["period"], event.at("area", "period")
        self._clock.require_delivered(period, f"settlement, {where}")
        for group in event["groups"]:
            self._require_may_settle(area, period, group, where)
        self._common.close_books(area, period, {market.name for market in self._modules.in_service})
        members = {group: self._members.members_of(group, period) for group in event["groups"]}
        seats = [seat for group in members.values() for seat in group]
        readings = {
            **dict.fromkeys(seats_of(event["groups"]), 0),
            **{seat.number: self._reading(period, seat, where) for seat in seats},
        }
        self.evidence.settled(area, period, event["groups"], readings)
        self.settled_wh[period] |= readings
        self._count_energy(area, period, seats, readings)
        found = [self.changes(period, group, readings) for group in members.values()]
        deltas = {who: delta for group in found for who, delta in group.deltas.items()}
        rebuilt = GroupChange(deltas, sum(g.supplier for g in found), sum(g.dso for g in found))
        chain = dict(
            lane
            for group, word in zip(event["groups"], event["deltas"], strict=True)
            for lane in lanes64(group, word)
        )
        house = (event["supplierMicroEur"], event["dsoMicroEur"])
        self.compare_changes("settlement", GroupChange(chain, *house), rebuilt, where)
        self.compare_ends(period, self._money.settle(area, period, found), where)

    def _require_may_settle(self, area: int, period: int, group: int, where: str) -> None:
        place = f"group {group}, {where}"
        in_area = self._members.area_of_group(group) == area
        self._findings.require("settlement", place, in_area, "of another area")
        for market in self._modules.in_service:
            booked = market.is_booked(area, period)
            self._findings.require("settlement", place, booked, f"{market.name} is not booked")
        first = group not in self._settled_groups[area, period]
        self._findings.require("settlement", place, first, "settled before")
        self._settled_groups[area, period].add(group)

    def changes(
        self,
        period: int,
        seats: list[Participant],
        readings_wh: Mapping[int, int],
        contracts_wh: Mapping[int, int] | None = None,
    ) -> GroupChange:
        """Changes of the accounts by the model, µEUR, from readings (Wh by seat).

        contracts_wh: net, + sells, where it is not what was booked.
        """
        if contracts_wh is None:
            contracts_wh = {s.number: self._money.position(period, s.number).net_wh for s in seats}
        contracts = [contracts_wh[seat.number] for seat in seats]
        readings = [readings_wh[seat.number] for seat in seats]
        caps = [self._caps.of(period, seat.number)[0] for seat in seats]
        fees = [self._tariffs.fees(seat.area, seat.zone, period) for seat in seats]
        columns = np.array(fees, dtype=np.int64).reshape(-1, 3).T
        reading, contract, cap = (
            np.array(row, dtype=np.int64) for row in (readings, contracts, caps)
        )
        area = seats[0].area if seats else None
        prices = Prices(*self._tariffs.energy(area, period), *columns)
        charges = settle(reading, contract, cap, prices)
        numbers = (seat.number for seat in seats)
        return GroupChange(
            dict(zip(numbers, charges.delta.tolist(), strict=True)),
            int(charges.supplier.sum()),
            int(charges.dso.sum()),
        )

    def compare_changes(
        self, what: str, chain: GroupChange, rebuilt: GroupChange, where: str
    ) -> None:
        """Compare the change of every account, and require that those of the chain sum to zero."""
        for participant, delta in chain.deltas.items():
            place = f"µEUR, participant {participant}, {where}"
            self._findings.compare(what, place, delta, rebuilt.deltas.get(participant, 0))
        self._findings.compare(what, f"supplier µEUR, {where}", chain.supplier, rebuilt.supplier)
        self._findings.compare(what, f"DSO µEUR, {where}", chain.dso, rebuilt.dso)
        total = sum(chain.deltas.values()) + chain.supplier + chain.dso
        self._findings.compare("identity", f"changes of a {what} sum to 0, {where}", total, 0)

    def compare_ends(self, period: int, settled: Settled, where: str) -> None:
        """Compare debts and credits that wait with those the log told just before."""
        for what, told, rebuilt in (
            ("debt", self._debts.pop(period, {}), settled.debts),
            ("credit that waits", self._waits.pop(period, {}), settled.waits),
        ):
            for participant in sorted({*rebuilt, *told}):
                place = f"µEUR, participant {participant}, {where}"
                self._findings.compare(what, place, told.get(participant), rebuilt.get(participant))

    def _count_energy(
        self, area: int, period: int, seats: list[Participant], readings_wh: Mapping[int, int]
    ) -> None:
        energy = self.energy[area, period]
        for seat in seats:
            export_cap, _ = self._caps.of(period, seat.number)
            paid = min(readings_wh[seat.number], export_cap)
            contract = self._money.position(period, seat.number).net_wh
            energy.metered_wh += paid
            energy.beyond_contracts_wh += paid - contract

    def _reading(self, period: int, seat: Participant, where: str) -> int:
        """Reading of a member, Wh; where it is missing or beyond the connection, the estimate."""
        place = f"participant {seat.number}, {where}"
        told = self._estimates[period].pop(seat.number, None)
        refused = self._refused[period].pop(seat.number, None)
        reading = self.readings[period].get(seat.number)
        if reading is not None and abs(reading) > seat.capacity_wh:
            expected = Refusal(reading, seat.capacity_wh)
            self._findings.compare("reading", f"(Wh, capacity) refused, {place}", refused, expected)
            reading = None
        elif refused is not None:
            self._findings.compare("reading", f"(Wh, capacity) refused, {place}", refused, None)
        if reading is not None:
            if told is not None:
                self._findings.compare("estimate", f"Wh, {place}", told, None)
            return reading
        estimate = self.estimate_wh(period, seat)
        self._findings.compare("estimate", f"Wh, {place}", told, estimate)
        awaited = (seat.area, period) in self._awaited
        self._findings.require("estimate", place, awaited, "readings were not awaited")
        return estimate

    def estimate_wh(self, period: int, seat: Participant) -> int:
        """Estimate for a silent meter, Wh: its share of the capacity drawn, and never above its contract."""
        contract_wh = self._money.position(period, seat.number).net_wh
        return min(contract_wh, -(seat.capacity_wh * self._silent_permille // PERMILLE))

    def area_settled(self, event: Event) -> None:
        """Settled: every group of the area was settled."""
        area, period = event["area"], event["period"]
        missing = set(self._members.groups(area)) - self._settled_groups[area, period]
        place = f"area, {event.at('area', 'period')}"
        self._findings.require(
            "settlement", place, not missing, f"groups {sorted(missing)} are not settled"
        )
        open_ = self._members.is_open(area, period)
        self._findings.require("settlement", place, open_, "the area is closed by then")
        self._settled.add((area, period))
        committed = self.evidence.of(area, period).value
        self._findings.compare("commitment", place, event["commitment"], committed)

    def is_settled(self, area: int, period: int) -> bool:
        """True where the area and period are settled to the end."""
        return (area, period) in self._settled

    def finished_in(self, area: int) -> set[int]:
        """Periods of an area that hold no money any more."""
        return {period for its_area, period in self.finished if its_area == area}

    def period_finished(self, event: Event) -> None:
        """PeriodFinished: no hold or trade of it is open any more, and its energy adds up."""
        area, period, where = event["area"], event["period"], event.at("area", "period")
        self.finished.add((area, period))
        held = sum(
            hold
            for (of, who), hold in self._money.holds.items()
            if of == period and self._members.area_of(who) == area
        )
        self._findings.compare("identity", f"holds are 0, {where}", held, 0)
        left = self._money.collect_rest(area, period)
        place = f"trades left {left} µEUR over, {where}"
        self._findings.require("identity", place, left >= 0, "payers pay at least what payees get")
        energy = self.energy[area, period]
        self._findings.compare(
            "identity",
            f"metered Wh within caps = Wh the supplier takes, {where}",
            energy.metered_wh,
            energy.beyond_contracts_wh + energy.house_wh,
        )

    def require_nothing_loose(self) -> None:
        """Final check: no event waits for its settlement, and no period is finished by half."""
        for what, loose in (
            ("estimate", self._estimates), ("reading", self._refused),
            ("debt", self._debts), ("credit that waits", self._waits),
        ):  # fmt: skip
            for period, of_period in loose.items():
                for participant in of_period:
                    place = f"period {period}, participant {participant}"
                    self._findings.require(
                        what, place, False, "no settlement in the log explains it"
                    )
        for key in sorted(self._settled ^ self.finished):
            place = "area {}, period {}, finished".format(*key)
            settled = key in self._settled
            self._findings.compare("settlement", place, key in self.finished, settled)
