"""What is proposed in public and done later: roles, other accounts for participants, modules.

Bindings of `Offices.sol`, `Successions.sol` and `ModuleDesk.sol`. What is open is found by the events of its
proposal and read from storage, so that nothing is shown that was carried out or withdrawn.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.node.refusals import PERMISSIONS
from gridbourse.chain.operations.event_log import events
from gridbourse.errors import GridbourseError
from gridbourse.text import meant

ADMIN, OPERATOR, GATEWAY, ADMIN_REMOVAL = "ADMIN", "OPERATOR", "GATEWAY", "ADMIN_REMOVAL"
ROLES: Final = {ADMIN: bytes(32)} | {
    name: keccak(text=name)
    for name in (
        OPERATOR, "DSO", "TSO", "SUPPLIER", GATEWAY, "AGGREGATOR", "METER_ORACLE", "GRID_ORACLE",
        "VERIFIER", "ATTESTER", "TREASURER",
    )
}  # fmt: skip
"""What the chain has a role as, by name: `Roles.sol`, and the admin's of OpenZeppelin's AccessControl."""
PROPOSED: Final = ROLES | {ADMIN_REMOVAL: keccak(text=ADMIN_REMOVAL)}
"""What can be proposed for an account: a role, or that an admin's is taken."""
ROLE, ACCOUNT, MODULE = "role", "account", "module"
WAITS, READY, EXPIRED = "waits", "ready", "expired"
TOLD: Final = (
    "RoleGranted", "RoleProposed", "AccountProposed", "ParticipantSuspended", "AreaAdded",
    "ParticipantRegistered",
)  # fmt: skip
"""Events of the registry that what is open is found by."""
SUSPENDED: Final = 2
"""Status of a participant: `Profile.sol`."""
Log = Mapping[str, Sequence[Mapping[str, Any]]]
"""Values of the registry's events by name, each in order."""
_BITS: Final = {name: bit for bit, name in PERMISSIONS.items()}
_NAMES: Final = {word: name for name, word in PROPOSED.items()}


class OfficeError(GridbourseError):
    """A role or a permission of which there is none."""


class Proposal(NamedTuple):
    """One that can be carried out from ready_at on and before expires_at: block time, unix seconds.

    what: name of the role, permissions of the module, or number of the participant; address: whose it
    is to be.
    """

    kind: str
    what: str
    address: str
    ready_at: int
    expires_at: int

    def state(self, now: int) -> str:
        """Whether its time is to come, is now, or is over; now: unix seconds of a block."""
        if now < self.ready_at:
            return WAITS
        return READY if now < self.expires_at else EXPIRED

    @property
    def carried_out_by(self) -> str:
        """Who alone may carry it out."""
        if self.kind == MODULE:
            return "the operator"
        if self.kind == ACCOUNT or self.what in (ADMIN, OPERATOR):
            return "that account itself"
        return "an admin or the operator" if self.what == GATEWAY else "an admin"


def role_named(name: str, known: Sequence[str] = tuple(PROPOSED)) -> str:
    """A role by its name in any case and with any hyphens; OfficeError with the one that was meant."""
    plain = name.upper().replace("-", "_").replace(" ", "_")
    if plain in known:
        return plain
    near = meant(plain, known)
    hint = f"did you mean {near}?" if near else f"there are: {', '.join(known)}"
    raise OfficeError(f"role {name!r} is none; {hint}")


def permissions_named(names: Sequence[str]) -> int:
    """Permissions of a module as bits; OfficeError for a name that is none."""
    unknown = [name for name in names if name not in _BITS]
    if unknown:
        raise OfficeError(f"permission {unknown[0]!r} is none; there are: {', '.join(_BITS)}")
    return sum({_BITS[name] for name in names})


def read_log(market: Market) -> Log:
    """What the registry has told of offices, members and areas; read once for all that asks for it."""
    found = defaultdict(list)
    for name, values in events(market, market.registry, *TOLD):
        found[name].append(values)
    return found


# --- roles -----------------------------------------------------------------------------------------


def propose_role(market: Market, by: LocalAccount, role: str, address: str) -> Proposal:
    """Propose a role, or ADMIN_REMOVAL, for an account."""
    if role == ADMIN_REMOVAL:
        receipt = market.registry.write(by, "propose role", "proposeRemoval", address)
    else:
        receipt = market.registry.write(by, "propose role", "proposeRole", ROLES[role], address)
    [told] = market.registry.events_in(receipt, "RoleProposed")
    return Proposal(ROLE, role, address, told["executableAt"], told["expiresAt"])


def withdraw_role(market: Market, by: LocalAccount, role: str, address: str) -> None:
    """Withdraw what was proposed for an account."""
    market.registry.write(by, "withdraw role", "withdrawRole", PROPOSED[role], address)


def give_role(market: Market, by: LocalAccount, role: str, address: str) -> None:
    """Give a role whose timelock has run; the operator, who may be no admin, that of a gateway."""
    if role == GATEWAY and not holds(market, ADMIN, by.address):
        market.registry.write(by, "give role", "addGateway", address)
        return
    market.registry.write(by, "give role", "grantRole", ROLES[role], address)


def drop_role(market: Market, by: LocalAccount, role: str, address: str) -> None:
    """Take a role at once; who has it may put it down itself."""
    function = "renounceRole" if by.address == address else "revokeRole"
    market.registry.write(by, "drop role", function, ROLES[role], address)


def holds(market: Market, role: str, address: str) -> bool:
    """Whether an account has a role now."""
    found: bool = market.registry.read("hasRole", ROLES[role], address)
    return found


def holders(market: Market, log: Log) -> list[tuple[str, str]]:
    """(role, account) of everyone who has one, role by role in the order it was given."""
    given = dict.fromkeys(
        (_NAMES[values["role"]], values["account"]) for values in log["RoleGranted"]
    )
    order = list(ROLES)
    return sorted(
        (each for each in given if holds(market, *each)), key=lambda each: order.index(each[0])
    )


# --- another account for a participant -------------------------------------------------------------


def propose_account(market: Market, by: LocalAccount, participant: int, address: str) -> Proposal:
    """Propose an account in the place of a participant's: its present one may, or the operator while the
    participant is suspended or has left."""
    receipt = market.registry.write(by, "propose account", "proposeAccount", participant, address)
    [told] = market.registry.events_in(receipt, "AccountProposed")
    return Proposal(ACCOUNT, str(participant), address, told["executableAt"], told["expiresAt"])


def withdraw_account(market: Market, by: LocalAccount, participant: int) -> None:
    """Object to what is proposed: the present account may, and the operator."""
    market.registry.write(by, "withdraw account", "withdrawAccount", participant)


def take_account(market: Market, by: LocalAccount, participant: int) -> str:
    """Take the place that `by` was proposed for; the former account."""
    receipt = market.registry.write(by, "take account", "takeAccount", participant)
    [told] = market.registry.events_in(receipt, "AccountReplaced")
    former: str = told["formerAccount"]
    return former


def suspend(market: Market, by: LocalAccount, participant: int) -> None:
    """Keep a participant, and whoever has its key, from ordering."""
    market.registry.write(by, "suspend", "suspend", participant)


def reinstate(market: Market, by: LocalAccount, participant: int) -> None:
    """End a suspension."""
    market.registry.write(by, "reinstate", "reinstate", participant)


def is_suspended(market: Market, participant: int) -> bool:
    """Whether a participant may not order."""
    status: int = market.registry.read("profileOf", participant)[4]
    return status == SUSPENDED


def suspended(market: Market, log: Log) -> list[int]:
    """Numbers of the participants that may not order, ascending."""
    ever = {values["participant"] for values in log["ParticipantSuspended"]}
    return sorted(who for who in ever if is_suspended(market, who))


# --- modules ---------------------------------------------------------------------------------------


def propose_module(market: Market, by: LocalAccount, module: str, permissions: int) -> Proposal:
    """Propose a contract as a module of the clearing house, by the code it has."""
    market.house.write(by, "propose module", "proposeModule", module, permissions)
    [found] = [each for each in _module_proposals(market) if each.address == module]
    return found


def authorise_module(market: Market, by: LocalAccount, module: str) -> None:
    """Give a module its permissions, once the timelock has run."""
    market.house.write(by, "authorise module", "authoriseModule", module)


def revoke_module(market: Market, by: LocalAccount, module: str) -> None:
    """Take a module's permissions, and what is proposed for it, at once."""
    market.house.write(by, "revoke module", "revokeModule", module)


# --- what is open ----------------------------------------------------------------------------------


def proposals(market: Market, log: Log) -> list[Proposal]:
    """Every one that was neither carried out nor withdrawn, also those whose time is over; the next due
    first."""
    found = [*_role_proposals(market, log), *_successions(market, log), *_module_proposals(market)]
    return sorted(found, key=lambda each: each.ready_at)


def _role_proposals(market: Market, log: Log) -> list[Proposal]:
    registry = market.registry
    life = registry.read("PROPOSAL_LIFE_SECONDS")
    ever = dict.fromkeys((values["role"], values["account"]) for values in log["RoleProposed"])
    due = {each: registry.read("roleExecutableAt", *each) for each in ever}
    return [
        Proposal(ROLE, _NAMES.get(role, f"0x{role.hex()}"), account, at, at + life)
        for (role, account), at in due.items()
        if at
    ]


def _successions(market: Market, log: Log) -> list[Proposal]:
    registry = market.registry
    life = registry.read("SUCCESSION_LIFE_SECONDS")
    ever = dict.fromkeys(values["participant"] for values in log["AccountProposed"])
    standing = {who: registry.read("successionOf", who) for who in ever}
    return [
        Proposal(ACCOUNT, str(who), account, at, at + life)
        for who, (account, at) in standing.items()
        if at
    ]


def _module_proposals(market: Market) -> list[Proposal]:
    """What was proposed before the seal waits from the seal on."""
    house = market.house
    life = house.read("PROPOSAL_LIFETIME")
    is_sealed = house.read("isSealed")
    earliest = house.read("sealedAt") + house.read("timelockSeconds") if is_sealed else 0
    ever = dict.fromkeys(values["module"] for _, values in events(market, house, "ModuleProposed"))
    standing = {module: house.read("proposalOf", module) for module in ever}
    return [
        _module_proposal(module, proposed, earliest, life)
        for module, proposed in standing.items()
        if proposed[1]
    ]


def _module_proposal(module: str, proposed: Sequence[Any], earliest: int, life: int) -> Proposal:
    bits, at = proposed[0], max(proposed[1], earliest)
    names = [name for bit, name in PERMISSIONS.items() if bits & bit]
    return Proposal(MODULE, ", ".join(names) or "nothing", module, at, at + life + 1)
