"""Times in files, to UTC: with their own offset, or local times with daylight saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.metering.sources import Raw
from gridbourse.times import ZONES, as_utc, names_zone, parser


@dataclass(frozen=True)
class Moments:
    """utc: UTC times, NaT where refused; refused: (rows, rule, reason), rows a boolean mask."""

    utc: pd.Series
    refused: list[tuple[pd.Series, Rule, str]]


def to_utc(raw: Raw) -> Moments:
    """Moment of every reading.

    Local times need ``columns.timezone``.  Where the clock goes back, the first of two equal local
    times of a metering point is summer time, the second standard time; a single one could be either
    and is refused, as is a time that the clock skips.  Raises ReadingError for an unknown timezone.
    """
    utc, local = _parse(raw)
    known = utc.notna() | local.notna()
    no_time = "is not a time"
    if (layout := raw.columns.time_format) is not None:
        no_time += f" as {layout!r} has it"
    if names_zone(layout):
        no_time += f" (of names of time zones {', '.join(ZONES)} alone are read)"
    refused = [(~known, Rule.TIME, no_time)]
    zone = raw.columns.timezone
    if zone is None:
        no_zone = "has no UTC offset, and no timezone is stated"
        return Moments(utc, [*refused, (local.notna(), Rule.TIME, no_zone)])
    _require_zone(raw, zone)
    resolved, lonely = _resolve(local[local.notna()], raw.readings["point"], zone)
    utc = utc.fillna(resolved)
    lonely = lonely.reindex(utc.index, fill_value=False)
    skipped = local.notna() & utc.isna() & ~lonely
    return Moments(
        utc,
        [
            *refused,
            (skipped, Rule.DST, f"is skipped when the clock goes forward in {zone}"),
            (lonely, Rule.DST, f"happens twice when the clock goes back in {zone}, is here once"),
        ],
    )


def _parse(raw: Raw) -> tuple[pd.Series, pd.Series]:
    """(UTC times, naive local times); a row has one of them, or none where it is not a time."""
    times = raw.readings["time"]
    nothing = pd.Series(pd.NaT, index=times.index, dtype="datetime64[us]")
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        return times.dt.tz_convert("UTC").dt.as_unit("us"), nothing
    if pd.api.types.is_datetime64_dtype(times):
        return nothing.dt.tz_localize("UTC"), times.dt.as_unit("us")
    read = parser(raw.columns.time_format)
    text = times.astype("string")
    moments = {each: read(each) for each in text.dropna().unique()}
    aware = {t: as_utc(m) for t, m in moments.items() if m is not None and m.tzinfo is not None}
    naive = {t: m for t, m in moments.items() if m is not None and m.tzinfo is None}
    return _at(text, aware).dt.tz_localize("UTC"), _at(text, naive)


def _at(text: pd.Series, moments: Mapping[str, datetime | None]) -> pd.Series:
    """Moments without their zone, NaT where a text has none."""
    found = {t: np.datetime64(m.replace(tzinfo=None), "us") for t, m in moments.items() if m}
    nothing = np.datetime64("NaT", "us")
    values = [found.get(each, nothing) for each in text.fillna("")]
    return pd.Series(np.array(values, dtype="datetime64[us]"), index=text.index)


def _resolve(local: pd.Series, points: pd.Series, zone: str) -> tuple[pd.Series, pd.Series]:
    """(UTC times, mask of those ambiguous and present only once), by order of occurrence."""

    def localized(summer: bool) -> pd.Series:
        flags = pd.Series(summer, index=local.index).to_numpy()
        return local.dt.tz_localize(zone, ambiguous=flags, nonexistent="NaT").dt.tz_convert("UTC")

    summer, standard = localized(True), localized(False)
    ambiguous = summer.notna() & (summer != standard)
    equal = local.groupby([points[local.index], local], dropna=False)
    lonely = ambiguous & (equal.transform("size") < 2)
    second = ambiguous & (equal.cumcount() >= 1)
    return summer.mask(second, standard).mask(lonely), lonely


def _require_zone(raw: Raw, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = f"timezone {zone!r} is unknown"
        raise ReadingError(
            [Refusal(raw.file, None, raw.columns.time, Rule.SCHEMA, reason)]
        ) from error
