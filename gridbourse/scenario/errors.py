"""Refusals of the scenario package."""

from gridbourse.errors import GridbourseError


class ScenarioError(GridbourseError):
    """A scenario or one of its data files breaks a rule; names file, key and rule."""
