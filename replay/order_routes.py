"""How orders reach a market: by mandate, signed one by one, or each with its own transaction."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from gridbourse.deployment.participants import Membership, without_mandate
from gridbourse.scenario.scenario import Scenario

FIRST_SEQUENCE = 1
SIGNATURE_LIFE_S = 3_600
# In one transaction, by what the first orders of a ring slot cost: 23,000, 78,000 and 86,000 gas.
MANDATED_A_CALL = 500
SIGNED_A_CALL = 150
GROUPS_A_CALL = 150
"""Groups of four participants booked or settled."""
ROUTES = ("own", "signed", "mandate")


def routes_of(scenario: Scenario, members: Membership) -> dict[str, str]:
    """point_id -> "own", "signed" or "mandate", drawn once by the seed; who has no gateway: own."""
    points, parties = list(members.table.index), scenario.parties
    draw = np.random.default_rng([scenario.strategy.seed, len(points)]).random(len(points))
    edges = [parties.own_share, parties.own_share + parties.signed_share]
    drawn = dict(zip(points, (ROUTES[i] for i in np.digitize(draw, edges)), strict=True))
    return drawn | dict.fromkeys(without_mandate(scenario) & drawn.keys(), "own")


class Placed(NamedTuple):
    """A row of the orders that are placed, in types of the chain."""

    point_id: str
    number: int
    code: int
    tick: int
    wh: int


def placed_rows(orders: pd.DataFrame) -> Iterator[Placed]:
    """The rows of a frame that has these columns."""
    columns = (orders[name].tolist() for name in Placed._fields)
    return (Placed(*row) for row in zip(*columns, strict=True))


def slices(frame: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """The frame, so many rows at a time."""
    for start in range(0, len(frame), rows):
        yield frame.iloc[start : start + rows]
