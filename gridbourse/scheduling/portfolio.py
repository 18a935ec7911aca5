"""Schedule of an aggregator (or virtual power plant) over all its members.

The members' devices are those of `home`; their exchange is netted first, and the rest is bought
and sold on the market. Added are the limits of the area's grid, linear around a reference state,
and forecast errors: the aggregator takes a position, and each scenario of the members' error is
settled against it at the prices of imbalance, weighted by its probability.

Source: [Khajeh2022] §1.2 ("optimally schedule and coordinate their resources … distribution network
related constraints should be taken into account"), [Talari-nd] §2.2, §2.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.errors import ModelError
from gridbourse.scheduling.home import Home, HomePrices, Member, Schedule, balance, exchange
from gridbourse.scheduling.linear_programme import Places, Programme

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GridLimits:
    """Limits Σ per_wh · (net − base) + value ≤ limit in each period, for each of `names`.

    value: shape (periods, limits), of the grid when every member injects its base_wh.  per_wh: shape
    (members, limits), change for one more Wh injected by a member (a sensitivity per W times the
    periods in an hour).  limit: shape (limits,).  A lower limit is an upper one of the negated value.
    worth_micro_eur: of one unit beyond a limit; far above any price, below comfort.
    """

    names: Sequence[str]
    value: Floats
    per_wh: Floats
    limit: Floats
    worth_micro_eur: float

    def require(self, members: int, periods: int) -> None:
        """ModelError naming the array whose shape is wrong."""
        limits = len(self.names)
        for name, found, shape in (
            ("value", self.value.shape, (periods, limits)),
            ("per_wh", self.per_wh.shape, (members, limits)),
            ("limit", self.limit.shape, (limits,)),
        ):
            if found != shape:
                raise ModelError(f"grid limits: {name} has the shape {found}, not {shape}")


@dataclass(frozen=True, eq=False)
class ForecastError:
    """Scenarios of the members' joint injection beyond their schedule, and its cost.

    error_wh: shape (scenarios, periods).  weight: shape (scenarios,), sums to 1.
    short_micro_eur_per_wh: paid for what the position lacks, not below the buy price;
    long_micro_eur_per_wh: received for what exceeds it, not above the sell price; (periods,).
    """

    error_wh: Ints
    weight: Floats
    short_micro_eur_per_wh: Ints
    long_micro_eur_per_wh: Ints

    def require(self, prices: HomePrices) -> None:
        """ModelError where imbalance would pay, or the weights are not valid."""
        if not np.isclose(self.weight.sum(), 1) or np.any(self.weight < 0):
            raise ModelError(f"forecast error: the weights sum to {self.weight.sum():g}, not to 1")
        for bad, rule in (
            (
                self.short_micro_eur_per_wh < prices.buy_micro_eur_per_wh,
                "short is below the buy price",
            ),
            (
                self.long_micro_eur_per_wh > prices.sell_micro_eur_per_wh,
                "long is above the sell price",
            ),
        ):
            if np.any(bad):
                raise ModelError(f"forecast error, period {int(np.argmax(bad))}: {rule}")

    def cost_micro_eur(self, beside_wh: Ints) -> float:
        """Expected cost of this deviation from the position: + more injected; (scenarios, periods)."""
        short, long = np.maximum(-beside_wh, 0), np.maximum(beside_wh, 0)
        each = short @ self.short_micro_eur_per_wh - long @ self.long_micro_eur_per_wh
        return float(self.weight @ each)


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Set-points of every member, and the aggregator's trade.

    schedules: by member's name.  position_wh: net energy traded, + sold, shape (periods,).
    net_wh: injection of all members together by their schedules.
    over: limits exceeded by more than the rounding to whole Wh, name -> most beyond in any period.
    """

    schedules: Mapping[str, Schedule]
    position_wh: Ints
    net_wh: Ints
    over: Mapping[str, float]

    def cost_micro_eur(self, prices: HomePrices, error: ForecastError | None = None) -> float:
        """Cost of energy, wear and expected imbalance, µEUR; whole without forecast error."""
        wear = sum(schedule.wear_micro_eur for schedule in self.schedules.values())
        cost = float(prices.cost_micro_eur(self.position_wh) + wear)
        if error is not None:
            cost += error.cost_micro_eur(error.error_wh + (self.net_wh - self.position_wh))
        return cost


def schedule(
    homes: Sequence[Home],
    prices: HomePrices,
    grid: GridLimits | None = None,
    error: ForecastError | None = None,
) -> Portfolio:
    """Cheapest schedule of all members together that keeps comfort, then the grid's limits.

    prices: of the market, where bought energy never costs less than sold energy earns; so together
    the members never pay more than each would alone.  Raises ModelError naming the fault.
    """
    if not homes:
        raise ModelError("portfolio: has no member")
    names = [home.name for home in homes]
    if len(set(names)) < len(names):
        raise ModelError("portfolio: two members have one name")
    programme = Programme()
    members = [Member(programme, home, prices.top) for home in homes]
    bought, sold = exchange(programme, prices)
    position: list[tuple[Places, float]] = [(sold, 1.0), (bought, -1.0)]
    if error is None:
        balance(programme, members, np.zeros_like(homes[0].base_wh), position)
    else:
        error.require(prices)
        _imbalance(programme, members, error, position)
    if grid is not None:
        grid.require(len(homes), len(homes[0].base_wh))
        _limits(programme, members, grid)
    solution = programme.solve("portfolio")
    values = solution.values
    schedules = {member.home.name: member.schedule(solution) for member in members}
    net: Ints = np.sum([one.net_wh for one in schedules.values()], axis=0, dtype=np.int64)
    traded = net if error is None else np.rint(values[sold] - values[bought]).astype(np.int64)
    return Portfolio(schedules, traded, net, _over(homes, schedules, grid))


def _imbalance(
    programme: Programme,
    members: Sequence[Member],
    error: ForecastError,
    position: Sequence[tuple[Places, float]],
) -> None:
    """Add for each scenario the rows Σ net + error = position + long − short."""
    periods = error.error_wh.shape[1]
    for error_wh, weight in zip(error.error_wh, error.weight, strict=True):
        long = programme.columns(periods, -weight * error.long_micro_eur_per_wh)
        short = programme.columns(periods, weight * error.short_micro_eur_per_wh)
        balance(programme, members, error_wh, [*position, (long, 1.0), (short, -1.0)])


def _limits(programme: Programme, members: Sequence[Member], grid: GridLimits) -> None:
    base = np.array([member.home.base_wh for member in members], dtype=np.float64)
    periods = base.shape[1]
    for place, per_wh in enumerate(grid.per_wh.T):
        room = grid.limit[place] - grid.value[:, place] + per_wh @ base
        rows = programme.rows(periods, -np.inf, room)
        programme.put(rows, programme.columns(periods, grid.worth_micro_eur), -1.0)
        for member, effect in zip(members, per_wh, strict=True):
            if effect:
                programme.put(rows, member.net, effect)


def _over(
    homes: Sequence[Home], schedules: Mapping[str, Schedule], grid: GridLimits | None
) -> dict[str, float]:
    if grid is None:
        return {}
    moved = np.array([schedules[home.name].net_wh - home.base_wh for home in homes])
    beyond = grid.value + moved.T @ grid.per_wh - grid.limit
    worst = beyond.max(axis=0)
    # Set-points are whole Wh: one Wh for each member is no broken limit.
    rounding = np.abs(grid.per_wh).sum(axis=0)
    return {
        name: float(most)
        for name, most, least in zip(grid.names, worst, rounding, strict=True)
        if most > least
    }
