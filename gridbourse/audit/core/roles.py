"""Roles and their holders, rebuilt: given after the timelock, taken at once, never all gone (`Offices.sol`).

Block time is not in the logs: that a timelock has run is assumed, that a role was proposed is checked.
"""

from collections import defaultdict

from eth_utils.crypto import keccak

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings

ADMIN = b"\0" * 32
ADMIN_REMOVAL = keccak(text="ADMIN_REMOVAL")
AGGREGATOR, GATEWAY, OPERATOR = (
    keccak(text=name) for name in ("AGGREGATOR", "GATEWAY", "OPERATOR")
)
MUST_STAY = (ADMIN, OPERATOR)
WHAT = "role"


class Offices:
    """Holders of each role by lower-case address, from the registry's log."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.holders: defaultdict[bytes, set[str]] = defaultdict(set)
        self.sealed = False
        self.connected = False
        self._proposed: set[tuple[bytes, str]] = set()

    def holds_office(self, account: str) -> bool:
        """True where an account holds a role of the market's service; an aggregator is a participant."""
        return any(account in who for role, who in self.holders.items() if role != AGGREGATOR)

    def seal(self, event: Event) -> None:
        """Sealed, of the clearing house: from now on roles are proposed before they are given."""
        self._require(event, self.connected, "the registry is not connected: nothing would bind it")
        self.sealed = True

    def proposed(self, event: Event) -> None:
        """RoleProposed."""
        self._require(event, self.sealed, "nothing is proposed before the seal")
        self._proposed.add(_about(event))

    def withdrawn(self, event: Event) -> None:
        """RoleProposalWithdrawn."""
        self._require(event, _about(event) in self._proposed, "never proposed")
        self._proposed.discard(_about(event))

    def granted(self, event: Event, is_participant: bool) -> None:
        """RoleGranted: once sealed, only if proposed; never a service role to a participant."""
        role, account = _about(event)
        if self.sealed:
            self._use(event, (role, account))
        office = role != AGGREGATOR and is_participant
        self._require(event, not office, f"{account} is a participant's")
        self.holders[role].add(account)

    def revoked(self, event: Event) -> None:
        """RoleRevoked: at once, but of an admin by another; the last admin and operator stay."""
        role, account = _about(event)
        by_itself = event["sender"].lower() == account
        if self.sealed and role == ADMIN and not by_itself:
            self._use(event, (ADMIN_REMOVAL, account))
        self.holders[role].discard(account)
        stays = role not in MUST_STAY or bool(self.holders[role])
        self._require(event, stays, f"{account} was the last")

    def follow(self, former: str, account: str) -> None:
        """Move an aggregator's role to the account that takes over its number."""
        if former in self.holders[AGGREGATOR]:
            self._proposed.add((AGGREGATOR, account))

    def _use(self, event: Event, about: tuple[bytes, str]) -> None:
        self._require(event, about in self._proposed, "never proposed")
        self._proposed.discard(about)

    def _require(self, event: Event, holds: bool, why: str) -> None:
        self._findings.require(WHAT, f"{event.name}, {event.where}", holds, why)


def _about(event: Event) -> tuple[bytes, str]:
    return event["role"], event["account"].lower()
