"""Walks a scenario's delivery periods: orders, clearing, check, booking, delivery, metering, settlement.

Gate closure lies before delivery, so several periods are under way at once: while one takes orders,
the one before waits for delivery. Market time only runs forward.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.chain.contracts import Fill, Outcome
from gridbourse.chain.deploy import AREA, Market
from gridbourse.errors import GridbourseError
from gridbourse.model.caps import Caps
from gridbourse.scenario.plant import Delivery, Plant
from gridbourse.scenario.scenario import Scenario
from gridbourse.scenario.strategy import orders as draw_orders
from oracle.grid_feed import GridFeed, Verdict
from oracle.meter_feed import MeterFeed
from replay.metering import MeterDrop
from replay.onboarding import Membership
from replay.trading import GROUPS_A_CALL, Desk

Ints = NDArray[np.int64]


class ReplayError(GridbourseError):
    """The chain does not do what a replay asks of it."""


@dataclass
class PeriodResult:
    """What happened in one period; arrays over all connection points of the scenario.

    metered_wh: what the meters say, participants' as the chain holds it; None before delivery.
    """

    period: int
    orders: pd.DataFrame
    outcome: Outcome
    fills: dict[int, Fill]
    verdicts: list[Verdict]
    fallback: bool
    contracts_wh: Ints
    caps: Caps
    delivery: Delivery | None = None
    metered_wh: Ints | None = None


@dataclass
class Walk:
    """One replay in progress."""

    scenario: Scenario
    market: Market
    members: Membership
    desk: Desk
    plant: Plant
    meters: MeterDrop
    meter_feed: MeterFeed
    grid_feed: GridFeed
    results: dict[int, PeriodResult] = field(default_factory=dict)

    def run(
        self, periods: Iterable[int], on_settled: Callable[[int], None] = lambda _: None
    ) -> None:
        """Take every period from its first order to its settlement."""
        mtu, lead = self.scenario.mtu_seconds, self.scenario.market.gate_closure_s
        waiting: list[int] = []
        last = 0
        for period in periods:
            self._advance(period * mtu - lead - 1)
            placed = self.desk.place(period, draw_orders(self.scenario, period))
            self._advance(period * mtu - lead)
            self.results[period] = self._clear(period, placed)
            waiting.append(period)
            last = period
            while waiting and (waiting[0] + 1) * mtu <= period * mtu - lead:
                self._deliver(waiting.pop(0), on_settled)
        self._advance((last + 1) * mtu)
        for period in waiting:
            self._deliver(period, on_settled)

    def _advance(self, timestamp: int) -> None:
        self.market.clock.advance_to(self.market.keys["operator"], timestamp)

    def _clear(self, period: int, placed: pd.DataFrame) -> PeriodResult:
        """Clear, let the DSO check, clear again under its caps, and book what it accepted."""
        outcome = self.desk.clear(period)
        schedule = self.scenario.forecast_wh(period)
        reactive = self.scenario.reactive_var(period)
        verdicts = [self.grid_feed.check(period, schedule, reactive)]
        while verdicts[-1].kind == "capped" and not self._void(period):
            outcome = self.desk.clear(period)
            verdicts.append(self.grid_feed.check(period, schedule, reactive))
        fallback = verdicts[-1].kind == "capped"
        fills = {} if fallback else self.market.auction.fills(AREA, period)
        self.desk.book(period, len(fills))
        return PeriodResult(
            period=period,
            orders=placed,
            outcome=Outcome(0, None) if fallback else outcome,
            fills=fills,
            verdicts=verdicts,
            fallback=fallback,
            contracts_wh=self._by_row({who: fill.net_wh for who, fill in fills.items()}),
            caps=self._caps(period),
        )

    def _void(self, period: int) -> bool:
        """Whether no clearing is left: the period runs on caps and supplier alone."""
        return self.market.auction.phase(AREA, period) == "void"

    def _deliver(self, period: int, on_settled: Callable[[int], None]) -> None:
        """The plant delivers, the meters tell, the oracle brings it in, and the period is settled."""
        result = self.results[period]
        result.delivery = self.plant.deliver(period, result.caps)
        readings = self.meters.collect(period, result.delivery.readings_wh)
        sent = self.meter_feed.push(period, readings)
        result.metered_wh = self._metered(result.delivery.readings_wh, sent)
        settler = self.market.keys["operator"]
        self.market.settlement.settle(settler, AREA, period, GROUPS_A_CALL, len(readings))
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

    def _by_row(self, by_number: dict[int, int]) -> Ints:
        values = np.zeros(len(self.scenario.points), dtype=np.int64)
        for who, value in by_number.items():
            values[self.members.row_of[who]] = value
        return values
