"""Transactions: typed refusals with their values, nonces that are never lost, gas by step."""

from collections.abc import Iterator

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3.contract import Contract
from web3.exceptions import Web3Exception

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.node.compiler import Artifact
from gridbourse.chain.node.connect import NetworkError, connect, session
from gridbourse.chain.node.devnet import Devnet
from gridbourse.chain.node.transactions import GAS_LIMIT, Chain, Reverted
from gridbourse.errors import GridbourseError


@pytest.fixture(params=["embedded", "devnet-child"], scope="module")
def chain(request: pytest.FixtureRequest, tally: Artifact) -> Iterator[Chain]:
    with session(request.param) as w3:
        yield Chain(w3, {"Tally": tally})


@pytest.fixture
def sender() -> LocalAccount:
    return Account.create()


def put(chain: Chain, sender: LocalAccount) -> Contract:
    tally = chain.artifacts["Tally"]
    deployment = chain.w3.eth.contract(abi=tally.abi, bytecode=tally.bytecode).constructor()
    return chain.bind("Tally", chain.send(sender, deployment, "deploy")["contractAddress"])


@pytest.fixture
def tally_at(chain: Chain, sender: LocalAccount) -> Contract:
    return put(chain, sender)


@pytest.mark.parametrize(
    ("function", "arguments", "name", "values"),
    [
        ("refuse", (7,), "NotAllowed", {"count": 7}),
        ("panic", (), "Panic", {"code": "0x1"}),
        ("explain", (), "Error", {"message": "for a reason"}),
    ],
)
def test_a_refused_transaction_says_why(
    chain: Chain, sender: LocalAccount, tally_at: Contract, function, arguments, name, values
) -> None:
    with pytest.raises(Reverted) as refused:
        chain.send(sender, tally_at.functions[function](*arguments), "step")

    assert (refused.value.name, refused.value.values) == (name, values)
    assert str(refused.value).startswith(f"step refused: {name}(")
    assert len(str(refused.value).splitlines()) == 1


def test_structs_and_addresses_are_among_the_values(
    chain: Chain, sender: LocalAccount, tally_at: Contract
) -> None:
    with pytest.raises(Reverted) as refused:
        chain.send(sender, tally_at.functions.unfit(), "step")

    assert refused.value.name == "Unfit"
    assert refused.value.values == {
        "who": sender.address.lower(), "pair": (7, bytes.fromhex("01020304")),
    }  # fmt: skip


def test_a_refused_call_says_why_as_well(chain: Chain, tally_at: Contract) -> None:
    with pytest.raises(Reverted, match=r"refuse refused: NotAllowed\(count=3\)"):
        Bound(chain, tally_at).read("refuse", 3)


@pytest.mark.parametrize(("function", "arguments"), [("mute", ()), ("fill", (100_000,))])
def test_without_a_reason_it_is_a_refusal_all_the_same(
    chain: Chain, sender: LocalAccount, tally_at: Contract, function, arguments
) -> None:
    """A bare `revert`, and one that runs out of gas."""
    with pytest.raises(GridbourseError, match="step"):
        chain.send(sender, tally_at.functions[function](*arguments), "step")


def test_refused_transactions_use_their_nonce_and_count_their_gas(
    chain: Chain, sender: LocalAccount, tally_at: Contract
) -> None:
    chain.gas.clear()
    for _ in range(2):
        with pytest.raises(Reverted):
            chain.send(sender, tally_at.functions.refuse(1), "refused")
    chain.send(sender, tally_at.functions.fill(2), "filled", units=2)

    assert chain.w3.eth.get_transaction_count(sender.address) == 1 + 2 + 1
    assert (chain.gas["refused"].transactions, chain.gas["refused"].units) == (2, 2)
    assert chain.gas["refused"].gas > 2 * 21_000
    assert (chain.gas["filled"].transactions, chain.gas["filled"].units) == (1, 2)


def test_arguments_that_do_not_fit_use_no_nonce(
    chain: Chain, sender: LocalAccount, tally_at: Contract
) -> None:
    with pytest.raises((Web3Exception, TypeError)):
        chain.send(sender, tally_at.functions.fill(-1), "step")

    chain.send(sender, tally_at.functions.fill(1), "step")  # would wait for ever behind a gap


def test_a_transaction_the_node_refuses_is_typed_and_the_next_one_goes_through(
    chain: Chain, sender: LocalAccount, tally_at: Contract
) -> None:
    """Somebody else sent from the account meanwhile: the nonce kept here is too low."""
    other = Chain(chain.w3, chain.artifacts)
    other.send(sender, tally_at.functions.fill(1), "step")

    with pytest.raises(NetworkError, match="step: the node refused the transaction"):
        chain.send(sender, tally_at.functions.fill(1), "step")

    chain.send(sender, tally_at.functions.fill(1), "step")
    assert chain.w3.eth.get_transaction_count(sender.address) == 3


def test_a_node_that_was_away_costs_no_nonce(
    chain: Chain, sender: LocalAccount, tally_at: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: bytes) -> None:
        raise NetworkError("no node answers")

    with monkeypatch.context() as patch:
        patch.setattr(chain.w3.eth, "send_raw_transaction", away)
        with pytest.raises(NetworkError, match=r"^no node answers$"):
            chain.send(sender, tally_at.functions.fill(1), "step")

    chain.send(sender, tally_at.functions.fill(1), "step")


@pytest.mark.parametrize(("block", "limit"), [(8_000_000, 8_000_000), (30_000_000, GAS_LIMIT)])
def test_no_transaction_asks_for_more_gas_than_a_block_has(
    tally: Artifact, block: int, limit: int
) -> None:
    with Devnet(gas_limit=block) as devnet:
        w3 = connect(devnet.rpc_url)
        receipt_hash = put(Chain(w3, {"Tally": tally}), Account.create()).w3.eth.get_block("latest")
        assert w3.eth.get_transaction(receipt_hash["transactions"][0])["gas"] == limit
