"""The registry, rebuilt: areas, zones, gateways, and who sits where (`ParticipantRegistry.sol`)."""

from collections import defaultdict
from dataclasses import dataclass

from eth_utils.crypto import keccak

from gridbourse.audit.events import Event
from gridbourse.audit.findings import Findings
from gridbourse.chain.lanes import PER_GROUP, word64

ACTIVE, SUSPENDED, LEFT = 1, 2, 3  # Profile.sol
GATEWAY_ROLE, AGGREGATOR_ROLE = keccak(text="GATEWAY"), keccak(text="AGGREGATOR")
OPERATOR_ROLE = keccak(text="OPERATOR")
HOUSE_PARTIES = {
    keccak(text=name): number
    for name, number in (("DSO", 1), ("TSO", 7), ("SUPPLIER", 2), ("OPERATOR", 3))
}
"""Roles whose holder has an account of its own, in the order in which the token asks."""
FIRST_PARTICIPANT = 8  # HouseAccounts.sol: below are the named accounts


@dataclass
class Participant:
    """A metering point and its account; `until_period` is None while it stays."""

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

    def is_member(self, period: int) -> bool:
        """Whether the period is metered and settled for it."""
        return self.from_period <= period and (
            self.until_period is None or period < self.until_period
        )

    @property
    def profile(self) -> int:
        """As the registry packs it: capacity Wh: 28 | area: 8 | zone: 12 | gateway: 12 | status: 4."""
        status = ACTIVE if self.active else SUSPENDED if self.until_period is None else LEFT
        place = self.capacity_wh << 36 | self.area << 28 | self.zone << 16
        return place | self.gateway << 4 | status


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
        self._may_bring_orders: set[str] = set()
        self._may_aggregate: set[str] = set()
        self._holders: defaultdict[bytes, set[str]] = defaultdict(set)
        self.participants: dict[int, Participant] = {}
        self.sources: dict[int, int] = {}

    def groups(self, area: int) -> list[int]:
        """Groups of an area, in participant order."""
        return [group for group, its_area in self._area_of_group.items() if its_area == area]

    def area_of_group(self, group: int) -> int | None:
        """The area a group of four belongs to."""
        return self._area_of_group.get(group)

    def in_group(self, group: int) -> list[Participant]:
        """The taken seats of a group, in order."""
        seats = range(group * PER_GROUP, (group + 1) * PER_GROUP)
        return [self.participants[seat] for seat in seats if seat in self.participants]

    def members_of(self, group: int, period: int) -> list[Participant]:
        """Who of a group is a member in a period, in order."""
        return [seat for seat in self.in_group(group) if seat.is_member(period)]

    def profiles(self, group: int, period: int) -> int:
        """The four profiles of a group as of a period: blank for who is no member in it."""
        return word64({seat.number: seat.profile for seat in self.members_of(group, period)})

    def gateway_number(self, account: str) -> int | None:
        """Number of a gateway that may bring orders."""
        account = account.lower()
        return self._gateways.get(account) if account in self._may_bring_orders else None

    def gateway_account(self, number: int) -> str | None:
        """Account of a gateway that may bring orders, by its number."""
        mine = (account for account, given in self._gateways.items() if given == number)
        return next((account for account in mine if account in self._may_bring_orders), None)

    def holders(self, role: bytes) -> set[str]:
        """Accounts that hold a role."""
        return self._holders[role]

    @property
    def aggregators(self) -> set[int]:
        """Participants who are aggregators."""
        people = self.participants.values()
        return {one.number for one in people if one.account in self._may_aggregate}

    def aggregator_number(self, account: str) -> int | None:
        """Number of an aggregator by its account."""
        people = self.participants.values()
        mine = [one.number for one in people if one.account == account.lower()]
        return mine[0] if mine and mine[0] in self.aggregators else None

    def account_number(self, address: str) -> int | None:
        """Number of the clearing house account of an address: a house party's or a participant's."""
        address = address.lower()
        for role, number in HOUSE_PARTIES.items():
            if address in self._holders[role]:
                return number
        people = self.participants.values()
        return next((one.number for one in people if one.account == address), None)

    def holds_house(self, account: int, address: str) -> bool:
        """Whether an address has the role that a named account goes with; rounding and spread are the
        operator's."""
        of_roles = {number: role for role, number in HOUSE_PARTIES.items()}
        role = of_roles.get(account, OPERATOR_ROLE)
        return address.lower() in self._holders[role]

    def area_of(self, participant: int) -> int | None:
        """The area a participant is in."""
        member = self.participants.get(participant)
        return None if member is None else member.area

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

    def role_granted(self, event: Event) -> None:
        """RoleGranted: of the roles, a gateway's and an aggregator's show in later logs."""
        self._holders[event["role"]].add(event["account"].lower())
        if event["role"] == GATEWAY_ROLE:
            self._may_bring_orders.add(event["account"].lower())
        if event["role"] == AGGREGATOR_ROLE:
            self._may_aggregate.add(event["account"].lower())

    def role_revoked(self, event: Event) -> None:
        """RoleRevoked: a gateway without its role brings no orders, an aggregator holds no auctions."""
        self._holders[event["role"]].discard(event["account"].lower())
        if event["role"] == GATEWAY_ROLE:
            self._may_bring_orders.discard(event["account"].lower())
        if event["role"] == AGGREGATOR_ROLE:
            self._may_aggregate.discard(event["account"].lower())

    def registered(self, event: Event) -> None:
        """ParticipantRegistered: the next seat of its area."""
        number = self._take_seat(event["area"])
        self._findings.compare(
            "registry", f"participant, {event.where}", event["participant"], number
        )
        self.participants[number] = Participant(
            number,
            event["account"].lower(),
            event["meteringPoint"],
            event["area"],
            event["zone"],
            event["capacityWh"],
            event["fromPeriod"],
        )

    def mandated(self, event: Event) -> None:
        """MandateGiven: the gateway may order in its name."""
        if participant := self._known(event):
            participant.gateway = event["gateway"]

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
        """ParticipantLeft: no orders; a member until the given period."""
        if participant := self._known(event):
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
