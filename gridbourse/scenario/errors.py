"""Errors of the scenario package."""

from gridbourse.errors import GridbourseError


class ScenarioError(GridbourseError):
    """Scenario or data file that breaks a rule; names file, key and rule."""
