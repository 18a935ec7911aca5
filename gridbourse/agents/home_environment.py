"""Environment of a home: local time, weather, prices, and its expected energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.scenario.devices import Devices, HomeRules, Shiftable
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scheduling.home import Block, HomePrices
from gridbourse.scheduling.storage import Storage, battery, heat_pump, vehicle

if TYPE_CHECKING:
    from gridbourse.scenario.scenario import Scenario

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Surroundings:
    """Environment shared by all homes of a scenario."""

    scenario: Scenario

    @cached_property
    def rules(self) -> HomeRules:
        """The table [homes]; ScenarioError where there is none."""
        if self.scenario.homes is None:
            raise ScenarioError(f"{self.scenario.name}: homes: this table is missing")
        return self.scenario.homes

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.scenario.timezone)

    @property
    def day(self) -> int:
        """Periods in 24 hours."""
        return 86_400 // self.scenario.mtu_seconds

    def local_date(self, period: int) -> date:
        """Local date at the start of a period."""
        return self.scenario.mtu.start(period).astimezone(self._zone).date()

    def period_of(self, day: date, minute: int) -> int:
        """Period that a time of a local day lies in."""
        return self._moment(day, minute) // self.scenario.mtu_seconds

    def _moment(self, day: date, minute: int) -> int:
        """Time of a local day in seconds since 1970; the first where the clock shows it twice."""
        local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=self._zone)
        return int(local.timestamp())

    def prices(self, zone: str, periods: range) -> HomePrices:
        """Cost and earnings of a Wh at a meter of the zone, grid fees included."""
        fees, hours = self.scenario.tariff.fees[zone], self._local(periods).hour.to_numpy()
        return HomePrices(
            self.rules.buy_micro_eur_per_wh[hours] + fees.import_,
            self.rules.sell_micro_eur_per_wh[hours] - fees.export,
        )

    def expected_wh(self, periods: range) -> Ints:
        """Expected net energy of every point without its devices, shape (periods, points).

        Known before the first of the periods: the same time of the last whole day before.
        """
        ago = (np.arange(len(periods)) // self.day + 1) * self.day
        wanted = np.asarray(periods) - ago
        return np.stack([self.scenario.net_wh(int(period)) for period in wanted])

    def storages(
        self, devices: Devices, states: dict[str, float], zone: str, periods: range
    ) -> list[Storage]:
        """Storages of a home over the periods, from these states."""
        hours, count = self.scenario.mtu.hours, len(periods)
        found = []
        prices = self.prices(zone, periods)
        if (b := devices.battery) is not None:
            # The rest would at least be sold: it neither fills up for nothing nor sells out for less.
            worth = (
                float(prices.sell_micro_eur_per_wh.mean()) * b.round_trip**0.5
                - b.wear_micro_eur_per_wh
            )
            found.append(
                battery(
                    "battery", count, states["battery"],
                    b.low_share * b.capacity_wh, b.high_share * b.capacity_wh,
                    int(b.power_w * hours), b.round_trip, b.wear_micro_eur_per_wh, max(worth, 0.0),
                )
            )  # fmt: skip
        if (e := devices.ev) is not None:
            # Charging it again would cost at least this; a little less, so that it does not fill for nothing.
            worth = 0.99 * float(prices.buy_micro_eur_per_wh.min()) / e.round_trip**0.5
            found.append(
                vehicle(
                    "ev", self.at_home(e.arrival, e.departure, periods), states["ev"],
                    e.battery_wh, e.needed_wh, e.trip_wh, int(e.charger_w * hours), e.round_trip,
                    e.to_grid, e.wear_micro_eur_per_wh, worth,
                )
            )  # fmt: skip
        if (h := devices.heat_pump) is not None:
            outdoor = self.outdoor_c(periods)
            found.append(
                heat_pump(
                    "heat_pump",
                    h.building,
                    states["heat_pump"],
                    int(h.power_w * hours),
                    outdoor,
                    hours,
                )
            )
        return found

    def start_states(self, devices: Devices) -> dict[str, float]:
        """Wh of state of each storage when a replay begins."""
        states = {}
        if devices.battery is not None:
            states["battery"] = devices.battery.start_share * devices.battery.capacity_wh
        if devices.ev is not None:
            states["ev"] = devices.ev.start_wh
        if devices.heat_pump is not None:
            states["heat_pump"] = devices.heat_pump.building.state_wh(devices.heat_pump.start_c)
        return states

    def at_home(self, arrival: int, departure: int, periods: range) -> NDArray[np.bool_]:
        """Mask of the periods that a vehicle is at home throughout.

        It leaves once a local day, and is away for a period at least. A time that the clock shows
        twice is the first of the two; one that it skips counts as that much later.
        """
        home = np.ones(len(periods), dtype=np.bool_)
        day = self.local_date(periods[0]) - timedelta(days=1)
        while day <= self.local_date(periods[-1]):
            back = day + timedelta(days=1) if arrival < departure else day
            leaves, comes = self._moment(day, departure), self._moment(back, arrival)
            first = leaves // self.scenario.mtu_seconds
            end = max(-(-comes // self.scenario.mtu_seconds), first + 1)
            home[max(first - periods.start, 0) : max(end - periods.start, 0)] = False
            day += timedelta(days=1)
        return home

    def outdoor_c(self, periods: range) -> Floats:
        """Temperature outdoors."""
        return self.rules.climate.outdoor_c(periods, self.scenario.mtu, self.scenario.timezone)

    def load_wh(self, load: Shiftable) -> Ints:
        """Run of a shiftable load, Wh in each of its periods; the last may be partial."""
        seconds, mtu = load.minutes * 60, self.scenario.mtu_seconds
        count = -(-seconds // mtu)
        share = np.minimum(seconds - np.arange(count) * mtu, mtu)
        return np.rint(load.power_w * share / 3600).astype(np.int64)

    def runs(
        self, loads: Sequence[Shiftable], periods: range
    ) -> dict[tuple[str, date], tuple[Ints, int, int]]:
        """Runs whose window of starts lets them end within the periods: by load and local
        day (load_wh, first start, last start); the first start may lie before the periods."""
        found = {}
        last_day = self.local_date(periods[-1])
        day = self.local_date(periods[0]) - timedelta(days=1)
        while day <= last_day:
            for load in loads:
                energy = self.load_wh(load)
                later = day + timedelta(days=1) if load.latest < load.earliest else day
                first = self.period_of(day, load.earliest)
                last = max(self.period_of(later, load.latest), first)
                if last >= periods.start and last + len(energy) <= periods.stop:
                    found[load.name, day] = (energy, first, last)
            day += timedelta(days=1)
        return found

    def block(
        self, key: tuple[str, date], run: tuple[Ints, int, int], origin: int, earliest: int
    ) -> Block | None:
        """Block of a run for the model, counted from `origin`, begun at `earliest` or later."""
        energy, first, last = run
        first = max(first, earliest)
        if first > last:
            return None
        return Block(f"{key[0]} {key[1]}", energy, first - origin, last - origin)

    @cached_property
    def _local(self) -> Callable[[range], pd.DatetimeIndex]:
        """Local times of periods, cached: all homes need the same few."""
        return lru_cache(maxsize=8)(self._local_times)

    def _local_times(self, periods: range) -> pd.DatetimeIndex:
        starts = pd.to_datetime(np.asarray(periods) * self.scenario.mtu_seconds, unit="s", utc=True)
        return starts.tz_convert(self.scenario.timezone)
