"""Orders of participants: their forecast, at a price from a seeded strategy inside the band.

Every participant has a valuation of the energy it buys and a cost of the energy it sells, each drawn once,
uniform over the ticks of the band [feed-in tariff, retail price].

truthful: orders at valuation or cost.
zero-intelligence constrained (ZI-C): a price drawn anew each period, uniform between the valuation
    or cost and the band's edge, so that no trade can lose money.  D. K. Gode and S. Sunder,
    "Allocative Efficiency of Markets with Zero-Intelligence Traders: Market as a Partial Substitute
    for Individual Rationality", Journal of Political Economy 101(1), 1993, 119-137.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.model.call_auction import Band
from gridbourse.scenario import seeded_draws as draws
from gridbourse.scenario.scenario import Scenario

COLUMNS = ["point_id", "side", "wh", "price_micro_eur_per_wh"]


@dataclass(frozen=True)
class Trader:
    """Trader behind a participant: valuation_tick and cost_tick are ticks of the band."""

    point_id: str
    truthful: bool
    valuation_tick: int
    cost_tick: int

    @classmethod
    def drawn(cls, scenario: Scenario, point_id: str) -> Trader:
        """Trader behind a point; the same in every period."""
        seed, ticks = scenario.strategy.seed, scenario.band.ticks
        rng = draws.generator(seed, "valuation", point_id)
        valuation, cost = (int(tick) for tick in rng.integers(ticks, size=2))
        truthful = draws.share(scenario.strategy.truthful_share, seed, "truthful", point_id)
        return cls(point_id, truthful, valuation, cost)

    def tick(self, side: str, period: int, seed: int, band: Band, round_: int = 0) -> int:
        """Tick of an order in a period; in a later round the zero-intelligence traders draw again."""
        limit = self.valuation_tick if side == "bid" else self.cost_tick
        if self.truthful:
            return limit
        low, high = (0, limit) if side == "bid" else (limit, band.ticks - 1)
        purpose = f"price {round_}" if round_ else "price"
        rng = draws.generator(seed, purpose, self.point_id, period)
        return int(rng.integers(low, high, endpoint=True))


def orders(
    scenario: Scenario, period: int, wanted_wh: NDArray[np.int64] | None = None
) -> pd.DataFrame:
    """Orders of one period, in the order of the points; deterministic by (seed, point, period).

    wanted_wh: net energy each point still has to trade, Wh, + has a surplus; None = its forecast.

    Columns: point_id, side ("bid" or "offer"), wh (> 0), price_micro_eur_per_wh (on a tick).  A
    participant that expects a surplus offers it, one that expects a shortage bids for it, one that
    expects neither places no order.
    """
    band, seed = scenario.band, scenario.strategy.seed
    rows = []
    if wanted_wh is None:
        wanted_wh = scenario.forecast_wh(period)
    points = zip(scenario.points.index, scenario.points["participant"], wanted_wh, strict=True)
    for point_id, participant, wh in points:
        if participant and wh:
            side = "offer" if wh > 0 else "bid"
            tick = Trader.drawn(scenario, point_id).tick(side, period, seed, band)
            rows.append((point_id, side, abs(int(wh)), band.price(tick)))
    kinds = {"point_id": "object", "side": "object", "wh": "int64", COLUMNS[3]: "int64"}
    return pd.DataFrame(rows, columns=COLUMNS).astype(kinds)
