"""Walks a scenario's delivery periods: trading in every market, delivery, metering, settlement.

Gate closure lies before delivery, so several periods are under way at once: while one takes orders,
the one before waits for delivery. Market time only runs forward.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gridbourse.agents.homes import forecast_wh
from gridbourse.agents.plant import Delivery, Plant
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.deployment.participants import Membership
from gridbourse.errors import GridbourseError
from gridbourse.model.caps import Caps
from gridbourse.scenario.scenario import Scenario
from oracle.dso.feed import GridFeed
from oracle.dso.verdict import Verdict
from oracle.meter.feed import MeterFeed
from replay.flexibility import FlexibilityMarket
from replay.flexibility_delivery import Delivered, FlexibleDelivery
from replay.markets.market import Ints, Trading, Venue
from replay.metering import MeterDrop
from replay.order_routes import GROUPS_A_CALL
from replay.portfolio_control import Aggregator


class ReplayError(GridbourseError):
    """Chain that does not behave as a replay requires."""


@dataclass
class PeriodResult:
    """Result of one period; arrays over all connection points of the scenario.

    beyond: the DSO's caps on flows outside all trades, where needed.
    moved_wh: energy that flexibility bought is to move; flexibility: its result.
    metered_wh: the readings, participants' as the chain holds them; None before delivery.
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
        """Contracts, with the energy that delivered flexibility moved."""
        moved = self.flexibility
        return self.contracts_wh if moved is None else self.contracts_wh + moved.contracts_wh

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts of the DSO, in order."""
        found = [*self.flexibility_verdicts]
        found += [verdict for trading in self.tradings for verdict in trading.verdicts]
        return found if self.beyond is None else [*found, self.beyond]

    @property
    def trades(self) -> pd.DataFrame:
        """Trades that the DSO judged one by one."""
        frames = [
            trading.trades.assign(market=trading.kind, period=self.period)
            for trading in self.tradings
            if len(trading.trades)
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    @property
    def orders(self) -> pd.DataFrame:
        """Orders of every market, with their fills."""
        return pd.concat([t.orders.assign(market=t.kind) for t in self.tradings], ignore_index=True)


@dataclass
class Walk:
    """One replay in progress."""

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

    def run(
        self, periods: Iterable[int], on_settled: Callable[[int], None] = lambda _: None
    ) -> None:
        """Take every period from its first order to its settlement."""
        mtu, lead = self.scenario.mtu_seconds, self.scenario.market.gate_closure_s
        waiting: list[int] = []
        last = 0
        for period in periods:
            self._advance(period * mtu - self.scenario.opens_s)
            for aggregator in self.aggregators:
                aggregator.steer(period)
            if self.flexibility is not None:
                self.flexibility.buy(period)
                self._advance(period * mtu - lead - 1 - self.scenario.reveal_s)
            self._trade(period)
            self._advance(period * mtu - lead)
            self.results[period] = self._close(period)
            waiting.append(period)
            last = period
            while waiting and (waiting[0] + 1) * mtu <= period * mtu - lead:
                self._deliver(waiting.pop(0), on_settled)
        self._advance((last + 1) * mtu)
        for period in waiting:
            self._deliver(period, on_settled)
        if self.flexible is not None:
            self.flexible.redeem()

    def _trade(self, period: int) -> None:
        """Run one market after the other: energy promised in one is not wanted in the next."""
        wanted_wh = self._forecast_wh(period)
        for venue in self.venues:
            wanted_wh = wanted_wh - venue.trade(period, wanted_wh)
            if venue is not self.venues[-1]:
                venue.withdraw(period)

    def _close(self, period: int) -> PeriodResult:
        """Close every market; flows outside them that still break a limit are capped.

        The verdict on a call auction covers all flows, traded or not.
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

    def _advance(self, timestamp: int) -> None:
        self.market.clock.advance_to(self.market.keys["operator"], timestamp)

    def _deliver(self, period: int, on_settled: Callable[[int], None]) -> None:
        """Run a period from delivery by the plant over the readings by the oracle to settlement."""
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
        self.market.settlement.settle(settler, AREA, period, GROUPS_A_CALL, len(readings))
        on_settled(period)

    def _metered(self, delivered_wh: Ints, sent: list[str]) -> Ints:
        """Readings: of meters unknown to the chain as delivered, of others by the batches on the chain."""
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
