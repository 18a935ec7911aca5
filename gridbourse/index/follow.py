"""Following a deployment's chain: range by range of blocks, through reorganisations and kills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from web3 import Web3

from gridbourse.audit.check import decoder_of
from gridbourse.audit.core.events import Decoder, Log
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.node.answers import NetworkError
from gridbourse.chain.node.block_ranges import ranges
from gridbourse.index.classes import places
from gridbourse.index.store import Behind, Row, Store

ATTEMPTS: Final = 5
"""How often a range is read again that was reorganised, or written by another process, meanwhile."""


def follow(store: Store, market: Market) -> int:
    """Bring the index up to the head of the chain; the number of its newest block.

    NetworkError where the chain is reorganised faster than it can be read.
    """
    record, w3 = market.record, market.chain.w3
    store.require({"chain_id": str(record.chain_id), "genesis": record.genesis_hash,
                   "registry": record.contracts["ParticipantRegistry"].address.lower()})  # fmt: skip
    for _ in range(ATTEMPTS):
        try:
            return _follow(store, market, w3)
        except Behind:
            continue
    raise NetworkError(f"{store.path}: the chain is reorganised while its logs are read")


def _follow(store: Store, market: Market, w3: Web3) -> int:
    last = store.keep_to(lambda number: _hash(w3, number))
    head = int(w3.eth.block_number)
    reader = _Reader(w3, decoder_of(market.record))
    begun = {c.address.lower(): c.block for c in market.record.contracts.values()}
    if last is not None:
        _add_passed(store, reader, begun, last)
    first = min(begun.values()) if last is None else last + 1
    for _, stop, hash_, rows in reader.ranges(begun.keys(), first, head):
        store.add(last, stop, hash_, rows, begun.keys())
        last = stop
    return head


def _add_passed(store: Store, reader: _Reader, begun: Mapping[str, int], last: int) -> None:
    """Add the logs of contracts, such as campaigns, that the index went past without knowing them."""
    new = {each for each in begun.keys() - store.contracts() if begun[each] <= last}
    if not new:
        return
    ranges_ = [*reader.ranges(new, min(begun[each] for each in new), last)]
    rows = [row for _, _, _, found in ranges_ for row in found]
    store.add(last, last, ranges_[-1][2], rows, new)


class _Reader:
    """Rows of a deployment's logs, as the chain has them now."""

    def __init__(self, w3: Web3, decoder: Decoder) -> None:
        self._w3, self._decoder = w3, decoder

    def ranges(
        self, addresses: Iterable[str], first: int, last: int
    ) -> Iterator[tuple[int, int, bytes, list[Row]]]:
        """(from block, to block, its hash, rows); Behind where a range is reorganised meanwhile."""
        asked = [Web3.to_checksum_address(address) for address in sorted(addresses)]
        before: dict[int, bytes | None] = {}

        def ask(start: int, stop: int) -> Iterable[Any]:
            before[stop] = _hash(self._w3, stop)
            return self._w3.eth.get_logs({"address": asked, "fromBlock": start, "toBlock": stop})

        for start, stop, found in ranges(ask, first, last):
            after = _hash(self._w3, stop)
            # A block's hash is that of all before it: unchanged, the logs are of one chain.
            if after is None or after != before[stop]:
                raise Behind
            logs = sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))
            yield start, stop, after, _rows(self._decoder, logs)


def _hash(w3: Web3, number: int) -> bytes | None:
    """Hash of a block; None beyond the end of the chain."""
    return None if number > w3.eth.block_number else bytes(w3.eth.get_block(number)["hash"])


def _rows(decoder: Decoder, logs: Sequence[Any]) -> list[Row]:
    plain = [
        Log(
            log["address"],
            [bytes(topic) for topic in log["topics"]],
            bytes(log["data"]),
            log["blockNumber"],
            log["logIndex"],
        )
        for log in logs
    ]
    events = list(decoder.decode(plain))
    found = places(events, [log["blockNumber"] << 32 | log["transactionIndex"] for log in logs])
    return [
        Row(log, event.contract, event.name, place)
        for log, event, place in zip(plain, events, found, strict=True)
    ]
