"""Logs asked for by ranges of blocks, in as many questions as the node wants."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from web3.contract.contract import ContractEvent
from web3.exceptions import Web3RPCError

from gridbourse.chain.node.answers import NetworkError

BLOCKS_A_QUERY = 2_000
T = TypeVar("T")


def in_ranges(ask: Callable[[int, int], Iterable[T]], first: int, last: int) -> Iterator[T]:
    """What `ask(from block, to block)` finds in the blocks first..last, in order.

    Asked for ``BLOCKS_A_QUERY`` blocks at a time, and for half as many each time the node refuses a
    range; NetworkError once it refuses a single block.
    """
    start, step = first, BLOCKS_A_QUERY
    while start <= last:
        end = min(start + step - 1, last)
        try:
            found = list(ask(start, end))
        except Web3RPCError as error:
            step = (end - start + 1) // 2
            if step == 0:
                code = (error.rpc_response or {}).get("error", {}).get("code")
                raise NetworkError(
                    f"the node gives no logs, not even of block {start} (error {code})"
                ) from error
            continue
        yield from found
        start = end + 1


def events_of(
    event: ContractEvent, first: int, last: int, filters: dict[str, Any] | None = None
) -> Iterator[Any]:
    """A contract's events of one kind in the blocks first..last, in order; see `in_ranges`."""

    def ask(start: int, end: int) -> Iterable[Any]:
        return event.get_logs(from_block=start, to_block=end, argument_filters=filters)

    return in_ranges(ask, first, last)
