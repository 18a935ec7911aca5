"""What a node, or a gateway before it, says instead of an answer: asked again, then one typed error."""

from collections.abc import Callable, Iterator

import pytest
from eth_account import Account
from web3 import Web3
from web3.exceptions import Web3RPCError

from gridbourse.chain.deployment.record import record_path
from gridbourse.chain.node import answers as module
from gridbourse.chain.node.answers import NetworkError, http_session, is_loopback, public_address
from gridbourse.chain.node.block_ranges import BLOCKS_A_QUERY, events_of, in_ranges
from gridbourse.chain.node.compiler import Artifact
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet
from gridbourse.chain.node.transactions import Chain, Reverted, TooLarge
from tests.chain.strange_node import StrangeNode, error, result, strange_node


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES_S", (0.0, 0.0, 0.0))


@pytest.fixture
def node() -> Iterator[StrangeNode]:
    with strange_node() as node:
        yield node


@pytest.fixture
def w3(node: StrangeNode) -> Web3:
    return connect(node.url)


STRANGE: dict[str, bytes | int] = {
    "half JSON": b'{"jsonrpc": "2.0", "id": 1, "resu',
    "garbage": b"\x00\xff\xfe",
    "HTML": b"<html><body>502 Bad Gateway</body></html>",
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a word": b'"busy"',
    "neither": b'{"jsonrpc": "2.0", "id": 1}',
    "result null": result(None),
    "result empty": result(""),
    "result 0x": result("0x"),
    "result a number": result(5),
    "limit exceeded": error(-32005, "limit exceeded"),
    "internal error": error(-32603, "internal error"),
    "server error": error(-32000, "header not found"),
    "error without code": b'{"jsonrpc": "2.0", "id": 1, "error": "no"}',
    "error null": b'{"jsonrpc": "2.0", "id": 1, "error": null}',
    "status 429": 429,
    "status 502": 502,
}
ASK: dict[str, Callable[[Web3], object]] = {
    "eth_blockNumber": lambda w3: w3.eth.block_number,
    "eth_getBlockByNumber": lambda w3: w3.eth.get_block("latest"),
    "eth_getTransactionCount": lambda w3: w3.eth.get_transaction_count(Account.create().address),
    "eth_getBalance": lambda w3: w3.eth.get_balance(Account.create().address),
    "eth_gasPrice": lambda w3: w3.eth.gas_price,
    "eth_call": lambda w3: w3.eth.call({"to": Account.create().address}),
}


@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize("method", ASK)
def test_a_strange_answer_is_asked_for_again_and_then_a_network_event(
    node: StrangeNode, w3: Web3, method: str, what: str
) -> None:
    node.answers[method] = [STRANGE[what]]
    with pytest.raises(NetworkError, match=rf"^the node at {node.url} answers {method} with "):
        ASK[method](w3)
    assert node.asked.count(method) == 4


def test_an_answer_that_comes_right_is_taken(node: StrangeNode, w3: Web3) -> None:
    node.answers["eth_blockNumber"] = [*[*STRANGE.values()][:3], result("0x2a")]
    assert w3.eth.block_number == 42


def test_a_receipt_without_its_status_is_strange_and_none_is_not(
    node: StrangeNode, w3: Web3
) -> None:
    node.answers["eth_getTransactionReceipt"] = [result({"blockNumber": "0x1"})]
    with pytest.raises(NetworkError, match="which is no result of it"):
        w3.eth.get_transaction_receipt("0x" + "11" * 32)
    node.answers["eth_getTransactionReceipt"] = [result(None)]
    with pytest.raises(Exception, match="not found"):
        w3.eth.get_transaction_receipt("0x" + "11" * 32)


def test_a_message_of_a_node_is_one_line(node: StrangeNode, w3: Web3) -> None:
    node.answers["eth_blockNumber"] = [error(-32603, "a\n2026 INFO all is well\x1b[2K" + "x" * 900)]
    with pytest.raises(NetworkError) as caught:
        _ = w3.eth.block_number
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_refusal_of_a_contract_goes_through(node: StrangeNode, w3: Web3) -> None:
    for body in (
        error(3, "execution reverted", data="0x"),
        error(-32000, "execution reverted", data="0x1234"),
        error(-32000, "out of gas"),
        error(-32603, "VM Exception: reverted", data="0x1234"),
    ):
        node.asked.clear()
        node.answers["eth_call"] = [body]
        with pytest.raises(Exception, match=r"reverted|gas|0x1234") as caught:
            w3.eth.call({"to": Account.create().address})
        assert not isinstance(caught.value, NetworkError)
        assert node.asked == ["eth_call"]


def test_a_web_socket_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetworkError, match=r"no node answers at ws://127.0.0.1:9 "):
        connect("ws://dso:secret@127.0.0.1:9/key")


# --- logs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 3, 1000, 5000])
def test_logs_are_asked_for_in_ranges_the_node_gives(most: int) -> None:
    asked = []

    def ask(start: int, end: int) -> list[int]:
        if end - start + 1 > most:
            raise Web3RPCError("too many blocks")
        asked.append(end - start + 1)
        return [start, end]

    last = 6_007 if most > 3 else 40
    found = list(in_ranges(ask, 7, last))
    assert (found[0], found[-1]) == (7, last)
    assert sum(asked) == last - 7 + 1
    assert max(asked) <= min(most, BLOCKS_A_QUERY)


def test_a_node_without_logs_is_a_network_event(node: StrangeNode, w3: Web3) -> None:
    node.most_blocks = 0
    event = w3.eth.contract(
        Account.create().address, abi=[{"type": "event", "name": "E", "inputs": []}]
    ).events.E()
    with pytest.raises(NetworkError, match=r"not even of block 3 \(error -32005\)"):
        list(events_of(event, 3, 2_500))


# --- transactions -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet() as devnet:
        yield devnet


@pytest.fixture
def before(devnet: Devnet) -> Iterator[StrangeNode]:
    with strange_node(devnet.rpc_url) as node:
        yield node


@pytest.mark.parametrize("what", ["half JSON", "HTML", "null", "result 0x", "limit exceeded"])
def test_a_transaction_whose_answer_is_lost_is_not_sent_twice(
    before: StrangeNode, devnet: Devnet, tally: Artifact, what: str
) -> None:
    """The node takes it; what comes back is no answer."""
    sender = Account.create()
    chain = Chain(connect(before.url), {"Tally": tally})
    deploy = chain.w3.eth.contract(abi=tally.abi, bytecode=tally.bytecode).constructor()
    at = chain.send(sender, deploy, "deploy")["contractAddress"]
    real = before.answer

    def lose(body: bytes) -> bytes | int:
        answer = real(body)
        return STRANGE[what] if b"eth_sendRawTransaction" in body else answer

    before.answer = lose  # type: ignore[method-assign]
    receipt = chain.send(sender, chain.bind("Tally", at).functions.fill(2), "step")
    assert receipt["status"] == 1
    assert before.asked.count("eth_sendRawTransaction") == 2
    assert chain.w3.eth.get_transaction_count(sender.address) == 2


def test_a_transaction_the_node_never_got_is_a_network_event(
    before: StrangeNode, tally: Artifact
) -> None:
    sender = Account.create()
    chain = Chain(connect(before.url), {"Tally": tally})
    deploy = chain.w3.eth.contract(abi=tally.abi, bytecode=tally.bytecode).constructor()
    before.answers["eth_sendRawTransaction"] = [STRANGE["HTML"]]
    with pytest.raises(NetworkError, match="answers eth_sendRawTransaction with no JSON"):
        chain.send(sender, deploy, "deploy")
    assert before.asked.count("eth_sendRawTransaction") == 1
    before.answers.clear()
    assert chain.send(sender, deploy, "deploy")["status"] == 1


def test_what_runs_out_of_gas_or_does_not_fit_is_too_large(tally: Artifact) -> None:
    with Devnet(gas_limit=300_000) as devnet:
        chain = Chain(connect(devnet.rpc_url), {"Tally": tally})
        sender = Account.create()
        deploy = chain.w3.eth.contract(abi=tally.abi, bytecode=tally.bytecode).constructor()
        at = chain.send(sender, deploy, "deploy")["contractAddress"]
        with pytest.raises(TooLarge, match="step: 300000 gas are not enough"):
            chain.send(sender, chain.bind("Tally", at).functions.fill(100), "step")
        with pytest.raises(Reverted):
            chain.send(sender, chain.bind("Tally", at).functions.refuse(1), "step")


# --- proxies ------------------------------------------------------------------------------------


def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client of ours: the provider, and what waits for anvil to answer."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Devnet() as devnet:
        assert connect(devnet.rpc_url).eth.block_number == 0
        assert connect(devnet.rpc_url.replace("127.0.0.1", "localhost")).eth.chain_id == 31337


def test_what_is_loopback() -> None:
    for url in (
        "http://127.0.0.1:1",
        "http://127.8.9.1",
        "http://localhost/x",
        "http://[::1]:8545",
    ):
        assert is_loopback(url)
        assert not http_session(url).trust_env
    for url in ("http://10.0.0.1", "https://node.example/127.0.0.1", "http://localhost.example"):
        assert not is_loopback(url)
        assert http_session(url).trust_env


# --- credentials --------------------------------------------------------------------------------

SECRETS = [
    "http://dso:secret@127.0.0.1:8545/?apikey=secret",
    "https://dso:secret@node.example/v3/secret#secret",
    "wss://secret@[::1]:8546/secret",
    "http://dso:secret@127.0.0.1:port/secret",
    "dso:secret@127.0.0.1:8545/secret",
    "htp://dso:secret@node.example",
]
SHOWN = [
    "http://127.0.0.1:8545", "https://node.example", "wss://[::1]:8546", "http://…", "127.0.0.1:8545",
    "htp://node.example",
]  # fmt: skip


@pytest.mark.parametrize(("network", "shown"), [*zip(SECRETS, SHOWN, strict=True)])
def test_of_an_address_scheme_host_and_port_are_shown(network: str, shown: str) -> None:
    assert public_address(network) == shown
    assert "secret" not in str(record_path(network))
    with pytest.raises(NetworkError) as caught:
        connect(network)
    assert "secret" not in str(caught.value)


def test_names_of_networks_are_shown_as_they_are() -> None:
    names = ["embedded", "devnet", "devnet-child", "given"]
    assert [public_address(name) for name in names] == names
    assert record_path("http://127.0.0.1:8545").name == "127.0.0.1_8545.json"
