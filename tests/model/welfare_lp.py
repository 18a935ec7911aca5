"""The auction as linear programmes for HiGHS: an optimum that shares no code with the model.

Each order is one column, its fill in Wh. The only row that binds orders together says that as much
is bought as is sold. Nothing here knows of ticks, margins, rationing or a price of the crossing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import highspy

SLACK_MICRO_EUR = 0.25
"""Welfare the second programme may give away: less than the smallest step between two integer
welfares, so that it admits every optimum in spite of rounding, and not one Wh at a loss more."""


@dataclass(frozen=True)
class LimitOrder:
    """An order with its limit price in µEUR per Wh."""

    is_offer: bool
    limit: int
    wh: int


def greatest_welfare(orders: Sequence[LimitOrder]) -> int:
    """The greatest Σ bought × bid − Σ sold × offer of any balanced outcome, µEUR."""
    return round(_maximise(orders, [_worth(order) for order in orders]))


def greatest_volume(orders: Sequence[LimitOrder], welfare: int) -> int:
    """The greatest energy traded by an outcome of at least this welfare, Wh."""
    bought = [0.0 if order.is_offer else 1.0 for order in orders]
    return int(_maximise(orders, bought, welfare - SLACK_MICRO_EUR) + 1e-3)


def _worth(order: LimitOrder) -> float:
    return float(-order.limit if order.is_offer else order.limit)


def _maximise(
    orders: Sequence[LimitOrder], objective: Sequence[float], least_welfare: float | None = None
) -> float:
    if not orders:
        return 0.0  # HiGHS calls a programme without columns empty, not optimal
    programme = highspy.Highs()
    programme.silent()
    columns = range(len(orders))
    for column, order in enumerate(orders):
        programme.addVar(0.0, float(order.wh))
        programme.changeColCost(column, objective[column])
    balance = [-1.0 if order.is_offer else 1.0 for order in orders]
    programme.addRow(0.0, 0.0, len(orders), list(columns), balance)
    if least_welfare is not None:
        worth = [_worth(order) for order in orders]
        programme.addRow(least_welfare, highspy.kHighsInf, len(orders), list(columns), worth)
    programme.changeObjectiveSense(highspy.ObjSense.kMaximize)
    programme.run()
    assert programme.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return programme.getInfo().objective_function_value
