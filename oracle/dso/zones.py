"""Grid zones of connection points, and what lies above each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oracle.common.errors import FeedError


@dataclass(frozen=True)
class Zones:
    """of_point: connection point -> its grid zone; parents: zone -> the zone above, None at the top.

    Raises FeedError for a point in an unknown zone, or a zone below an unknown one or itself.
    """

    of_point: Mapping[str, str]
    parents: Mapping[str, str | None]

    def __post_init__(self) -> None:
        for point, zone in self.of_point.items():
            if zone not in self.parents:
                raise FeedError(f"zone of {point}: {zone!r} is not a grid zone")
        for zone in self.parents:
            self.path(zone)

    def path(self, zone: str) -> list[str]:
        """The zone and all above it, from the bottom."""
        path = [zone]
        while (above := self.parents[path[-1]]) is not None:
            if above not in self.parents or above in path:
                raise FeedError(f"zone {zone}: {above!r} above it is not a grid zone, or is itself")
            path.append(above)
        return path

    def holds(self, zone: str, point: str) -> bool:
        """Whether a point is in a zone or below it."""
        return zone in self.path(self.of_point[point])

    def common(self, points: Iterable[str]) -> str | None:
        """The deepest zone that holds all of them; None where there is none."""
        paths = [self.path(zone) for zone in sorted({self.of_point[point] for point in points})]
        shared = [zone for zone in paths[0] if all(zone in path for path in paths)]
        return shared[0] if shared else None
