"""Routes of orders to a market: by mandate, signed one by one, or each with its own transaction."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

FIRST_SEQUENCE = 1
# In one transaction, by what the first orders of a ring slot cost: 23,000, 78,000 and 86,000 gas.
MANDATED_A_CALL = 500
SIGNED_A_CALL = 150
GROUPS_A_CALL = 150
"""Groups of four participants booked or settled."""


class Placed(NamedTuple):
    """Row of the orders that are placed, in types of the chain."""

    point_id: str
    number: int
    code: int
    tick: int
    wh: int


def placed_rows(orders: pd.DataFrame) -> Iterator[Placed]:
    """Rows of a frame that has these columns."""
    columns = (orders[name].tolist() for name in Placed._fields)
    return (Placed(*row) for row in zip(*columns, strict=True))


def slices(frame: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """Slices of the frame of at most this many rows."""
    for start in range(0, len(frame), rows):
        yield frame.iloc[start : start + rows]
