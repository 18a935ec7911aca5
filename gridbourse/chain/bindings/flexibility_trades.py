"""Trades of the flexibility market, as what they move on the grid: whose injection, and by how much."""

from dataclasses import dataclass

from gridbourse.chain.bindings.checked_trades import SealedTrades, TradeDesk
from gridbourse.chain.bindings.flexibility import FlexibilityMarket
from gridbourse.model.flexibility.products import Way
from gridbourse.model.trade import TradeWord

BUYER, DIRECTION = 1, 4
"""Places in `Request` of IFlexibility.sol."""


@dataclass(frozen=True)
class FlexibilityDesk(TradeDesk):
    """A desk whose trades are no contracts for energy, but changes of what flows."""

    market: FlexibilityMarket

    def moves(self, period: int, group: SealedTrades) -> list[tuple[int, int]]:
        """(participant, change of its net injection in Wh) of each trade of a group."""
        start = sum(
            self.market.read("sealedGroupOf", self.market.area, period, number)[1]
            for number in range(group.number)
        )
        ways = self._ways(period)[start : start + len(group.trades)]
        return [_move(trade, way) for trade, way in zip(group.trades, ways, strict=True)]

    def _ways(self, period: int) -> list[Way]:
        """Direction of every trade of a period, in order."""
        found: list[Way] = []
        for request, words in self.market.awarded(period):
            asked = self.market.read("requestOf", self.market.area, period, request)
            found += [Way(asked[DIRECTION])] * len(words)
        return found


def _move(trade: TradeWord, way: Way) -> tuple[int, int]:
    """Who sells flexibility upwards injects, who sells it downwards takes."""
    return (trade.seller, trade.wh) if way is Way.UP else (trade.buyer, -trade.wh)
