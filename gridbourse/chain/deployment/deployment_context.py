"""Context of a market in its deployment: arguments of its constructor besides its own rules."""

from typing import NamedTuple

from gridbourse.model.call_auction import Band

GROUP_SIZE = 64
"""Trades of the order book, the aggregators' auctions or the flexibility market that one verdict is about."""


class Anchors(NamedTuple):
    """Contracts every market stands on, by address, in the order of `CheckedTrades.Anchors`."""

    registry: str
    clock: str
    house: str
    grid: str


class DeploymentContext(NamedTuple):
    """Facts that the markets of a deployment share.

    tariff, agents: addresses; verdict_window_seconds: block time in which a verdict is awaited.
    """

    at: Anchors
    tariff: str
    agents: str
    band: Band
    verdict_window_seconds: int

    @property
    def anchors(self) -> tuple[object, ...]:
        """`CheckedTrades.Anchors`."""
        return (*self.at, self.verdict_window_seconds)

    @property
    def prices(self) -> tuple[int, int, int]:
        """Price band, as constructors take it."""
        return (
            self.band.floor_micro_eur_per_wh,
            self.band.tick_micro_eur_per_wh,
            self.band.ticks,
        )
