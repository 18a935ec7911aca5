"""Errors of the model."""

from gridbourse.errors import GridbourseError


class ModelError(GridbourseError):
    """Input outside the market rules."""
