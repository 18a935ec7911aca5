"""Transport problem in whole numbers, solved by HiGHS and proved in exact arithmetic.

Its matrix is totally unimodular, so a vertex of the linear programme and its dual are whole numbers
(Hoffman and Kruskal 1956). HiGHS computes with floats; its result is rounded and accepted
only with a proof that needs no floats: a feasible dual of the same value (strong duality).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from gridbourse.model.errors import ModelError

Ints = NDArray[np.int64]

_WHOLE = 1e-4
"""Greatest distance of a value of HiGHS from a whole number; far more than its tolerance of 1e-7."""


@dataclass(frozen=True)
class Route:
    """Route from a source to a sink, and the worth of a unit sent on it: a whole number."""

    source: int
    sink: int
    worth: int


def transport(supply: Sequence[int], demand: Sequence[int], routes: Sequence[Route]) -> list[int]:
    """Flows, one a route, of greatest Σ worth × flow, none above supply or demand.

    The same for the same input. Raises ModelError if HiGHS finds no provable optimum.
    """
    if not routes:
        return []
    programme = highspy.Highs()
    programme.silent()
    programme.setOptionValue("threads", 1)
    programme.setOptionValue("solver", "simplex")  # ends at a vertex
    programme.passModel(_programme(supply, demand, routes))
    programme.run()
    solution = programme.getSolution()
    flows = _whole(solution.col_value)
    _require_optimum(flows, _whole(solution.row_dual), [*supply, *demand], len(supply), routes)
    return flows


def _programme(
    supply: Sequence[int], demand: Sequence[int], routes: Sequence[Route]
) -> highspy.HighsLp:
    """Linear programme with one column a route, one row a source and then one a sink."""
    programme = highspy.HighsLp()
    programme.num_col_ = len(routes)
    programme.num_row_ = len(supply) + len(demand)
    programme.sense_ = highspy.ObjSense.kMaximize
    programme.col_cost_ = np.array([route.worth for route in routes], dtype=np.float64)
    programme.col_lower_ = np.zeros(len(routes))
    programme.col_upper_ = np.full(len(routes), highspy.kHighsInf)
    programme.row_lower_ = np.full(programme.num_row_, -highspy.kHighsInf)
    programme.row_upper_ = np.array([*supply, *demand], dtype=np.float64)
    programme.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    programme.a_matrix_.start_ = np.arange(0, 2 * len(routes) + 1, 2)
    programme.a_matrix_.index_ = np.array(
        [row for route in routes for row in (route.source, len(supply) + route.sink)]
    )
    programme.a_matrix_.value_ = np.ones(2 * len(routes))
    return programme


def _whole(values: Sequence[float]) -> list[int]:
    whole = [round(value) for value in values]
    if any(abs(value - near) > _WHOLE for value, near in zip(values, whole, strict=True)):
        raise ModelError("transport: HiGHS left a vertex that is not in whole numbers")
    return whole


def _require_optimum(
    flows: list[int], duals: list[int], limits: list[int], sources: int, routes: Sequence[Route]
) -> None:
    """Flows within the limits, worth as much as prices on the limits that no route outbids."""
    sent = [0] * len(limits)
    for route, flow in zip(routes, flows, strict=True):
        sent[route.source] += flow
        sent[sources + route.sink] += flow
    proved = (
        min(flows) >= 0
        and all(wh <= limit for wh, limit in zip(sent, limits, strict=True))
        and min(duals) >= 0
        and all(duals[r.source] + duals[sources + r.sink] >= r.worth for r in routes)
        and sum(route.worth * flow for route, flow in zip(routes, flows, strict=True))
        == sum(dual * limit for dual, limit in zip(duals, limits, strict=True))
    )
    if not proved:
        raise ModelError("transport: HiGHS found no optimum that exact arithmetic confirms")
