"""Deployment records: what stands where, and the refusal of every chain it does not stand on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import Market, open_market
from gridbourse.chain.deployment.record import (
    CONTRACTS,
    DeploymentError,
    DeploymentRecord,
    current_commit,
    record_path,
)
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import compiler_settings, load_artifacts
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import Band
from gridbourse.model.trade import LEAST_WH

SETTINGS = MarketSettings(900, 300, Band(80, 1, 221), ("somewhere",))


def deployed_on(w3: Web3) -> Market:
    chain = Chain(w3, load_artifacts())
    return deploy(chain, Keyring.for_chain(w3), SETTINGS, {"file": "scenario.toml"})


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    with Devnet() as devnet:
        yield deployed_on(connect(devnet.rpc_url))


@pytest.fixture
def record(market: Market, tmp_path: Path) -> Path:
    path = tmp_path / "records" / "chain.json"
    market.record.save(path)
    return path


def test_a_record_says_what_stands_where(market: Market, record: Path) -> None:
    fields = json.loads(record.read_text())
    w3 = market.chain.w3
    assert fields["chain_id"] == 31337
    assert fields["genesis_hash"] == w3.eth.get_block(0)["hash"].to_0x_hex()
    assert fields["commit"] == current_commit()
    assert fields["compiler"]["solc"] == compiler_settings().solc
    assert fields["compiler"]["evm_version"] == "paris"
    assert set(fields["contracts"]) == {*CONTRACTS, "CallAuction"}
    for contract in fields["contracts"].values():
        assert len(w3.eth.get_code(contract["address"], contract["block"])) > 1_000
        assert w3.eth.get_code(contract["address"], contract["block"] - 1) == b""
    assert fields["contracts"]["MarketClock"]["arguments"][1:4] == [True, 900, 300]


def test_a_market_is_found_again_by_its_record(market: Market, record: Path) -> None:
    again = open_market(market.chain.w3, record)
    assert again.record == DeploymentRecord.load(record)
    assert again.auction.address == market.auction.address
    assert again.clock.read("mtuSeconds") == 900


def test_the_next_record_takes_the_place_of_the_last(market: Market, record: Path) -> None:
    second = deployed_on(market.chain.w3)
    second.record.save(record)
    assert open_market(market.chain.w3, record).auction.address == second.auction.address
    assert second.auction.address != market.auction.address
    assert [path.name for path in record.parent.iterdir()] == ["chain.json"]


def forged(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))
    return path


def address(value: object) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["contracts"]["CallAuction"].update(address=value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.update(chain_id=1), "chain id: the record is of 1, the chain is 31337"),
        (lambda f: f.update(genesis_hash="0x00"), "genesis hash: the record is of 0x00"),
        (lambda f: f["contracts"].pop("Tariff"), "Tariff: the record has no address of it"),
        (address("0x" + "11" * 20), r"CallAuction: no code at 0x1111\S+ on this chain"),
        (address("nowhere"), "CallAuction: the record has no address of it, but nowhere"),
        (address(None), "CallAuction: the record has no address of it"),
        (address(7), "CallAuction: the record has no address of it"),
        (lambda f: f.pop("commit"), "not a deployment record"),
        (lambda f: f.update(extra=1), "not a deployment record"),
        (lambda f: f.update(contracts=[]), "not a deployment record"),
        (lambda f: f["contracts"].update(Tariff="0x"), "not a deployment record"),
    ],
)
def test_what_does_not_match_the_chain_is_refused(
    market: Market, record: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    with pytest.raises(DeploymentError, match=said):
        open_market(market.chain.w3, forged(record, change))


def test_another_chain_of_the_same_number_is_refused(market: Market, record: Path) -> None:
    with Devnet() as other, pytest.raises(DeploymentError, match="genesis hash"):
        open_market(connect(other.rpc_url), record)


@pytest.mark.parametrize("content", ["", "[]", "{", "null", "\N{SNOWMAN}"])
def test_a_damaged_record_is_refused(market: Market, record: Path, content: str) -> None:
    record.write_text(content)
    with pytest.raises(DeploymentError, match="not a deployment record"):
        open_market(market.chain.w3, record)


def test_a_record_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"-m scripts\.deploy"):
        DeploymentRecord.load(tmp_path / "none.json")
    with pytest.raises(DeploymentError, match="cannot be read"):
        DeploymentRecord.load(tmp_path)


def test_an_address_becomes_a_file_name() -> None:
    assert record_path("devnet").name == "devnet.json"
    assert record_path("http://127.0.0.1:8545").name == "127.0.0.1_8545.json"
    assert record_path("https://node/rpc/7").name == "node.json"


@pytest.mark.parametrize("network", ["embedded", "devnet-child"])
def test_a_chain_that_ends_with_its_command_has_no_record(network: str) -> None:
    with pytest.raises(DeploymentError, match="ends with its command"):
        record_path(network)


def test_a_deployment_has_the_markets_it_is_to_have() -> None:
    chain = Chain(connect("embedded"), load_artifacts())
    settings = replace(SETTINGS, markets=("OrderBook", "BilateralMarket", "OverTheCounter"))
    market = deploy(chain, Keyring.for_chain(chain.w3), settings)
    addresses = [one.address for one in market.trade_markets]

    assert market.house.read("markets") == addresses
    assert addresses == [
        market.order_book.address,
        market.bilateral.address,
        market.over_the_counter.address,
    ]
    rules = [market.order_book.read(name) for name in ("minWh", "maxFills", "maxOpen")]
    assert rules == [LEAST_WH, 32, 16]
    with pytest.raises(DeploymentError, match="CallAuction: this deployment has none"):
        _ = market.auction
