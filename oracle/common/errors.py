"""What the oracles refuse."""

from gridbourse.errors import GridbourseError


class OracleError(GridbourseError):
    """An oracle cannot go on without somebody looking."""


class JournalError(OracleError):
    """The journal cannot be used, or is asked to contradict itself."""


class FeedError(OracleError):
    """A feed is asked to send what contradicts what it, or another oracle, has sent before."""


class SettledError(FeedError):
    """A reading is to be corrected after settlement has begun: that takes a proof."""
