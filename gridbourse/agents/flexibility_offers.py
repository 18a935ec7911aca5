"""Sellers of flexibility in a period, their quantities, and their prices.

Homes sell what their devices can move with comfort kept, by the schedules they declare, at its cost
and a markup. Producers without devices sell curtailment, by the meter, at a price of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from gridbourse.agents.homes import Homes
from gridbourse.model.flexibility.products import Product, Way
from gridbourse.scenario import seeded_draws as draws
from gridbourse.scenario.flexibility import FlexibilityTable
from gridbourse.scenario.scenario import Scenario

WORDS: Final = {Way.UP: "up", Way.DOWN: "down"}


@dataclass(frozen=True)
class PossibleOffer:
    """Quantity that a participant can move in a direction, and the tick it asks."""

    point_id: str
    wh: int
    tick: int


@dataclass
class Sellers:
    """Sellers of a scenario; the same calls give the same answers."""

    scenario: Scenario
    table: FlexibilityTable
    homes: Homes | None
    _offers: tuple[int, pd.DataFrame] | None = None

    def able(self, period: int, product: Product, way: Way) -> list[PossibleOffer]:
        """Sellers that can deliver a product in a direction, in the order of the points."""
        if product.declared:
            return self._homes(period, way)
        return self._curtailed(period) if way is Way.DOWN else []

    def _homes(self, period: int, way: Way) -> list[PossibleOffer]:
        if self.homes is None:
            return []
        if self._offers is None or self._offers[0] != period:
            self._offers = (period, self.homes.offers(period))
        offers = self._offers[1]
        mine = offers[offers["direction"] == WORDS[way]]
        takes_part = self.scenario.points["participant"]
        rows = mine[["point_id", "wh", "cost_micro_eur_per_wh"]].itertuples(index=False)
        return [
            PossibleOffer(point, int(wh), self._tick(max(int(cost), 0) + self._markup(point)))
            for point, wh, cost in rows
            if takes_part[point]
        ]

    def _curtailed(self, period: int) -> list[PossibleOffer]:
        """Part of its expected injection that each producer offers to curtail."""
        terms = self.table.curtailment
        if terms is None:
            return []
        scenario, seed = self.scenario, self.scenario.strategy.seed
        with_devices = set(self.homes.households) if self.homes is not None else set()
        expected = scenario.forecast_wh(period)
        produces = scenario.producers
        found = []
        for row, point in enumerate(scenario.points.index):
            wh = int(expected[row] * terms.most)
            mine = scenario.points.at[point, "participant"] and produces[point]
            willing = mine and draws.share(terms.share, seed, "curtailment", point)
            if willing and wh > 0 and point not in with_devices:
                rng = draws.generator(seed, "curtailment cost", point)
                low, high = terms.low_micro_eur_per_wh, terms.high_micro_eur_per_wh
                cost = int(rng.integers(low, high, endpoint=True))
                found.append(PossibleOffer(str(point), wh, self._tick(cost)))
        return found

    def _markup(self, point: str) -> int:
        rng = draws.generator(self.scenario.strategy.seed, "flexibility markup", point)
        return int(rng.integers(0, self.table.markup_micro_eur_per_wh, endpoint=True))

    def _tick(self, micro_eur_per_wh: int) -> int:
        """Next tick at or above a price, which may be beyond the band: then nothing is offered."""
        return -(-micro_eur_per_wh // self.table.band.tick_micro_eur_per_wh)
