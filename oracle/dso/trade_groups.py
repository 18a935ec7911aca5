"""Trades that wait for the DSO in groups, and which of a group the caps leave no room for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from gridbourse.chain.bindings.checked_trades import SealedTrades
from gridbourse.model.caps import NO_CAP
from gridbourse.model.trade import TradeWord
from oracle.dso.verdict import NumberedCaps


class TradePort(Protocol):
    """What the feed needs of a market whose trades are judged one by one, for one area."""

    @property
    def name(self) -> str:
        """What journal and reports call the market."""

    def seal(self, period: int) -> None:
        """Seals the open group of a period, where it has trades."""

    def judged(self, period: int) -> int:
        """How many groups of the period have a verdict, or expired without one."""

    def sealed(self, period: int) -> Sequence[SealedTrades]:
        """The groups that wait for a verdict, in order."""

    def judge(
        self,
        period: int,
        group: SealedTrades,
        rejected: list[int],
        caps: NumberedCaps,
        report_hash: bytes,
    ) -> str:
        """Judges the next group: ``rejected`` are places in it, ``caps`` all in force then.

        Returns the last transaction's hash once mined.  Called again after an interruption in
        between its transactions, it brings the rest.
        """


Sums = Mapping[int, tuple[int, int]]
"""participant number -> (sold, bought), Wh."""


def with_trades(booked: Sums, trades: Iterable[TradeWord]) -> dict[int, tuple[int, int]]:
    """What everybody has sold and bought once these trades are booked too."""
    sums = dict(booked)
    for trade in trades:
        sold, bought = sums.get(trade.seller, (0, 0))
        sums[trade.seller] = sold + trade.wh, bought
        sold, bought = sums.get(trade.buyer, (0, 0))
        sums[trade.buyer] = sold, bought + trade.wh
    return sums


def net(sums: Sums) -> dict[int, int]:
    """Contracts, + sells."""
    return {who: sold - bought for who, (sold, bought) in sums.items()}


def beyond_caps(trades: Sequence[TradeWord], booked: Sums, caps: NumberedCaps) -> list[int]:
    """The places of the trades to reject, ascending, so that the others fit the caps.

    The newest is looked at first: it goes where its seller has sold more than its export cap, or
    its buyer bought more than its import cap, each less what it traded the other way.  What is
    booked stands, even where it is too much.
    """
    sums = with_trades(booked, trades)
    rejected = []
    for place in reversed(range(len(trades))):
        trade = trades[place]
        export_wh, _ = caps.get(trade.seller, (NO_CAP, NO_CAP))
        _, import_wh = caps.get(trade.buyer, (NO_CAP, NO_CAP))
        seller, buyer = sums[trade.seller], sums[trade.buyer]
        if seller[0] - seller[1] > export_wh or buyer[1] - buyer[0] > import_wh:
            rejected.append(place)
            sums = with_trades(sums, [trade._replace(wh=-trade.wh)])
    return rejected[::-1]
