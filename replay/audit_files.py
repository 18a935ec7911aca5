"""Files of a run for the audit: the logs, the record, the scenario, the chain's storage."""

import json
from pathlib import Path
from typing import Any

from gridbourse.chain.deployment.market import AREA
from gridbourse.chain.keys.keystores import write_private
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.chain.operations.withdrawals import under_way
from replay.period_walk import Walk

AUCTION = "call_auction"
"""Kind of market that has one price a period."""


def write(folder: Path, walk: Walk) -> None:
    """logs.json, deployment.json, scenario.json, state.json and the mapping of participants."""
    market = walk.market
    market.record.save(folder / "deployment.json")
    _dump(folder / "scenario.json", market.record.scenario)
    _dump(
        folder / "logs.json", {"chain_id": market.record.chain_id, "logs": deployment_logs(market)}
    )
    _dump(folder / "state.json", state(walk))
    write_private(folder / "participants.csv", walk.members.table.to_csv())


def state(walk: Walk) -> dict[str, Any]:
    """Storage of the chain after the run, by calls: balances, credits that wait, withdrawals under
    way, and the positions and prices of its periods.

    A period whose ring slot was taken by a later one is left out: its storage is overwritten.
    """
    market = walk.market
    house = market.house
    limit = market.registry.seat_limit()
    ring = house.read("ringSize")
    held = {house.read("periodAt", AREA, slot)[0] for slot in range(ring)}
    groups = market.grid.groups()
    positions = {
        str(period): {
            str(who): traded for who, traded in house.positions(AREA, period, groups).items()
        }
        for period in walk.results
        if period in held
    }
    return {
        "balances": {str(who): balance for who, balance in house.balances(limit).items()},
        "waiting": {str(who): credit for who, credit in house.waiting(limit).items()},
        "under_way": {
            str(each.number): [each.account, each.recipient.lower(), each.micro_eur, each.ready_at]
            for each in under_way(market)
        },
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
