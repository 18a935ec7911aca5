"""Development chains of tests: anvils, which answer several times as fast as the chain in the process."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from web3 import Web3
from web3.types import RPCEndpoint

from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Chain


def own_chain() -> Web3:
    """A new chain that ends with the process, for what has no fixture to end it."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(session("devnet-child"))


@contextmanager
def forgotten(chain: Chain) -> Iterator[None]:
    """Whatever happens on the chain in the block is undone at its end."""
    mark = snapshot(chain)
    yield
    back_to(chain, mark)


def snapshot(chain: Chain) -> str:
    """State of a chain, to come back to once."""
    return str(_ask(chain, "evm_snapshot"))


def back_to(chain: Chain, mark: str) -> str:
    """Undo what happened since the snapshot; one of the same state, for the next time."""
    assert _ask(chain, "evm_revert", mark)
    chain._nonces.clear()
    return snapshot(chain)


def _ask(chain: Chain, method: str, *arguments: str) -> object:
    return chain.w3.provider.make_request(RPCEndpoint(method), list(arguments))["result"]
