"""What an independent checker needs of a run: the logs, the record, the scenario, the chain's storage."""

import json
from pathlib import Path
from typing import Any

from web3 import Web3

from gridbourse.chain.deploy import Market
from replay.walk import ReplayError, Walk

BLOCKS_A_QUERY = 2_000
AUCTION = "call_auction"
"""The kind of market that has one price a period."""


def write(folder: Path, walk: Walk) -> None:
    """logs.json, deployment.json, scenario.json, state.json and the mapping of participants."""
    market = walk.market
    market.record.save(folder / "deployment.json")
    _dump(folder / "scenario.json", market.record.scenario)
    _dump(folder / "logs.json", {"chain_id": market.record.chain_id, "logs": logs(market)})
    _dump(folder / "state.json", state(walk))
    walk.members.table.to_csv(folder / "participants.csv")


def logs(market: Market) -> list[dict[str, Any]]:
    """Every log of the deployment's contracts, in order, by block range.

    ReplayError when the chain was reorganised meanwhile: the logs would be of two chains.
    """
    w3 = market.chain.w3
    addresses = [Web3.to_checksum_address(c.address) for c in market.record.contracts.values()]
    first = min(c.block for c in market.record.contracts.values())
    head = w3.eth.get_block("latest")
    last = head["number"]
    found = []
    for start in range(first, last + 1, BLOCKS_A_QUERY):
        end = min(start + BLOCKS_A_QUERY - 1, last)
        for log in w3.eth.get_logs({"address": addresses, "fromBlock": start, "toBlock": end}):
            found.append(
                {
                    "address": log["address"],
                    "topics": [topic.to_0x_hex() for topic in log["topics"]],
                    "data": log["data"].to_0x_hex(),
                    "blockNumber": log["blockNumber"],
                    "logIndex": log["logIndex"],
                }
            )
    if w3.eth.get_block(last)["hash"] != head["hash"]:  # a block's hash is that of all before it
        raise ReplayError(f"block {last}: the chain was reorganised while its logs were read")
    return sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))


def state(walk: Walk) -> dict[str, Any]:
    """Balances, and the positions and prices of the run's periods, read from storage by calls.

    A period whose ring slot was taken by a later one is left out: its storage is gone.
    """
    market = walk.market
    house = market.house
    limit = market.registry.seat_limit()
    ring = house.read("ringSize")
    held = {house.read("periodAt", slot)[0] for slot in range(ring)}
    groups = market.auction.groups(market.grid.area)
    positions = {
        str(period): {str(who): traded for who, traded in house.positions(period, groups).items()}
        for period in walk.results
        if period in held
    }
    return {
        "balances": {str(who): balance for who, balance in house.balances(limit).items()},
        "positions": positions,
        "prices": {
            str(period): trading.price_micro_eur_per_wh
            for period, result in walk.results.items()
            for trading in result.tradings
            if trading.kind == AUCTION
        },
        "currency_held": market.currency.read("balanceOf", house.address),
        "deposits": house.read("depositsMicroEur"),
        "withdrawals": house.read("withdrawalsMicroEur"),
    }


def _dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
