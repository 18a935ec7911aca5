"""The DSO's word on flexibility that was bought: which of it the grid bears.

A trade here moves what a seller lets flow. What the grid does not bear is rejected, whoever bought it;
caps stay as they are. A verdict binds the group like any other, and what it let through counts as
flowing when the energy markets are judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final, Protocol

import numpy as np

from gridbourse.chain.bindings.checked_trades import SealedTrades
from gridbourse.grid.assessment import Assessment, assess
from gridbourse.grid.errors import GridError
from gridbourse.model.flexibility.baseline.delivery import Direction
from gridbourse.model.periods import Mtu
from gridbourse.text import many
from oracle.common.journal import Entry
from oracle.dso.explanation import all_kept
from oracle.dso.flexibility_need import SoldLeg, reject_legs, with_legs
from oracle.dso.grid_check import GridView, Reals, Whole
from oracle.dso.trade_groups import TradePort
from oracle.dso.verdict import NumberedCaps, Verdict, read_report, told, write_report

MARKET: Final = "flexibility"


class MovePort(TradePort, Protocol):
    """Interface to the feed of a market whose trades move what flows."""

    def moves(self, period: int, group: SealedTrades) -> Sequence[tuple[int, int]]:
        """(participant, change of its net injection in Wh) of each trade of a group."""


def judged_moves(
    view: GridView, period: int, group: SealedTrades, moves: Sequence[tuple[int, int]],
    state_wh: Whole, reactive_var: Reals, in_force: NumberedCaps,
) -> Verdict:  # fmt: skip
    """The verdict on a group: cheapest first, each trade stays that leaves the grid no worse.

    moves: as `MovePort.moves` has them; state_wh: what flows without the group.
    """
    legs = [
        SoldLeg(view.point_of[who], Direction.UP if wh > 0 else Direction.DOWN, abs(wh))
        for who, wh in moves
    ]
    merit = sorted(range(len(legs)), key=lambda at: (group.trades[at].price_micro_eur_per_wh, at))
    refused = reject_legs(view, state_wh, reactive_var, [legs[at] for at in merit])
    rejected = sorted(merit[place] for place in refused)
    kept = [leg for at, leg in enumerate(legs) if at not in rejected]
    before = _assess(view, state_wh, reactive_var)
    after = _assess(view, with_legs(view, state_wh, kept), reactive_var)
    facts = {
        "period": period,
        "market": MARKET,
        "kind": "rejected" if rejected else "accepted",
        "round": group.number,
        "book_root": group.root.hex(),
        "explanation": _explained(legs, rejected, before, after),
        "curtailed_wh": 0,
        "before": told(before),
        "after": told(after),
        "caps": {int(who): list(pair) for who, pair in in_force.items()},
        "trades": [list(trade) for trade in group.trades],
        "rejected": rejected,
        "moves": [[int(who), int(wh)] for who, wh in moves],
        "points": list(view.points),
        "schedule_wh": [int(wh) for wh in state_wh],
        "reactive_var": [float(var) for var in reactive_var],
        "mtu_seconds": view.mtu_seconds,
        "limits": asdict(view.limits),
    }
    return read_report(write_report(facts, None))


def moved_by(view: GridView, verdicts: Iterable[Entry]) -> Whole:
    """Energy that the accepted trades move, over the points."""
    rows = {
        view.numbers[point]: row for row, point in enumerate(view.points) if point in view.numbers
    }
    moved: Whole = np.zeros(len(view.points), dtype=np.int64)
    for entry in verdicts:
        report = json.loads(entry.payload)
        for place, (who, wh) in enumerate(report["moves"]):
            if place not in report["rejected"]:
                moved[rows[who]] += wh
    return moved


def _assess(view: GridView, state_wh: Whole, reactive_var: Reals) -> Assessment | None:
    try:
        injection_w = state_wh / Mtu(view.mtu_seconds).hours
        return assess(view.network, injection_w, reactive_var, view.limits)
    except GridError:
        return None


def _explained(
    legs: Sequence[SoldLeg],
    rejected: Sequence[int],
    before: Assessment | None,
    after: Assessment | None,
) -> list[str]:
    kept = sum(leg.wh for at, leg in enumerate(legs) if at not in rejected)
    said = [
        f"flexibility of {kept:,} Wh in {many(len(legs) - len(rejected), 'trade')} is borne by the grid"
    ]
    for name, state in (("without it", before), ("with it", after)):
        if state is None:
            said.append(f"{name}: the grid has no operating point")
        elif state.inside:
            said.append(f"{name}: {all_kept(state)}")
        else:
            said.append(
                f"{name}: {len(state.violations)} limits are broken, voltages from"
                f" {state.u_min_pu:.3f} to {state.u_max_pu:.3f} pu, highest loading"
                f" {100 * state.loading_max:.0f} %"
            )
    said += [
        f"{legs[at].wh:,} Wh {legs[at].direction.name.lower()} of {legs[at].point} rejected:"
        " the grid does not bear it"
        for at in rejected
    ]
    return said
