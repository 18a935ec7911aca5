"""Profiles of a market whose periods are longer than those of its data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gridbourse.model.periods import Mtu
from gridbourse.scenario.data import Profiles
from gridbourse.scenario.errors import ScenarioError


def in_longer_periods(path: Path, profiles: Profiles, data: Mtu, market: Mtu) -> Profiles:
    """Energy of the data's periods within each of the market's: the mean of their powers.

    market is a whole multiple of data.  Raises ScenarioError for a period that lacks one of them.
    """
    parts = market.seconds // data.seconds
    if parts == 1:
        return profiles
    longer = profiles.periods // parts
    counts = pd.Series(longer).value_counts().sort_index()
    if (counts != parts).any():
        period = int(counts.index[counts != parts][0])
        raise ScenarioError(
            f"{path}: {counts[period]} of the {parts} periods of {data.seconds} s are there"
            f" for {market.start(period):%FT%RZ}"
        )
    frames = (profiles.load_w, profiles.load_var, profiles.pv_w)
    return Profiles(*(_means(frame, longer) for frame in frames))


def _means(frame: pd.DataFrame, longer: pd.Index) -> pd.DataFrame:
    means = frame.groupby(longer).mean()
    means.index.name = frame.index.name
    return means
