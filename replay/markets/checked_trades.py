"""Common part of the markets whose trades the DSO judges one by one."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gridbourse.agents.homes import Homes, forecast_wh
from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.deployment.market import Market
from gridbourse.deployment.participants import Membership
from gridbourse.errors import GridbourseError
from gridbourse.model.trade import TradeWord
from gridbourse.scenario.scenario import Scenario
from oracle.dso.feed import GridFeed
from oracle.dso.verdict import Verdict
from replay.markets.market import TRADE_COLUMNS, Ints, Trading, Transfer


class VenueError(GridbourseError):
    """The chain does not trade as the reference model does."""


@dataclass
class Placed:
    """Order or listing, and the result of its trades."""

    point_id: str
    route: str
    side: str
    wh: int
    price_micro_eur_per_wh: int
    fill_wh: int = 0
    paid_micro_eur: int = 0
    rejected_wh: int = 0

    def settle(self, trade: TradeWord, rejected: bool) -> None:
        """Count one of its trades."""
        if rejected:
            self.rejected_wh += trade.wh
        else:
            self.fill_wh += trade.wh
            self.paid_micro_eur += trade.wh * trade.price_micro_eur_per_wh


@dataclass(frozen=True)
class Match:
    """Trade, with its two orders."""

    trade: TradeWord
    orders: tuple[Placed, Placed]


@dataclass
class Judged:
    """Verdicts of the DSO so far on a market's trades in a period.

    trades: in order, each with True where it was rejected.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    trades: list[tuple[TradeWord, bool]] = field(default_factory=list)

    def add(self, later: "Judged") -> None:
        """Append later verdicts."""
        self.verdicts += later.verdicts
        self.trades += later.trades


@dataclass(frozen=True)
class Judging:
    """Judging of a period's trades of one market: takes them to their verdicts, and sums up."""

    scenario: Scenario
    members: Membership
    market: Market
    grid_feed: GridFeed
    homes: Homes | None = None

    def forecast_wh(self, period: int) -> Ints:
        """Expected injection of every point, its scheduled devices included."""
        return forecast_wh(self.scenario, self.homes, period)

    def promised(self, trades: Iterable[TradeWord]) -> Ints:
        """Net energy of every point by these trades, + sells."""
        values = np.zeros(len(self.scenario.points), dtype=np.int64)
        row_of = self.members.row_of
        for trade in trades:
            values[row_of[trade.seller]] += trade.wh
            values[row_of[trade.buyer]] -= trade.wh
        return values

    def decide(
        self,
        kind: str,
        contract: CheckedTrades,
        period: int,
        placed: Sequence[Placed],
        matches: Sequence[Match],
        transfers: Sequence[Transfer] = (),
    ) -> Trading:
        """Have the DSO judge every trade of a period at once, and sum up. Raises as `judge` does."""
        judged = self.judge(kind, contract, period, matches)
        return self.sum_up(kind, period, placed, judged, transfers)

    def judge(
        self, kind: str, contract: CheckedTrades, period: int, waiting: Sequence[Match]
    ) -> Judged:
        """Seal what is open, and have the DSO judge every group without a verdict.

        Raises VenueError unless their trades are those of `waiting`, in their order.
        """
        contract.seal(self.market.grid.account, period)
        schedule, reactive = self.forecast_wh(period), self.scenario.forecast_var(period)
        verdicts = self.grid_feed.check_trades(kind, period, schedule, reactive)
        judged = [
            (trade, place in verdict.rejected)
            for verdict in verdicts
            for place, trade in enumerate(verdict.trades)
        ]
        require_same(kind, period, [trade for trade, _ in judged], [m.trade for m in waiting])
        for match, (trade, rejected) in zip(waiting, judged, strict=True):
            for order in match.orders:
                order.settle(trade, rejected)
        return Judged(list(verdicts), judged)

    def sum_up(
        self,
        kind: str,
        period: int,
        placed: Sequence[Placed],
        judged: Judged,
        transfers: Sequence[Transfer] = (),
    ) -> Trading:
        """Result of a period, all of whose trades are judged."""
        booked = [trade for trade, rejected in judged.trades if not rejected]
        return Trading(
            kind=kind,
            orders=self._orders(period, placed),
            contracts_wh=self.promised(booked),
            payments_micro_eur=_payments(booked),
            verdicts=judged.verdicts,
            fallback=False,
            matched_wh=sum(trade.wh for trade in booked),
            paid_micro_eur=sum(trade.wh * trade.price_micro_eur_per_wh for trade in booked),
            trades=self._trades(judged.trades),
            transfers=transfers,
        )

    def _orders(self, period: int, placed: Sequence[Placed]) -> pd.DataFrame:
        frame = pd.DataFrame([vars(order) for order in placed], columns=list(vars(_BLANK)))
        numbers = frame["point_id"].map(self.members.number_of)
        kinds = {name: "int64" for name, blank in vars(_BLANK).items() if blank == 0}
        return frame.assign(period=period, number=numbers).astype(kinds | {"number": "int64"})

    def _trades(self, judged: Sequence[tuple[TradeWord, bool]]) -> pd.DataFrame:
        points = self.members.point_of
        rows = [
            (points[t.seller], points[t.buyer], t.wh, t.price_micro_eur_per_wh, rejected)
            for t, rejected in judged
        ]
        return pd.DataFrame(rows, columns=list(TRADE_COLUMNS))


def require_same(
    kind: str, period: int, chain: Sequence[TradeWord], model: Sequence[TradeWord]
) -> None:
    """VenueError unless the chain made the model's trades, in the same order."""
    for place in range(max(len(chain), len(model))):
        on_chain, by_model = (some[place] if place < len(some) else None for some in (chain, model))
        if on_chain != by_model:
            raise VenueError(
                f"{kind}, period {period}, trade {place}: {on_chain} on the chain,"
                f" {by_model} by the model"
            )


def _payments(booked: Iterable[TradeWord]) -> dict[int, int]:
    payments: dict[int, int] = defaultdict(int)
    for trade in booked:
        paid = trade.wh * trade.price_micro_eur_per_wh
        payments[trade.seller] += paid
        payments[trade.buyer] -= paid
    return dict(payments)


_BLANK = Placed("", "", "", 0, 0)
