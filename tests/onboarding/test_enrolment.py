"""From a checked applicant to a participant on the embedded chain, killed at every instant."""

import itertools
from pathlib import Path

import pytest
from eth_account import Account

from gridbourse.chain.deployment.deploy import ROLES
from gridbourse.chain.keys import keystores as keystores_module
from gridbourse.chain.keys.keystores import KeystoreError
from gridbourse.chain.node.transactions import Chain, Reverted
from gridbourse.chain.operations.period_end import finish
from gridbourse.model.periods import Mtu
from gridbourse.onboarding import enrolment
from gridbourse.onboarding.applications import Application
from gridbourse.onboarding.errors import PersonError, Rule
from gridbourse.onboarding.mapping import update_mapping
from gridbourse.onboarding.people import People, Person, Status
from gridbourse.onboarding.pseudonyms import deployment_salt, pseudonym
from oracle.meter.folder import KnownPoints
from tests.chains import forgotten
from tests.onboarding.applying import TERMS, ZONE, judge, row
from tests.onboarding.founding import IMPORT_FEE, NOW, RETAIL

PASSWORD = "a long enough one"
SERIAL = itertools.count()
BID, OFFER = 0, 1
FIRST = 8


def applicant(people: People, folder: Path, **other) -> Person:
    """Someone new, with a point of its own on the session's chain."""
    point = other.pop("metering_point", f"P{next(SERIAL)}")
    judged = judge(folder, row(point, **other))
    assert judged.refusals == []
    return people.apply(judged.good)[0][0]


def settle(members, period: int) -> None:
    """Whatever other tests ordered in the period; every meter says nothing flowed."""
    market, by = members.market, members.market.keys["gateway"]
    market.meter.submit(period, 1, dict.fromkeys(range(FIRST, FIRST + seats(members)), 0))
    finish(market, by, period)


@pytest.fixture
def later(members):
    """Moves the clock to a period; the session's chain is set back afterwards."""
    market = members.market
    with forgotten(market.chain):
        yield lambda period: market.clock.advance_to(
            market.keys["operator"], period * TERMS.mtu_seconds
        )


def checked(people: People, folder: Path, **other) -> Person:
    person = applicant(people, folder, **other)
    people.check(person.id, "Grace")
    return people.person(person.id)


def enrol(people, keystores, members, person: Person) -> int:
    return enrolment.enrol(people, keystores, PASSWORD, members, person)


def seats(members) -> int:
    """Numbers given so far: in one area they leave no gap."""
    registry = members.market.registry
    return next(n for n in itertools.count() if not int(registry.read("accountOf", FIRST + n), 16))


def test_a_checked_person_becomes_a_participant(people, keystores, members, tmp_path):
    person = checked(people, tmp_path, credit_limit_eur="12.5", mandate="yes")

    number = enrol(people, keystores, members, person)

    market, found = members.market, people.person(person.id)
    key = keystores.unlock(person.id, PASSWORD)
    assert (found.status, found.number, found.account) == (Status.REGISTERED, number, key.address)
    assert market.registry.read("accountOf", number) == key.address
    assert market.registry.read("meteringPointOf", number) == person.pseudonym
    assert market.registry.read("membershipOf", number)[0] == NOW + 1
    _, zone, capacity_wh, gateway, status = market.registry.read("profileOf", number)
    assert (zone, capacity_wh, gateway, status) == (members.zones[ZONE], 7_500, 1, 1)
    assert market.house.read("creditLimitOf", number) == 12_500_000
    assert market.clock.read("nextOpenPeriod") == NOW + 1, "the first that takes orders"


def test_nobody_is_registered_before_the_identity_is_checked(people, keystores, members, tmp_path):
    person, before = applicant(people, tmp_path), seats(members)

    with pytest.raises(PersonError, match="status is applied, not identity checked"):
        enrol(people, keystores, members, person)

    assert seats(members) == before
    assert keystores.address(person.id) is None


def test_an_own_account_needs_no_keystore(people, keystores, members, tmp_path):
    own = Account.create()
    person = checked(people, tmp_path, account=own.address)

    number = enrol(people, keystores, members, person)

    assert members.number_of(own.address) == number
    assert keystores.address(person.id) is None


def test_credit_lets_a_buyer_order_below_zero_up_to_it(people, keystores, members, tmp_path):
    person = checked(people, tmp_path, credit_limit_eur="1")
    number = enrol(people, keystores, members, person)
    key, market = keystores.unlock(person.id, PASSWORD), members.market
    most_wh = 1_000_000 // (RETAIL + IMPORT_FEE)

    with pytest.raises(Reverted, match="InsufficientMoney"):
        market.auction.place(key, NOW + 1, BID, 0, most_wh + 1)
    market.auction.place(key, NOW + 1, BID, 0, most_wh)

    assert market.house.read("balanceOf", number) == -most_wh * (RETAIL + IMPORT_FEE)


def test_without_credit_nothing_is_ordered_without_money(people, keystores, members, tmp_path):
    person = checked(people, tmp_path)
    enrol(people, keystores, members, person)

    with pytest.raises(Reverted, match="InsufficientMoney"):
        members.market.auction.place(keystores.unlock(person.id, PASSWORD), NOW + 1, BID, 0, 1)


def test_who_takes_a_point_over_begins_where_the_one_before_ends(
    people, keystores, members, tmp_path
):
    """Sold ahead and left: a member until that is delivered, and the meter is nobody else's before."""
    point, market, ahead = f"P{next(SERIAL)}", members.market, NOW + 50
    first = checked(people, tmp_path, metering_point=point)
    before = enrol(people, keystores, members, first)
    market.auction.place(keystores.unlock(first.id, PASSWORD), ahead, OFFER, 5, 100)
    enrolment.leave(people, members, people.person(first.id))

    after = enrol(people, keystores, members, checked(people, tmp_path, metering_point=point))

    assert members.membership(before) == (NOW + 1, ahead + 1)
    assert members.membership(after)[0] == ahead + 1
    mapping = tmp_path / "participants.csv"
    update_mapping(mapping, people)
    known = KnownPoints(market.registry, mapping, Mtu(TERMS.mtu_seconds))
    holders = known.look_up()[0]
    assert [holders.at(point, p) for p in (NOW, NOW + 1, ahead, ahead + 1)] == [
        None, before, before, after,
    ]  # fmt: skip


def test_a_point_of_a_scenario_is_taken_over_once_it_left(people, keystores, members, tmp_path):
    market, point = members.market, f"P{next(SERIAL)}"
    own = checked(people, tmp_path, metering_point=point)
    known_as = pseudonym(deployment_salt(market.keys), point)
    before = members.register(Account.create().address, known_as, own.applied())

    with pytest.raises(PersonError, match=f"is participant {before}'s, who has not left"):
        enrol(people, keystores, members, own)
    members.leave(before)
    assert members.membership(enrol(people, keystores, members, own))[0] == NOW + 1


class Killed(BaseException):
    """The process ends here."""


def killed_before_noting(people: People, keystores, members, person: Person) -> None:
    """The chain has the person, the register does not know."""
    account = keystores.make(person.id, PASSWORD)
    people.intend(person.id, account)
    members.register(account, person.pseudonym, person.applied())


@pytest.fixture
def instants(monkeypatch) -> list[int]:
    """Kills before the n-th effect on disk or chain, or behind it; `left[0]` counts down."""
    left = [0]

    def pass_by() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    def killing(real):
        def call(*arguments, **named):
            pass_by()
            result = real(*arguments, **named)
            pass_by()
            return result

        return call

    for owner, name in (
        (Chain, "send"), (People, "intend"), (People, "registered"),
        (keystores_module, "write_private"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, killing(getattr(owner, name)))
    return left


def test_killed_at_any_instant_a_person_is_registered_once(
    people, keystores, members, tmp_path, instants
):
    """Every instant of one enrolment; each time another person, and then once more to the end."""
    number = FIRST + seats(members)
    for instant in itertools.count(1):
        person = checked(people, tmp_path, credit_limit_eur="3", mandate="yes")
        instants[0] = instant
        try:
            enrol(people, keystores, members, person)
            done = True
        except Killed:
            done = False
            instants[0] = 0
            for waiting in people.everyone(Status.CHECKED):
                enrol(people, keystores, members, waiting)
        found = people.person(person.id)
        assert (found.status, found.account) == (Status.REGISTERED, keystores.address(person.id))
        assert (found.number, members.number_of(found.account)) == (number, number)  # the next free
        assert members.market.house.read("creditLimitOf", number) == 3_000_000
        assert members.mandated(number)
        number += 1
        if done:
            break
    assert FIRST + seats(members) == number
    # folder's .gitignore and keystore, account, register, credit, mandate, number: two each
    assert instant == 2 * 7 + 1


def test_an_account_that_is_someone_elses_is_refused(people, keystores, members, tmp_path):
    own = Account.create().address
    taken = checked(people, tmp_path, account=own)
    number = enrol(people, keystores, members, taken)
    people.left(taken.id)  # as if it had left: the register has room, the chain has not
    late, before = checked(people, tmp_path, account=own), seats(members)

    with pytest.raises(PersonError, match=f"account {own} is"):
        enrol(people, keystores, members, late)
    refused = members.refuse_known({2: late.applied()})[1]

    assert [(r.row, r.column, r.rule) for r in refused] == [(2, "account", Rule.DUPLICATE)]
    assert f"participant {number}'s" in refused[0].reason
    assert seats(members) == before


def test_an_account_of_the_system_is_refused(members, tmp_path):
    market = members.market
    accounts = [
        *(market.keys[name].address for name in ("operator", "gateway", *ROLES)),
        market.house.address,
    ]
    rows = [row(f"P{next(SERIAL)}", account=account) for account in accounts]
    judged = judge(tmp_path, *rows, row("mine", account=Account.create().address))
    assert judged.refusals == []

    good, refused = members.refuse_known(judged.good)

    assert [a.metering_point for a in good.values()] == ["mine"]
    assert {(r.column, r.rule) for r in refused} == {("account", Rule.ACCOUNT)}
    assert refused[0].reason == f"{accounts[0]} has the role OPERATOR"
    assert refused[-1].reason == f"{accounts[-1]} is a contract, which signs no orders"


def test_a_point_the_scenario_brought_in_is_refused_until_it_left(people, members, tmp_path):
    market, point = members.market, f"P{next(SERIAL)}"
    known_as = pseudonym(deployment_salt(market.keys), point)
    application = judge(tmp_path, row(point)).good[2]
    number = members.register(Account.create().address, known_as, application)

    good, refused = members.refuse_known({2: application})
    assert (good, [r.column for r in refused]) == ({}, ["metering_point"])
    members.leave(number)
    assert members.refuse_known({2: application}) == ({2: application}, [])


def test_a_lost_keystore_is_not_made_up_for(people, keystores, members, tmp_path):
    """Registered, killed before it was noted, the keystore gone: no second number for the point."""
    person, before = checked(people, tmp_path), seats(members)
    killed_before_noting(people, keystores, members, person)
    keystores.remove(person.id)

    with pytest.raises(PersonError, match="was its keystore lost"):
        enrol(people, keystores, members, people.person(person.id))
    assert seats(members) == before + 1


def test_a_wrong_password_sends_nothing(people, keystores, members, tmp_path):
    person, before = checked(people, tmp_path, mandate="yes"), seats(members)
    keystores.make(person.id, "another long password")

    with pytest.raises(KeystoreError, match="does not open"):
        enrol(people, keystores, members, person)
    assert seats(members) == before


def test_a_refused_registration_leaves_the_person_where_it_was(
    people, keystores, members, tmp_path
):
    """The market has no such zone any more: a terms mistake of the caller."""
    terms = TERMS.__class__(**{**vars(TERMS), "zones": frozenset({"elsewhere"})})
    judged = judge(tmp_path, row(f"P{next(SERIAL)}", zone="elsewhere"), terms=terms)
    person = people.apply(judged.good)[0][0]
    people.check(person.id, "Grace")
    before = seats(members)

    with pytest.raises(PersonError, match="zone 'elsewhere'"):
        enrol(people, keystores, members, people.person(person.id))
    assert people.person(person.id).status == Status.CHECKED
    assert seats(members) == before


def test_a_member_is_not_erased_and_one_who_left_is(people, keystores, members, tmp_path):
    person = checked(people, tmp_path)
    number = enrol(people, keystores, members, person)
    member = people.person(person.id)

    with pytest.raises(PersonError, match=f"is participant {number}; the membership ends first"):
        enrolment.erase(people, keystores, members, member)
    enrolment.leave(people, members, member)
    assert members.has_left(number)
    assert enrolment.erase(people, keystores, members, people.person(person.id)) == number

    erased = people.person(person.id)
    assert (erased.status, erased.number) == (Status.ERASED, number)
    assert keystores.unlock(person.id, PASSWORD).address == members.account_of(number)


def test_who_is_still_settled_is_not_erased(people, keystores, members, tmp_path, later):
    """Left, and a member as long as energy it promised is not delivered and settled."""
    market, person = members.market, checked(people, tmp_path)
    number = enrol(people, keystores, members, person)
    market.auction.place(keystores.unlock(person.id, PASSWORD), NOW + 2, OFFER, 5, 100)
    enrolment.leave(people, members, people.person(person.id))

    def erase() -> int | None:
        return enrolment.erase(people, keystores, members, people.person(person.id))

    def refused(period: int) -> None:
        with pytest.raises(PersonError, match=f"period {period} of participant {number} is not se"):
            erase()

    refused(NOW + 1)
    later(NOW + 2)
    refused(NOW + 1)  # delivered, and nobody has touched it
    settle(members, NOW + 1)
    refused(NOW + 2)
    later(NOW + 3)
    refused(NOW + 2)
    settle(members, NOW + 2)
    assert erase() == number


def test_who_owes_is_not_erased(people, keystores, members, tmp_path):
    person = checked(people, tmp_path, credit_limit_eur="1")
    number = enrol(people, keystores, members, person)
    key = keystores.unlock(person.id, PASSWORD)
    members.market.auction.place(key, NOW + 1, BID, 0, 1_000)
    enrolment.leave(people, members, people.person(person.id))

    with pytest.raises(PersonError, match=r"owes 0\.395000 EUR"):
        enrolment.erase(people, keystores, members, people.person(person.id))
    assert people.person(person.id).applied().name
    assert members.balance_micro_eur(number) < 0


def test_registered_and_not_noted_is_a_member_all_the_same(people, keystores, members, tmp_path):
    person = checked(people, tmp_path)
    killed_before_noting(people, keystores, members, person)

    with pytest.raises(PersonError, match="the membership ends first"):
        enrolment.erase(people, keystores, members, people.person(person.id))


def test_an_applicants_key_is_erased_with_it(people, keystores, members, tmp_path):
    person = checked(people, tmp_path)
    keystores.make(person.id, PASSWORD)  # and killed

    assert enrolment.erase(people, keystores, members, person) is None

    assert keystores.address(person.id) is None
    assert people.person(person.id).status == Status.ERASED


def test_leaving_is_finished_after_an_interruption(people, keystores, members, tmp_path):
    person = checked(people, tmp_path)
    number = enrol(people, keystores, members, person)
    members.leave(number)  # and killed

    enrolment.leave(people, members, people.person(person.id))

    assert people.person(person.id).status == Status.LEFT


def test_an_application_is_what_it_was(people, tmp_path):
    person = applicant(people, tmp_path, credit_limit_eur="2", name="Åsa “Ö” Śmith")

    assert isinstance(person.applied(), Application)
    assert person.applied().name == "Åsa “Ö” Śmith"
