"""Energy storages of a home: battery, electric vehicle, and the heat of the building.

All three have the same form, a state in Wh that follows

    state[t] = retain[t] · state[t-1] + gain[t] · in[t] − drain · out[t] + inflow[t]

with bounds low[t] ≤ state[t] ≤ high[t] at the end of each period. A battery retains everything, a
vehicle leaves with the energy of its trip as a negative inflow, a building retains the warmth that its
walls keep (first-order model) and gains the pump's coefficient of performance.

Set-points are whole Wh. The whole numbers that keep every later bound within reach form one interval
for any state, because a single state has an interval of viable values ([Aubin1991]): `Viable` computes
it backwards, and `whole_path` rounds a schedule inside it, carrying the remainder on, so that no
rounding ever breaks a bound that could be kept.

Source: [Khajeh2022] §1.1 and [Mendes2020] §2.1.4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gridbourse.model.errors import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Bounds = Literal["hard", "made_good", "soft"]
"""hard: physics, never broken. made_good: the shortfall at `low` comes from elsewhere, as for a vehicle
that charges on its way. soft: comfort; the state is then outside its band."""

_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Storage:
    """One storage over a window of periods; arrays have the shape (periods,).

    name, kind: for display ("battery", "ev", "heat_pump"). state_wh: before the first period.
    retain, gain: see above; inflow_wh: Wh of state. drain: Wh of state for each Wh given back.
    low_wh, high_wh: of the state at the end of each period.
    max_in_wh, max_out_wh: most Wh drawn and given back in each period, whole.
    wear_micro_eur_per_wh: for each Wh given back. end_value_micro_eur_per_wh: of each Wh of state
        left after the last period.
    """

    name: str
    kind: str
    state_wh: float
    retain: Floats
    gain: Floats
    drain: float
    inflow_wh: Floats
    low_wh: Floats
    high_wh: Floats
    max_in_wh: Ints
    max_out_wh: Ints
    bounds: Bounds
    wear_micro_eur_per_wh: int = 0
    end_value_micro_eur_per_wh: float = 0.0

    def __post_init__(self) -> None:
        for bad, rule in (
            (self.gain <= 0, "gain must be above 0"),
            ((self.retain <= 0) | (self.retain > 1), "retain must lie in (0, 1]"),
            (self.max_in_wh < 0, "max_in_wh must not be negative"),
            (self.max_out_wh < 0, "max_out_wh must not be negative"),
            (self.low_wh > self.high_wh, "low_wh is above high_wh"),
            (np.array([self.drain < 1]), "drain must be at least 1"),
            (np.array([self.wear_micro_eur_per_wh < 0]), "wear must not be negative"),
        ):
            if np.any(bad):
                raise ModelError(f"{self.name}, period {int(np.argmax(bad))}: {rule}")

    def __len__(self) -> int:
        return len(self.retain)

    def step(self, at: int, state_wh: float, drawn_wh: int) -> float:
        """State at the end of period `at` when this much is drawn in it (negative: given back)."""
        moved = self.gain[at] * drawn_wh if drawn_wh > 0 else self.drain * drawn_wh
        after = float(self.retain[at] * state_wh + moved + self.inflow_wh[at])
        if self.bounds == "made_good":
            after = max(after, float(self.low_wh[at]))
        return after

    def drawn_between(self, at: int, state_wh: float, low: float, high: float) -> tuple[int, int]:
        """Least and most whole Wh drawn that end the period within low..high, or next to it."""
        rest = float(self.retain[at] * state_wh + self.inflow_wh[at])
        least = math.ceil(self._needed(at, low - rest) - _TOLERANCE)
        most = math.floor(self._needed(at, high - rest) + _TOLERANCE)
        least = min(max(least, -int(self.max_out_wh[at])), int(self.max_in_wh[at]))
        most = min(max(most, -int(self.max_out_wh[at])), int(self.max_in_wh[at]))
        return least, max(least, most)

    def physical(self, at: int, state_wh: float) -> tuple[int, int]:
        """Least and most Wh that could be drawn, whatever it means for comfort and for later."""
        if self.bounds == "soft":
            return -int(self.max_out_wh[at]), int(self.max_in_wh[at])
        floor = float(self.low_wh[at]) if self.bounds == "hard" else float(self.low_wh.min())
        return self.drawn_between(at, state_wh, floor, float(self.high_wh[at]))

    def off_wh(self, at: int, state_wh: float, drawn_wh: int) -> float:
        """Distance of the end of period `at` below (negative) or above its band, Wh of state; 0 = inside."""
        moved = self.gain[at] * drawn_wh if drawn_wh > 0 else self.drain * drawn_wh
        after = float(self.retain[at] * state_wh + moved + self.inflow_wh[at])
        off = min(after - float(self.low_wh[at]), 0) + max(after - float(self.high_wh[at]), 0)
        return off if abs(off) > _TOLERANCE else 0.0

    def _needed(self, at: int, change_wh: float) -> float:
        """Wh to draw for a change of the state."""
        return float(change_wh / (self.gain[at] if change_wh > 0 else self.drain))


@dataclass(frozen=True, eq=False)
class Viable:
    """States at the end of each period from which every later bound can still be kept."""

    low_wh: Floats
    high_wh: Floats

    @classmethod
    def of(cls, storage: Storage) -> Viable:
        """Viable states, computed backwards. An unreachable bound becomes the nearest in reach."""
        low, high = storage.low_wh.copy(), storage.high_wh.copy()
        for at in range(len(storage) - 1, 0, -1):
            most = storage.gain[at] * storage.max_in_wh[at] + storage.inflow_wh[at]
            least = storage.inflow_wh[at] - storage.drain * storage.max_out_wh[at]
            before = at - 1
            low[before] = max(low[before], (low[at] - most) / storage.retain[at])
            high[before] = min(high[before], (high[at] - least) / storage.retain[at])
            low[before] = min(low[before], storage.high_wh[before])
            high[before] = max(high[before], low[before])
        return cls(low, high)


def allowed(storage: Storage, viable: Viable, at: int, state_wh: float) -> tuple[int, int]:
    """Least and most whole Wh to draw in a period with every later bound still within reach."""
    low, high = float(viable.low_wh[at]), float(viable.high_wh[at])
    return storage.drawn_between(at, state_wh, low, high)


@dataclass(frozen=True, eq=False)
class Path:
    """Schedule in whole Wh and its results; arrays have the shape (periods,).

    drawn_wh: + drawn, − given back. state_wh: at the end of each period. off_wh: distance below
    (−) or above (+) its band, Wh of state.
    """

    drawn_wh: Ints
    state_wh: Floats
    off_wh: Floats


def whole_path(storage: Storage, viable: Viable, wanted_wh: ArrayLike) -> Path:
    """Round a schedule to whole Wh inside what is allowed, carrying the remainder on.

    The sum up to any period is at most one Wh off, unless a bound asks for more.
    """
    wanted = np.asarray(wanted_wh, dtype=np.float64)
    drawn, states, off = (
        np.zeros(len(wanted), np.int64),
        np.zeros(len(wanted)),
        np.zeros(len(wanted)),
    )
    state, carry = storage.state_wh, 0.0
    for at, value in enumerate(wanted.tolist()):
        near = round(value)
        exact = abs(value - near) < _TOLERANCE
        least, most = allowed(storage, viable, at, state)
        chosen = min(max(near if exact else round(value + carry), least), most)
        if not exact or chosen != near:
            carry = min(max(carry + value - chosen, -1.0), 1.0)
        off[at] = storage.off_wh(at, state, chosen)
        state = storage.step(at, state, chosen)
        drawn[at], states[at] = chosen, state
    return Path(drawn, states, off)


def battery(
    name: str,
    periods: int,
    state_wh: float,
    low_wh: float,
    high_wh: float,
    power_wh: int,
    round_trip: float,
    wear_micro_eur_per_wh: int,
    end_value_micro_eur_per_wh: float = 0.0,
) -> Storage:
    """Battery; losses are half on the way in, half on the way out (√round_trip each).

    power_wh: most Wh in a period, either way.
    """
    if not 0 < round_trip <= 1:
        raise ModelError(f"{name}: round_trip {round_trip:g} must lie in (0, 1]")
    way = math.sqrt(round_trip)
    return Storage(
        name, "battery", state_wh,
        retain=np.ones(periods), gain=np.full(periods, way), drain=1 / way,
        inflow_wh=np.zeros(periods),
        low_wh=np.full(periods, low_wh), high_wh=np.full(periods, high_wh),
        max_in_wh=np.full(periods, power_wh), max_out_wh=np.full(periods, power_wh),
        bounds="hard", wear_micro_eur_per_wh=wear_micro_eur_per_wh,
        end_value_micro_eur_per_wh=end_value_micro_eur_per_wh,
    )  # fmt: skip


def vehicle(
    name: str,
    at_home: NDArray[np.bool_],
    state_wh: float,
    battery_wh: float,
    needed_wh: float,
    trip_wh: float,
    charger_wh: int,
    round_trip: float,
    to_grid: bool = False,
    wear_micro_eur_per_wh: int = 0,
    end_value_micro_eur_per_wh: float = 0.0,
) -> Storage:
    """Electric vehicle: charges while at home and leaves with `needed_wh`, of which its trip takes
    `trip_wh`. What it lacks on leaving it charges elsewhere; that counts as a shortfall.

    at_home: shape (periods,). to_grid: True where it gives back, at the charger's power.
    """
    if not trip_wh <= needed_wh <= battery_wh:
        raise ModelError(
            f"{name}: trip_wh {trip_wh:g} ≤ needed_wh {needed_wh:g} ≤ battery_wh {battery_wh:g} must hold"
        )
    periods = len(at_home)
    leaves = at_home & ~np.append(at_home[1:], at_home[-1])
    low = np.where(leaves, needed_wh, 0.0)
    inflow = np.where(np.append(False, leaves[:-1]), -float(trip_wh), 0.0)
    way = math.sqrt(round_trip)
    power = np.where(at_home, charger_wh, 0)
    return Storage(
        name, "ev", state_wh,
        retain=np.ones(periods), gain=np.full(periods, way), drain=1 / way,
        inflow_wh=inflow, low_wh=low, high_wh=np.full(periods, float(battery_wh)),
        max_in_wh=power, max_out_wh=power if to_grid else np.zeros(periods, np.int64),
        bounds="made_good", wear_micro_eur_per_wh=wear_micro_eur_per_wh,
        end_value_micro_eur_per_wh=end_value_micro_eur_per_wh,
    )  # fmt: skip


@dataclass(frozen=True)
class Building:
    """First-order thermal model: C dT/dt = COP · P − loss · (T − T_outdoor).

    loss_w_per_k: heat loss; capacity_wh_per_k: C; cop: heat for each Wh of electricity; low_c,
    high_c: comfort band. The state of its storage is C · (T − low_c), Wh of heat.
    """

    loss_w_per_k: float
    capacity_wh_per_k: float
    cop: float
    low_c: float
    high_c: float

    def state_wh(self, temperature_c: float) -> float:
        """Heat above the lower edge of the band."""
        return self.capacity_wh_per_k * (temperature_c - self.low_c)

    def temperature_c(self, state_wh: ArrayLike) -> Floats:
        """Temperature for a state; the inverse of `state_wh`."""
        return self.low_c + np.asarray(state_wh, dtype=np.float64) / self.capacity_wh_per_k


def heat_pump(
    name: str,
    building: Building,
    state_wh: float,
    power_wh: int,
    outdoor_c: Floats,
    hours: float,
) -> Storage:
    """Heat pump and the building it warms; outdoor_c: mean of each period, shape (periods,).

    The exact solution of the first-order model for constant power and outdoor temperature in each
    period. Without a cooler a hot day ends above the band, whatever the schedule.
    """
    if not building.low_c < building.high_c:
        raise ModelError(
            f"{name}: the comfort band {building.low_c:g}..{building.high_c:g} °C is empty"
        )
    if min(building.loss_w_per_k, building.capacity_wh_per_k, building.cop) <= 0:
        raise ModelError(f"{name}: heat loss, heat capacity and COP must be above 0")
    periods = len(outdoor_c)
    capacity, loss = building.capacity_wh_per_k, building.loss_w_per_k
    kept = math.exp(-loss * hours / capacity)
    gain = building.cop * (1 - kept) * capacity / (loss * hours)
    return Storage(
        name, "heat_pump", state_wh,
        retain=np.full(periods, kept), gain=np.full(periods, gain), drain=1.0,
        inflow_wh=capacity * (1 - kept) * (np.asarray(outdoor_c) - building.low_c),
        low_wh=np.zeros(periods),
        high_wh=np.full(periods, capacity * (building.high_c - building.low_c)),
        max_in_wh=np.full(periods, power_wh), max_out_wh=np.zeros(periods, np.int64),
        bounds="soft",
    )  # fmt: skip
