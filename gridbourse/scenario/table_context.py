"""Context of a market's table in a scenario file."""

from typing import NamedTuple

import pandas as pd

from gridbourse.model.periods import Mtu
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import MarketRules


class TableContext(NamedTuple):
    """Facts that the markets of a scenario share.

    points: as in a scenario; since_season: periods from the season's start to that of the replay; periods:
    of the replay.
    """

    rules: MarketRules
    mtu: Mtu
    points: pd.DataFrame
    since_season: int
    periods: int


def participant_at(table: Fields, side: str, points: pd.DataFrame) -> str:
    """Metering point that a key names; points: as in a scenario. Refused where it does not take part."""
    point: str = table.text(side)
    if point not in points.index:
        table.refuse(side, f"{point!r} is not a connection point")
    if not points.at[point, "participant"]:
        table.refuse(side, f"{point!r} does not take part in the market")
    return point
