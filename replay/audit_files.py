"""Files of a run for an independent audit: the log, the deployment, the scenario, the chain's storage."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbourse.chain.keys.keystores import write_private
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.chain.operations.withdrawals import under_way
from replay.period_walk import Walk

AUCTION = "call_auction"
"""The kind of market that has one price a period."""


def write(out: Path, walks: Mapping[Path, Walk]) -> None:
    """logs.json, deployment.json, scenario.json and state.json; in each area's folder its participants.

    walks: of the areas, by their folders.
    """
    market = next(iter(walks.values())).market
    market.record.save(out / "deployment.json")
    _dump(out / "scenario.json", market.record.scenario)
    _dump(out / "logs.json", {"chain_id": market.record.chain_id, "logs": deployment_logs(market)})
    _dump(out / "state.json", state([*walks.values()]))
    for folder, walk in walks.items():
        write_private(folder / "participants.csv", walk.members.table.to_csv())


def state(walks: Sequence[Walk]) -> dict[str, Any]:
    """State of the chain's storage, by calls: balances, credits that wait, withdrawals under way, and the
    positions and prices of every area's periods, by area.

    A period whose ring slot was taken by a later one is left out: its storage is gone.
    """
    market = walks[0].market
    house = market.house
    limit = market.registry.seat_limit()
    dsos = {walk.market.dso_account for walk in walks}
    balances = house.balances(limit) | {dso: house.read("balanceOf", dso) for dso in dsos}
    return {
        "balances": {str(who): balance for who, balance in balances.items()},
        "waiting": {str(who): credit for who, credit in house.waiting(limit).items()},
        "under_way": {
            str(each.number): [each.account, each.recipient.lower(), each.micro_eur, each.ready_at]
            for each in under_way(market)
        },
        "positions": {str(walk.market.area): _positions(walk) for walk in walks},
        "prices": {str(walk.market.area): _prices(walk) for walk in walks},
        "currency_held": market.currency.read("balanceOf", house.address),
        "deposits": house.read("depositsMicroEur"),
        "withdrawals": house.read("withdrawalsMicroEur"),
    }


def _positions(walk: Walk) -> dict[str, dict[str, tuple[int, int]]]:
    """(sold, bought) Wh by period and participant, of the periods that hold their ring slot."""
    market, groups = walk.market, walk.market.grid.groups()
    held = market.house.periods_held(market.area)
    return {
        str(period): {
            str(who): traded
            for who, traded in market.house.positions(market.area, period, groups).items()
        }
        for period in walk.results
        if period in held
    }


def _prices(walk: Walk) -> dict[str, int | None]:
    """Price of the call auction by period, µEUR/Wh; None where nothing traded."""
    return {
        str(period): trading.price_micro_eur_per_wh
        for period, result in walk.results.items()
        for trading in result.tradings
        if trading.kind == AUCTION
    }


def _dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
