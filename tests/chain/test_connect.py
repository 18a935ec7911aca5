"""The two development chains behave alike, and an absent node is one typed error."""

import pytest
from eth_account import Account
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from gridbourse.chain.node import connect as module
from gridbourse.chain.node.connect import (
    NetworkError,
    connect,
    fund,
    gas_price,
    let_time_pass,
    session,
)
from gridbourse.chain.node.devnet import Devnet, free_port

MUCH_GAS = 28_000_000


class Sender:
    """Signs with a key that holds nothing, at gas price 0."""

    def __init__(self, w3):
        self.w3 = w3
        self.key = Account.create()

    def send(self, **fields):
        nonce = self.w3.eth.get_transaction_count(self.key.address)
        fields = {"nonce": nonce, "chainId": self.w3.eth.chain_id, "gas": MUCH_GAS, **fields}
        raw = self.key.sign_transaction(fields).raw_transaction
        return self.w3.eth.wait_for_transaction_receipt(self.w3.eth.send_raw_transaction(raw))


@pytest.fixture(params=["embedded", "devnet-child"])
def w3(request):
    with session(request.param) as connection:
        yield connection


@pytest.fixture
def sender(w3):
    return Sender(w3)


@pytest.fixture
def contract(w3, sender, tally):
    receipt = sender.send(data=tally.bytecode, gasPrice=0)
    return w3.eth.contract(receipt["contractAddress"], abi=tally.abi)


def call(contract, name, *args):
    return {"to": contract.address, "data": contract.encode_abi(name, args=args)}


def test_a_transaction_of_20_million_gas_fits_a_block(w3, sender, contract):
    receipt = sender.send(**call(contract, "fill", 900), gasPrice=0)

    assert receipt["status"] == 1
    assert receipt["gasUsed"] > 20_000_000
    assert w3.eth.get_block("latest")["gasLimit"] == 30_000_000


def test_gas_stays_free_after_full_blocks(w3, sender, contract):
    for _ in range(3):
        sender.send(**call(contract, "fill", 900), gasPrice=0)

    assert w3.eth.get_block("latest")["baseFeePerGas"] == 0
    assert gas_price(w3) == 0
    assert sender.send(**call(contract, "fill", 1), gasPrice=0)["effectiveGasPrice"] == 0
    fees = {"type": 2, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    assert sender.send(**call(contract, "fill", 1), **fees)["status"] == 1


def test_a_reverting_transaction_is_mined_as_failed(sender, contract):
    assert sender.send(**call(contract, "refuse", 7), gasPrice=0)["status"] == 0


def test_a_reverting_call_carries_its_error_with_values(contract):
    with pytest.raises(ContractCustomError) as refused:
        contract.functions.refuse(7).call()

    selector = contract.w3.keccak(text="NotAllowed(uint256)")[:4].hex()
    assert refused.value.data == f"0x{selector}{7:064x}"


def test_a_reverting_call_carries_its_reason(contract):
    with pytest.raises(ContractLogicError, match="for a reason"):
        contract.functions.explain().call()


def test_a_transaction_over_the_block_is_refused(sender, contract):
    with pytest.raises(Web3RPCError):
        sender.send(**call(contract, "fill", 1), gas=30_000_001, gasPrice=0)


def test_as_much_time_passes_as_was_asked_for(w3, sender):
    """A dispute window of a thousand seconds is over after a thousand."""
    before = w3.eth.get_block("latest")["timestamp"]
    let_time_pass(w3, 1_000)
    assert 1_000 <= w3.eth.get_block("latest")["timestamp"] - before < 1_100


def test_the_chain_runs_paris_and_nothing_later(w3, sender):
    push0_and_stop = "0x5f00"

    assert sender.send(data=push0_and_stop, gas=100_000, gasPrice=0)["status"] == 0


def test_funding_tops_up_to_the_amount_and_no_further(w3):
    poor, rich = Account.create().address, Account.create().address
    fund(w3, [rich], 5)
    fund(w3, [poor, rich], 3)

    assert (w3.eth.get_balance(poor), w3.eth.get_balance(rich)) == (3, 5)


def test_both_chains_charge_the_same_gas(tally):
    used = []
    for network in ("embedded", "devnet-child"):
        with session(network) as w3:
            sender = Sender(w3)
            address = sender.send(data=tally.bytecode, gasPrice=0)["contractAddress"]
            contract = w3.eth.contract(address, abi=tally.abi)
            used.append(sender.send(**call(contract, "fill", 50), gasPrice=0)["gasUsed"])

    assert used[0] == used[1]


def test_funding_elsewhere_is_the_operators_to_do(monkeypatch):
    with session("devnet-child") as w3:
        monkeypatch.setattr(module, "is_development_chain", lambda w3: False)
        with pytest.raises(NetworkError, match="holds 0 of 3 wei"):
            fund(w3, [Account.create().address], 3)


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_node_that_is_not_there_is_named_soon(scheme):
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with pytest.raises(NetworkError, match=f"no node answers at {url}"):
        connect(url)


def test_a_devnet_that_is_not_up_is_told_how_to_start(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "devnet_folder", lambda: tmp_path)
    monkeypatch.setattr(module, "DEFAULT_PORT", free_port())

    with pytest.raises(NetworkError, match=r"-m scripts\.devnet up"):
        connect("devnet")


@pytest.mark.parametrize("network", ["mainnet", "devnet-child", ""])
def test_a_name_that_cannot_be_connected_to_is_refused(network):
    with pytest.raises(NetworkError):
        connect(network)


def test_a_node_that_dies_is_the_same_typed_error():
    with Devnet() as devnet:
        w3 = connect(devnet.rpc_url)
        devnet.stop()

        with pytest.raises(NetworkError, match=devnet.rpc_url):
            w3.eth.get_block("latest")
        with pytest.raises(NetworkError, match=devnet.rpc_url):
            w3.provider.make_batch_request([("eth_blockNumber", [])])


def test_a_websocket_address_will_do():
    with Devnet() as devnet:
        assert connect(devnet.rpc_url.replace("http", "ws")).eth.chain_id == devnet.chain_id
