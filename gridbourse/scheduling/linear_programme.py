"""Linear (or mixed-integer) programme, built block by block and solved by HiGHS.

One thread and the simplex method, so that the same programme has the same answer each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gridbourse.model.errors import ModelError

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

INFINITE = highspy.kHighsInf


@dataclass(frozen=True)
class Solution:
    """values: of each column; objective: Σ cost × value; duals: change of the objective for one more on the
    right side of each row, with the whole columns as they are."""

    values: Floats
    objective: float
    duals: Floats


class Programme:
    """Programme: min cost·x, rows low ≤ A x ≤ high, columns low ≤ x ≤ high, some of them whole."""

    def __init__(self) -> None:
        self._cost: list[Floats] = []
        self._column_low: list[Floats] = []
        self._column_high: list[Floats] = []
        self._whole: list[Places] = []
        self._row_low: list[Floats] = []
        self._row_high: list[Floats] = []
        self._entries: list[tuple[Places, Places, Floats]] = []
        self._columns = self._rows = 0
        self._highs: highspy.Highs | None = None

    def columns(
        self,
        count: int,
        cost: ArrayLike = 0.0,
        low: ArrayLike = 0.0,
        high: ArrayLike = INFINITE,
        whole: bool = False,
    ) -> Places:
        """Add columns; returns their places. Scalars hold for all of them."""
        for store, values in (
            (self._cost, cost), (self._column_low, low), (self._column_high, high),
        ):  # fmt: skip
            store.append(np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)))
        places = np.arange(self._columns, self._columns + count)
        self._columns += count
        if whole:
            self._whole.append(places)
        return places

    def rows(self, count: int, low: ArrayLike, high: ArrayLike) -> Places:
        """Add rows, empty at first; returns their places."""
        for store, values in ((self._row_low, low), (self._row_high, high)):
            store.append(np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)))
        places = np.arange(self._rows, self._rows + count)
        self._rows += count
        return places

    def put(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Entries of the matrix; the three are broadcast against each other."""
        r, c, v = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=np.float64))
        self._entries.append((r.ravel(), c.ravel(), v.ravel()))

    def solve(self, what: str) -> Solution:
        """Optimum. ModelError, naming `what`, where HiGHS finds none."""
        if self._highs is None:
            self._highs = self._passed()
        found = self._run(self._highs, what)
        return self._whole_as_found(self._highs, what, found) if self._whole else found

    def solve_again(
        self, what: str, columns: ArrayLike, low: ArrayLike, high: ArrayLike
    ) -> Solution:
        """Optimum with other bounds on some columns, from the last basis; the bounds stay."""
        if self._highs is None:
            self._highs = self._passed()
        places = np.asarray(columns, dtype=np.int32)
        low, high = (
            np.ascontiguousarray(np.broadcast_to(np.asarray(bound, dtype=np.float64), places.shape))
            for bound in (low, high)
        )
        self._highs.changeColsBounds(len(places), places, low, high)
        return self._run(self._highs, what)

    def _run(self, highs: highspy.Highs, what: str) -> Solution:
        highs.run()
        status = highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise ModelError(f"{what}: no schedule ({highs.modelStatusToString(status)})")
        solution = highs.getSolution()
        values = np.array(solution.col_value, dtype=np.float64)
        duals = np.array(solution.row_dual, dtype=np.float64)
        return Solution(values, float(highs.getInfo().objective_function_value), duals)

    def _whole_as_found(self, highs: highspy.Highs, what: str, found: Solution) -> Solution:
        """Solution with the whole columns fixed: a linear programme, which has duals."""
        places = np.concatenate(self._whole).astype(np.int32)
        fixed = np.rint(found.values[places])
        linear = np.full(len(places), highspy.HighsVarType.kContinuous)
        highs.changeColsIntegrality(len(places), places, linear)
        highs.changeColsBounds(len(places), places, fixed, fixed)
        return self._run(highs, what)

    def _passed(self) -> highspy.Highs:
        highs = highspy.Highs()
        highs.silent()
        for option, value in (("threads", 1), ("mip_rel_gap", 0.0), ("random_seed", 0)):
            highs.setOptionValue(option, value)
        highs.setOptionValue("solver", "simplex")
        highs.passModel(self._model())
        return highs

    def _model(self) -> highspy.HighsLp:
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = self._columns, self._rows
        model.col_cost_ = _joined(self._cost)
        model.col_lower_, model.col_upper_ = _joined(self._column_low), _joined(self._column_high)
        model.row_lower_, model.row_upper_ = _joined(self._row_low), _joined(self._row_high)
        if self._whole:
            kinds = [highspy.HighsVarType.kContinuous] * self._columns
            for place in np.concatenate(self._whole):
                kinds[place] = highspy.HighsVarType.kInteger
            model.integrality_ = kinds
        rows, columns, values = (
            np.concatenate([np.asarray(entry[i]) for entry in self._entries]) for i in range(3)
        )
        order = np.lexsort((rows, columns))
        starts = np.searchsorted(columns[order], np.arange(self._columns + 1))
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = starts.astype(np.int32)
        model.a_matrix_.index_ = rows[order].astype(np.int32)
        model.a_matrix_.value_ = values[order]
        return model


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)
