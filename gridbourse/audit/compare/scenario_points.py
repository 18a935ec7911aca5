"""Points of a scenario as participants of the rebuilt market."""

from gridbourse.audit.rebuild import Rebuilt
from gridbourse.scenario.scenario import Scenario

WHAT = "scenario"
"""Kind of the differences found."""


def numbers_by_point(rebuilt: Rebuilt, area: int, scenario: Scenario) -> dict[str, int]:
    """Participant number by point: they are registered in the order of the points."""
    points = scenario.points[scenario.points["participant"]]
    return dict(zip(points.index, rebuilt.members.numbers_in(area), strict=False))
