"""The index has the log of the chain: after a kill at any instant, a reorganisation, with two that follow."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridbourse.chain.node import block_ranges
from gridbourse.chain.node.connect import NetworkError, session
from gridbourse.index import follow as following
from gridbourse.index.follow import follow
from gridbourse.index.history import EventIndex
from gridbourse.index.store import Behind, IndexFileError, Store
from tests.index.street_log import StreetLog


@pytest.fixture(scope="module")
def street() -> Iterator[StreetLog]:
    with session("devnet-child") as w3:
        yield StreetLog.on(w3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "street.index.sqlite"


def indexed(store: Store) -> list[tuple[int, int]]:
    return [(log.block, log.index) for log in store.logs()]


def test_it_has_every_log_of_the_chain_and_goes_on_where_it_stopped(street, path):
    with Store(path) as store:
        head = follow(store, street.market)
        assert indexed(store) == street.on_chain() != []
        assert store.last_block() == head == street.w3.eth.block_number
        street.add_zones("one", "two")
        asked = []
        honest = street.w3.eth.get_logs
        street.w3.eth.get_logs = lambda what: asked.append(what["fromBlock"]) or honest(what)
        try:
            follow(store, street.market)
        finally:
            street.w3.eth.get_logs = honest
        assert asked == [head + 1]
        assert indexed(store) == street.on_chain()


def test_what_a_reorganisation_drops_is_dropped(street, path):
    with Store(path) as store:
        follow(store, street.market)
        before = indexed(store)
        state = street.state()
        street.add_zones("of the chain that loses", "and another")
        follow(store, street.market)
        assert len(indexed(store)) == len(before) + 2
        street.back_to(state)
        street.add_zones("of the chain that wins")
        follow(store, street.market)
        assert indexed(store) == street.on_chain()
        assert len(indexed(store)) == len(before) + 1
        assert b"wins" in store.logs()[-1].data


def test_one_that_is_deeper_than_the_hashes_kept_reads_the_chain_again(street, path, monkeypatch):
    monkeypatch.setattr("gridbourse.index.store.HASHES_KEPT", 1)
    with Store(path) as store:
        state = street.state()
        street.add_zones("lost")
        follow(store, street.market)
        street.back_to(state)
        street.add_zones("won", "and more")
        follow(store, street.market)
        assert indexed(store) == street.on_chain()


def test_one_while_the_logs_are_read_is_read_again(street, path, monkeypatch):
    """The hash of the range's last block is asked for before and after its logs."""
    told = {"left": 1}
    honest = following._hash

    def changing(w3, number):
        found = honest(w3, number)
        if told["left"] and found is not None and number == w3.eth.block_number:
            told["left"] -= 1
            return b"another %d" % told["left"]
        return found

    monkeypatch.setattr(following, "_hash", changing)
    with Store(path) as store:
        follow(store, street.market)
        assert indexed(store) == street.on_chain()
        told["left"] = 10**9
        street.add_zones("never read")
        with pytest.raises(NetworkError, match="reorganised while its logs are read"):
            follow(store, street.market)


@pytest.mark.parametrize("instant", range(1, 6))
def test_a_process_killed_at_any_instant_loses_nothing_and_stores_nothing_twice(
    street, path, instant
):
    record = path.with_name("record.json")
    street.market.record.save(record)
    url = street.w3.provider.endpoint_uri
    program = [sys.executable, "-m", "tests.index.killed_follow", url, str(record), str(path)]
    killed = subprocess.run([*program, str(instant)], capture_output=True, text=True)
    assert killed.returncode == 9, killed.stderr
    with Store(path) as store:
        assert indexed(store) == street.on_chain()[: len(indexed(store))]
        follow(store, street.market)
        assert indexed(store) == street.on_chain()


def test_two_that_follow_the_same_file_store_everything_once(street, path):
    with Store(path) as one, Store(path) as other:
        follow(one, street.market)
        last = one.last_block()
        street.add_zones("a", "b")
        follow(other, street.market)
        with pytest.raises(Behind):
            one.add(last, last + 1, b"hash", [])
        follow(one, street.market)
        assert indexed(one) == indexed(other) == street.on_chain()


def test_an_index_of_another_deployment_is_refused(street, path):
    with Store(path) as store:
        store.require({"chain_id": "1", "genesis": "0x00", "registry": "0x01"})
        with pytest.raises(
            IndexFileError, match=r"chain_id is 1, the deployment's is \d+; removed"
        ):
            follow(store, street.market)


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, bytes(range(256)) * 16], ids=["text", "noise"]
)
def test_a_file_that_is_none_is_refused_in_one_line(path, content):
    path.write_bytes(content)
    with pytest.raises(
        IndexFileError, match=r"street\.index\.sqlite: is no event index"
    ) as refusal:
        Store(path)
    assert "\n" not in str(refusal.value)


def test_a_contract_that_the_record_gains_later_is_read_from_its_first_block(street, path):
    """As campaigns are: the index went past their blocks without them."""
    record = street.market.record
    registry = record.contracts.pop("Tariff")
    try:
        with Store(path) as store:
            street.add_zones("meanwhile")
            follow(store, street.market)
            record.contracts["Tariff"] = registry
            follow(store, street.market)
            assert store.contracts() == {c.address.lower() for c in record.contracts.values()}
            assert indexed(store) == street.on_chain()
    finally:
        record.contracts["Tariff"] = registry


def test_a_task_is_due_for_what_was_told_since_and_for_what_it_left(street, path):
    index = EventIndex(street.market, path)
    try:
        assert index.due("task", 0, ("Settlement",)) == []
        index.done("task", 0, left=[7, 9])
        assert index.due("task", 0, ("Settlement",)) == [7, 9]
        index.done("task", 0, left=[9])
        assert index.due("task", 0, ("Settlement",)) == [9]
        assert index.due("task", 1, ("Settlement",)) == []  # each area has its own
    finally:
        index.close()


def test_a_node_that_limits_its_answers_is_asked_for_less(street, path, monkeypatch):
    monkeypatch.setattr(block_ranges, "BLOCKS_A_QUERY", 3)
    with Store(path) as store:
        follow(store, street.market)
        assert indexed(store) == street.on_chain()
