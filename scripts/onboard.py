"""Bring people into a deployed market: from an application file to verified accounts.

    python -m scripts.onboard apply FILE
    python -m scripts.onboard check ID --operator NAME
    python -m scripts.onboard register --password-file FILE
    python -m scripts.onboard status
    python -m scripts.onboard leave ID
    python -m scripts.onboard erase ID

Columns of FILE: name, contact, metering_point, zone, connection_kw, meter_address, reading_period,
reading_wh, reading_signature, credit_limit_eur; and optionally account, mandate (yes or no).
Exit code 1: some rows or people were refused, the rest went in. Names and keys stay in a folder
beside the deployment record, for its owner alone; the chain sees pseudonyms. Registered people enter
the mapping of metering points to participants of their area, from which the oracles know them.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.keys.keystores import PASSWORD_VARIABLE, Keystores, find_password
from gridbourse.chain.node.connect import NetworkError
from gridbourse.commands import command, next_line, quoted
from gridbourse.errors import GridbourseError
from gridbourse.onboarding import enrolment
from gridbourse.onboarding.applications import ApplicationTerms, read_applications, read_meters
from gridbourse.onboarding.errors import Refusal
from gridbourse.onboarding.mapping import update_mapping
from gridbourse.onboarding.people import People, Person, Status
from gridbourse.onboarding.registration import Members
from gridbourse.text import many
from scripts import (
    area_option,
    command_parser,
    mapping_of,
    on_area,
    onboarding_folder,
    parse,
    run,
)

SOME_REFUSED = 1
WITHOUT_CHAIN = ("check", "status")
"""Steps that need no node, unless for the name of an area."""
MAX_CREDIT_EUR = 1_000


def main(*args: str, web3: Web3 | None = None) -> int:
    """Entry of ``python -m scripts.onboard``; on `web3` when given, else on the network named."""
    options = parse(_parser(), args)
    if options.command in WITHOUT_CHAIN and options.area is None:
        return _act_without_chain(options, options.folder or onboarding_folder(options.network))
    with on_area(options.network, options.area, web3) as market:
        of_area = onboarding_folder(options.network, market.area, market.area_name)
        folder = options.folder or of_area
        if options.command in WITHOUT_CHAIN:
            return _act_without_chain(options, folder)
        with People(folder) as people:
            members = Members(market)
            people.belong_to(members.identity)
            act = {"apply": _apply, "register": _register, "leave": _leave, "erase": _erase}
            return act[options.command](people, members, options)


def _act_without_chain(options: argparse.Namespace, folder: Path) -> int:
    if options.command == "status" and not folder.exists():
        return _say(f"Nobody has applied.\n{_next('apply FILE', options)}")
    with People(folder) as people:
        return _check(people, options) if options.command == "check" else _status(people, options)


def _apply(people: People, members: Members, options: argparse.Namespace) -> int:
    terms = ApplicationTerms(
        zones=frozenset(members.zones),
        mtu_seconds=members.mtu_seconds,
        over_before=int(time.time()) // members.mtu_seconds,
        max_credit_eur=options.max_credit_eur,
        meters=read_meters(options.meters) if options.meters else None,
    )
    judged = read_applications(options.file, terms)
    good, known_to_chain = members.refuse_known(judged.good)
    new, known_to_us = people.apply(good)
    refusals = [*judged.refusals, *known_to_chain, *known_to_us]
    rows = len({refusal.row for refusal in refusals})
    if refusals:
        _show_refusals(options.file, refusals)
    if new:
        _show_applicants(new, "applied")
    _say(f"{len(new)} applied, {many(rows, 'row')} refused")
    if new:
        _say(_next(_check_of(new), options))
    else:
        _say(_next("apply FILE", options, "when its rows are right"))
    return SOME_REFUSED if refusals else 0


def _check(people: People, options: argparse.Namespace) -> int:
    chosen = people.everyone(Status.APPLIED) if options.all else [people.person(options.id)]
    for person in chosen:
        people.check(person.id, options.operator)
    _show_applicants(chosen, f"checked by {options.operator}")
    _say(_next("register --password-file FILE", options))
    return 0


def _register(people: People, members: Members, options: argparse.Namespace) -> int:
    password = find_password(options.password_file)
    keystores = _keystores(people)
    registered, refused = [], []
    for person in people.everyone(Status.CHECKED):
        try:
            enrolment.enrol(people, keystores, password, members, person)
            registered.append(people.person(person.id))
        except NetworkError:
            raise  # of the node, not of the person
        except GridbourseError as error:
            refused.append(f"{person.id}: {error}")
    mapping = mapping_of(members.market, options.network)
    update_mapping(mapping, people)
    _show_people(registered, "registered")
    for line in refused:
        _say(f"refused  {line}")
    waiting = len(people.everyone(Status.APPLIED))
    _say(f"{len(registered)} registered, {len(refused)} refused, {waiting} to be checked")
    _say(f"Keys     {keystores.folder}   (keep them and the password, each in its own place)")
    _say(f"Mapping  {mapping}   (personal data: keep it, do not publish it)")
    _say(_next("status", options))
    return SOME_REFUSED if refused else 0


def _leave(people: People, members: Members, options: argparse.Namespace) -> int:
    enrolment.leave(people, members, people.person(options.id))
    _say(f"{options.id} has left; what it traded before is still settled")
    _say(_next(f"erase {quoted(options.id)}", options, "when all of that is settled"))
    return 0


def _erase(people: People, members: Members, options: argparse.Namespace) -> int:
    person = people.person(options.id)
    number = enrolment.erase(people, _keystores(people), members, person)
    update_mapping(mapping_of(members.market, options.network), people)
    kept = "nothing" if number is None else f"the account and the number {number}, of nobody known"
    _say(f"{options.id}: personal data and salt erased, and the log says so; the chain has {kept}")
    _say("Backups, application files and shell history are yours to erase")
    _say(_next("status", options))
    return 0


def _status(people: People, options: argparse.Namespace) -> int:
    everyone = people.everyone()
    _show_people(everyone, many(len(everyone), "person", "people"))
    applied = [p for p in everyone if p.status == Status.APPLIED]
    if applied:
        _say(_next(_check_of(applied), options))
    elif any(p.status == Status.CHECKED for p in everyone):
        _say(_next("register --password-file FILE", options))
    else:
        _say(next_line(command("status", "--network", quoted(options.network))))
    return 0


def _keystores(people: People) -> Keystores:
    return Keystores(people.path.parent / "keystores")


def _show_refusals(file: Path, refusals: Sequence[Refusal]) -> None:
    table = _table(f"refused in {file.name}", "row", "column", "rule", "reason")
    for refusal in sorted(refusals, key=lambda refusal: refusal.row):
        table.add_row(str(refusal.row), refusal.column, refusal.rule, refusal.reason)
    _console().print(table)


def _show_applicants(people: Sequence[Person], title: str) -> None:
    """Show the applicants' data, for an operator to compare with papers and with the meter."""
    table = _table(title, "id", "name", "contact", "point", "meter", "credit EUR")
    for p in people:
        a = p.applied()
        credit = f"{a.credit_limit_micro_eur / 1e6:,.2f}"
        table.add_row(p.id, a.name, a.contact, a.metering_point, a.meter_address, credit)
    _console().print(table)


def _show_people(people: Sequence[Person], title: str) -> None:
    table = _table(title, "id", "status", "name", "point", "number", "account")
    for p in people:
        name, point = ("", "")
        if p.application is not None:
            name, point = p.application.name, p.application.metering_point
        number = "" if p.number is None else str(p.number)
        table.add_row(p.id, p.status, name, point, number, p.account or "")
    _console().print(table)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        right = heading in ("row", "number", "credit EUR")
        table.add_column(
            heading,
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=heading in ("id", "status", "column", "rule"),
        )
    return table


def _console() -> Console:
    return Console(markup=False, highlight=False, emoji=False)  # names are not ours


def _say(text: str) -> int:
    _console().print(text, soft_wrap=True)
    return 0


def _check_of(people: Sequence[Person]) -> str:
    """Command that checks these people."""
    who = quoted(people[0].id) if len(people) == 1 else "--all"
    return f"check {who} --operator NAME"


def _next(words: str, options: argparse.Namespace, remark: str = "") -> str:
    area = () if options.area is None else ("--area", quoted(options.area))
    folder = ("--folder", quoted(options.folder)) if options.folder else ()
    return next_line(
        command("onboard", words, "--network", quoted(options.network), *area, *folder), remark
    )


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--network", default="devnet", help="devnet or an RPC address")
    area_option(shared, "the only one")
    shared.add_argument("--folder", type=Path, help="default: beside the deployment record")
    parser = command_parser("onboard", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def step(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[shared], help=what, description=what)

    apply = step("apply", "judge an application file; list what is refused, keep the rest")
    apply.add_argument("file", type=Path, help="CSV, UTF-8")
    apply.add_argument("--meters", type=Path, help="CSV of the meter operator: metering_point,"
                       " meter_address; without it the identity check vouches for the meter")  # fmt: skip
    apply.add_argument("--max-credit-eur", type=int, default=MAX_CREDIT_EUR, help="%(default)s")
    check = step("check", "state that an operator has checked identities")
    who = check.add_mutually_exclusive_group(required=True)
    who.add_argument("id", nargs="?", help="of the person")
    who.add_argument("--all", action="store_true", help="everyone who has applied")
    check.add_argument("--operator", required=True, help="name of who checked")
    register = step("register", "register everyone checked; finish what was interrupted")
    register.add_argument("--password-file", type=Path,
                          help=f"of the keystores, first line; else {PASSWORD_VARIABLE}")  # fmt: skip
    step("leave", "end a membership").add_argument("id", help="of the person")
    step("erase", "forget a person who is not a member").add_argument("id", help="of the person")
    step("status", "who is how far, and what is next")
    return parser


if __name__ == "__main__":
    run(main)
