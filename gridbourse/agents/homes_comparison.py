"""Homes of a run, compared with the same homes without a manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.agents.homes import Homes
from gridbourse.agents.household import Done, Household
from gridbourse.agents.plant import Delivery
from gridbourse.agents.unmanaged_homes import Unmanaged, missed_wh
from gridbourse.scenario.devices import STORAGES
from gridbourse.scheduling.home import HomePrices

Ints = NDArray[np.int64]

KINDS: Final = (*STORAGES, "shiftable")
ELECTRIC: Final = ("battery", "ev")


def account(homes: Homes, deliveries: Mapping[int, Delivery]) -> pd.DataFrame:
    """A row a home, index point_id; sums over the periods delivered, all of which must be there.

    pv_wh: production of the panels.  For each way, "managed" as metered under the DSO's caps, "unmanaged" on
    the same profiles without caps: self_used_W_wh: of pv_wh, used or stored behind the meter;
    cost_W_micro_eur: bought less sold at the tariff the home sees, grid fees included;
    wear_W_micro_eur; KIND_W_wh: net energy drawn by each kind of device; stored_W_wh: energy that batteries
    and vehicles hold beyond that at the start;
    missed_W_wh: comfort missed, Wh of state.
    """
    periods = range(homes.first, homes.at)
    readings = np.stack([deliveries[period].readings_wh for period in periods])
    held_back = np.stack([deliveries[period].curtailed_wh for period in periods])
    profiles, hours = homes.scenario.profiles, homes.scenario.mtu.hours
    pv_w = profiles.pv_w.loc[periods.start : periods.stop - 1]
    pv = np.rint(pv_w.to_numpy() * hours).astype(np.int64)
    base = np.stack([homes.scenario.net_wh(period) for period in periods])
    found = {}
    for point, home in homes.households.items():
        column = homes.scenario.points.index.get_loc(point)
        assert isinstance(column, int), "points are unique"
        zone = str(homes.scenario.points.at[point, "zone"])
        alone = Unmanaged(home.devices, zone, homes.world, periods)
        net, done = alone.follow(base[:, column])
        carried = homes.connections.export_cap_wh[column]
        prices = homes.world.prices(zone, periods)
        own = pv[:, column]
        found[point] = {
            "pv_wh": int(own.sum()),
            **_way(
                "managed", home, readings[:, column], own - held_back[:, column], home.done,
                home.states, prices,
            ),
            **_way(
                "unmanaged", home, np.clip(base[:, column] + net, -carried, carried), own, done,
                alone.states, prices,
            ),
        }  # fmt: skip
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("point_id")


def _way(
    way: str,
    home: Household,
    reading_wh: Ints,
    pv_wh: Ints,
    done: Sequence[Done],
    states: Mapping[str, float],
    prices: HomePrices,
) -> dict[str, int]:
    began, pv = home.began_with, np.maximum(pv_wh, 0)
    worn = home.devices.wear_micro_eur_per_wh
    given_back = {name: sum(max(-one.drawn_wh.get(name, 0), 0) for one in done) for name in worn}
    return {
        f"self_used_{way}_wh": int((pv - np.minimum(np.maximum(reading_wh, 0), pv)).sum()),
        f"cost_{way}_micro_eur": prices.cost_micro_eur(reading_wh),
        f"wear_{way}_micro_eur": sum(worn[name] * wh for name, wh in given_back.items()),
        f"stored_{way}_wh": round(sum(states[n] - began[n] for n in ELECTRIC if n in states)),
        f"missed_{way}_wh": round(missed_wh(done)),
        **{f"{kind}_{way}_wh": sum(one.drawn_wh.get(kind, 0) for one in done) for kind in KINDS},
    }
