"""Aggregator that steers homes not left to price signals alone: it plans for all of them together.

Where a scenario has aggregators each plans for its own portfolio: the members under its contracts, with
its own assets, so that devices move into the hours in which the portfolio itself has a surplus.
At the start of every local day it takes its members in their present state, keeps the area's grid inside its
limits by a linear model, and gives out set-points ([Talari-nd] §2.3, [Khajeh2022] §1.2).
The model: voltages and signed loadings of the expected state of every period, and their sensitivities
to each member around the state of greatest exchange. The DSO still checks every trade.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gridbourse.agents.homes import Homes
from gridbourse.agents.portfolios import Portfolios
from gridbourse.grid.network import Network
from gridbourse.grid.sensitivities import sensitivities
from gridbourse.scheduling.home import Home, HomePrices
from gridbourse.scheduling.portfolio import GridLimits, Portfolio, schedule

Floats = NDArray[np.float64]

WATCHED: Final = 3
"""Branches of greatest loading, and nodes of highest and of lowest voltage, that are modelled."""
WORTH_MICRO_EUR: Final = 1e8
"""Worth of a unit beyond a limit (1 pu of voltage, 100 % of loading): above any price, below comfort."""


@dataclass(frozen=True)
class Contracted:
    """Portfolio by an aggregator's contracts. points: its own and those of its members; kinds: the
    storages it may steer."""

    points: tuple[str, ...]
    kinds: frozenset[str]


@dataclass
class Aggregator:
    """Steers the homes of a scenario, or those under contract with it.

    portfolios: its decisions, by period.
    """

    homes: Homes
    network: Network
    contracted: Contracted | None = None
    portfolios: dict[int, Portfolio] = field(default_factory=dict)
    _day: date | None = None

    def steer(self, period: int) -> None:
        """Set the set-points before anything of the period is traded: from here on, once a local day."""
        day = self.homes.world.local_date(period)
        if day == self._day or not self.homes.world.rules.direct_kinds:
            return
        self._day = day
        members, steered = self._steered()
        if not members:
            return
        first = self.homes.at
        count = len(next(iter(members.values())).base_wh)
        periods = range(first, first + count)
        everybody = members | self._beside(periods, members)
        decided = schedule(
            list(everybody.values()), self._prices(periods), self._limits(periods, everybody)
        )
        self.portfolios[period] = decided
        for each in range(period, periods.stop):
            self.homes.set_points(
                each,
                {
                    (point, name): -int(path.drawn_wh[each - first])
                    for point, one in decided.schedules.items()
                    for name, path in one.paths.items()
                    if name in steered and point in members
                },
            )

    def _steered(self) -> tuple[dict[str, Home], set[str]]:
        """Homes that it steers, and by which storages."""
        members, kinds = self.homes.members(), set(self.homes.world.rules.direct_kinds)
        if self.contracted is None:
            return members, kinds
        mine = self.contracted.points
        return {p: home for p, home in members.items() if p in mine}, kinds & self.contracted.kinds

    def _beside(self, periods: range, members: Mapping[str, Home]) -> dict[str, Home]:
        """Members of the portfolio with nothing to steer: their shortage or surplus counts all the same."""
        if self.contracted is None:
            return {}
        expected = self.homes.undisturbed_wh(periods, {})
        return {
            point: Home(point, expected[:, self.homes.row_of(point)])
            for point in self.contracted.points
            if point not in members
        }

    def _prices(self, periods: range) -> HomePrices:
        """Prices of the area for what it does not cover itself: the dearest of its zones, the least a
        surplus earns in one."""
        seen = [self.homes.world.prices(zone, periods) for zone in self.homes.scenario.zones]
        return HomePrices(
            np.max([prices.buy_micro_eur_per_wh for prices in seen], axis=0),
            np.min([prices.sell_micro_eur_per_wh for prices in seen], axis=0),
        )

    def _limits(self, periods: range, members: Mapping[str, Home]) -> GridLimits:
        scenario, hours = self.homes.scenario, self.homes.scenario.mtu.hours
        expected = self.homes.undisturbed_wh(periods, members) / hours
        reactive = scenario.forecast_var(periods.start)
        flow = self.network.run(expected, np.broadcast_to(reactive, expected.shape))
        worst = int(np.abs(expected.sum(axis=1)).argmax())
        rows = np.array([self.homes.row_of(point) for point in members])
        answer = sensitivities(self.network, expected[worst], reactive, rows)
        # Loadings have no sign, but a branch that injections relieve while the area draws is
        # loaded by them while it feeds out: signed, they are linear through zero.
        sign = np.sign(expected.sum(axis=1))[:, None]
        signed, slope = flow.loading * sign, answer.dl_per_w * sign[worst]
        branches = np.argsort(-flow.loading.max(axis=0), kind="stable")[:WATCHED]
        u, rise = flow.u_pu, answer.du_per_w
        high = np.argsort(-u.max(axis=0), kind="stable")[:WATCHED]
        low = np.argsort(u.min(axis=0), kind="stable")[:WATCHED]
        limits = scenario.limits
        watched = [
            *((f"branch {b}", signed[:, b], slope[:, b], limits.loading_max) for b in branches),
            *(
                (f"branch {b} back", -signed[:, b], -slope[:, b], limits.loading_max)
                for b in branches
            ),
            *((f"node {n} high", u[:, n], rise[:, n], limits.v_max_pu) for n in high),
            *((f"node {n} low", -u[:, n], -rise[:, n], -limits.v_min_pu) for n in low),
        ]
        names, values, slopes, most = zip(*watched, strict=True)
        return GridLimits(
            names=names,
            value=np.stack(values, axis=1),
            per_wh=np.stack(slopes, axis=1) / hours,
            limit=np.array(most),
            worth_micro_eur=WORTH_MICRO_EUR,
        )


def aggregators(homes: Homes, network: Network) -> list[Aggregator]:
    """Aggregators of the scenario that steer devices; one for all homes where it names none."""
    scenario = homes.scenario
    if not scenario.aggregators:
        return [Aggregator(homes, network)]
    of = Portfolios(scenario).aggregator_of
    return [
        Aggregator(
            homes,
            network,
            Contracted(
                (one.point, *(point for point, its in of.items() if its is one)),
                frozenset(one.resources),
            ),
        )
        for one in scenario.aggregators
        if one.control != "indirect"
    ]
