"""Grid of scenarios/corby, for scenarios/make_corby.py: plausible, not the real one."""

from typing import Any

import pandapower as pp


def grid() -> Any:
    """Grid: a primary substation's 11 kV busbar, three secondary substations, typical British mains.

    Cables are pandapower's standard types; transformer losses are the limits of Regulation (EU)
    548/2014, tier 1, their ratio is 11/0.415 kV: taps for 3.75 % above 400 V at no load.
    """
    net = pp.create_empty_network(name="Corby", f_hz=50)

    def bus(name: str, kv: float = 0.4) -> int:
        return int(pp.create_bus(net, kv, name=name))

    def cable(start: int, end: int, km: float, kind: str, name: str, parallel: int = 1) -> None:
        pp.create_line(net, start, end, km, kind, name=name, parallel=parallel)

    def substation(high: int, low: int, kva: int, copper_w: int, iron_w: int, name: str) -> None:
        pp.create_transformer_from_parameters(
            net, high, low, sn_mva=kva / 1e3, vn_hv_kv=11.0, vn_lv_kv=0.415,
            vk_percent=4.75, vkr_percent=copper_w / kva / 10, pfe_kw=iron_w / 1e3,
            i0_percent=0.3, shift_degree=330, name=name,
        )  # fmt: skip

    high, mains = "NA2XS2Y 1x185 RM/25 12/20 kV", "NAYY 4x150 SE"
    primary = bus("Corby primary", 11.0)
    pp.create_ext_grid(net, primary, vm_pu=1.0, name="33/11 kV")
    plant_high, estate_high, homes_high = (
        bus(name, 11.0) for name in ("Food plant 11 kV", "Estate 11 kV", "Homes 11 kV")
    )
    cable(primary, plant_high, 1.2, high, "cable to the food plant")
    cable(primary, estate_high, 0.8, high, "cable to the estate")
    cable(estate_high, homes_high, 1.0, high, "cable to the homes")
    plant, estate, homes = bus("Food plant"), bus("Estate"), bus("Homes")
    substation(plant_high, plant, 1250, 11_000, 950, "Food plant substation")
    substation(estate_high, estate, 500, 5_500, 510, "Estate substation")
    substation(homes_high, homes, 315, 3_900, 360, "Homes substation")
    for name, km, parallel in (
        ("Manufacturer", 0.15, 1), ("Business centre", 0.12, 2), ("Depot", 0.25, 1),
        ("Car park", 0.18, 1),
    ):  # fmt: skip
        cable(estate, bus(name), km, mains, f"main to the {name.lower()}", parallel)
    for feeder in "ABC":
        last = homes
        for place in range(1, 11):
            here = bus(f"Homes {feeder}{place}")
            cable(last, here, 0.06 if place == 1 else 0.03, mains, f"main {feeder}{place}")
            last = here
    return net
