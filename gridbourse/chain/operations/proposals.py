"""Proposals made in public and carried out later: roles, other accounts for participants, modules.

Bindings of `Offices.sol`, `Successions.sol` and `ModuleDesk.sol`. What is open is found by the events of its
proposal and read from storage, so that nothing is shown that was carried out or withdrawn.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.encoding.roles import role as role_of
from gridbourse.chain.node.refusals import PERMISSIONS
from gridbourse.chain.operations.event_log import events
from gridbourse.errors import GridbourseError
from gridbourse.text import meant

ADMIN, OPERATOR, GATEWAY, ADMIN_REMOVAL = "ADMIN", "OPERATOR", "GATEWAY", "ADMIN_REMOVAL"
ROLES: Final = {ADMIN: bytes(32)} | {
    name: role_of(name)
    for name in (
        OPERATOR, "DSO", "TSO", "SUPPLIER", GATEWAY, "AGGREGATOR", "METER_ORACLE", "GRID_ORACLE",
        "VERIFIER", "ATTESTER", "TREASURER",
    )
}  # fmt: skip
"""Roles by name, as the chain has them: `Roles.sol`, and the admin's of OpenZeppelin's AccessControl."""
PROPOSED: Final = ROLES | {ADMIN_REMOVAL: role_of(ADMIN_REMOVAL)}
"""Proposals for an account: a role, or that an admin's is taken."""
OF_AREA: Final = ("DSO", "METER_ORACLE", "GRID_ORACLE", "VERIFIER")
"""Roles that hold in one area: `Roles.inArea`."""
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


class OfficeError(GridbourseError):
    """A role or a permission of which there is none."""


class Role(NamedTuple):
    """Role by its name, and its area where it holds in one besides area 0."""

    name: str
    area: str = ""

    def __str__(self) -> str:
        return f"{self.name} of area {self.area}" if self.area else self.name


class Proposal(NamedTuple):
    """One that can be carried out from ready_at on and before expires_at: block time, unix seconds.

    what: name of the role, permissions of the module, or number of the participant; address: whose it
    is to be; area: of the role, where that is not area 0's.
    """

    kind: str
    what: str
    address: str
    ready_at: int
    expires_at: int
    area: str = ""

    def state(self, now: int) -> str:
        """Whether its time is to come, is now, or is over; now: unix seconds of a block."""
        if now < self.ready_at:
            return WAITS
        return READY if now < self.expires_at else EXPIRED

    @property
    def carried_out_by(self) -> str:
        """The only account that may carry it out."""
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
    """Events of the registry on roles, members and areas; read once for all that asks for them."""
    found = defaultdict(list)
    for name, values in events(market, market.registry, *TOLD):
        found[name].append(values)
    return found


# --- roles -----------------------------------------------------------------------------------------


def role_at(market: Market, name: str) -> Role:
    """The role of a name that an account has, or is to have, in the market's area."""
    return Role(name, market.area_name if market.area and name in OF_AREA else "")


def _word(market: Market, name: str) -> bytes:
    """The role as the chain has it."""
    return role_of(name, market.area) if name in OF_AREA else PROPOSED[name]


def _roles(log: Log) -> dict[bytes, Role]:
    """Every role, those of each area among them, as the chain has it; in the order to show."""
    found = {word: Role(name) for name, word in PROPOSED.items()}
    for area in (values for values in log["AreaAdded"] if values["area"]):
        name = area["name"].rstrip(b"\0").decode(errors="replace")
        found |= {role_of(role, area["area"]): Role(role, name) for role in OF_AREA}
    return found


def propose_role(market: Market, by: LocalAccount, role: str, address: str) -> Proposal:
    """Propose a role, or ADMIN_REMOVAL, for an account."""
    if role == ADMIN_REMOVAL:
        receipt = market.registry.write(by, "propose role", "proposeRemoval", address)
    else:
        receipt = market.registry.write(
            by, "propose role", "proposeRole", _word(market, role), address
        )
    [told] = market.registry.events_in(receipt, "RoleProposed")
    area = role_at(market, role).area
    return Proposal(ROLE, role, address, told["executableAt"], told["expiresAt"], area)


def withdraw_role(market: Market, by: LocalAccount, role: str, address: str) -> None:
    """Withdraw what was proposed for an account."""
    market.registry.write(by, "withdraw role", "withdrawRole", _word(market, role), address)


def give_role(market: Market, by: LocalAccount, role: str, address: str) -> None:
    """Give a role whose timelock has run; the operator, who may be no admin, that of a gateway."""
    if role == GATEWAY and not holds(market, ADMIN, by.address):
        market.registry.write(by, "give role", "addGateway", address)
        return
    market.registry.write(by, "give role", "grantRole", _word(market, role), address)


def drop_role(market: Market, by: LocalAccount, role: str, address: str) -> None:
    """Take a role at once; who has it may put it down itself."""
    function = "renounceRole" if by.address == address else "revokeRole"
    market.registry.write(by, "drop role", function, _word(market, role), address)


def holds(market: Market, role: str, address: str) -> bool:
    """Whether an account has a role now, in the market's area."""
    found: bool = market.registry.read("hasRole", _word(market, role), address)
    return found


def holders(market: Market, log: Log) -> list[tuple[Role, str]]:
    """(role, account) of everyone who has one, role by role in the order it was given."""
    roles = _roles(log)
    order = list(roles)
    given = dict.fromkeys((values["role"], values["account"]) for values in log["RoleGranted"])
    held = (each for each in given if market.registry.read("hasRole", *each))
    return [
        (roles[word], account)
        for word, account in sorted(held, key=lambda each: order.index(each[0]))
    ]


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
    roles = _roles(log)
    found = []
    for (word, account), at in due.items():
        role = roles.get(word, Role(f"0x{word.hex()}"))
        if at:
            found.append(Proposal(ROLE, role.name, account, at, at + life, role.area))
    return found


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
    """Proposals of modules; one made before the seal waits from the seal on."""
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
