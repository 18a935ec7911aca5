"""The registry, rebuilt: areas, zones, gateways, and who sits where (`ParticipantRegistry.sol`)."""

from collections import defaultdict
from dataclasses import dataclass

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.roles import AGGREGATOR, GATEWAY, OPERATOR, Offices
from gridbourse.chain.encoding.lanes import PER_GROUP, word64
from gridbourse.chain.encoding.roles import role
from gridbourse.model.house_accounts import (
    FIRST_PARTICIPANT,
    OPERATOR_ACCOUNT,
    SUPPLIER_ACCOUNT,
    TSO_ACCOUNT,
    area_of_dso,
    dso_account,
    is_dso,
)
from gridbourse.model.trade import MOST_WH

ACTIVE, SUSPENDED, LEFT, REMOVED = 1, 2, 3, 7  # Profile.sol
HOUSE_PARTIES = {
    role("TSO"): TSO_ACCOUNT,
    role("SUPPLIER"): SUPPLIER_ACCOUNT,
    role("OPERATOR"): OPERATOR_ACCOUNT,
}
"""Roles whose holder has an account of its own besides the DSOs', in the order in which the token asks."""


@dataclass
class Participant:
    """A metering point and its account; `until_period` is None while it stays.

    removed: it was the operator who took it out. proposed: the account that may take over. agents_sell_wh,
    agents_buy_wh: how far its agents may bring what its connection promises in a period.
    """

    number: int
    account: str
    metering_point: bytes
    area: int
    zone: int
    capacity_wh: int
    from_period: int
    until_period: int | None = None
    active: bool = True
    gateway: int = 0
    removed: bool = False
    proposed: str | None = None
    agents_sell_wh: int = MOST_WH
    agents_buy_wh: int = MOST_WH

    def is_member(self, period: int) -> bool:
        """Whether the period is metered and settled for it."""
        return self.from_period <= period and (
            self.until_period is None or period < self.until_period
        )

    @property
    def held_back(self) -> bool:
        """Whether the operator keeps it from ordering: what it cannot do is no default of its own."""
        return not self.active and (self.until_period is None or self.removed)

    @property
    def profile(self) -> int:
        """As the registry packs it (`Profile.sol`): capacity Wh | area | zone | gateway | limits | status."""
        gone = REMOVED if self.removed else LEFT
        status = ACTIVE if self.active else SUSPENDED if self.until_period is None else gone
        place = self.capacity_wh << 36 | self.area << 28 | self.zone << 16
        limits = min(self.agents_sell_wh, self.agents_buy_wh) < MOST_WH
        return place | self.gateway << 4 | limits << 3 | status


@dataclass(frozen=True)
class Zone:
    """A grid zone; fees it has not of its own are its parent's."""

    parent: int
    name: bytes


class Members:
    """Everyone and every place the registry's log names."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._next_group = FIRST_PARTICIPANT // PER_GROUP
        self._next_seat: dict[int, int] = {}
        self._area_of_group: dict[int, int] = {}
        self.areas: list[bytes] = []
        self.zones: list[Zone] = [Zone(0, b"flat".ljust(32, b"\0"))]
        self._gateways: dict[str, int] = {}
        self.offices = Offices(findings)
        self.participants: dict[int, Participant] = {}
        self.formerly: dict[str, int] = {}
        """Participants by accounts of theirs that were replaced."""
        self._at_point: defaultdict[bytes, list[Participant]] = defaultdict(list)
        self.closed_from: dict[int, int] = {}
        self.sources: dict[int, int] = {}

    def groups(self, area: int) -> list[int]:
        """Groups of an area, in participant order."""
        return [group for group, its_area in self._area_of_group.items() if its_area == area]

    def area_of_group(self, group: int) -> int | None:
        """The area a group of four belongs to."""
        return self._area_of_group.get(group)

    def is_open(self, area: int, period: int) -> bool:
        """Whether there is an area of that number, and it is not closed in a period."""
        closed = self.closed_from.get(area)
        return area < len(self.areas) and (closed is None or period < closed)

    def holder_at(self, metering_point: bytes, period: int) -> Participant | None:
        """Holder of a metering point in a period."""
        there = self._at_point[metering_point]
        return next((one for one in there if one.is_member(period)), None)

    def in_group(self, group: int) -> list[Participant]:
        """The taken seats of a group, in order."""
        seats = range(group * PER_GROUP, (group + 1) * PER_GROUP)
        return [self.participants[seat] for seat in seats if seat in self.participants]

    def members_of(self, group: int, period: int) -> list[Participant]:
        """Members of a group in a period, in order."""
        return [seat for seat in self.in_group(group) if seat.is_member(period)]

    def profiles(self, group: int, period: int) -> int:
        """The four profiles of a group as of a period: blank for who is no member in it."""
        return word64({seat.number: seat.profile for seat in self.members_of(group, period)})

    def gateway_number(self, account: str) -> int | None:
        """Number of a gateway that may bring orders."""
        account = account.lower()
        in_service = account in self.offices.holders[GATEWAY]
        return self._gateways.get(account) if in_service else None

    def gateway_account(self, number: int) -> str | None:
        """Account of a gateway that may bring orders, by its number."""
        mine = (account for account, given in self._gateways.items() if given == number)
        return next((one for one in mine if one in self.offices.holders[GATEWAY]), None)

    def holders(self, its_role: bytes) -> set[str]:
        """Accounts that hold a role."""
        return self.offices.holders[its_role]

    @property
    def aggregators(self) -> set[int]:
        """Participants who are aggregators."""
        people = self.participants.values()
        return {one.number for one in people if one.account in self.offices.holders[AGGREGATOR]}

    def aggregator_number(self, account: str) -> int | None:
        """Number of an aggregator by its account."""
        people = self.participants.values()
        mine = [one.number for one in people if one.account == account.lower()]
        return mine[0] if mine and mine[0] in self.aggregators else None

    def account_number(self, address: str) -> int | None:
        """Number of the clearing house account of an address: a house party's or a participant's."""
        address = address.lower()
        for area in range(max(len(self.areas), 1)):
            if address in self.offices.holders[role("DSO", area)]:
                return dso_account(area)
        for its_role, number in HOUSE_PARTIES.items():
            if address in self.offices.holders[its_role]:
                return number
        people = self.participants.values()
        return next((one.number for one in people if one.account == address), None)

    def holds_house(self, account: int, address: str) -> bool:
        """Whether an address has the role that a named account goes with; rounding and spread are the
        operator's."""
        if is_dso(account):
            return address.lower() in self.offices.holders[role("DSO", area_of_dso(account))]
        of_roles = {number: its_role for its_role, number in HOUSE_PARTIES.items()}
        return address.lower() in self.offices.holders[of_roles.get(account, OPERATOR)]

    def area_of(self, participant: int) -> int | None:
        """The area a participant is in."""
        member = self.participants.get(participant)
        return None if member is None else member.area

    def numbers_in(self, area: int) -> list[int]:
        """Numbers of all who ever were in an area, in order."""
        return sorted(number for number, who in self.participants.items() if who.area == area)

    def is_within(self, participant: int, zone: int) -> bool:
        """Whether its grid zone is the given one or below it."""
        member = self.participants.get(participant)
        own = 0 if member is None else member.zone
        while own not in (0, zone) and own < len(self.zones):
            own = self.zones[own].parent
        return own == zone

    # --- events ------------------------------------------------------------------------------

    def area_added(self, event: Event) -> None:
        """AreaAdded: areas are numbered from 0."""
        self._findings.compare("registry", f"area, {event.where}", event["area"], len(self.areas))
        self.areas.append(event["name"])

    def zone_added(self, event: Event) -> None:
        """ZoneAdded: zones are numbered on from the flat one, each behind the one above it."""
        zone, parent = len(self.zones), event["parent"]
        self._findings.compare("registry", f"zone, {event.where}", event["zone"], zone)
        place = f"zone {zone}, {event.where}"
        self._findings.require("registry", place, parent < zone, f"below {parent}, no zone so far")
        self.zones.append(Zone(parent if parent < zone else 0, event["name"]))

    def gateway_added(self, event: Event) -> None:
        """GatewayAdded: gateways are numbered from 1."""
        expected = len(self._gateways) + 1
        self._findings.compare("registry", f"gateway, {event.where}", event["gateway"], expected)
        self._gateways[event["account"].lower()] = expected

    def area_ended(self, event: Event) -> None:
        """AreaEnded: nobody is a member of it from then on, and it has no more periods."""
        area, first, where = event["area"], event["fromPeriod"], event.at("area")
        there = area < len(self.areas) and area not in self.closed_from
        self._findings.require("registry", where, there, "no area, or one that is closed")
        stay = [
            one.number
            for one in self.participants.values()
            if one.area == area and (one.until_period is None or one.until_period > first)
        ]
        self._findings.require("registry", where, not stay, f"participants {stay} are members")
        self.closed_from[area] = first

    def role_granted(self, event: Event) -> None:
        """RoleGranted."""
        account = event["account"].lower()
        self.offices.granted(event, self._number_of(account) is not None)

    def _number_of(self, account: str) -> int | None:
        people = self.participants.values()
        return next((one.number for one in people if one.account == account), None)

    def registered(self, event: Event) -> None:
        """ParticipantRegistered: the next seat of its area."""
        number = self._take_seat(event["area"])
        self._findings.compare(
            "registry", f"participant, {event.where}", event["participant"], number
        )
        account, where = event["account"].lower(), event.at("participant")
        self._require_unused(account, where)
        is_open = event["area"] not in self.closed_from
        self._findings.require("registry", where, is_open, "in an area that is closed")
        self.participants[number] = Participant(
            number,
            account,
            event["meteringPoint"],
            event["area"],
            event["zone"],
            event["capacityWh"],
            event["fromPeriod"],
        )
        self._at_point[event["meteringPoint"]].append(self.participants[number])

    def _require_unused(self, account: str, where: str) -> None:
        free = self._number_of(account) is None
        self._findings.require("registry", where, free, f"{account} is a participant's already")
        serves = self.offices.holds_office(account)
        self._findings.require("registry", where, not serves, f"{account} holds a role")
        replaced = account in self.formerly
        self._findings.require("registry", where, not replaced, f"{account} was replaced before")

    def account_proposed(self, event: Event) -> None:
        """AccountProposed: by the present account, or the operator while the participant is not active."""
        if participant := self._known(event):
            by = event["by"].lower()
            may = by == participant.account or (
                by in self.offices.holders[OPERATOR] and not participant.active
            )
            self._findings.require(
                "registry", event.at("participant"), may, f"{by} may not propose"
            )
            participant.proposed = event["account"].lower()

    def account_withdrawn(self, event: Event) -> None:
        """AccountWithdrawn: the present account objected, or the operator did."""
        if participant := self._known(event):
            by, where = event["by"].lower(), event.at("participant")
            may = by == participant.account or by in self.offices.holders[OPERATOR]
            self._findings.require("registry", where, may, f"{by} may not object")
            self._compare_proposed(participant, event)

    def account_replaced(self, event: Event) -> None:
        """AccountReplaced: what was proposed and nobody objected to; everything follows the number."""
        if participant := self._known(event):
            where, former = event.at("participant"), event["formerAccount"].lower()
            self._findings.compare("registry", f"account, {where}", former, participant.account)
            self._compare_proposed(participant, event)
            account = event["account"].lower()
            self._require_unused(account, where)
            self.offices.follow(former, account)
            self.formerly[former] = participant.number
            participant.account = account

    def _compare_proposed(self, participant: Participant, event: Event) -> None:
        place, account = f"proposed account, {event.at('participant')}", event["account"].lower()
        self._findings.compare("registry", place, account, participant.proposed)
        participant.proposed = None

    def mandated(self, event: Event) -> None:
        """MandateGiven: the gateway may order in its name."""
        if participant := self._known(event):
            participant.gateway = event["gateway"]

    def agents_limited(self, event: Event) -> None:
        """AgentsLimited: how far its agents may bring what its connection promises."""
        if participant := self._known(event):
            participant.agents_sell_wh, participant.agents_buy_wh = event["sellWh"], event["buyWh"]

    def attested(self, event: Event) -> None:
        """SourcesAttested: what a participant's energy is made from, one bit a source."""
        if participant := self._known(event):
            self.sources[participant.number] = event["sources"]

    def suspended(self, event: Event) -> None:
        """ParticipantSuspended: no orders from now on."""
        if participant := self._known(event):
            participant.active = False

    def reinstated(self, event: Event) -> None:
        """ParticipantReinstated: orders again."""
        if participant := self._known(event):
            participant.active = True

    def left(self, event: Event) -> None:
        """ParticipantLeft: no orders; a member until the given period. By itself, or by the operator."""
        if participant := self._known(event):
            by, where = event["by"].lower(), event.at("participant")
            participant.removed = by != participant.account
            may = not participant.removed or by in self.offices.holders[OPERATOR]
            self._findings.require("registry", where, may, f"{by} may not take it out")
            participant.active = False
            participant.until_period = event["untilPeriod"]

    def _known(self, event: Event) -> Participant | None:
        participant = self.participants.get(event["participant"])
        where = event.at("participant")
        self._findings.require("registry", where, participant is not None, "never registered")
        return participant

    def _take_seat(self, area: int) -> int:
        """A group of four belongs to one area, which opens a new one when its last is full."""
        seat = self._next_seat.get(area, 0)
        if seat % PER_GROUP == 0:
            self._area_of_group[self._next_group] = area
            seat = self._next_group * PER_GROUP
            self._next_group += 1
        self._next_seat[area] = seat + 1
        return seat
