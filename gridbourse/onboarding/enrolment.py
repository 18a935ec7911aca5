"""Steps that change both the register of people and the chain, each of them safe to interrupt.

The account is on the disk before the chain hears of it, and the chain is asked before anything is
sent: the results of an interrupted run are found there and not produced again.
"""

from gridbourse.chain.keys.keystores import Keystores
from gridbourse.onboarding.applications import Application
from gridbourse.onboarding.errors import PersonError
from gridbourse.onboarding.people import People, Person, Status
from gridbourse.onboarding.pseudonyms import deployment_salt, pseudonym
from gridbourse.onboarding.registration import Members


def enrol(
    people: People, keystores: Keystores, password: str, members: Members, person: Person
) -> int:
    """Register a checked person with its credit limit and its mandate; returns the participant number."""
    if person.status != Status.CHECKED:
        raise PersonError(f"{person.id}: status is {person.status}, not {Status.CHECKED}")
    application = person.applied()
    account = application.account or keystores.make(person.id, password)
    key = keystores.unlock(person.id, password) if application.mandate else None
    people.intend(person.id, account)
    number = _number_on_chain(members, person, account)
    if number is None:
        earlier = _earlier(people, members, application)
        number = members.register(account, person.pseudonym, application, earlier)
    members.grant_credit(number, application.credit_limit_micro_eur)
    if key is not None and not members.mandated(number):
        members.give_mandate(key)
    people.registered(person.id, number)
    return number


def leave(people: People, members: Members, person: Person) -> None:
    """End a membership; open periods are settled and money can be withdrawn as before."""
    if person.status != Status.REGISTERED or person.number is None:
        raise PersonError(f"{person.id}: status is {person.status}, not {Status.REGISTERED}")
    if not members.has_left(person.number):  # else it left by itself, or before an interruption
        members.leave(person.number)
    people.left(person.id)


def erase(people: People, keystores: Keystores, members: Members, person: Person) -> int | None:
    """Forget a person; returns the number on the chain. PersonError while it is a member, owes money, or
    has a period that is not settled: until then its readings must be attributable.

    The key of an account that is on the chain stays: it is the only way to the account's money.
    """
    number = person.number
    if number is None and person.account is not None:
        number = _number_on_chain(members, person, person.account)
    if number is not None:
        if not members.has_left(number):
            raise PersonError(
                f"{person.id}: is participant {number}; the membership ends first (leave)"
            )
        if (balance := members.balance_micro_eur(number)) < 0:
            raise PersonError(f"{person.id}: owes {-balance / 1e6:,.6f} EUR; that is paid first")
        if (period := members.unsettled(number)) is not None:
            raise PersonError(
                f"{person.id}: period {period} of participant {number} is not settled; that is first"
            )
    else:
        keystores.remove(person.id)
    people.erase(person.id, number)
    return number


def _earlier(people: People, members: Members, application: Application) -> list[int]:
    """Former participants at the metering point, from the register and a scenario."""
    point = application.metering_point
    left = [p for p in people.everyone(Status.LEFT) if p.applied().metering_point == point]
    of_scenario = members.ever_at(pseudonym(deployment_salt(members.market.keys), point))
    return [p.number for p in left if p.number is not None] + of_scenario


def _number_on_chain(members: Members, person: Person, account: str) -> int | None:
    """Number of the person; PersonError when account or metering point is another's."""
    number = members.number_of(account)
    if number is not None:
        if members.pseudonym_of(number) != person.pseudonym:
            raise PersonError(f"{person.id}: account {account} is participant {number}'s")
        return number
    other = members.at(person.pseudonym)
    if other is not None:
        raise PersonError(
            f"{person.id}: the metering point is participant {other}'s, whose account is"
            f" {members.account_of(other)} and not {account}: was its keystore lost?"
        )
    return None
