"""Least curtailment, or movement, that a linearised grid allows, as a linear programme of HiGHS."""

from __future__ import annotations

from typing import Final

import highspy
import numpy as np
from numpy.typing import NDArray

from gridbourse.grid.errors import RedispatchError
from gridbourse.grid.limits import Limits
from gridbourse.grid.sensitivities import Sensitivities

Array = NDArray[np.float64]

BACK_OFF_PU: Final = 1e-5
"""Distance of the programme from each limit: less than a watt-hour, more than the error of linearity."""
_KW: Final = 1e3


def least_curtailed(at: Sensitivities, kept_w: Array, scheduled_w: Array, limits: Limits) -> Array:
    """Part of each schedule that can stay, W, shape (m,), same sign as the schedule.

    at: the grid around the state in which ``kept_w`` of ``scheduled_w`` flows, both shape (m,).
    Limits that cannot be kept are broken as little as possible: the worst excess weighs more than
    all energy.
    """
    sign = np.sign(scheduled_w)
    room_kw, kept_kw = np.abs(scheduled_w) / _KW, np.abs(kept_w) / _KW
    slopes, spare = _rows(at, limits, BACK_OFF_PU)
    slopes = slopes * sign * _KW
    kept = _solve(slopes, spare + slopes @ kept_kw, room_kw)
    return sign * np.clip(kept, 0.0, room_kw) * _KW


def least_moved(
    at: Sensitivities,
    moved_w: Array,
    up_w: Array,
    down_w: Array,
    limits: Limits,
    back_off_pu: float = BACK_OFF_PU,
) -> Array:
    """Change of each injection, W, shape (m,), of least movement in sum.

    at: the grid around the state in which ``moved_w`` is moved already; up_w, down_w (>= 0): the
    most each point can move either way; all shape (m,).  Broken limits as in `least_curtailed`.
    """
    points = len(moved_w)
    sign = np.concatenate([np.ones(points), -np.ones(points)])
    room = np.concatenate([up_w, down_w]) / _KW
    here = np.concatenate([np.maximum(moved_w, 0.0), np.maximum(-moved_w, 0.0)]) / _KW
    slopes, spare = _rows(at, limits, back_off_pu)
    slopes = np.concatenate([slopes, slopes], axis=1) * sign * _KW
    # Energy not moved is the part of the room that is "kept", and as much of it as possible.
    kept = _solve(-slopes, spare + slopes @ (here - room), room)
    moved = (room - np.clip(kept, 0.0, room)) * sign * _KW
    change: Array = moved[:points] + moved[points:]
    return change


def _rows(at: Sensitivities, limits: Limits, back_off_pu: float) -> tuple[Array, Array]:
    """(pu per W, pu that are left): a row for each side of each limit, a column for each point."""
    values = np.concatenate([at.u_pu, -at.u_pu, at.loading])
    ceilings = np.concatenate(
        [
            np.full_like(at.u_pu, limits.v_max_pu),
            np.full_like(at.u_pu, -limits.v_min_pu),
            np.full_like(at.loading, limits.loading_max),
        ]
    )
    slopes = np.concatenate([at.du_per_w, -at.du_per_w, at.dl_per_w], axis=1).T
    return slopes, ceilings - back_off_pu - values


def _solve(slopes: Array, bounds: Array, room: Array) -> Array:
    """max sum(k) - penalty t, subject to slopes k - t <= bounds, 0 <= k <= room, t >= 0."""
    reachable = np.maximum(slopes, 0.0) @ room > bounds
    slopes, bounds = slopes[reachable], bounds[reachable]
    rows, points = slopes.shape
    penalty = 1e4 * (1.0 + room.sum())
    matrix = np.column_stack([slopes, np.full(rows, -1.0)])
    programme = highspy.HighsLp()
    programme.sense_ = highspy.ObjSense.kMaximize
    programme.num_col_, programme.num_row_ = points + 1, rows
    programme.col_cost_ = np.append(np.ones(points), -penalty)
    programme.col_lower_ = np.zeros(points + 1)
    programme.col_upper_ = np.append(room, highspy.kHighsInf)
    programme.row_lower_ = np.full(rows, -highspy.kHighsInf)
    programme.row_upper_ = bounds
    programme.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    programme.a_matrix_.start_ = np.arange(rows + 1) * (points + 1)
    programme.a_matrix_.index_ = np.tile(np.arange(points + 1), rows)
    programme.a_matrix_.value_ = matrix.ravel()
    solver = highspy.Highs()
    solver.silent()
    solver.passModel(programme)
    solver.run()
    if (status := solver.getModelStatus()) != highspy.HighsModelStatus.kOptimal:
        ending = solver.modelStatusToString(status)
        raise RedispatchError(f"curtailment programme: HiGHS ended with {ending}")
    return np.array(solver.getSolution().col_value[:points])
