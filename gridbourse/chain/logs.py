"""Every log of a deployment, from which anyone can rebuild its market."""

from collections.abc import Iterable
from typing import Any

from web3 import Web3

from gridbourse.chain.connect import NetworkError
from gridbourse.chain.deploy import Market
from gridbourse.chain.ranges import in_ranges


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
