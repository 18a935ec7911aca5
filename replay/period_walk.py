"""Walks a scenario's delivery periods: trading in every market, delivery, metering, settlement.

Gate closure lies before delivery, so several periods are under way at once: while one takes orders,
the one before waits for delivery. Market time only runs forward.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from gridbourse.agents.homes import forecast_wh
from gridbourse.agents.plant import Delivery, Plant
from gridbourse.chain.deployment.market import Market
from gridbourse.deployment.participants import Membership
from gridbourse.errors import GridbourseError
from gridbourse.model.caps import Caps
from gridbourse.scenario.scenario import Scenario
from oracle.dso.feed import GridFeed
from oracle.dso.verdict import Verdict
from oracle.meter.feed import MeterFeed
from replay.flexibility import FlexibilityMarket
from replay.flexibility_delivery import Delivered, FlexibleDelivery
from replay.markets.market import Ints, Sealed, Trading, Venue
from replay.metering import MeterDrop
from replay.order_routes import GROUPS_A_CALL
from replay.portfolio_control import Aggregator


class ReplayError(GridbourseError):
    """The chain does not do what a replay asks of it."""


@dataclass
class PeriodResult:
    """Result of one period; arrays over all connection points of the scenario.

    beyond: the DSO's caps on what flows beside all trades, where it had to.
    moved_wh: what flexibility that was bought is to move; flexibility: what it came to.
    metered_wh: what the meters say, participants' as the chain holds it; None before delivery.
    """

    period: int
    tradings: Sequence[Trading]
    caps: Caps
    beyond: Verdict | None = None
    moved_wh: Ints | None = None
    flexibility_verdicts: Sequence[Verdict] = ()
    flexibility: Delivered | None = None
    delivery: Delivery | None = None
    metered_wh: Ints | None = None

    @property
    def contracts_wh(self) -> Ints:
        """Net contract of every point: the sum over the markets."""
        return np.sum([trading.contracts_wh for trading in self.tradings], axis=0, dtype=np.int64)

    @property
    def positions_wh(self) -> Ints:
        """The contracts, with what flexibility that was delivered moved of them."""
        moved = self.flexibility
        return self.contracts_wh if moved is None else self.contracts_wh + moved.contracts_wh

    @property
    def verdicts(self) -> list[Verdict]:
        """All of the DSO's, in order."""
        found = [*self.flexibility_verdicts]
        found += [verdict for trading in self.tradings for verdict in trading.verdicts]
        return found if self.beyond is None else [*found, self.beyond]

    @property
    def trades(self) -> pd.DataFrame:
        """The trades the DSO judged one by one."""
        frames = [
            trading.trades.assign(market=trading.kind, period=self.period)
            for trading in self.tradings
            if len(trading.trades)
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    @property
    def orders(self) -> pd.DataFrame:
        """The orders of every market, with what they came to."""
        return pd.concat([t.orders.assign(market=t.kind) for t in self.tradings], ignore_index=True)


class Step(NamedTuple):
    """Something to be done at a market time, unix seconds."""

    at: int
    do: Callable[[], None]


def in_step(market: Market, agendas: Sequence[Iterator[Step]]) -> None:
    """Do the steps of all areas in the order of market time; at the same time, area by area."""
    now = 0
    for step in heapq.merge(*agendas, key=attrgetter("at")):
        if step.at > now:
            now = step.at
            market.clock.advance_to(market.keys["operator"], now)
        step.do()


@dataclass
class Walk:
    """One area's replay in progress."""

    scenario: Scenario
    market: Market
    members: Membership
    venues: Sequence[Venue]
    plant: Plant
    meters: MeterDrop
    meter_feed: MeterFeed
    grid_feed: GridFeed
    aggregators: Sequence[Aggregator] = ()
    flexibility: FlexibilityMarket | None = None
    flexible: FlexibleDelivery | None = None
    results: dict[int, PeriodResult] = field(default_factory=dict)

    def agenda(
        self, periods: Iterable[int], on_settled: Callable[[int], None] = lambda _: None
    ) -> Iterator[Step]:
        """Steps of every period from its first order to its settlement, in the order of market time."""
        scenario = self.scenario
        mtu, lead, reveal = scenario.mtu_seconds, scenario.market.gate_closure_s, scenario.reveal_s
        waiting: deque[int] = deque()
        gate = last = 0
        for period in periods:
            gate, last = period * mtu - lead, period
            yield Step(period * mtu - scenario.opens_s, partial(self._open, period))
            # Who has bought flexibility has moved the clock; nobody else waits.
            bought = gate - 1 - reveal if self.flexibility else period * mtu - scenario.opens_s
            yield Step(bought, partial(self._trade, period))
            if reveal:
                yield Step(gate - reveal, partial(self._reveal, period))
            yield Step(gate, partial(self._close, period))
            waiting.append(period)
            while waiting and (waiting[0] + 1) * mtu <= gate:
                yield Step(gate, partial(self._deliver, waiting.popleft(), on_settled))
        end = (last + 1) * mtu
        for period in waiting:
            yield Step(end, partial(self._deliver, period, on_settled))
        if self.flexible is not None:
            yield Step(end, self.flexible.redeem)

    def _open(self, period: int) -> None:
        """Aggregators steer, and flexibility is bought."""
        for aggregator in self.aggregators:
            aggregator.steer(period)
        if self.flexibility is not None:
            self.flexibility.buy(period)

    def _trade(self, period: int) -> None:
        """One market after the other: what is promised in one is not wanted in the next."""
        wanted_wh = self._forecast_wh(period)
        for venue in self.venues:
            wanted_wh = wanted_wh - venue.trade(period, wanted_wh)
            if venue is not self.venues[-1]:
                venue.withdraw(period)

    def _reveal(self, period: int) -> None:
        """Sealed answers are shown, the gate still open."""
        for venue in self.venues:
            if isinstance(venue, Sealed):
                venue.reveal(period)

    def _close(self, period: int) -> None:
        """Every market ends, at gate closure."""
        self.results[period] = self._closed(period)

    def _closed(self, period: int) -> PeriodResult:
        """Result once every market has ended; untraded energy that breaks a limit is capped.

        A pool's verdict is about all that flows, traded or not.
        """
        tradings = [venue.close(period) for venue in self.venues]
        beyond = None
        if self.market.pool is None:
            schedule = self._forecast_wh(period)
            reactive = self.scenario.forecast_var(period)
            beyond = self.grid_feed.check_schedule(period, schedule, reactive)
        result = PeriodResult(period, tradings, self._caps(period), beyond)
        if self.flexibility is not None:
            result.moved_wh = self.flexibility.moved_wh(period)
            result.flexibility_verdicts = self.flexibility.sessions[period].verdicts
        return result

    def _forecast_wh(self, period: int) -> Ints:
        return forecast_wh(self.scenario, self.plant.homes, period)

    def _deliver(self, period: int, on_settled: Callable[[int], None]) -> None:
        """The plant delivers, the meters tell, the oracle brings it in, and the period is settled."""
        result = self.results[period]
        metered = {
            at: done.metered_wh for at, done in self.results.items() if done.metered_wh is not None
        }
        sold = None if self.flexible is None else self.flexible.obeyed(period, metered)
        result.delivery = self.plant.deliver(period, result.caps, sold)
        readings = self.meters.collect(period, result.delivery.readings_wh)
        sent = self.meter_feed.push(period, readings)
        result.metered_wh = self._metered(result.delivery.readings_wh, sent)
        if self.flexible is not None:
            result.flexibility = self.flexible.verify(period, metered | {period: result.metered_wh})
        settler = self.market.keys["operator"]
        self.market.settlement.settle(
            settler, self.market.area, period, GROUPS_A_CALL, len(readings)
        )
        on_settled(period)

    def _metered(self, delivered_wh: Ints, sent: list[str]) -> Ints:
        """Meters the chain knows nothing of, and of all others what the batches on the chain say."""
        metered = delivered_wh.copy()
        metered[self.members.table["at"].to_numpy()] = 0
        for tx_hash in sent:
            for who, wh in self.market.meter.batch(tx_hash).items():
                metered[self.members.row_of[who]] = wh
        return metered

    def _caps(self, period: int) -> Caps:
        caps = Caps.none(len(self.scenario.points))
        for who, (export, import_) in self.market.grid.caps(period).items():
            row = self.members.row_of.get(who)
            if row is not None:
                caps.export_cap_wh[row], caps.import_cap_wh[row] = export, import_
        return caps
