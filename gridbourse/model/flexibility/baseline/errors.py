"""Errors of baselines; every message names the metering point or method and the rule."""

from gridbourse.model.errors import ModelError


class BaselineError(ModelError):
    """Baseline that cannot be computed from this evidence by this method."""


class TooFewDays(BaselineError):
    """Fewer eligible days than the method needs."""


class MissingReading(BaselineError):
    """The event's own day lacks a reading the method uses."""


class MissingDeclaration(BaselineError):
    """No schedule was declared for a period of the event."""


class LateDeclaration(BaselineError):
    """The schedule was declared after its deadline, when the activation may have been known."""


class OppositeSigns(BaselineError):
    """Baseline that would be scaled by a ratio of withdrawal to injection."""


class ImpossibleEvidence(BaselineError):
    """Days, event or readings that contradict each other."""


class ImpossibleMethod(BaselineError):
    """Parameters that no baseline can be computed with."""


class UnreadableEvidence(BaselineError):
    """Bytes that are not the canonical form of a method and its evidence."""
