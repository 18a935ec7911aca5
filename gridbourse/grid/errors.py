"""Errors of grid files and power flows."""

from gridbourse.errors import GridbourseError


class GridError(GridbourseError):
    """The grid file cannot carry the scenario's points, or its power flow has no solution."""


def first_line(error: Exception) -> str:
    """Message of another library's error, short enough for one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class RedispatchError(GridbourseError):
    """The linear programme of a redispatch ended without an answer."""
