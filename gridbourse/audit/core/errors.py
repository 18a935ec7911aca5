"""Errors of the audit."""

from gridbourse.errors import GridbourseError


class AuditError(GridbourseError):
    """A file of the run is missing or damaged, or a log is of no event of the deployment."""
