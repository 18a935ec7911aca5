"""Errors of a campaign's desk, raised before any contract is called."""

from gridbourse.errors import GridbourseError


class CrowdsaleError(GridbourseError):
    """Unknown campaign or party, or a step that its kind does not have."""
