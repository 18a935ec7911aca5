"""Table [homes] of a scenario: the devices of each home, their sizes, and their control."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.scenario import seeded_draws as draws
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.outdoor import Climate, read_outdoor
from gridbourse.scenario.rules import TariffTable
from gridbourse.scheduling.storage import Building

Ints = NDArray[np.int64]

STORAGES: Final = ("battery", "ev", "heat_pump")
CONTROLS: Final = ("indirect", "direct", "mixed")
"""Controller: the home by the prices it sees; its aggregator, within comfort; or the aggregator for the
kinds named and the home for the rest ([Talari-nd] §2.3)."""
DAY_MINUTES: Final = 1_440
MOST_W: Final = 10_000_000.0
MOST_PRICE: Final = 65_535


@dataclass(frozen=True)
class Battery:
    """low_share, high_share, start_share: of the capacity. balances: compensates forecast errors."""

    capacity_wh: float
    power_w: float
    round_trip: float
    wear_micro_eur_per_wh: int
    low_share: float
    high_share: float
    start_share: float
    balances: bool


@dataclass(frozen=True)
class Vehicle:
    """arrival, departure: minutes of the local day, every day; state at the start: start_wh."""

    battery_wh: float
    charger_w: float
    round_trip: float
    arrival: int
    departure: int
    needed_wh: float
    trip_wh: float
    to_grid: bool
    wear_micro_eur_per_wh: int
    start_wh: float


@dataclass(frozen=True)
class HeatPump:
    """power_w: electric."""

    building: Building
    power_w: float
    start_c: float


@dataclass(frozen=True)
class Shiftable:
    """Load that runs once a local day for so many minutes, begun between `earliest` and `latest` (minutes of
    the day; a latest before the earliest is on the next day)."""

    name: str
    power_w: float
    minutes: int
    earliest: int
    latest: int


@dataclass(frozen=True)
class Devices:
    """Devices of one home; None = it has none of the kind."""

    battery: Battery | None = None
    ev: Vehicle | None = None
    heat_pump: HeatPump | None = None
    shiftables: tuple[Shiftable, ...] = ()

    @property
    def wear_micro_eur_per_wh(self) -> dict[str, int]:
        """Wear by storage that gives energy back, for each Wh given back."""
        pairs = (("battery", self.battery), ("ev", self.ev))
        return {name: one.wear_micro_eur_per_wh for name, one in pairs if one is not None}

    def __bool__(self) -> bool:
        return any((self.battery, self.ev, self.heat_pump, self.shiftables))


@dataclass(frozen=True, eq=False)
class HomeRules:
    """Content of [homes]. devices: by point, in the order of the points.

    direct_kinds: the storages that an aggregator steers. buy_, sell_micro_eur_per_wh: the tariff seen, for
    each hour of the local day, without grid fees. climate: temperature outdoors.
    """

    control: str
    direct_kinds: tuple[str, ...]
    buy_micro_eur_per_wh: Ints
    sell_micro_eur_per_wh: Ints
    climate: Climate
    devices: Mapping[str, Devices]


def homes(
    fields: Fields,
    folder: Path,
    points: pd.DataFrame,
    pv: pd.Series,
    tariff: TariffTable,
    seed: int,
) -> HomeRules | None:
    """Rules of the table [homes], None where there is none.

    points: as in a scenario; pv: index point_id, True where it produces. Raises ScenarioError naming file,
    key and rule.
    """
    table = fields.table_or_none("homes")
    if table is None:
        return None
    with table:
        control = table.choice("control", *CONTROLS, default="indirect")
        kinds = _direct_kinds(table, control)
        buy = _hourly(table, "buy", tariff.retail_micro_eur_per_wh)
        sell = _hourly(table, "sell", tariff.feed_in_micro_eur_per_wh)
        _require_prices(table, buy, sell, tariff)
        climate = _climate(table, folder)
        found = {point: Devices() for point in points.index}
        draw = _Draw(points, pv, seed)
        _read_storages(table, draw, found)
        if table.has("shiftable"):
            for name, inner in table.tables("shiftable").items():
                if name in STORAGES:
                    table.refuse(f"shiftable.{name}", "is the name of a storage")
                with inner:
                    runs = draw.owners(inner, name, partial(_shiftable, name))
                for point, run in runs.items():
                    have = found[point]
                    found[point] = replace(have, shiftables=(*have.shiftables, run))
        if not any(found.values()):
            fields.refuse("homes", "no home has a device")
        return HomeRules(control, kinds, buy, sell, climate, {p: d for p, d in found.items() if d})


class _Own:
    """Deviations of one owner: sizes within ±spread of the table's, times within ±spread_minutes."""

    def __init__(self, rng: np.random.Generator, spread: float, minutes: int, point: str):
        self._rng, self._spread, self._minutes, self.point = rng, spread, minutes, point
        self.size = float(1 + spread * rng.uniform(-1, 1))

    def minute(self, of_day: int) -> int:
        """The owner's time of day, on a whole quarter-hour."""
        late = round(self._minutes * float(self._rng.uniform(-1, 1)) / 15) * 15
        return (of_day + late) % DAY_MINUTES


T = TypeVar("T")
Require = Callable[[str, str, float], None]
"""Refuses a power of a key, W, that exceeds the capacity of a point's connection."""
Maker = Callable[[_Own], T]
Reader = Callable[[Fields, Require], Maker[T]]


def _read_storages(table: Fields, draw: _Draw, found: dict[str, Devices]) -> None:
    if (inner := table.table_or_none("battery")) is not None:
        with inner:
            for point, battery in draw.owners(inner, "battery", _battery).items():
                found[point] = replace(found[point], battery=battery)
    if (inner := table.table_or_none("ev")) is not None:
        with inner:
            for point, vehicle in draw.owners(inner, "ev", _vehicle).items():
                found[point] = replace(found[point], ev=vehicle)
    if (inner := table.table_or_none("heat_pump")) is not None:
        with inner:
            for point, pump in draw.owners(inner, "heat_pump", _heat_pump).items():
                found[point] = replace(found[point], heat_pump=pump)


class _Draw:
    """Draw of the owners of a device and of its sizes; made once by the scenario's seed."""

    def __init__(self, points: pd.DataFrame, pv: pd.Series, seed: int):
        self._points, self._pv, self._seed = points, pv, seed

    def owners(self, table: Fields, kind: str, read: Reader[T]) -> dict[str, T]:
        """Device of each owner by point: the result of `read(table, own)`."""
        spread = table.number("spread", most=0.9, default=0.0)
        minutes = table.integer("spread_minutes", most=720, default=0)
        make = read(table, self._capacity(table))
        return {
            point: make(
                _Own(draws.generator(self._seed, f"homes {kind}", point), spread, minutes, point)
            )
            for point in self._who(table, kind)
        }

    def _capacity(self, table: Fields) -> Require:
        capacities = self._points["capacity_w"].to_dict()

        def require(key: str, point: str, power_w: float) -> None:
            most = float(capacities[point])
            if power_w > most:
                table.refuse(
                    key, f"{power_w:.0f} W of {point} is above its connection's {most:.0f} W"
                )

        return require

    def _who(self, table: Fields, kind: str) -> list[str]:
        keys = [key for key in ("share", "points") if table.has(key)]
        if len(keys) != 1:
            table.refuse("share", "either share or points must be there")
        if keys == ["points"]:
            named = table.choices("points", *self._points.index)
            return [point for point in self._points.index if point in named]
        share, only_pv = table.number("share", most=1), table.flag("only_pv", False)
        return [
            point
            for point in self._points.index
            if (self._pv[point] or not only_pv)
            and draws.share(share, self._seed, f"homes {kind} owner", point)
        ]


def _battery(table: Fields, require: Require) -> Maker[Battery]:
    capacity, power = table.number("capacity_wh", 1, MOST_W), table.number("power_w", 1, MOST_W)
    trip = table.number("round_trip", 0.1, 1.0)
    wear = table.integer("wear_micro_eur_per_wh", most=MOST_PRICE)
    low, high = (
        table.number("low_share", most=1, default=0.1),
        table.number("high_share", most=1, default=1.0),
    )
    start = table.number("start_share", most=1, default=low)
    balances = table.flag("balances", True)
    if not low < high:
        table.refuse("low_share", f"{low:g} must be below high_share {high:g}")
    if not low <= start <= high:
        table.refuse("start_share", f"{start:g} is not in {low:g}..{high:g}")

    def make(own: _Own) -> Battery:
        require("power_w", own.point, power * own.size)
        return Battery(
            capacity * own.size, power * own.size, trip, wear, low, high, start, balances
        )

    return make


def _vehicle(table: Fields, require: Require) -> Maker[Vehicle]:
    battery, charger = table.number("battery_wh", 1, MOST_W), table.number("charger_w", 1, MOST_W)
    trip = table.number("round_trip", 0.1, 1.0, default=0.9)
    arrival, departure = _minute(table, "arrival"), _minute(table, "departure")
    travels = table.number("trip_wh", 1, battery)
    needed = table.number("needed_wh", travels, battery, default=battery)
    start = table.number("start_wh", 0, battery, default=needed - travels)
    to_grid = table.flag("vehicle_to_grid", False)
    wear = table.integer("wear_micro_eur_per_wh", most=MOST_PRICE) if to_grid else 0
    if arrival == departure:
        table.refuse("departure", "must not be the arrival")

    def make(own: _Own) -> Vehicle:
        require("charger_w", own.point, charger)
        comes, goes = own.minute(arrival), own.minute(departure)
        if comes == goes:
            goes = (goes + 15) % DAY_MINUTES
        part = min(own.size, battery / needed)
        return Vehicle(
            battery,
            charger,
            trip,
            comes,
            goes,
            needed * part,
            travels * part,
            to_grid,
            wear,
            start * part,
        )

    return make


def _heat_pump(table: Fields, require: Require) -> Maker[HeatPump]:
    loss, capacity = table.number("loss_w_per_k", 1, 1e6), table.number("capacity_wh_per_k", 1, 1e9)
    cop, power = table.number("cop", 1, 20), table.number("power_w", 1, MOST_W)
    low, high = table.number("low_c", -50, 50), table.number("high_c", -50, 50)
    if not low < high:
        table.refuse("low_c", f"{low:g} must be below high_c {high:g}")
    start = table.number("start_c", -50, 50, default=(low + high) / 2)

    def make(own: _Own) -> HeatPump:
        require("power_w", own.point, power * own.size)
        building = Building(loss * own.size, capacity * own.size, cop, low, high)
        return HeatPump(building, power * own.size, start)

    return make


def _shiftable(name: str, table: Fields, require: Require) -> Maker[Shiftable]:
    power, minutes = table.number("power_w", 1, MOST_W), table.integer("minutes", 1, 720)
    earliest, latest = _minute(table, "earliest"), _minute(table, "latest")

    def make(own: _Own) -> Shiftable:
        require("power_w", own.point, power * own.size)
        return Shiftable(name, power * own.size, minutes, earliest, latest)

    return make


def _minute(table: Fields, key: str) -> int:
    """Time such as 07:30 as minutes of the day."""
    text: str = table.text(key)
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and len(minute) == 2):
        table.refuse(key, f"{text!r} is not a time of day such as 07:30")
    if not (int(hour) < 24 and int(minute) < 60):
        table.refuse(key, f"{text!r} is not a time of day such as 07:30")
    return int(hour) * 60 + int(minute)


def _direct_kinds(table: Fields, control: str) -> tuple[str, ...]:
    if control == "mixed":
        return table.choices("direct_kinds", *STORAGES)
    if table.has("direct_kinds"):
        table.refuse("direct_kinds", f"is of control = 'mixed', not of {control!r}")
    return STORAGES if control == "direct" else ()


def _hourly(table: Fields, side: str, flat: int) -> Ints:
    """24 prices, by the hour of the local day; the supplier's where none are given."""
    key = f"{side}_micro_eur_per_wh"
    return np.array(table.integers(key, 24, most=MOST_PRICE, default=[flat] * 24), dtype=np.int64)


def _require_prices(table: Fields, buy: Ints, sell: Ints, tariff: TariffTable) -> None:
    for zone, fees in tariff.fees.items():
        if (sell - fees.export < 0).any():
            table.refuse("sell_micro_eur_per_wh", f"less the export fee of {zone} is below 0")
        if (sell - fees.export > buy + fees.import_).any():
            hour = int(np.argmax(sell - fees.export > buy + fees.import_))
            table.refuse("sell_micro_eur_per_wh", f"hour {hour}: is above the buy price in {zone}")


def _climate(table: Fields, folder: Path) -> Climate:
    keys = [key for key in ("outdoor", "latitude") if table.has(key)]
    if len(keys) != 1:
        table.refuse("latitude", "either latitude or outdoor must be there")
    if keys == ["outdoor"]:
        return read_outdoor(folder / table.text("outdoor"))
    return Climate(table.number("latitude", -90, 90), None)
