"""Refusals of a campaign's desk, before any contract is asked."""

from gridbourse.errors import GridbourseError


class CrowdsaleError(GridbourseError):
    """No such campaign or party, or a step its kind does not have."""
