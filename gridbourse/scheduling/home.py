"""Home energy manager: a home's devices against prices, with comfort kept.

One linear programme over all storages of a home (see `storage`); a shiftable load, which runs as a
block, adds a whole number for each of its possible starts. Comfort that cannot be kept is missed by
as little as possible: a Wh of it costs `COMFORT` times the highest price, so no saving outweighs
it. Set-points that the aggregator gave to a home come next (`TARGET`), then money.

HiGHS computes with floats; its result is rounded by `storage.whole_path`, and costs are counted
on the whole Wh, so they are whole µEUR.

Source: [Khajeh2022] §1.1 (home energy management), [Mendes2020] §2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.errors import ModelError
from gridbourse.scheduling.linear_programme import INFINITE, Places, Programme, Solution
from gridbourse.scheduling.storage import Path, Storage, Viable, whole_path

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COMFORT: Final = 1_000.0
"""Worth of a Wh of comfort, in highest prices. A warm building loses a few percent of its heat in
a period, so keeping a Wh for hours costs far less than this."""
TARGET: Final = 50.0
"""Worth of a Wh of deviation from a set-point given from outside, in highest prices."""
_TIE: Final = 1e-3
"""µEUR/Wh: breaks ties towards the schedule that moves least energy, holds it no day longer than it must,
and moves it early in the day, counted from the window's start."""


@dataclass(frozen=True, eq=False)
class HomePrices:
    """Prices of each Wh, µEUR, shape (periods,). A Wh sold never earns more than one bought costs."""

    buy_micro_eur_per_wh: Ints
    sell_micro_eur_per_wh: Ints

    def __post_init__(self) -> None:
        for bad, rule in (
            (self.sell_micro_eur_per_wh < 0, "sell price must not be negative"),
            (
                self.sell_micro_eur_per_wh > self.buy_micro_eur_per_wh,
                "sell price is above buy price",
            ),
        ):
            if np.any(bad):
                raise ModelError(f"prices, period {int(np.argmax(bad))}: {rule}")

    def cost_micro_eur(self, net_wh: Ints) -> int:
        """Cost of this net injection: bought less sold, µEUR."""
        bought, sold = np.maximum(-net_wh, 0), np.maximum(net_wh, 0)
        return int(bought @ self.buy_micro_eur_per_wh - sold @ self.sell_micro_eur_per_wh)

    @property
    def top(self) -> float:
        """Highest price, at least 1."""
        return float(max(self.buy_micro_eur_per_wh.max(initial=0), 1))


@dataclass(frozen=True, eq=False)
class Block:
    """Load that runs once, as a whole: `load_wh` in as many periods in a row, begun in one of
    the periods `first`..`last` of the window, so that it ends within it."""

    name: str
    load_wh: Ints
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first < 0 or self.last < self.first:
            raise ModelError(f"{self.name}: no start in {self.first}..{self.last}")
        if np.any(self.load_wh < 0) or not len(self.load_wh):
            raise ModelError(f"{self.name}: load_wh must be one or more Wh ≥ 0")


@dataclass(frozen=True, eq=False)
class Home:
    """Inputs of a schedule for one home; arrays have the shape (periods,).

    base_wh: net injection of everything not scheduled. max_export_wh, max_import_wh: of its
    connection, for each period. targets_wh: set-points from outside by storage's name, drawn Wh,
    NaN where there is none. day: periods in 24 hours, 0 where the window is no longer.
    """

    name: str
    base_wh: Ints
    storages: Sequence[Storage] = ()
    blocks: Sequence[Block] = ()
    max_export_wh: int = 2**40
    max_import_wh: int = 2**40
    targets_wh: Mapping[str, Floats] = field(default_factory=dict)
    day: int = 0

    def __post_init__(self) -> None:
        periods = len(self.base_wh)
        for storage in self.storages:
            if len(storage) != periods:
                raise ModelError(
                    f"{self.name}: {storage.name} has {len(storage)} of {periods} periods"
                )
        for block in self.blocks:
            if block.last + len(block.load_wh) > periods:
                raise ModelError(f"{self.name}: {block.name} could end after the last period")
        names = [storage.name for storage in self.storages] + [one.name for one in self.blocks]
        for name in names:
            if names.count(name) > 1:
                raise ModelError(f"{self.name}: two devices are named {name}")
        unknown = set(self.targets_wh) - {storage.name for storage in self.storages}
        if unknown:
            raise ModelError(f"{self.name}: no storage is named {min(unknown)}")


@dataclass(frozen=True)
class Shortfall:
    """Comfort that a schedule misses. period: of the window.

    wh: of the storage's state, below its band negative; for a block its energy, when it never runs.
    """

    home: str
    device: str
    period: int
    wh: float

    def __str__(self) -> str:
        side = "short of" if self.wh < 0 else "above"
        return f"{self.home}: {self.device} is {abs(self.wh):,.0f} Wh {side} its band in period {self.period}"


@dataclass(frozen=True, eq=False)
class Schedule:
    """Schedule of a home in whole Wh.

    paths: by storage. starts: by block, None where it never runs. net_wh: the home's net injection,
    shape (periods,). wear_micro_eur: of all storages. shortfalls: the comfort it misses.
    worth_micro_eur_per_wh: by storage, what one more Wh in it at the end of each period would save.
    """

    home: str
    paths: Mapping[str, Path]
    starts: Mapping[str, int | None]
    net_wh: Ints
    wear_micro_eur: int
    shortfalls: Sequence[Shortfall]
    worth_micro_eur_per_wh: Mapping[str, Floats]

    @property
    def drawn_wh(self) -> Ints:
        """Wh drawn by all storages together."""
        total: Ints = np.zeros_like(self.net_wh)
        for path in self.paths.values():
            total = total + path.drawn_wh
        return total

    def cost_micro_eur(self, prices: HomePrices) -> int:
        """Cost of energy and wear, µEUR."""
        return prices.cost_micro_eur(self.net_wh) + self.wear_micro_eur


def manage(home: Home, prices: HomePrices) -> Schedule:
    """Cheapest schedule of the home that keeps its comfort, or misses it least."""
    programme = Programme()
    member = Member(programme, home, prices.top)
    _trade(programme, member, prices)
    return member.schedule(programme.solve(home.name))


def moved(
    home: Home, prices: HomePrices, at: int, net_wh: int, moves_wh: Sequence[int]
) -> list[tuple[float, dict[str, float]]]:
    """Costs of injecting so much more than `net_wh` in period `at`, for each of the moves, µEUR, with the
    Wh that each storage then draws in the period.

    The cost is losses, wear, and the energy that the home buys again, or sells less, in other periods. The
    energy of the period itself is left out: the party that asked for the move has paid for it.
    Blocks must be part of `base_wh`.  A move that the home cannot make costs infinitely much.
    """
    programme = Programme()
    member = Member(programme, home, prices.top)
    other = HomePrices(prices.buy_micro_eur_per_wh.copy(), prices.sell_micro_eur_per_wh.copy())
    other.buy_micro_eur_per_wh[at] = other.sell_micro_eur_per_wh[at] = 0
    _trade(programme, member, other)
    here = member.net[at : at + 1]
    stays = programme.solve_again(home.name, here, net_wh, net_wh).objective
    found: list[tuple[float, dict[str, float]]] = []
    for move in moves_wh:
        try:
            solution = programme.solve_again(home.name, here, net_wh + move, net_wh + move)
        except ModelError:
            found.append((float("inf"), {}))
        else:
            found.append((solution.objective - stays, member.drawn(solution.values, at)))
    return found


def _trade(programme: Programme, member: Member, prices: HomePrices) -> None:
    """Add a home on its own: it sells what it injects and buys what it lacks."""
    bought, sold = exchange(programme, prices)
    balance(programme, [member], np.zeros_like(member.home.base_wh), [(sold, 1.0), (bought, -1.0)])


def exchange(programme: Programme, prices: HomePrices) -> tuple[Places, Places]:
    """Columns of the energy bought and sold, shape (periods,) each."""
    periods = len(prices.buy_micro_eur_per_wh)
    bought = programme.columns(periods, prices.buy_micro_eur_per_wh)
    return bought, programme.columns(periods, -prices.sell_micro_eur_per_wh)


def balance(
    programme: Programme,
    members: Sequence[Member],
    error_wh: Ints,
    exchanged: Sequence[tuple[Places, float]],
) -> None:
    """Add the rows Σ net + error = Σ sign × column over what is exchanged, in each period."""
    rows = programme.rows(len(error_wh), -error_wh.astype(np.float64), -error_wh.astype(np.float64))
    for member in members:
        programme.put(rows, member.net, 1.0)
    for columns, sign in exchanged:
        programme.put(rows, columns, -sign)


class Member:
    """One home inside a programme. `net`: columns of its net injection, shape (periods,)."""

    def __init__(self, programme: Programme, home: Home, top_price: float):
        self.home, self._programme = home, programme
        base = home.base_wh.astype(np.float64)
        periods = len(base)
        # A home without devices must always fit, so its own profile widens its connection.
        self.net = programme.columns(
            periods,
            low=np.minimum(-float(home.max_import_wh), base),
            high=np.maximum(float(home.max_export_wh), base),
        )
        self._rows = programme.rows(periods, base, base)
        programme.put(self._rows, self.net, 1.0)
        self._states: dict[str, Places] = {}
        self._flows = {s.name: self._storage(s, top_price) for s in home.storages}
        self._starts = {block.name: self._block(block, top_price) for block in home.blocks}

    def drawn(self, values: Floats, at: int) -> dict[str, float]:
        """Wh that each storage draws in a period."""
        return {n: float(values[i[at]] - values[o[at]]) for n, (i, o) in self._flows.items()}

    def schedule(self, solution: Solution) -> Schedule:
        """Schedule of this home in whole Wh by the solution of the programme."""
        values = solution.values
        net = self.home.base_wh.copy()
        paths, shortfalls, wear = {}, [], 0
        for storage in self.home.storages:
            into, out = self._flows[storage.name]
            path = whole_path(storage, Viable.of(storage), values[into] - values[out])
            paths[storage.name] = path
            net = net - path.drawn_wh
            wear += storage.wear_micro_eur_per_wh * int(np.maximum(-path.drawn_wh, 0).sum())
            shortfalls += [
                Shortfall(self.home.name, storage.name, int(at), float(path.off_wh[at]))
                for at in np.flatnonzero(path.off_wh)
            ]
        starts: dict[str, int | None] = {}
        for block in self.home.blocks:
            begun = np.flatnonzero(values[self._starts[block.name]] > 0.5)
            starts[block.name] = start = int(begun[0]) + block.first if len(begun) else None
            if start is None:
                energy = -float(block.load_wh.sum())
                shortfalls.append(Shortfall(self.home.name, block.name, block.last, energy))
            else:
                net[start : start + len(block.load_wh)] -= block.load_wh
        worth = {name: -solution.duals[rows] for name, rows in self._states.items()}
        return Schedule(self.home.name, paths, starts, net, wear, shortfalls, worth)

    def _storage(self, storage: Storage, top_price: float) -> tuple[Places, Places]:
        programme, periods = self._programme, len(storage)
        day = self.home.day or periods
        early = _TIE * (1 + np.arange(periods) % day / day)
        into = programme.columns(periods, early, high=storage.max_in_wh)
        out = programme.columns(
            periods, storage.wear_micro_eur_per_wh + _TIE, high=storage.max_out_wh
        )
        hard = storage.bounds != "soft"
        worth = np.full(periods, 0.1 * _TIE / day)
        worth[-1] -= storage.end_value_micro_eur_per_wh
        state = programme.columns(
            periods, worth,
            low=storage.low_wh if hard else -INFINITE, high=storage.high_wh if hard else INFINITE,
        )  # fmt: skip
        before = storage.inflow_wh.copy()
        before[0] += storage.retain[0] * storage.state_wh
        follows = programme.rows(periods, before, before)
        self._states[storage.name] = follows
        programme.put(follows, state, 1.0)
        programme.put(follows[1:], state[:-1], -storage.retain[1:])
        programme.put(follows, into, -storage.gain)
        programme.put(follows, out, storage.drain)
        penalty = COMFORT * top_price / float(storage.gain.min())
        if storage.bounds == "made_good":
            programme.put(follows, programme.columns(periods, penalty), -1.0)
        if storage.bounds == "soft":
            band = programme.rows(periods, storage.low_wh, storage.high_wh)
            programme.put(band, state, 1.0)
            programme.put(band, programme.columns(periods, penalty), 1.0)
            programme.put(band, programme.columns(periods, penalty), -1.0)
        programme.put(self._rows, into, 1.0)
        programme.put(self._rows, out, -1.0)
        if storage.name in self.home.targets_wh:
            self._aim(self.home.targets_wh[storage.name], into, out, TARGET * top_price)
        return into, out

    def _aim(self, target_wh: Floats, into: Places, out: Places, penalty: float) -> None:
        """Add the rows in − out = target, with a price on the deviation."""
        given = np.flatnonzero(~np.isnan(target_wh))
        rows = self._programme.rows(len(given), target_wh[given], target_wh[given])
        for columns, sign in (
            (into[given], 1.0), (out[given], -1.0),
            (self._programme.columns(len(given), penalty), 1.0),
            (self._programme.columns(len(given), penalty), -1.0),
        ):  # fmt: skip
            self._programme.put(rows, columns, sign)

    def _block(self, block: Block, top_price: float) -> Places:
        programme, count = self._programme, block.last - block.first + 1
        worth = COMFORT * top_price * max(int(block.load_wh.sum()), 1)
        early = _TIE * np.arange(count)
        starts = programme.columns(count, early, high=1.0, whole=True)
        never = programme.columns(1, worth)
        once = programme.rows(1, 1.0, 1.0)
        programme.put(once, starts, 1.0)
        programme.put(once, never, 1.0)
        for at, load in enumerate(block.load_wh):
            rows = self._rows[block.first + at : block.last + at + 1]
            programme.put(rows, starts, float(load))
        return starts
