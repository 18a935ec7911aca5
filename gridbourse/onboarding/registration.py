"""Onboarding on the chain: reads and changes in the registry and the clearing house."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import ROLES
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.encoding.roles import role
from gridbourse.chain.node.block_ranges import events_of
from gridbourse.chain.node.transactions import Reverted
from gridbourse.chain.operations.market_state import due
from gridbourse.onboarding.applications import Application
from gridbourse.onboarding.errors import PersonError, Refusal, Rule
from gridbourse.onboarding.pseudonyms import deployment_salt, pseudonym

LEFT = 3
"""Bits in the status of a profile for participants that left or were removed: `Profile.sol`."""
SYSTEM_ROLES = ("OPERATOR", "GATEWAY", "AGGREGATOR", *ROLES.values())
"""Roles of `Roles.sol`: a holder of one runs the market, and does not trade in it."""
NO_END = 2**32 - 1
"""End of a membership that is not ended: `Memberships.sol`."""


@dataclass(frozen=True)
class Members:
    """Participants of a deployed market."""

    market: Market

    @property
    def identity(self) -> str:
        """Identity of deployment and area: chain id, beginning of the genesis hash, registry, and the
        number of an area above 0."""
        record = self.market.record
        whole = f"{record.chain_id}/{record.genesis_hash[:18]}/{self.market.registry.address}"
        return f"{whole}/{self.market.area}" if self.market.area else whole

    @property
    def mtu_seconds(self) -> int:
        """Length of a period."""
        return self.market.clock.read("mtuSeconds")

    @cached_property
    def zones(self) -> dict[str, int]:
        """Grid zones of the area by name, from the log; the flat one is not for applicants.

        A zone is of the areas that have fees for it, or else for the nearest zone above it: in another
        area's zone nobody would pay this DSO's fees. Zones without any fees are of every area.
        """
        added = [event["args"] for event in self._events("ZoneAdded")]
        parents = {zone["zone"]: zone["parent"] for zone in added}
        charged: dict[int, set[int]] = {}
        for fees in self._told("Tariff", self.market.tariff, "GridFeesSet"):
            charged.setdefault(fees["args"]["zone"], set()).add(fees["args"]["area"])
        return {
            zone["name"].rstrip(b"\0").decode(errors="replace"): zone["zone"]
            for zone in added
            if self.market.area in _areas_of(zone["zone"], parents, charged, {self.market.area})
        }

    def number_of(self, account: str) -> int | None:
        """Participant number of the account, which it keeps when it leaves."""
        try:
            return self.market.registry.read("numberOf", account)
        except Reverted as refusal:
            if refusal.name != "UnknownParticipant":
                raise
            return None

    def pseudonym_of(self, number: int) -> bytes:
        """Pseudonym of the metering point for which a number was given."""
        return self.market.registry.read("meteringPointOf", number)

    def at(self, known_as: bytes) -> int | None:
        """Participant at the metering point that has not left."""
        return next((n for n in self.ever_at(known_as) if not self.has_left(n)), None)

    def ever_at(self, known_as: bytes) -> list[int]:
        """All participants ever registered under the pseudonym."""
        events = self._events("ParticipantRegistered", {"meteringPoint": known_as})
        return [e["args"]["participant"] for e in events]

    def free_from(self, earlier: Iterable[int]) -> int:
        """First period from which on none of these is a member; PersonError while one has no end."""
        free = 0
        for number in earlier:
            end = self.membership(number)[1]
            if end == NO_END:
                raise PersonError(f"the metering point is participant {number}'s, who has not left")
            free = max(free, end)
        return free

    def membership(self, number: int) -> tuple[int, int]:
        """(First period, first period after) of a participant."""
        first, end = self.market.registry.read("membershipOf", number)
        return first, end

    def has_left(self, number: int) -> bool:
        """True where the participant has left the market."""
        return self.market.registry.read("profileOf", number)[4] & LEFT == LEFT

    def unsettled(self, number: int) -> int | None:
        """First period of the membership that is not over, or waits for its settlement."""
        first, end = self.membership(number)
        waiting = [period for period in due(self.market, first) if period < end]
        coming = max(first, self.market.clock.read("currentPeriod"))
        return next(iter(waiting), coming if coming < end else None)

    def balance_micro_eur(self, number: int) -> int:
        """Free money, negative in debt, µEUR."""
        return self.market.house.read("balanceOf", number)

    def account_of(self, number: int) -> str:
        """Account of the participant."""
        return self.market.registry.read("accountOf", number)

    def refuse_known(
        self, applications: dict[int, Application]
    ) -> tuple[dict[int, Application], list[Refusal]]:
        """Leave out applications whose account or metering point the market already has, as a scenario's, or
        whose account cannot be an applicant's."""
        salt = deployment_salt(self.market.keys)
        new, refusals = {}, []
        for row, application in applications.items():
            account, point = application.account, application.metering_point
            if account and (number := self.number_of(account)) is not None:
                reason = f"{account} is participant {number}'s"
                refusals.append(Refusal(row, "account", Rule.DUPLICATE, reason))
            elif (number := self.at(pseudonym(salt, point))) is not None:
                reason = f"{point!r} is participant {number}'s"
                refusals.append(Refusal(row, "metering_point", Rule.DUPLICATE, reason))
            elif account and (reason := self._not_an_applicants(account)):
                refusals.append(Refusal(row, "account", Rule.ACCOUNT, reason))
            else:
                new[row] = application
        return new, refusals

    def _not_an_applicants(self, account: str) -> str:
        """Reason why nobody can apply with the account; empty without one."""
        if self.market.chain.w3.eth.get_code(to_checksum_address(account)):
            return f"{account} is a contract, which signs no orders"
        registry = self.market.registry
        areas = range(registry.read("areaCount"))
        roles = [(name, role(name, area)) for name in SYSTEM_ROLES for area in areas]
        held = next((name for name, word in roles if registry.read("hasRole", word, account)), None)
        return f"{account} has the role {held}" if held else ""

    def register(
        self, account: str, known_as: bytes, application: Application, earlier: Iterable[int] = ()
    ) -> int:
        """Register a participant, from the first period on that still takes orders; returns its number.

        earlier: participants whose metering point it was. They stay members as long as energy they
        promised is not delivered, and nobody replaces them before: the chain cannot see that it
        is the same point, since every person has a pseudonym of its own.
        """
        zones = self.zones
        if application.zone not in zones:
            raise PersonError(f"zone {application.zone!r}: the registry has none of this name")
        clock = self.market.clock
        row = Registration(
            account,
            known_as,
            self.market.area,
            zones[application.zone],
            application.capacity_wh,
            max(clock.read("nextOpenPeriod"), self.free_from(earlier)),
        )
        return self.market.registry.register(self.market.keys["operator"], [row])[0]

    def grant_credit(self, number: int, limit_micro_eur: int) -> None:
        """Set how far below zero orders may take the account; nothing is sent when it is so already."""
        house = self.market.house
        if house.read("creditLimitOf", number) != limit_micro_eur:
            treasurer = self.market.keys["treasurer"]
            house.write(treasurer, "credit", "setCreditLimit", number, limit_micro_eur)

    def mandated(self, number: int) -> bool:
        """True where the participant lets the gateway order."""
        return self.market.registry.read("profileOf", number)[3] == self._gateway

    def give_mandate(self, account: LocalAccount) -> None:
        """Let the gateway order in the account's name."""
        self.market.registry.write(account, "mandate", "giveMandate", self._gateway)

    def leave(self, number: int) -> None:
        """End a membership at the next gate closure, or after the last period with energy promised."""
        self.market.registry.write(self.market.keys["operator"], "leave", "leaveMarket", number)

    @property
    def _gateway(self) -> int:
        return self.market.registry.read("gatewayNumberOf", self.market.keys["gateway"].address)

    def _events(self, name: str, filters: dict[str, Any] | None = None) -> Iterator[Any]:
        """Events of the registry of a name, from its beginning."""
        return self._told("ParticipantRegistry", self.market.registry, name, filters)

    def _told(
        self, of: str, contract: Bound, name: str, filters: dict[str, Any] | None = None
    ) -> Iterator[Any]:
        """A contract's events of a name, from its beginning."""
        first = self.market.record.contracts[of].block
        last = self.market.chain.w3.eth.block_number
        return events_of(contract.contract.events[name](), first, last, filters)


def _areas_of(
    zone: int, parents: Mapping[int, int], charged: Mapping[int, set[int]], otherwise: set[int]
) -> set[int]:
    """Areas that have fees for a zone, or else for the nearest one above it."""
    while zone and zone not in charged:
        zone = parents[zone]
    return charged[zone] if zone else otherwise
