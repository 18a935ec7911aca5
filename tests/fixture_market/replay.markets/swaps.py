"""Swaps in a replay."""

from dataclasses import dataclass, replace

from replay.markets.over_the_counter import OverTheCounterVenue


@dataclass
class SwapsVenue(OverTheCounterVenue):
    """Swaps, performed by their sellers."""

    kind: str = "swaps"

    def __post_init__(self) -> None:
        super().__post_init__()
        agreed = self._scenario.tables["swaps"]
        self._scenario = replace(self._scenario, tables={"over_the_counter": agreed})
