"""The register of people: its steps in their order, whole through a kill, and able to forget."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gridbourse.onboarding.applications import Application
from gridbourse.onboarding.errors import PeopleError, PersonError, Rule
from gridbourse.onboarding.people import People, Status
from gridbourse.onboarding.pseudonyms import pseudonym
from tests.onboarding.applying import judge, row

ACCOUNT = "0x" + "12" * 20


def apply(people: People, folder: Path, *points: str, **other):
    return people.apply(judge(folder, *(row(p, **other) for p in points)).good)


def bytes_below(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_a_person_goes_the_steps_in_order(people, tmp_path):
    (ada,), refused = apply(people, tmp_path, "A")
    assert (ada.status, ada.account, ada.number, refused) == (Status.APPLIED, None, None, [])

    with pytest.raises(PersonError, match="status is applied, this step needs identity checked"):
        people.registered(ada.id, 8)
    with pytest.raises(PersonError, match="status is applied"):
        people.intend(ada.id, ACCOUNT)
    people.check(ada.id, "Grace")
    with pytest.raises(PersonError, match="status is identity checked, this step needs applied"):
        people.check(ada.id, "Grace")
    with pytest.raises(PersonError, match="this step needs registered"):
        people.left(ada.id)
    people.intend(ada.id, ACCOUNT)
    people.registered(ada.id, 8)
    people.left(ada.id)

    left = people.person(ada.id)
    assert (left.status, left.account, left.number) == (Status.LEFT, ACCOUNT, 8)
    assert (left.checked_by, left.checked_at is not None) == ("Grace", True)
    assert [what for _, _, what in people.log()] == [
        "applied", "identity checked by Grace", "registered as participant 8", "left the market",
    ]  # fmt: skip


def test_a_check_has_the_name_of_an_operator(people, tmp_path):
    (ada,), _ = apply(people, tmp_path, "A")

    for nobody in ("", "  ", "\x1b[1m"):
        with pytest.raises(PersonError, match="operator: a name is needed"):
            people.check(ada.id, nobody)
    assert people.person(ada.id).status == Status.APPLIED


def test_who_is_there_already_is_refused_until_it_has_left(people, tmp_path):
    (ada,), _ = apply(people, tmp_path, "A", account=ACCOUNT)

    again, refused = apply(people, tmp_path, "A", "B")
    assert [a.application.metering_point for a in again] == ["B"]
    assert [(r.row, r.column, r.rule) for r in refused] == [(2, "metering_point", Rule.DUPLICATE)]
    _, refused = apply(people, tmp_path, "C", account=ACCOUNT)
    assert [r.column for r in refused] == ["account"]

    people.check(ada.id, "Grace")
    people.intend(ada.id, ACCOUNT)
    people.registered(ada.id, 8)
    people.left(ada.id)
    (tenant,), refused = apply(people, tmp_path, "A", name="Next tenant")
    assert refused == []
    assert tenant.pseudonym != ada.pseudonym  # of another salt: nobody sees it is the same point


def test_two_applicants_do_not_get_one_account(people, tmp_path):
    ada, bob = apply(people, tmp_path, "A", "B")[0]
    for who in (ada, bob):
        people.check(who.id, "Grace")
    people.intend(ada.id, ACCOUNT)

    with pytest.raises(PersonError, match=f"account {ACCOUNT} is {ada.id}'s"):
        people.intend(bob.id, ACCOUNT)


def test_a_file_is_taken_in_whole_or_not_at_all(people, tmp_path, monkeypatch):
    added = People._add

    def fails_at_b(self: People, application: Application):
        if application.metering_point == "B":
            raise RuntimeError("power cut")
        return added(self, application)

    monkeypatch.setattr(People, "_add", fails_at_b)
    with pytest.raises(RuntimeError):
        apply(people, tmp_path, "A", "B")

    assert people.everyone() == []
    assert people.log() == []


def test_what_is_erased_is_in_no_byte_of_the_folder(people, tmp_path):
    folder = people.path.parent
    everyone, _ = apply(people, tmp_path, *(f"POINT{n:04}" for n in range(200)))
    gone = everyone[57]
    application = gone.applied()
    (salt,) = people._db.execute("SELECT salt FROM personal WHERE id = ?", (gone.id,)).fetchone()
    assert pseudonym(salt, application.metering_point) == gone.pseudonym
    personal = [
        text.encode()
        for text in (
            application.name, application.contact, application.metering_point,
            application.meter_address, application.reading_signature,
        )
    ] + [salt]  # fmt: skip
    before = bytes_below(folder)
    assert all(secret in before for secret in personal)

    people.erase(gone.id, None)

    after = bytes_below(folder)  # journal and all, while the register is still open
    assert not any(secret in after for secret in personal)
    assert everyone[58].applied().contact.encode() in after
    erased = people.person(gone.id)
    assert (erased.status, erased.application) == (Status.ERASED, None)
    assert people.log()[-1][1:] == (
        gone.id, "personal data and salt erased; the chain keeps nothing",
    )  # fmt: skip
    with pytest.raises(PersonError, match="personal data are erased"):
        erased.applied()


def test_erasing_keeps_the_account_and_number_the_chain_has(people, tmp_path):
    ada, bob = apply(people, tmp_path, "A", "B")[0]
    for who, account, number in ((ada, ACCOUNT, 8), (bob, "0x" + "34" * 20, None)):
        people.check(who.id, "Grace")
        people.intend(who.id, account)
        people.erase(who.id, number)
        people.erase(who.id, number)  # as after an interruption

    assert (people.person(ada.id).account, people.person(ada.id).number) == (ACCOUNT, 8)
    assert people.person(bob.id).account is None
    assert sum("erased" in what for _, _, what in people.log()) == 2


def test_files_are_for_their_owner_and_not_for_git(people):
    folder = people.path.parent

    assert folder.stat().st_mode & 0o777 == 0o700
    assert people.path.stat().st_mode & 0o777 == 0o600
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_second_process_and_another_deployment_are_refused(people):
    people.belong_to("1/0xabc/0x1")
    people.belong_to("1/0xabc/0x1")
    with pytest.raises(PeopleError, match=r"of another deployment \(1/0xabc/0x1, not 1/0xabc/0x2"):
        people.belong_to("1/0xabc/0x2")
    with pytest.raises(PeopleError, match="locked"):
        People(people.path.parent)


def test_what_is_no_register_is_refused(tmp_path):
    (tmp_path / "people.sqlite").write_text("not a database, and longer than a header" * 40)

    with pytest.raises(PeopleError, match="cannot be used"):
        People(tmp_path)


@pytest.mark.parametrize("instant", ["before commit", "after commit"])
def test_a_process_that_ends_leaves_a_whole_step_or_none(tmp_path, instant):
    """os._exit inside a transaction, and right behind it."""
    folder = tmp_path / "onboarding"
    with People(folder) as people:
        (ada,), _ = apply(people, tmp_path, "A")
    inside = "people._note = lambda *_: os._exit(9)" if instant == "before commit" else ""
    program = (
        "import os, sys, pathlib; from gridbourse.onboarding.people import People\n"
        f"people = People(pathlib.Path(sys.argv[1]))\n{inside}\n"
        "people.erase(sys.argv[2], None); os._exit(9)"
    )

    ended = subprocess.run([sys.executable, "-c", program, str(folder), ada.id], cwd=os.getcwd())

    assert ended.returncode == 9
    with People(folder) as people:
        found = people.person(ada.id)
        if instant == "before commit":
            assert found == ada
        else:
            assert found.status == Status.ERASED
            assert b"Ada" not in bytes_below(folder)
