"""Refusals of the model."""

from gridbourse.errors import GridbourseError


class ModelError(GridbourseError):
    """Input outside what the market rules allow."""
