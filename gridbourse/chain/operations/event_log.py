"""Every log of a deployment, from which anyone can rebuild its market."""

from collections.abc import Iterable, Iterator
from typing import Any

from web3 import Web3

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.node.block_ranges import in_ranges
from gridbourse.chain.node.connect import NetworkError


def deployment_logs(market: Market) -> list[dict[str, Any]]:
    """Every log of the deployment's contracts, in order, as JSON; read by block range.

    NetworkError when the chain was reorganised meanwhile: the logs would be of two chains.
    """
    w3 = market.chain.w3
    addresses = [Web3.to_checksum_address(c.address) for c in market.record.contracts.values()]
    first = min(c.block for c in market.record.contracts.values())
    head = w3.eth.get_block("latest")
    last = head["number"]

    def ask(start: int, end: int) -> Iterable[Any]:
        return w3.eth.get_logs({"address": addresses, "fromBlock": start, "toBlock": end})

    found = [
        {
            "address": log["address"],
            "topics": [topic.to_0x_hex() for topic in log["topics"]],
            "data": log["data"].to_0x_hex(),
            "blockNumber": log["blockNumber"],
            "logIndex": log["logIndex"],
        }
        for log in in_ranges(ask, first, last)
    ]
    if w3.eth.get_block(last)["hash"] != head["hash"]:  # a block's hash is that of all before it
        raise NetworkError(f"block {last}: the chain was reorganised while its logs were read")
    return sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))


def events(market: Market, contract: Bound, *names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, values) of a contract's events of these names, in order; read by block range."""
    w3, kinds = market.chain.w3, [contract.contract.events[name]() for name in names]
    by_topic = {bytes.fromhex(kind.topic.removeprefix("0x")): kind for kind in kinds}
    first = min(c.block for c in market.record.contracts.values())
    last = w3.eth.block_number

    def ask(start: int, end: int) -> Iterable[Any]:
        return w3.eth.get_logs(
            {
                "address": contract.contract.address,
                "topics": [[kind.topic for kind in kinds]],
                "fromBlock": start,
                "toBlock": end,
            }
        )

    found = in_ranges(ask, first, last)
    for log in sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"])):
        event = by_topic[bytes(log["topics"][0])].process_log(log)
        yield event["event"], dict(event["args"])
