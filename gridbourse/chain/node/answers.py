"""Asking a node: each answer is looked at before anybody believes it, no address shows its secrets.

A node that is away, and an answer that is none (half of a JSON text, a page of a gateway, ``null``,
``0x``, an overload), are a :class:`NetworkError`; the latter after it was asked again a few times,
transactions excepted.  What a contract refused, and what the node says of a transaction or of a
range of logs, goes on to who asked.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider, LegacyWebSocketProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint, RPCResponse
from websockets.exceptions import WebSocketException

from gridbourse.errors import GridbourseError
from gridbourse.text import one_line

PAUSES_S: Final = (0.1, 0.4, 1.0)
"""Between asking again."""
REVERT_STRING = bytes.fromhex("08c379a0")
"""Selector of `Error(string)`."""
OVERLOADED: Final = (-32005, -32603, 429)
"""Limit exceeded, internal error: perhaps not in a moment."""
UNKNOWN_METHOD: Final = -32601
PASSED_ON: Final = ("eth_getLogs", "eth_sendRawTransaction")
"""Whoever asks makes something of the node's refusal: smaller ranges, another nonce."""
SENT_ONCE: Final = ("eth_sendRawTransaction", "eth_sendTransaction")
_EXECUTED: Final = re.compile(r"revert|gas|opcode|stack|jump|EVM|VM|transfer|funds|balance", re.I)
"""Words of errors that tell how a call went, not how the node is."""
_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]+")
_DATA: Final = re.compile(r"0x([0-9a-fA-F]{2})*")
_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_BLOCK: Final = ("number", "hash", "timestamp", "gasLimit")
_RECEIPT: Final = ("transactionHash", "status", "blockNumber", "gasUsed", "logs")
_LOG: Final = ("address", "topics", "data", "blockNumber", "logIndex")


class NetworkError(GridbourseError):
    """The network has no such name, no node that answers, or no funds for an account."""


def public_address(network: str) -> str:
    """A network as it may be shown: of an RPC address scheme, host and port alone."""
    if "://" not in network:
        return (
            network
            if re.fullmatch(r"[\w-]+", network)
            else re.split(r"[/?#]", network)[0].split("@")[-1]
        )
    try:
        parts = urlsplit(network)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{network.split('://')[0]}://…"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")


_HIDDEN: Final[dict[str, str]] = {}


def without_secrets(network: str) -> str:
    """`public_address`, under which this process finds the node from now on.

    So that nobody who prints a network, names a file after it or writes it down has the rest.
    """
    public = public_address(network)
    if public != network:
        _HIDDEN[public] = network
    return public


def whole_address(network: str) -> str:
    """What `without_secrets` was given; a network it was not asked about is as it is."""
    return _HIDDEN.get(network, network)


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own, where no proxy has a place."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def http_session(url: str) -> requests.Session:
    """A session for an address: loopback never goes through the environment's proxies."""
    session = requests.Session()
    session.trust_env = not is_loopback(url)
    return session


class NodeProvider(HTTPProvider):
    """HTTP provider with every fault of node and way as one typed error with the address in it."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return _ask(str(self.endpoint_uri), method, params, super().make_request)

    def make_batch_request(
        self, batch_requests: list[tuple[RPCEndpoint, Any]]
    ) -> list[RPCResponse] | RPCResponse:
        try:
            return super().make_batch_request(batch_requests)
        except (requests.RequestException, Web3Exception, ValueError, TypeError, KeyError) as error:
            raise unreachable(str(self.endpoint_uri), error) from error


class SocketProvider(LegacyWebSocketProvider):
    """The same over a web socket."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return _ask(str(self.endpoint_uri), method, params, super().make_request)


def unreachable(url: str, error: Exception) -> NetworkError:
    """Nobody answers there."""
    return NetworkError(f"no node answers at {public_address(url)} ({type(error).__name__})")


def _ask(
    url: str, method: str, params: Any, ask: Callable[[RPCEndpoint, Any], RPCResponse]
) -> RPCResponse:
    pauses = () if method in SENT_ONCE else PAUSES_S
    for pause in (*pauses, None):
        try:
            response = ask(RPCEndpoint(method), params)
            fault = _fault(method, response)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise unreachable(url, error) from error
        except requests.HTTPError as error:
            fault = f"HTTP status {error.response.status_code}"
        except (requests.RequestException, ValueError, RecursionError) as error:
            fault = f"no JSON ({type(error).__name__})"
        except (OSError, WebSocketException, Web3Exception) as error:
            raise unreachable(url, error) from error
        if fault is None:
            return response
        if pause is not None:
            time.sleep(pause)
    raise NetworkError(one_line(f"the node at {public_address(url)} answers {method} with {fault}"))


def _fault(method: str, response: Any) -> str | None:
    """What is wrong with an answer, in words; None for one that can be believed, or passed on."""
    if not isinstance(response, Mapping):
        return f"{_short(response)}, which is no answer"
    if (error := response.get("error")) is not None:
        return _refusal(method, error)
    if "result" not in response:
        return "neither a result nor an error"
    result = response["result"]
    fits = SHAPES.get(method)
    return None if fits is None or fits(result) else f"{_short(result)}, which is no result of it"


def _refusal(method: str, error: Any) -> str | None:
    if not isinstance(error, Mapping) or not isinstance(error.get("code"), int):
        return f"the error {_short(error)}"
    code, message = error["code"], str(error.get("message", ""))
    if method in PASSED_ON or method not in SHAPES or code == UNKNOWN_METHOD:
        return None
    data = error.get("data")
    if code not in OVERLOADED and (isinstance(data, str) or code == 3 or _EXECUTED.search(message)):
        return None
    if isinstance(data, str) and _EXECUTED.search(message):
        return None
    return f"error {code} ({_short(message)})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _has(keys: tuple[str, ...], or_none: bool) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        if value is None:
            return or_none
        return isinstance(value, Mapping) and all(value.get(key) is not None for key in keys)

    return fits


def _logs(value: Any) -> bool:
    return isinstance(value, list) and all(_has(_LOG, or_none=False)(each) for each in value)


SHAPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "eth_chainId": _matches(_QUANTITY),
    "eth_blockNumber": _matches(_QUANTITY),
    "eth_gasPrice": _matches(_QUANTITY),
    "eth_getTransactionCount": _matches(_QUANTITY),
    "eth_getBalance": _matches(_QUANTITY),
    "eth_estimateGas": _matches(_QUANTITY),
    # Every view of the contracts gives something back.
    "eth_call": lambda value: _matches(_DATA)(value) and value != "0x",
    "eth_getCode": _matches(_DATA),
    "eth_sendRawTransaction": _matches(_HASH),
    "eth_getBlockByNumber": _has(_BLOCK, or_none=False),
    "eth_getBlockByHash": _has(_BLOCK, or_none=False),
    "eth_getTransactionReceipt": _has(_RECEIPT, or_none=True),
    "eth_getLogs": _logs,
    "web3_clientVersion": lambda value: isinstance(value, str),
}
"""What the result of a method is like."""
