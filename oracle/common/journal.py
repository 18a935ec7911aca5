"""The durable outbox: what an oracle is about to send is on disk before it is sent.

The rule: an oracle killed at any instant loses nothing and sends nothing twice.  The journal keeps
the first half of it; the chain is the judge of the second, since it takes version n + 1 only after
n.  So every feed, before it sends what the journal holds, asks the chain how far it has come.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gridbourse.chain.keys.keystores import make_private
from oracle.common.errors import JournalError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    feed TEXT NOT NULL,
    period INTEGER NOT NULL,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL,
    tx_hash TEXT,
    PRIMARY KEY (feed, period, version)
) STRICT
"""
_COLUMNS = "feed, period, version, payload, tx_hash"

FOUND_ON_CHAIN = ""
"""Stands for the transaction hash where a restarted feed found its message on the chain already."""


@dataclass(frozen=True)
class Entry:
    """One message of the outbox; ``tx_hash`` is None until the chain is known to have it."""

    feed: str
    period: int
    version: int
    payload: bytes
    tx_hash: str | None

    @property
    def confirmed(self) -> bool:
        """Whether the chain is known to have it."""
        return self.tx_hash is not None


class Journal:
    """Messages by (feed, period, version), in one SQLite file that survives a power cut.

    One process at a time: a second one is refused, because two oracles with the same journal would
    both send.  Feeds of one process share one Journal.
    """

    def __init__(self, path: Path | str):
        """Opens, or makes, the journal; raises JournalError where that is not possible."""
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            make_private(self.path)
            self._db = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{path}: cannot be opened ({error})") from error
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            with self._transaction():
                self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise JournalError(f"{path}: {_reason(error)}") from error
        except JournalError:
            self._db.close()
            raise

    def prepare(self, feed: str, period: int, version: int, *payloads: bytes) -> None:
        """Writes down messages that are about to be sent: all of them, or none.

        Payloads get the versions from ``version`` on.  Writing the same again changes nothing;
        another payload under a taken version raises JournalError.
        """
        with self._transaction():
            for number, payload in enumerate(payloads, start=version):
                known = self._find(feed, period, number)
                if known is None:
                    self._db.execute(
                        f"INSERT INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, NULL)",
                        (feed, period, number, payload),
                    )
                elif known.payload != payload:
                    raise JournalError(
                        f"{feed}, period {period}, version {number}: holds another payload"
                    )

    def confirm(self, feed: str, period: int, version: int, tx_hash: str = FOUND_ON_CHAIN) -> None:
        """Notes that the chain has a message; a hash once known is not lost to an unknown one."""
        with self._transaction():
            if self._find(feed, period, version) is None:
                raise JournalError(f"{feed}, period {period}, version {version}: not prepared")
            self._db.execute(
                "UPDATE outbox SET tx_hash = coalesce(nullif(?, ''), tx_hash, '')"
                " WHERE feed = ? AND period = ? AND version = ?",
                (tx_hash, feed, period, version),
            )

    def discard(self, feed: str, period: int, version: int) -> None:
        """Strikes out a message that was never sent; raises JournalError for a confirmed one."""
        with self._transaction():
            known = self._find(feed, period, version)
            if known is not None and known.confirmed:
                raise JournalError(f"{feed}, period {period}, version {version}: is on the chain")
            self._db.execute(
                "DELETE FROM outbox WHERE feed = ? AND period = ? AND version = ?",
                (feed, period, version),
            )

    def entries(self, feed: str, period: int) -> list[Entry]:
        """All messages of a period, by version."""
        return self._select("feed = ? AND period = ?", feed, period)

    def between(self, feed: str, periods: range) -> list[Entry]:
        """All messages of a run of periods, by period and version."""
        condition = "feed = ? AND period >= ? AND period < ?"
        return self._select(condition, feed, periods.start, periods.stop)

    def pending(self, feed: str | None = None) -> list[Entry]:
        """Messages the chain is not known to have, by feed, period and version."""
        if feed is None:
            return self._select("tx_hash IS NULL")
        return self._select("tx_hash IS NULL AND feed = ?", feed)

    def close(self) -> None:
        """Lets another process have the journal."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find(self, feed: str, period: int, version: int) -> Entry | None:
        found = self._select("feed = ? AND period = ? AND version = ?", feed, period, version)
        return found[0] if found else None

    def _select(self, condition: str, *values: str | int) -> list[Entry]:
        try:
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM outbox WHERE {condition} ORDER BY feed, period, version",
                values,
            )
            return [Entry(*row) for row in rows]
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: {_reason(error)}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, and on disk when it is done."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: {_reason(error)}") from error


def _reason(error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return "another oracle holds this journal"
    return str(error)
