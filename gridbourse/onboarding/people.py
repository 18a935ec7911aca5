"""Register of people: the persons behind pseudonyms. It stays beside the chain, and can forget.

One SQLite file, one process at a time; data are on the disk when a call returns. Personal data
are in one table, and erasing removes them from the file's bytes, not only from its rows.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridbourse.chain.keys.keystores import make_private, private_folder
from gridbourse.onboarding.applications import UNIQUE, Application
from gridbourse.onboarding.errors import PeopleError, PersonError, Refusal, Rule
from gridbourse.onboarding.pseudonyms import SALT_BYTES, pseudonym

ID_CHARACTERS = 10
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS people (
    id TEXT PRIMARY KEY, pseudonym BLOB NOT NULL UNIQUE, status TEXT NOT NULL,
    account TEXT UNIQUE, number INTEGER UNIQUE, checked_by TEXT, checked_at TEXT) STRICT""",
    """CREATE TABLE IF NOT EXISTS personal (
    id TEXT PRIMARY KEY REFERENCES people, salt BLOB NOT NULL, application TEXT NOT NULL) STRICT""",
    "CREATE TABLE IF NOT EXISTS log (at TEXT NOT NULL, id TEXT NOT NULL, what TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS deployment (identity TEXT NOT NULL) STRICT",
)
_PERSON = """SELECT people.id, pseudonym, status, account, number, checked_by, checked_at, application
FROM people LEFT JOIN personal USING (id)"""


class Status(StrEnum):
    """State of a person's application."""

    APPLIED = "applied"
    CHECKED = "identity checked"
    REGISTERED = "registered"
    LEFT = "left"
    ERASED = "erased"


@dataclass(frozen=True)
class Person:
    """Applicant. id: the beginning of the pseudonym; account, number: None until it has
    one; checked_at: UTC, ISO 8601; application: None once erased."""

    id: str
    pseudonym: bytes
    status: Status
    account: str | None
    number: int | None
    checked_by: str | None
    checked_at: str | None
    application: Application | None

    def applied(self) -> Application:
        """Application of the person; PersonError once it is erased."""
        if self.application is None:
            raise PersonError(f"{self.id}: personal data are erased")
        return self.application


class People:
    """Register in a folder; a second process that opens it is refused."""

    def __init__(self, folder: Path) -> None:
        """Open or make it; PeopleError where that is not possible."""
        self.path = folder / "people.sqlite"
        try:
            private_folder(folder)
            make_private(self.path)
            self._db = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise PeopleError(f"{self.path}: cannot be opened ({error})") from error
        try:
            # The rollback journal holds former pages: emptied with every commit, so that erased
            # data are not in it. No temporary files, for the same reason.
            for setting in (
                "locking_mode=EXCLUSIVE", "journal_mode=TRUNCATE", "synchronous=FULL",
                "secure_delete=ON", "temp_store=MEMORY", "foreign_keys=ON",
            ):  # fmt: skip
                self._db.execute(f"PRAGMA {setting}")
            with self._transaction():
                for table in _SCHEMA:
                    self._db.execute(table)
        except sqlite3.Error as error:
            self._db.close()
            raise PeopleError(f"{self.path}: cannot be used ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def belong_to(self, identity: str) -> None:
        """Tie the register to a deployment, once: numbers of another one belong to other persons."""
        with self._transaction():
            known = self._db.execute("SELECT identity FROM deployment").fetchone()
            if known is None:
                self._db.execute("INSERT INTO deployment VALUES (?)", (identity,))
            elif known[0] != identity:
                raise PeopleError(
                    f"{self.path} is of another deployment ({known[0]}, not {identity}):"
                    " name another --folder, or move it away"
                )

    # --- questions ---------------------------------------------------------------------------

    def everyone(self, *statuses: Status) -> list[Person]:
        """All persons, or those of the statuses, in the order they applied."""
        rows = self._db.execute(f"{_PERSON} ORDER BY people.rowid").fetchall()
        return [p for p in map(_person, rows) if not statuses or p.status in statuses]

    def person(self, id_: str) -> Person:
        """Person of an id; PersonError when there is none."""
        row = self._db.execute(f"{_PERSON} WHERE people.id = ?", (id_,)).fetchone()
        if row is None:
            raise PersonError(f"{id_}: nobody has this id")
        return _person(row)

    def log(self) -> list[tuple[str, str, str]]:
        """(time in UTC, id, event), first to last; nothing personal of applicants."""
        return self._db.execute("SELECT at, id, what FROM log ORDER BY rowid").fetchall()

    # --- steps -------------------------------------------------------------------------------

    def apply(self, applications: Mapping[int, Application]) -> tuple[list[Person], list[Refusal]]:
        """Enter good rows, in one transaction; applicants already in the register are refused."""
        new, refusals = [], []
        with self._transaction():
            live = [p for p in self.everyone() if p.status not in (Status.LEFT, Status.ERASED)]
            for row, application in applications.items():
                refusal = _known_already(row, application, live)
                if refusal is None:
                    new.append(self._add(application))
                else:
                    refusals.append(refusal)
        return new, refusals

    def check(self, id_: str, operator: str) -> None:
        """Note that an operator has checked the identity; PersonError unless the person has just applied."""
        if not operator.strip() or not operator.isprintable():
            raise PersonError("operator: a name is needed, of whoever checked the identity")
        with self._transaction():
            self._require(id_, Status.APPLIED)
            self._db.execute(
                "UPDATE people SET status = ?, checked_by = ?, checked_at = ? WHERE id = ?",
                (Status.CHECKED, operator, _now(), id_),
            )
            self._note(id_, f"identity checked by {operator}")

    def intend(self, id_: str, account: str) -> None:
        """Note the account before the chain hears of it."""
        with self._transaction():
            self._require(id_, Status.CHECKED)
            taken = self._db.execute(
                "SELECT id FROM people WHERE account = ? AND id <> ?", (account, id_)
            ).fetchone()
            if taken:
                raise PersonError(f"{id_}: account {account} is {taken[0]}'s")
            self._db.execute("UPDATE people SET account = ? WHERE id = ?", (account, id_))

    def registered(self, id_: str, number: int) -> None:
        """Note the person's number on the chain."""
        with self._transaction():
            self._require(id_, Status.CHECKED)
            self._db.execute(
                "UPDATE people SET status = ?, number = ? WHERE id = ?",
                (Status.REGISTERED, number, id_),
            )
            self._note(id_, f"registered as participant {number}")

    def left(self, id_: str) -> None:
        """Note that the person has left the market."""
        with self._transaction():
            self._require(id_, Status.REGISTERED)
            self._db.execute("UPDATE people SET status = ? WHERE id = ?", (Status.LEFT, id_))
            self._note(id_, "left the market")

    def erase(self, id_: str, number: int | None) -> None:
        """Remove personal data and salt from the file; what the chain shows anyway stays.

        number: on the chain. The caller has to check that the person may be forgotten.
        Called again after an interruption, it completes the erasure.
        """
        with self._transaction():
            if self.person(id_).status != Status.ERASED:
                self._db.execute("DELETE FROM personal WHERE id = ?", (id_,))
                self._db.execute(
                    "UPDATE people SET status = ?1, number = ?2,"
                    " account = iif(?2 IS NULL, NULL, account) WHERE id = ?3",
                    (Status.ERASED, number, id_),
                )
                kept = "nothing" if number is None else f"account and participant number {number}"
                self._note(id_, f"personal data and salt erased; the chain keeps {kept}")
        self._db.execute("VACUUM")  # pages rearranged earlier may hold copies

    def _add(self, application: Application) -> Person:
        salt = secrets.token_bytes(SALT_BYTES)
        known_as = pseudonym(salt, application.metering_point)
        id_ = known_as.hex()[:ID_CHARACTERS]
        self._db.execute(
            "INSERT INTO people (id, pseudonym, status) VALUES (?, ?, ?)",
            (id_, known_as, Status.APPLIED),
        )
        text = json.dumps(asdict(application), ensure_ascii=False)
        self._db.execute("INSERT INTO personal VALUES (?, ?, ?)", (id_, salt, text))
        self._note(id_, "applied")
        return self.person(id_)

    def _require(self, id_: str, status: Status) -> None:
        found = self.person(id_).status
        if found != status:
            raise PersonError(f"{id_}: status is {found}, this step needs {status}")

    def _note(self, id_: str, what: str) -> None:
        self._db.execute("INSERT INTO log VALUES (?, ?, ?)", (_now(), id_, what))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise PeopleError(f"{self.path}: {error}") from error
            raise


def _person(row: tuple[Any, ...]) -> Person:
    id_, known_as, status, account, number, by, at, text = row
    application = None if text is None else Application(**json.loads(text))
    return Person(id_, known_as, Status(status), account, number, by, at, application)


def _known_already(row: int, application: Application, live: list[Person]) -> Refusal | None:
    for person in live:
        for column in UNIQUE:
            value = getattr(application, column)
            known = person.account if column == "account" and person.account else None
            if value is not None and value in (known, getattr(person.applied(), column)):
                reason = f"{value!r} is {person.id}'s, {person.status}"
                return Refusal(row, column, Rule.DUPLICATE, reason)
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
