"""Make the data of scenarios/corby: members, load, PV and grid of the FleXunity pilot at Corby.

    python scenarios/make_corby.py scenarios/corby

needs the extra ``extract`` (demandlib 0.2.2 and pvlib 0.16.1 with h5py); nothing at run time does.  The
members, their yearly energy, their PV and their flexible part are from [Mendes2020] §4.2.1,
Table 4.  The rest is made: load shapes are BDEW's standard load profiles by demandlib, PV is pvlib's
clear sky above Corby behind clouds that are drawn, the grid is a plausible one.  Every figure that was
chosen here is named below and in scenarios/corby/README.md.

Loads follow local time, the sun does not: profiles are looked up by local time and written
by UTC.  A member's year adds up to its kWh exactly.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandapower as pp
import pandas as pd
from corby_grid import grid
from demandlib import bdew
from pvlib import irradiance, location, pvsystem, temperature

from gridbourse.grid.network import Network
from gridbourse.grid.pandapower_check import PandapowerNetwork

YEAR = 2019
PERIOD = "30min"
TIMEZONE = "Europe/London"
LATITUDE, LONGITUDE, ALTITUDE_M = 52.49, -0.69, 110
HOLIDAYS = [date(YEAR, *day) for day in
            ((1, 1), (4, 19), (4, 22), (5, 6), (5, 27), (8, 26), (12, 25), (12, 26))]  # fmt: skip
"""Bank holidays in England."""
SEED = 2019
WEEKS = {"summer": date(YEAR, 7, 15), "winter": date(YEAR, 1, 14)}
"""First day (UTC) of seven; the day before, which the forecast needs, is included."""
BALANCING_DAY = date(YEAR, 7, 17)
POWER_FACTOR = 0.95
HEADROOM = 1.25
FUSES_A = (100, 160, 200, 250, 315, 400, 500, 630, 800)
HOME_W = 23_000
"""A single-phase service of 100 A."""


class Member(NamedTuple):
    """kwh, pv_kwh: of the year, None where the table has kWp only; profile: BDEW's name."""

    name: str
    bus: str
    zone: str
    profile: str
    kwh: int
    kwp: float
    pv_kwh: int | None
    flexible_w: int
    flexible_kind: str


BUSINESSES = (
    Member("food plant", "Food plant", "Food plant", "g3", 4_000_000, 0, 42_500,
           600_000, "chiller"),
    Member("manufacturer", "Manufacturer", "Estate", "g1", 45_000, 8, None, 6_000, "HVAC"),
    Member("business centre", "Business centre", "Estate", "g1", 300_000, 50, None,
           60_000, "electric heaters"),
    Member("council depot", "Depot", "Estate", "g1", 65_000, 30, None,
           10_000, "air conditioning"),
)  # fmt: skip
PV_HOMES, CONTROL_HOMES, CHARGERS = 20, 10, 4
HOME_KWP = 12 * 0.25
LEAST_KWH, MOST_KWH, MEAN_KWH = 1_100, 8_000, 2_500
WATER_HEATER_W, FREEZER_W = 3_000, 150
CHARGER_W, CHARGER_KWH = 7_000, 2_500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the data go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    starts = pd.date_range(f"{YEAR}-01-01", f"{YEAR + 1}-01-01", freq=PERIOD, tz="UTC",
                           inclusive="left", name="start")  # fmt: skip
    members = everybody()
    load_w = pd.DataFrame(loads(members, starts), index=starts)
    pv_w = pd.DataFrame(plants(members, starts), index=starts)
    net = grid()
    pp.to_json(net, str(folder / "grid.json"))
    points = connection_points(net, members, load_w, pv_w)
    points.to_csv(folder / "points.csv", lineterminator="\n")
    year(load_w, pv_w, points).to_csv(folder / "year.csv", lineterminator="\n")
    frames = {"load_w": load_w, "load_var": reactive(load_w), "pv_w": pv_w}
    check(folder, points, load_w, pv_w)
    balancing(folder / "balancing", members, pv_w - load_w)
    for name, first in WEEKS.items():
        start = pd.Timestamp(first, tz="UTC")
        inside = (starts >= start - pd.Timedelta(days=1)) & (starts < start + pd.Timedelta(days=7))
        table = profiles({key: frame[inside] for key, frame in frames.items()}, points)
        path = folder / f"{name}.parquet"
        table.to_parquet(path, index=False, compression="zstd", store_schema=False)
        print(f"{path}: {len(table)} rows, {path.stat().st_size} bytes")


# --- members -----------------------------------------------------------------------------------------


def everybody() -> list[Member]:
    """Businesses, homes with PV, homes without, chargers; each its own bus but the chargers."""
    homes = []
    for i, kwh in enumerate([*home_kwh("PV homes", PV_HOMES), *home_kwh("control", CONTROL_HOMES)]):
        feeder, place = "ABC"[i % 3], 1 + i // 3
        kind = "" if i >= PV_HOMES else "water heater" if i % 2 else "freezer"
        watts = {"": 0, "water heater": WATER_HEATER_W, "freezer": FREEZER_W}[kind]
        name = f"PV home {i + 1}" if i < PV_HOMES else f"control home {i + 1 - PV_HOMES}"
        kwp = HOME_KWP if i < PV_HOMES else 0
        homes.append(
            Member(name, f"Homes {feeder}{place}", "Homes", "h0_dyn", kwh, kwp, None, watts, kind)
        )
    chargers = [
        Member(f"charging point {i + 1}", "Car park", "Estate", "", CHARGER_KWH, 0, None,
               CHARGER_W, "EV charging")
        for i in range(CHARGERS)
    ]  # fmt: skip
    return [*BUSINESSES, *homes, *chargers]


def home_kwh(what: str, count: int) -> list[int]:
    """Yearly kWh of homes: drawn, with the least, the most and the mean of the table exactly."""
    drawn = generator(what).lognormal(np.log(2_000), 0.35, count - 2)
    wanted = count * MEAN_KWH - LEAST_KWH - MOST_KWH
    kwh = np.clip(drawn, LEAST_KWH + 1, MOST_KWH - 1)
    kwh = (
        LEAST_KWH + (kwh - LEAST_KWH) * (wanted - (count - 2) * LEAST_KWH) / (kwh - LEAST_KWH).sum()
    )
    whole = np.diff(np.floor(np.cumsum([0.0, *kwh]) + 1e-6)).astype(int)
    found = [LEAST_KWH, *(int(each) for each in whole), MOST_KWH]
    if sum(found) != count * MEAN_KWH or min(found) < LEAST_KWH or max(found) > MOST_KWH:
        raise SystemExit(f"{what}: {found} is not as the table has it")
    return [found[i] for i in generator(f"{what} order").permutation(count)]


def generator(*what: str) -> np.random.Generator:
    """Separate generator for each purpose."""
    return np.random.default_rng([SEED, *"/".join(what).encode()])


# --- load ----------------------------------------------------------------------------------------------


def loads(members: list[Member], starts: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    """W of every member; the year's sum is its kWh to the watt-hour."""
    standard = bdew.ElecSlp(YEAR, holidays=HOLIDAYS).get_scaled_power_profiles(
        {"h0_dyn": 1.0, "g1": 1.0, "g3": 1.0}
    )
    local = starts.tz_convert(TIMEZONE).tz_localize(None)
    found = {}
    for member in members:
        if not member.profile:
            shape = charging(member.name, local)
        else:
            shape = standard[member.profile].resample(PERIOD).mean().reindex(local).to_numpy()
            if member.zone == "Homes":
                shape = as_one_home(member.name, shape)
        found[member.name] = exactly(shape, member.kwh)
    return found


def as_one_home(name: str, shape: np.ndarray) -> np.ndarray:
    """Load shape of one home: a standard profile is the mean of many; one home differs in time and varies."""
    random = generator("home", name)
    moved = np.roll(shape, random.integers(-2, 3))
    noise = np.zeros(len(shape))
    shocks = random.normal(0, 0.5, len(shape))
    for i in range(1, len(shape)):
        noise[i] = 0.5 * noise[i - 1] + shocks[i]
    return moved * np.exp(noise)


def charging(name: str, local: pd.DatetimeIndex) -> np.ndarray:
    """Charging at work: most days one or two cars, between 8 and 18 o'clock, for one to four hours."""
    random = generator("charger", name)
    power = np.zeros(len(local))
    for day in range(len(local) // 48):
        weekend = local[day * 48 + 24].weekday() >= 5
        for _ in range(random.poisson(0.4 if weekend else 1.4)):
            first = day * 48 + int(random.integers(16, 33))
            power[first : first + int(random.integers(2, 9))] = 1.0
    return power * CHARGER_W


def exactly(shape: np.ndarray, kwh: int) -> np.ndarray:
    """Whole W in the shape's proportion whose half-hours sum to the kWh exactly."""
    total = 2_000 * kwh
    sums = np.floor(np.cumsum(shape) / shape.sum() * total + 0.5)
    sums[-1] = total
    return np.diff(np.concatenate([[0.0], sums])).astype(np.int64)


def reactive(load_w: pd.DataFrame) -> pd.DataFrame:
    """Reactive power, inductive, as in CIGRE's European low-voltage benchmark."""
    return (load_w * np.tan(np.arccos(POWER_FACTOR))).round().astype("int64")


# --- PV ------------------------------------------------------------------------------------------------


def plants(members: list[Member], starts: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    """W of every member's plant: facing roughly south, behind the same clouds."""
    middles = starts + pd.Timedelta(PERIOD) / 2
    site = location.Location(LATITUDE, LONGITUDE, "UTC", ALTITUDE_M, "Corby")
    sun = site.get_solarposition(middles)
    ghi = site.get_clearsky(middles)["ghi"] * clouds(len(starts))
    parts = irradiance.erbs(ghi, sun["zenith"], middles)
    hour = middles.hour + middles.minute / 60
    season = np.cos(2 * np.pi * (middles.dayofyear - 200) / 365)
    air_c = 10 + 7 * season + 4 * np.cos(2 * np.pi * (hour - 15) / 24)
    found = {}
    for member in members:
        if not (member.kwp or member.pv_kwh):
            found[member.name] = np.zeros(len(starts), dtype=np.int64)
            continue
        azimuth = 180 + float(generator("roof", member.name).uniform(-45, 45))
        tilt = 35 if member.zone == "Homes" else 15
        plane = irradiance.get_total_irradiance(
            tilt, azimuth, sun["apparent_zenith"], sun["azimuth"], parts["dni"], ghi, parts["dhi"]
        )["poa_global"].fillna(0.0)
        cell_c = temperature.pvsyst_cell(plane, air_c, wind_speed=3)
        kwp = member.kwp or 47.0
        dc_w = pvsystem.pvwatts_dc(plane, cell_c, kwp * 1e3, -0.004)
        # Soiling, wiring, mismatch: PVWatts' default losses. The inverter 96 %.
        ac_w = np.clip(dc_w * 0.86 * 0.96, 0, kwp * 1e3).to_numpy()
        print(f"{member.name}: {ac_w.sum() / 2e3 / kwp:.0f} kWh a year from each kWp")
        found[member.name] = (
            np.round(ac_w).astype(np.int64) if member.pv_kwh is None
            else exactly(ac_w, member.pv_kwh)
        )  # fmt: skip
    return found


def clouds(periods: int) -> np.ndarray:
    """Share of the clear sky's sun that passes: days that are clear, mixed or overcast, by chance."""
    random = generator("clouds")
    through = np.empty(periods)
    kind = 1
    for day in range(periods // 48):
        stay = np.array([[0.5, 0.35, 0.15], [0.2, 0.5, 0.3], [0.12, 0.38, 0.5]])[kind]
        kind = int(random.choice(3, p=stay))
        middle, spread = ((0.97, 0.02), (0.66, 0.2), (0.3, 0.12))[kind]
        noise = 0.0
        for i in range(day * 48, day * 48 + 48):
            noise = 0.6 * noise + 0.8 * float(random.normal(0, spread))
            through[i] = min(1.0, max(0.08, middle + noise))
    return through


# --- files -----------------------------------------------------------------------------------------------


def connection_points(
    net: Any, members: list[Member], load_w: pd.DataFrame, pv_w: pd.DataFrame
) -> pd.DataFrame:
    """One row per member; a business' connection carries 1.25 x its greatest power by its fuse."""
    nodes = pd.Series(net.bus.index, index=net.bus.name)

    def capacity_w(member: Member) -> int:
        if member.zone == "Homes" or not member.profile:
            return HOME_W
        most = HEADROOM * max(load_w[member.name].max() / POWER_FACTOR, pv_w[member.name].max())
        fuse = next((a for a in FUSES_A if np.sqrt(3) * 400 * a >= most), None)
        return 1_250_000 if fuse is None else int(np.sqrt(3) * 400 * fuse)

    return pd.DataFrame(
        {
            "node": [int(nodes[m.bus]) for m in members],
            "zone": [m.zone for m in members],
            "capacity_w": [capacity_w(m) for m in members],
            "peak_load_w": [int(load_w[m.name].max()) for m in members],
            "rated_pv_w": [
                round(m.kwp * 1e3) if m.kwp else int(pv_w[m.name].max()) for m in members
            ],
            "member": [m.name for m in members],
            "flexible_w": [m.flexible_w for m in members],
            "flexible_kind": [m.flexible_kind or "none" for m in members],
        },
        index=pd.Index([f"C{i:02d}" for i in range(1, len(members) + 1)], name="point_id"),
    )


def year(load_w: pd.DataFrame, pv_w: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Wh of every month, so that the year's sums can be checked without making it again."""
    months = {}
    for name, frame in (("load_wh", load_w), ("pv_wh", pv_w)):
        half_watt_hours = frame.groupby(frame.index.month).sum()
        half_watt_hours.columns = points.index
        months[name] = half_watt_hours.T.stack() / 2
    table = pd.DataFrame(months)
    table.index.names = ["point_id", "month"]
    return table


def profiles(frames: dict[str, pd.DataFrame], points: pd.DataFrame) -> pd.DataFrame:
    """Long table, sorted by point and time: start (UTC), point_id, load_w, load_var, pv_w; whole watts."""
    columns = {}
    for key, frame in frames.items():
        columns[key] = frame.set_axis(points.index, axis=1).astype("int32").T.stack()
    table = pd.DataFrame(columns).reset_index()
    table["start"] = table["start"].astype("datetime64[s, UTC]")
    return table[["start", "point_id", "load_w", "load_var", "pv_w"]]


def balancing(folder: Path, members: list[Member], net_w: pd.DataFrame) -> None:
    """Write an invented day in the balancing market: demand turned up at noon, and down in the evening.

    Alone the community is below the minimum bid, so its aggregator adds its own sites elsewhere.
    """
    folder.mkdir(exist_ok=True)
    random = generator("balancing")
    starts = pd.date_range(BALANCING_DAY, periods=48, freq=PERIOD, tz="UTC")
    hours = starts.hour + starts.minute / 60
    up = 55 + 25 * np.exp(-(((hours - 17.5) / 2) ** 2)) + random.normal(0, 3, 48)
    down = 15 + 50 * np.exp(-(((hours - 12.5) / 2.5) ** 2)) + random.normal(0, 3, 48)
    stamps = starts.strftime("%Y-%m-%dT%H:%MZ")
    prices = pd.DataFrame({"time": stamps, "area": "GB", "up_eur_per_mwh": up.round(2),
                           "down_eur_per_mwh": down.round(2)})  # fmt: skip
    prices.to_csv(folder / "prices.csv", index=False, lineterminator="\n")
    community = [
        (
            ("food plant" if m.name == "food plant" else "Corby town"),
            "GB",
            m.name,
            m.flexible_w // 2,
        )
        for m in members
        if m.flexible_w
    ]
    partners = [
        ("cold store", "GB", "cold store", 100_000),
        ("water works", "GB", "water works", 80_000),
    ]
    school = ("school", "GB", "school", 20_000)
    across = ("dairy", "SEM", "dairy", 150_000)
    bids = (
        ("Corby alone", "12:00", "down", 50, community),
        ("with partners", "12:30", "down", 50, [*community, *partners, school]),
        ("across the sea", "13:00", "down", 50, [*community, *partners, across]),
        ("evening", "17:30", "up", 150, [*community, *partners]),
    )
    offers, deliveries = [], []
    for bid, time, direction, ask, rows in bids:
        start = pd.Timestamp(f"{BALANCING_DAY}T{time}Z")
        for site, area, member, wh in rows:
            price = ask + int(random.integers(-20, 1))
            offers.append(
                (bid, f"{BALANCING_DAY}T{time}Z", area, direction, site, member, wh, price)
            )
            in_corby = member in net_w.columns
            baseline_wh = int(net_w.at[start, member] // 2) if in_corby else -150_000
            done = (
                int(wh * min(1.1, max(0.0, random.normal(0.97, 0.08))))
                if random.random() > 0.05
                else 0
            )
            metered_wh = baseline_wh + (done if direction == "up" else -done)
            deliveries.append((bid, member, baseline_wh, metered_wh))
    for name, columns, table in (
        ("offers", ["bid", "time", "area", "direction", "site", "member", "wh", "price_eur_per_mwh"], offers),
        ("deliveries", ["bid", "member", "baseline_wh", "metered_wh"], deliveries),
    ):  # fmt: skip
        frame = pd.DataFrame(table, columns=columns)
        frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def check(folder: Path, points: pd.DataFrame, load_w: pd.DataFrame, pv_w: pd.DataFrame) -> None:
    """Check the whole year against the limits, and twelve drawn half-hours against pandapower."""
    net_w, net_var = (pv_w - load_w).to_numpy(float), -reactive(load_w).to_numpy(float)
    network = Network.load(folder / "grid.json", points)
    flow = network.run(net_w, net_var)
    print(f"voltages {flow.u_pu.min():.3f} to {flow.u_pu.max():.3f} pu,"
          f" highest loading {flow.loading.max():.0%}")  # fmt: skip
    if flow.u_pu.min() < 0.94 or flow.u_pu.max() > 1.1 or flow.loading.max() > 1:
        raise SystemExit("the grid does not keep its limits")
    rows = generator("check").choice(len(net_w), 12, replace=False)
    theirs = PandapowerNetwork(folder / "grid.json", points).run(net_w[rows], net_var[rows])
    worst = float(np.abs(theirs.u_pu - flow.u_pu[rows]).max())
    print(f"largest voltage difference to pandapower: {worst:.1e} pu")
    if worst > 1e-8:
        raise SystemExit("the two solvers disagree")


if __name__ == "__main__":
    main()
