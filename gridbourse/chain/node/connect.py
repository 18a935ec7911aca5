"""A web3 connection to any of the chains the project runs on.

| network | what it is |
|---|---|
| ``embedded`` | eth-tester on py-evm in this process; it ends with the connection |
| ``devnet`` | the standing anvil that ``scripts/devnet.py`` has on record, else one on port 8545 |
| ``devnet-child`` | an anvil of its own that ends with the block; only by :func:`session` |
| ``http(s)://…``, ``ws(s)://…`` | any node by its RPC address |

**Fees.** ``embedded`` and the devnet hold the base fee at 0 for ever: a raw transaction signed with
``gasPrice=0`` (or both EIP-1559 fees 0) is mined at once, whatever the blocks hold, and its sender
needs no balance. On another network the same works where the validators let it (Besu's zero base
fee, geth with ``--miner.gasprice 0``); where they do not, the node refuses the transaction, so ask
:func:`gas_price`.

**Failure.** A reverting raw transaction is mined with receipt status 0 on both development chains;
only ``eth_call`` and gas estimation raise, with the same web3 exception on both. Set gas
explicitly.

**Time.** A block on ``embedded`` is at least one second after its parent, so after many
transactions its clock is ahead of the wall's; anvil follows the wall clock.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from eth_typing import ChecksumAddress
from web3 import HTTPProvider, LegacyWebSocketProvider, Web3
from web3.exceptions import Web3Exception
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.eth_tester import EthereumTesterProvider
from web3.types import RPCEndpoint

from gridbourse.chain.node.answers import (
    NetworkError,
    NodeProvider,
    SocketProvider,
    http_session,
    public_address,
    unreachable,
    whole_address,
)
from gridbourse.chain.node.devnet import (
    BLOCK_GAS_LIMIT,
    DEFAULT_PORT,
    HOST,
    Devnet,
    devnet_folder,
    read_record,
)
from gridbourse.commands import command

__all__ = ["NetworkError", "connect", "fund", "gas_price", "let_time_pass", "session"]

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 120.0  # a node replaying a 16 M gas call may take a while
FUNDS_WEI = 100 * 10**18
PASSING = ("embedded", "devnet-child")
"""Networks that end with their connection."""
UNUSED_MIDDLEWARE = ("validation", "gas_price_strategy", "gas_estimate", "ens_name_to_address")
"""web3's own: it asks for the chain id before every call, twice the traffic; we set it ourselves."""


def connect(network: str) -> Web3:
    """Connect to ``network``, one of the table above.

    Raises :class:`NetworkError`, naming the address, when no node answers within a few seconds; so
    does every later call on the connection once the node is gone.
    """
    network = whole_address(network)
    if network == "embedded":
        # py-evm takes a third of what a command needs to start, and others have no use for it.
        from gridbourse.chain.node.embedded import EmbeddedProvider

        return Web3(EmbeddedProvider(BLOCK_GAS_LIMIT))
    if network == "devnet":
        return _connect_devnet()
    if network.startswith(("http://", "https://", "ws://", "wss://")):
        return _connect_node(network)
    if network == "devnet-child":
        raise NetworkError("devnet-child lives only as long as a command: open it with session()")
    raise NetworkError(
        f"network {public_address(network)!r} is none of:"
        " embedded, devnet, devnet-child, an http(s) or ws(s) URL"
    )


@contextmanager
def session(network: str) -> Iterator[Web3]:
    """A connection for a ``with`` block; ``devnet-child`` starts and ends its anvil with it."""
    if network != "devnet-child":
        yield connect(network)
        return
    with Devnet() as devnet:
        yield _connect_node(devnet.rpc_url)


def gas_price(w3: Web3) -> int:
    """Wei per gas that get a transaction in: 0 where gas is free, else what the node asks."""
    free = w3.eth.get_block("latest").get("baseFeePerGas", 0) == 0
    return 0 if free and is_development_chain(w3) else w3.eth.gas_price


def is_embedded(w3: Web3) -> bool:
    """Whether the chain is in this process."""
    return isinstance(w3.provider, EthereumTesterProvider)


def is_development_chain(w3: Web3) -> bool:
    """Whether the chain is the embedded one or an anvil, where anyone can be given coins."""
    if is_embedded(w3):
        return True
    try:
        return w3.client_version.startswith("anvil/")
    except Web3Exception:  # a node that does not say what it is, is none of ours
        return False


def fund(w3: Web3, addresses: Iterable[ChecksumAddress], at_least_wei: int = FUNDS_WEI) -> None:
    """See that each address holds ``at_least_wei``; only chains with a price on gas need it.

    Development chains top up; on another network an address that holds too little raises
    :class:`NetworkError`, since its operator has to send the coins.
    """
    for address in addresses:
        held = w3.eth.get_balance(address)
        if held >= at_least_wei:
            continue
        if is_embedded(w3):
            gift = {"from": w3.eth.accounts[0], "to": address, "value": at_least_wei - held}
            w3.eth.send_transaction({**gift, "gas": 21_000, "gasPrice": 0})  # type: ignore[typeddict-item]
        elif is_development_chain(w3):
            w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [address, hex(at_least_wei)])
        else:
            raise NetworkError(f"{address} holds {held} of {at_least_wei} wei: send it the rest")


def let_time_pass(w3: Web3, seconds: int) -> None:
    """Move block time forward; NetworkError where time can only be waited for."""
    if is_embedded(w3):
        later = w3.eth.get_block("latest")["timestamp"] + seconds + 1  # of the block after it
        w3.provider.make_request(RPCEndpoint("testing_timeTravel"), [later])
        w3.provider.make_request(RPCEndpoint("testing_mine"), [1])
    elif is_development_chain(w3):
        for method, arguments in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            w3.provider.make_request(RPCEndpoint(method), arguments)
    else:
        raise NetworkError(f"{seconds} s of block time have to pass, and this chain waits for them")


def _connect_devnet() -> Web3:
    record = read_record(devnet_folder())
    url = record.rpc_url if record else f"http://{HOST}:{DEFAULT_PORT}"
    try:
        return _connect_node(url)
    except NetworkError as error:
        raise NetworkError(f"{error}; start a devnet: {command('devnet', 'up')}") from error


def _connect_node(url: str) -> Web3:
    w3 = Web3(_provider(url))
    # Clique and IBFT blocks carry more extra data than web3 expects; others are left as they are.
    w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    for name in UNUSED_MIDDLEWARE:
        w3.middleware_onion.remove(name)
    try:
        w3.eth.chain_id  # noqa: B018  the first question shows whether anyone answers
    except NetworkError:
        raise
    except (OSError, Web3Exception, ValueError) as error:
        raise unreachable(url, error) from error
    return w3


def _provider(url: str) -> HTTPProvider | LegacyWebSocketProvider:
    if url.startswith("ws"):
        return SocketProvider(url, websocket_timeout=int(READ_TIMEOUT_S))
    return NodeProvider(
        url,
        request_kwargs={"timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)},
        session=http_session(url),
        exception_retry_configuration=None,  # a refused connection is reported, not waited out
    )
