"""The outbox holds what it was given, for one process at a time."""

import multiprocessing
from pathlib import Path

import pytest

from oracle.common.errors import JournalError
from oracle.common.journal import Journal
from tests.guard import GUARD_S


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "deep" / "journal.sqlite") as opened:
        yield opened


def states(journal):
    return [(e.period, e.version, e.payload, e.tx_hash) for e in journal.entries("f", 1)]


def test_prepared_confirmed_pending(journal):
    journal.prepare("f", 1, 4, b"four", b"five")
    journal.prepare("g", 1, 4, b"other feed")
    journal.confirm("f", 1, 4, "0xab")
    assert states(journal) == [(1, 4, b"four", "0xab"), (1, 5, b"five", None)]
    assert [e.payload for e in journal.pending()] == [b"five", b"other feed"]
    assert [e.payload for e in journal.pending("g")] == [b"other feed"]


def test_everything_is_idempotent(journal):
    for _ in range(2):
        journal.prepare("f", 1, 1, b"one")
        journal.confirm("f", 1, 1, "0xab")
    journal.confirm("f", 1, 1)
    assert states(journal) == [(1, 1, b"one", "0xab")]


def test_a_message_found_on_the_chain_is_no_longer_pending(journal):
    journal.prepare("f", 1, 1, b"one")
    journal.confirm("f", 1, 1)
    assert journal.pending() == []
    journal.confirm("f", 1, 1, "0xab")
    assert states(journal) == [(1, 1, b"one", "0xab")]


def test_another_payload_is_refused_and_leaves_no_trace(journal):
    journal.prepare("f", 1, 2, b"two")
    with pytest.raises(JournalError, match="f, period 1, version 2: holds another payload"):
        journal.prepare("f", 1, 1, b"one", b"deux")
    assert states(journal) == [(1, 2, b"two", None)]


def test_what_was_never_prepared_cannot_be_confirmed(journal):
    with pytest.raises(JournalError, match="not prepared"):
        journal.confirm("f", 1, 1, "0xab")


def test_only_what_was_not_sent_can_be_discarded(journal):
    journal.prepare("f", 1, 1, b"one", b"two")
    journal.confirm("f", 1, 1, "0xab")
    journal.discard("f", 1, 2)
    with pytest.raises(JournalError, match="is on the chain"):
        journal.discard("f", 1, 1)
    assert states(journal) == [(1, 1, b"one", "0xab")]


def test_it_is_on_disk(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.prepare("f", 1, 1, b"one")
        assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with Journal(tmp_path / "j") as journal:
        assert states(journal) == [(1, 1, b"one", None)]


def _open(path: Path, answer: "multiprocessing.Queue[str]") -> None:
    try:
        Journal(path).close()
        answer.put("opened")
    except JournalError as error:
        answer.put(str(error))


def test_two_oracles_cannot_share_it(journal):
    with pytest.raises(JournalError, match="another oracle holds this journal"):
        Journal(journal.path)
    spawn = multiprocessing.get_context("fork")
    answer = spawn.Queue()
    process = spawn.Process(target=_open, args=(journal.path, answer))
    process.start()
    assert "another oracle holds this journal" in answer.get(timeout=GUARD_S)
    process.join()


def test_a_file_that_is_no_journal(tmp_path):
    (tmp_path / "j").write_bytes(b"not a database, " * 100)
    with pytest.raises(JournalError, match="not a database"):
        Journal(tmp_path / "j")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "j" / "deeper")


def test_what_an_oracle_has_sent_is_for_its_owner_alone(tmp_path):
    """Readings of every home are in it: made before under another mode, it is closed too."""
    path = tmp_path / "journal.sqlite"
    path.touch(0o644)
    with Journal(path) as journal:
        journal.prepare("f", 1, 4, b"reading")
        modes = {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {0o600}
