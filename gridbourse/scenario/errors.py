"""What the scenario package refuses."""

from gridbourse.errors import GridbourseError


class ScenarioError(GridbourseError):
    """A scenario or one of its data files breaks a rule; names file, key and rule."""
