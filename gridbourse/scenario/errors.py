"""What the scenario package refuses."""

from gridbourse.errors import GridbourseError


class ScenarioError(GridbourseError):
    """A scenario or one of its data files breaks a rule; names file, key and rule."""


class GridError(ScenarioError):
    """The grid file can not carry the scenario's points, or its power flow has no solution."""


def first_line(error: Exception) -> str:
    """What another library's error says, short enough for one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
