"""A grid small enough to reckon with, and the real one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from gridbourse.grid.network import Network
from tests.scenario import miniature

POINTS = ["near", "middle", "far", "feeder B"]
MTU_SECONDS = 900


def feeder(folder: Path, rated_a: float = 200.0) -> Network:
    """20 kV, two transformers of 100 kVA; behind one a line of three points, behind the other one.

    near is at the busbar of the first, middle 200 m and far 400 m of cable away.
    """
    wires = miniature.grid()
    data = wires["data"]
    cable = data["line"][0] | {"i_n": rated_a, "r1": 0.16, "x1": 0.04}
    data["node"].append({"id": 5, "u_rated": 400.0})
    data["line"] = [
        cable | {"id": 20, "name": "cable near-middle"},
        cable | {"id": 21, "name": "cable middle-far", "from_node": 4, "to_node": 5},
    ]
    data["transformer"][0]["name"], data["transformer"][1]["name"] = "T1", "T2"
    path = folder / "feeder.json"
    path.write_text(json.dumps(wires))
    return Network.load(path, pd.DataFrame({"node": [3, 4, 5, 2]}, index=POINTS))


def wh(*kilowatts: float) -> np.ndarray:
    """Schedule in Wh per quarter-hour from mean powers in kW."""
    return np.array([round(kw * 250) for kw in kilowatts], dtype=np.int64)


NO_VAR = np.zeros(len(POINTS))
