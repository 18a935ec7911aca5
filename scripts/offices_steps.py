"""The steps of `scripts.offices`: one function each, on a deployed market and the command's options."""

import argparse
from collections.abc import Callable, Mapping, Sequence

from eth_account.signers.local import LocalAccount
from eth_utils import is_address, is_checksum_address, to_checksum_address
from rich.console import Console
from rich.table import Table

from gridbourse.chain.deployment.deploy import ROLES as SERVICES
from gridbourse.chain.deployment.flexibility import ROLES as OF_FLEXIBILITY
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.operations import market_areas as places
from gridbourse.chain.operations import proposals as offices
from gridbourse.chain.operations.proposals import Log, OfficeError, Proposal, Role
from gridbourse.commands import command, next_line, quoted
from gridbourse.crowdsale.desk import PUBLIC, Desk
from gridbourse.text import moment
from scripts import said_again

PARTIES = ("operator", "gateway", *SERVICES, *OF_FLEXIBILITY)
"""Parties that have a key of the deployment's."""
OUT = Console(highlight=False, markup=False)
Options = argparse.Namespace


class Office:
    """Deployed market, with the steps at it."""

    def __init__(
        self, market: Market, numbers: Mapping[str, tuple[int, ...]], key: LocalAccount | None
    ) -> None:
        self.market, self._key = market, key
        self._desk = Desk(market, numbers, key)
        self._points = {number: point for point, found in numbers.items() for number in found}

    def signer(self, by: str | None, otherwise: str | None = "operator") -> LocalAccount:
        """Signing account: the keystore's, the party named, or the default where none is."""
        who = by or otherwise
        if self._key is None and who in PARTIES:
            return self.market.keys[who]
        return self._desk.party(who)

    def number(self, point: str) -> int:
        """Number of the participant at a metering point."""
        return self._desk.number_of(point)

    def address(self, text: str) -> str:
        """Account by its address or name; OfficeError for one whose checksum is wrong or missing."""
        if is_address(text) and not is_checksum_address(text):
            right = to_checksum_address(text)
            raise OfficeError(f"{text}: its checksum is wrong or missing; as typed it is {right}")
        if text in PARTIES:
            return self.market.keys.address(text)
        return self._desk.party_address(text)

    def name(self, number: int) -> str:
        """Metering point of a participant."""
        return self._points.get(number, f"participant {number}")

    def holder(self, point: bytes, log: Log) -> str:
        """Participant that was last registered at a metering point."""
        registered = log["ParticipantRegistered"]
        there = [each["participant"] for each in registered if each["meteringPoint"] == point]
        return self.name(there[-1])

    def now(self) -> int:
        """Block time, unix seconds."""
        return self._desk.block_time()


# --- what is open ----------------------------------------------------------------------------------


def show_status(office: Office, options: Options) -> None:
    """Show holders of roles, proposals, suspended participants, and areas or points closed or pledged."""
    market, now = office.market, office.now()
    log = offices.read_log(market)
    _show_holders(offices.holders(market, log))
    found = offices.proposals(market, log)
    for each in found:
        _show_proposal(office, each, now)
    if not found:
        OUT.print("Nothing is proposed.")
    for number in offices.suspended(market, log):
        OUT.print(f"{'Suspended':10} {office.name(number)}")
    for area in places.areas(market, log):
        if area.closed_from:
            OUT.print(f"{'Closed':10} area {area.name}, from period {area.closed_from} on")
    for pledge in places.pledged(market):
        heirs = ", ".join(pledge.successors) or "nobody"
        OUT.print(
            f"{'Pledged':10} {pledge.permille / 10:g} % of {office.holder(pledge.point, log)}'s export;"
            f" taken over by {heirs}",
            soft_wrap=True,
        )
    if there := [each for each in found if each.state(now) != offices.EXPIRED]:
        _say_carry_out(office, there[0], options)


def _show_proposal(office: Office, proposal: Proposal, now: int) -> None:
    what = f"{_what(office, proposal)} for {proposal.address}"
    span = f"from {moment(proposal.ready_at)} until {moment(proposal.expires_at)}"
    state = proposal.state(now).capitalize()
    OUT.print(f"{state:10} {what}\n{'':10} {span}, by {proposal.carried_out_by}", soft_wrap=True)


def _what(office: Office, proposal: Proposal) -> str:
    if proposal.kind == offices.ACCOUNT:
        return f"place of {office.name(int(proposal.what))}"
    if proposal.kind == offices.ROLE:
        return f"role {offices.Role(proposal.what, proposal.area)}"
    return f"{proposal.kind} {proposal.what}"


def _say_carry_out(
    office: Office, proposal: Proposal, options: Options, typed: str | None = None
) -> None:
    """Print the command that carries a proposal out; typed: the account as it was typed."""
    itself = f" --by {quoted(typed)}" if typed and typed.startswith(PUBLIC) else " --keystore FILE"
    words = {
        offices.ACCOUNT: "account take " + quoted(_point(office, proposal)) + itself,
        offices.MODULE: f"module authorise {proposal.address}",
        offices.ROLE: f"role give {proposal.what} {proposal.address}",
    }[proposal.kind]
    if proposal.kind == offices.ROLE and proposal.carried_out_by == "that account itself":
        words += itself
    if proposal.what == offices.ADMIN_REMOVAL:
        words = f"role drop {offices.ADMIN} {proposal.address}"
    when = f"from {moment(proposal.ready_at)} until {moment(proposal.expires_at)}"
    if proposal.area:
        options = Options(**vars(options) | {"area": proposal.area})
    _say_next(options, words, f"{proposal.carried_out_by}, {when}")


def _point(office: Office, proposal: Proposal) -> str:
    return office.name(int(proposal.what)) if proposal.kind == offices.ACCOUNT else ""


# --- participants ----------------------------------------------------------------------------------


def _propose_account(office: Office, options: Options) -> None:
    by, number = office.signer(options.by), office.number(options.point)
    new = office.address(options.address)
    proposal = offices.propose_account(office.market, by, number, new)
    OUT.print(f"{options.point}: {new} may take over from {moment(proposal.ready_at)} on")
    _say_carry_out(office, proposal, options, options.address)
    object_ = f"account withdraw {quoted(options.point)} --by {quoted(options.point)}"
    _say_next(options, object_, "whoever has its present key, or the operator, before that")


def _withdraw_account(office: Office, options: Options) -> None:
    offices.withdraw_account(office.market, office.signer(options.by), office.number(options.point))
    OUT.print(f"{options.point}: keeps its account")
    _say_next(options, "status")


def _take_account(office: Office, options: Options) -> None:
    by, number = office.signer(options.by, None), office.number(options.point)
    former = offices.take_account(office.market, by, number)
    OUT.print(f"{options.point}: {by.address} in the place of {former}")
    if offices.is_suspended(office.market, number):
        _say_next(options, f"member reinstate {quoted(options.point)}", "the operator")
    else:
        _say_next(options, "status")


def _suspend(office: Office, options: Options) -> None:
    offices.suspend(office.market, office.signer(options.by), office.number(options.point))
    OUT.print(f"{options.point}: orders nothing until it is reinstated")
    point = quoted(options.point)
    _say_next(options, f"account propose {point} ADDRESS", "where its key is lost or stolen")
    _say_next(options, f"member reinstate {point}", "else")


def _reinstate(office: Office, options: Options) -> None:
    offices.reinstate(office.market, office.signer(options.by), office.number(options.point))
    OUT.print(f"{options.point}: may order again")
    _say_next(options, "status")


# --- roles and modules -----------------------------------------------------------------------------


def _propose_role(office: Office, options: Options) -> None:
    role, address = offices.role_named(options.role), office.address(options.address)
    proposal = offices.propose_role(office.market, office.signer(options.by), role, address)
    OUT.print(f"{offices.role_at(office.market, role)} for {address}: proposed")
    _say_carry_out(office, proposal, options, options.address)


def _withdraw_role(office: Office, options: Options) -> None:
    role, address = offices.role_named(options.role), office.address(options.address)
    offices.withdraw_role(office.market, office.signer(options.by), role, address)
    OUT.print(f"{offices.role_at(office.market, role)} for {address}: withdrawn")
    _say_next(options, "status")


def _give_role(office: Office, options: Options) -> None:
    role, address = _held(options), office.address(options.address)
    offices.give_role(office.market, office.signer(options.by), role, address)
    given = offices.role_at(office.market, role)
    OUT.print(f"{given}: {address} has it")
    held = offices.holders(office.market, offices.read_log(office.market))
    others = [who for each, who in held if each == given and who != address]
    removal = f"propose {offices.ADMIN_REMOVAL}" if role == offices.ADMIN else f"drop {role}"
    if others:
        _say_next(options, f"role {removal} {others[0]}", "an admin, where the role has moved")
    else:
        _say_next(options, "status")


def _drop_role(office: Office, options: Options) -> None:
    role, address = _held(options), office.address(options.address)
    held = offices.role_at(office.market, role)
    if not offices.holds(office.market, role, address):
        raise OfficeError(f"{address} does not hold {held}")
    offices.drop_role(office.market, office.signer(options.by), role, address)
    OUT.print(f"{held}: {address} has it no more")
    _say_next(options, "status")


def _held(options: Options) -> str:
    return offices.role_named(options.role, tuple(offices.ROLES))


def _propose_module(office: Office, options: Options) -> None:
    module, bits = office.address(options.address), offices.permissions_named(options.permission)
    proposal = offices.propose_module(office.market, office.signer(options.by), module, bits)
    OUT.print(f"module {module}: {proposal.what} proposed")
    _say_carry_out(office, proposal, options)


def _authorise_module(office: Office, options: Options) -> None:
    module = office.address(options.address)
    offices.authorise_module(office.market, office.signer(options.by), module)
    OUT.print(f"module {module}: authorised")
    _say_next(options, "status")


def _revoke_module(office: Office, options: Options) -> None:
    module = office.address(options.address)
    offices.revoke_module(office.market, office.signer(options.by), module)
    OUT.print(f"module {module}: revoked, with what was proposed for it")
    _say_next(options, "status")


# --- places ----------------------------------------------------------------------------------------


def _open_area(office: Office, options: Options) -> None:
    number = places.open_area(office.market, office.signer(options.by), options.name)
    OUT.print(f"area {options.name}: number {number}; every period waits for its settlement")
    _say_next(options, f"area close {quoted(options.name)}", "where it was a mistake")


def _close_area(office: Office, options: Options) -> None:
    area = places.area_named(office.market, offices.read_log(office.market), options.name)
    period = places.close_area(office.market, office.signer(options.by), area.number)
    OUT.print(f"area {area.name}: no part of the periods from {period} on")
    _say_next(options, "status")


def _take_over(office: Office, options: Options) -> None:
    by, market = office.signer(options.by, None), office.market
    point = market.registry.read("meteringPointOf", office.number(options.point))
    takes = options.step == "take-over"
    places.state_take_over(market, by, point, takes)
    says = "takes over" if takes else "does not take over"
    OUT.print(f"{by.address} {says} what is pledged of {options.point}")
    _say_next(options, "status")


# --- showing --------------------------------------------------------------------------------------


def _show_holders(found: Sequence[tuple[Role, str]]) -> None:
    table = Table(title="offices", title_justify="left")
    table.add_column("role")
    table.add_column("account", no_wrap=True)  # to be copied
    for role, account in found:
        table.add_row(str(role), account)
    OUT.print(table)


def _say_next(options: Options, step: str, remark: str = "") -> None:
    OUT.print(next_line(command("offices", step, *said_again(options)), remark), soft_wrap=True)


Step = Callable[[Office, Options], None]
POINT, ADDRESS, ROLE = ("point",), ("address",), ("role", "address")
STEPS: dict[str, dict[str, tuple[Step, tuple[str, ...], str]]] = {
    "account": {
        "propose": (_propose_account, (*POINT, *ADDRESS), "propose another account for a point"),
        "withdraw": (_withdraw_account, POINT, "object to what is proposed"),
        "take": (_take_account, POINT, "take a point over, by the account proposed for it"),
    },
    "member": {
        "suspend": (_suspend, POINT, "keep a point from ordering"),
        "reinstate": (_reinstate, POINT, "let it order again"),
    },
    "role": {
        "propose": (_propose_role, ROLE, "propose a role, or ADMIN_REMOVAL, for an account"),
        "withdraw": (_withdraw_role, ROLE, "withdraw what is proposed"),
        "give": (_give_role, ROLE, "give a role whose timelock has run"),
        "drop": (_drop_role, ROLE, "take a role at once"),
    },
    "module": {
        "propose": (_propose_module, (*ADDRESS, "permission"), "propose a module by its code"),
        "authorise": (_authorise_module, ADDRESS, "authorise a module whose timelock has run"),
        "revoke": (_revoke_module, ADDRESS, "take a module's permissions at once"),
    },
    "area": {
        "open": (_open_area, ("name",), "open a market area"),
        "close": (_close_area, ("name",), "close an area without members for good"),
    },
    "pledge": {
        "take-over": (_take_over, POINT, "say that you take a point's pledge over"),
        "refuse": (_take_over, POINT, "say that you do not"),
    },
}
"""Step, arguments and help text, by the two words of its name."""
