"""A pandapower net of two feeders behind a transformer each, small enough to read."""

from typing import Any

import pandapower as pp


def net() -> Any:
    """20 kV bus 10, transformers to 20 (feeder north) and 30 (feeder south), two cables each.

    Loads, a generator and a storage are in it, as in any real net.
    """
    net = pp.create_empty_network()
    pp.create_bus(net, 20.0, name="station", index=10)
    pp.create_ext_grid(net, 10, vm_pu=1.02, s_sc_max_mva=100.0, rx_max=0.1)
    for first, feeder in ((20, "north"), (30, "south")):
        for i, place in enumerate(("busbar", "middle", "end")):
            pp.create_bus(net, 0.4, name=f"{feeder} {place}", index=first + i)
        pp.create_transformer(net, 10, first, "0.25 MVA 20/0.4 kV", name=f"transformer {feeder}")
        for start in (first, first + 1):
            cable = "NAYY 4x150 SE"
            pp.create_line(net, start, start + 1, 0.2, cable, name=f"cable {start}")
    net.trafo["tap_pos"] = -1
    net.trafo["tap_changer_type"] = "Ratio"
    pp.create_load(net, 22, p_mw=0.02, q_mvar=0.005)
    pp.create_sgen(net, 31, p_mw=0.01)
    pp.create_storage(net, 32, p_mw=0.005, max_e_mwh=0.01)
    return net
