"""The file of an event index: SQLite, one transaction a range of blocks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from gridbourse.audit.core.events import Log
from gridbourse.errors import GridbourseError
from gridbourse.index.classes import Kind, Place
from gridbourse.text import one_line

FORMAT: Final = "1"
HASHES_KEPT: Final = 512
"""Hashes of blocks kept, newest first: a deeper reorganisation reads the chain again from the start."""
WAIT_S: Final = 60.0
"""How long a process waits for another that writes."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS identity (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contracts (address TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS logs (
    block INTEGER NOT NULL, position INTEGER NOT NULL, address TEXT NOT NULL, topics TEXT NOT NULL,
    data BLOB NOT NULL, contract TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    area INTEGER, period INTEGER, subject INTEGER, PRIMARY KEY (block, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS logs_by_period ON logs (kind, period);
CREATE INDEX IF NOT EXISTS logs_by_name ON logs (contract, name, subject);
CREATE TABLE IF NOT EXISTS cursors (task TEXT PRIMARY KEY, block INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    task TEXT NOT NULL, period INTEGER NOT NULL, PRIMARY KEY (task, period)
) WITHOUT ROWID;
"""


class IndexFileError(GridbourseError):
    """A file that is no event index, or one of another deployment."""


class Behind(Exception):
    """Another process has followed the chain meanwhile."""


class Row(NamedTuple):
    """A log with the names of its event and its place."""

    log: Log
    contract: str
    name: str
    place: Place


class Store:
    """Logs of one deployment, up to a block."""

    def __init__(self, path: Path | None) -> None:
        """A file, made where there is none; in memory where no path is given."""
        self.path = path
        self._db = self._open()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self.path or ":memory:", timeout=WAIT_S, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return db

    def _unusable(self, error: sqlite3.Error) -> IndexFileError:
        return IndexFileError(
            one_line(
                f"{self.path}: is no event index ({error}); removed, it is read from the chain anew"
            )
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is in the file, or nothing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error

    def _rows(self, query: str, *values: object) -> list[tuple]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error

    # --- what is followed ----------------------------------------------------------------------

    def require(self, identity: Mapping[str, str]) -> None:
        """IndexFileError unless the file is new or of this deployment."""
        wanted = {"format": FORMAT, **identity}
        with self._writing() as db:
            found = dict(db.execute("SELECT key, value FROM identity").fetchall())
            if not found:
                db.executemany("INSERT INTO identity VALUES (?, ?)", wanted.items())
            elif found != wanted:
                differs = next(key for key in wanted if found.get(key) != wanted[key])
                raise IndexFileError(
                    one_line(
                        f"{self.path}: {differs} is {found.get(differs)}, the deployment's is"
                        f" {wanted[differs]}; removed, it is read from the chain anew"
                    )
                )

    def last_block(self) -> int | None:
        """The newest block that is in the index; None where none is."""
        return self._rows("SELECT max(number) FROM blocks")[0][0]

    def contracts(self) -> set[str]:
        """Addresses that are followed, in lower case."""
        return {address for (address,) in self._rows("SELECT address FROM contracts")}

    def keep_to(self, hash_of: Callable[[int], bytes | None]) -> int | None:
        """Drop what the chain has dropped; the newest block that both have, None where none is.

        hash_of: hash of a block on the chain, None beyond its end.
        """
        newest = self.last_block()
        for number, known in self._rows("SELECT number, hash FROM blocks ORDER BY number DESC"):
            if hash_of(number) == known:
                if number != newest:
                    self._drop_after(number)
                return int(number)
        if newest is not None:
            self._drop_after(-1)
        return None

    def _drop_after(self, block: int) -> None:
        with self._writing() as db:
            db.execute("DELETE FROM logs WHERE block > ?", (block,))
            db.execute("DELETE FROM blocks WHERE number > ?", (block,))
            db.execute("UPDATE cursors SET block = ?1 WHERE block > ?1", (block,))
            if block < 0:
                db.execute("DELETE FROM contracts")

    def add(
        self,
        last: int | None,
        end: int,
        hash_: bytes,
        rows: Sequence[Row],
        contracts: Collection[str] = (),
    ) -> None:
        """Take in the logs after block `last` up to `end`; Behind where another process has been there."""
        with self._writing() as db:
            (now,) = db.execute("SELECT max(number) FROM blocks").fetchone()
            if now != last:
                raise Behind
            db.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * 11)})", map(_values, rows))
            db.executemany("INSERT OR IGNORE INTO contracts VALUES (?)", [(c,) for c in contracts])
            db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?)", (end, hash_))
            db.execute(
                "DELETE FROM blocks WHERE number NOT IN"
                " (SELECT number FROM blocks ORDER BY number DESC LIMIT ?)",
                (HASHES_KEPT,),
            )

    # --- what is asked -------------------------------------------------------------------------

    def logs(self, periods: Collection[int] | None = None) -> list[Log]:
        """Logs in the order of the chain: all, or those that the history of some periods needs."""
        if periods is None:
            return self._logs("1")
        if not periods:
            return self._logs("kind = ?", Kind.STATE)
        wanted = json.dumps(sorted(periods))
        [(first, last)] = self._rows(
            "SELECT min(block), max(block) FROM logs WHERE kind = ?"
            " AND period IN (SELECT value FROM json_each(?))",
            Kind.PERIOD, wanted,
        )  # fmt: skip
        return self._logs(
            "kind = ?1 OR (kind IN (?2, ?3) AND period IN (SELECT value FROM json_each(?10)))"
            " OR (kind = ?4 AND block BETWEEN ?5 AND ?6) OR (kind = ?7 AND period <= ?8 AND period >= ?9)",
            Kind.STATE, Kind.PERIOD, Kind.MONEY, Kind.CLOCK, first or 0, last or 0,
            Kind.TARIFF, max(periods), self._tariff_since(min(periods)), wanted,
        )  # fmt: skip

    def _tariff_since(self, period: int) -> int:
        """First period of the oldest change of the tariff that still holds in a period."""
        rows = self._rows(
            "SELECT max(period) FROM logs AS new WHERE kind = ?1 AND period <= ?2 AND name LIKE '%Set'"
            " AND NOT EXISTS (SELECT 1 FROM logs AS gone WHERE gone.kind = ?1"
            "  AND gone.name LIKE '%Withdrawn' AND gone.period = new.period"
            "  AND gone.area IS new.area AND gone.subject IS new.subject)"
            " GROUP BY name, area, subject",
            Kind.TARIFF, period,
        )  # fmt: skip
        return min((int(start) for (start,) in rows), default=0)

    def named(self, contract: str, names: Collection[str]) -> list[Log]:
        """Logs of a contract's events of these names, in the order of the chain."""
        marks = ", ".join("?" * len(names))
        return self._logs(f"contract = ? AND name IN ({marks})", contract, *names)

    def between(self, contract: str, names: Collection[str], first: int, end: int) -> list[Log]:
        """Logs of a contract's events of these names in the blocks first..end − 1."""
        marks = ", ".join("?" * len(names))
        condition = f"block >= ? AND block < ? AND contract = ? AND name IN ({marks})"
        return self._logs(condition, first, end, contract, *names)

    def of_periods(
        self, contract: str, names: Collection[str], periods: Collection[int]
    ) -> list[Log]:
        """Logs of a contract's events of these names that tell of some periods."""
        marks = ", ".join("?" * len(names))
        condition = (
            f"kind = ? AND contract = ? AND name IN ({marks})"
            " AND period IN (SELECT value FROM json_each(?))"
        )
        return self._logs(condition, Kind.PERIOD, contract, *names, json.dumps(sorted(periods)))

    def settled(self, area: int, periods: range) -> list[int]:
        """Periods of a range whose settlement in an area is complete."""
        rows = self._rows(
            "SELECT DISTINCT period FROM logs WHERE kind = ? AND contract = 'Settlement'"
            " AND name = 'Settled' AND area = ? AND period >= ? AND period < ? ORDER BY period",
            Kind.PERIOD, area, periods.start, periods.stop,
        )  # fmt: skip
        return [period for (period,) in rows]

    def open_subjects(self, contract: str, begins: str, ends: Collection[str]) -> list[int]:
        """Subjects of events of one name without a later event of the others, in order."""
        marks = ", ".join("?" * len(ends))
        rows = self._rows(
            "SELECT subject FROM logs AS begun WHERE contract = ? AND name = ? AND NOT EXISTS"
            f" (SELECT 1 FROM logs WHERE contract = begun.contract AND name IN ({marks})"
            " AND subject = begun.subject) ORDER BY block, position",
            contract, begins, *ends,
        )  # fmt: skip
        return [subject for (subject,) in rows]

    def _logs(self, condition: str, *values: object) -> list[Log]:
        rows = self._rows(
            f"SELECT address, topics, data, block, position FROM logs WHERE {condition}"
            " ORDER BY block, position",
            *values,
        )
        return [
            Log(
                address,
                [bytes.fromhex(topic) for topic in json.loads(topics)],
                data,
                block,
                position,
            )
            for address, topics, data, block, position in rows
        ]

    # --- what is still to be done --------------------------------------------------------------

    def due(self, task: str, area: int, contracts: Collection[str]) -> list[int]:
        """Periods that contracts told something of since the task was done, and those it left.

        area: of the events; those that name none, such as a token's, are of every area.
        """
        marks = ", ".join("?" * len(contracts))
        rows = self._rows(
            "SELECT period FROM pending WHERE task = ? UNION SELECT DISTINCT period FROM logs"
            " WHERE block > coalesce((SELECT block FROM cursors WHERE task = ?), -1)"
            f" AND period IS NOT NULL AND (area IS NULL OR area = ?) AND contract IN ({marks})",
            task, task, area, *contracts,
        )  # fmt: skip
        return sorted(period for (period,) in rows)

    def done(self, task: str, block: int, left: Collection[int] = ()) -> None:
        """The task has followed the log up to a block, but for some periods."""
        with self._writing() as db:
            db.execute("DELETE FROM pending WHERE task = ?", (task,))
            db.executemany("INSERT INTO pending VALUES (?, ?)", [(task, each) for each in left])
            db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (task, block))


def _values(row: Row) -> tuple[object, ...]:
    log, place = row.log, row.place
    topics = json.dumps([topic.hex() for topic in log.topics])
    return (
        log.block, log.index, log.address.lower(), topics, bytes(log.data), row.contract, row.name,
        place.kind, place.area, place.period, place.subject,
    )  # fmt: skip
