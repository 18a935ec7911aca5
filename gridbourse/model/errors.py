"""What the model refuses."""

from gridbourse.errors import GridbourseError


class ModelError(GridbourseError):
    """Input outside what the market rules allow."""
