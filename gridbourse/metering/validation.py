"""Judges metered data row by row: good rows go on, refused ones are named with their rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.metering.local_time import to_utc
from gridbourse.metering.signatures import signer_of
from gridbourse.metering.sources import Raw
from gridbourse.model.caps import NO_CAP
from gridbourse.model.periods import Mtu
from gridbourse.text import many

LAST_PERIOD: Final = 2**32 - 1
"""Last period number; contracts number periods in 32 bits."""
LAST_SECOND: Final = int(datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp())
_WH_PER_UNIT: Final = {"Wh": 1.0, "kWh": 1000.0}
_W_PER_UNIT: Final = {"W": 1.0, "kW": 1000.0}


@dataclass(frozen=True)
class Meters:
    """Facts about the metering points.

    capacity_w: point -> most that its connection can carry either way, W; points not in it are unknown.
    addresses: point -> address of its meter's key; readings of these points must be signed.
    """

    capacity_w: Mapping[str, float]
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Readings:
    """Good readings, sorted by period and point: point (str), period (int64), wh (int64).

    exact_wh: the unrounded values of the file, to be scaled before rounding (float64).
    """

    table: pd.DataFrame
    refusals: tuple[Refusal, ...]
    exact_wh: pd.Series

    def by_period(self, number_at: Callable[[str, int], int | None]) -> dict[int, dict[int, int]]:
        """period -> participant number -> Wh, for the points that belong to a participant in the period."""
        periods: dict[int, dict[int, int]] = {}
        for point, period, wh in self.table.itertuples(index=False):
            number = number_at(point, int(period))
            if number is not None:
                periods.setdefault(int(period), {})[number] = int(wh)
        return periods


def validate(
    raw: Raw,
    meters: Meters,
    mtu: Mtu,
    expected: range | None = None,
    *,
    one_way: bool = False,
    strict: bool = True,
    listed: int = 5,
    before: int = LAST_PERIOD,
) -> Readings:
    """Turns the rows of a file into readings.

    expected: the periods that the file must hold for every known point; None = all between
    its first and last period, for the points it has.
    one_way: the values count one direction, such as an import register: none is negative.
    strict: raise ReadingError with all refusals, `listed` of them spelled out; otherwise the good
        readings come back beside the refusals.
    before: first period that is too far ahead to have a reading.
    A reading is rounded to the nearest Wh.  An equal second reading is refused, of two that differ
    both are: nothing says which is right.
    """
    sieve = _Sieve(raw, raw.readings.copy())
    _place_in_time(sieve, mtu, expected, before)
    _know_the_meter(sieve, meters)
    held = sieve.rows[["point", "period"]]
    _measure(sieve, meters, mtu, one_way)
    _verify(sieve, meters)
    _refuse_doubles(sieve)
    points = held["point"].unique() if expected is None else list(meters.capacity_w)
    sieve.refusals += _gaps(raw, held, points, mtu, expected)
    if strict and sieve.refusals:
        raise ReadingError(sieve.refusals, listed)
    rows = sieve.rows.sort_values(["period", "point"], ignore_index=True)
    table = rows[["point", "period", "wh"]].astype({"period": "int64", "wh": "int64"})
    return Readings(table.astype({"point": object}), tuple(sieve.refusals), rows["exact_wh"])


@dataclass
class _Sieve:
    raw: Raw
    rows: pd.DataFrame
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(
        self,
        bad: pd.Series,
        rule: Rule,
        reason: str | Callable[[Any], str],
        *,
        column: str | None = None,
        once_per: str | None = None,
    ) -> None:
        """Takes the bad rows out.

        column: column of the fault, None = the value.  once_per: name a fault shared by all cells of
        a file's row, or column, only once.
        """
        refused = self.rows[bad]
        self.rows = self.rows[~bad]
        if once_per is not None:
            refused = refused.drop_duplicates(once_per)
        row: Any
        for row in refused.itertuples():
            self.refusals.append(
                Refusal(
                    self.raw.file,
                    None if once_per == "column" else int(row.row),
                    row.column if column is None else column,
                    rule,
                    reason if isinstance(reason, str) else reason(row),
                )
            )


def _place_in_time(sieve: _Sieve, mtu: Mtu, expected: range | None, before: int) -> None:
    columns = sieve.raw.columns
    time: dict[str, Any] = {"column": columns.time, "once_per": "row" if columns.wide else None}
    moments = to_utc(sieve.raw)
    for mask, rule, reason in moments.refused:
        sieve.refuse(mask[sieve.rows.index], rule, _says("time", reason), **time)
    microseconds = moments.utc[sieve.rows.index].astype("int64")
    length = mtu.seconds * 1_000_000
    period = microseconds // length - (1 if columns.marks == "end" else 0)
    sieve.rows = sieve.rows.assign(period=period)
    reset = "lies before 1970, where no period is: has the meter's clock been reset?"
    sieve.refuse(period < 0, Rule.TIME, _says("time", reset), **time)
    beyond = "lies beyond the last period that a market numbers"
    microseconds, period = microseconds[sieve.rows.index], sieve.rows["period"]
    last = min(LAST_PERIOD, LAST_SECOND // mtu.seconds - 1)
    sieve.refuse(period > last, Rule.TIME, _says("time", beyond), **time)
    ahead = "is too far ahead: is the meter's clock right?"
    too_far = sieve.rows["period"] >= before
    sieve.refuse(too_far, Rule.TIME, _says("time", ahead), **time)
    microseconds = microseconds[sieve.rows.index]
    off_grid = f"is not on the start of a period of {mtu.seconds} s"
    sieve.refuse(microseconds % length != 0, Rule.GRID, _says("time", off_grid), **time)
    if expected is not None:
        span = f"{_utc(mtu, expected.start)} to {_utc(mtu, expected.stop)}"
        outside = ~sieve.rows["period"].between(expected.start, expected.stop - 1)
        sieve.refuse(outside, Rule.EXPECTED, _says("time", f"is not in {span}"), **time)


def _know_the_meter(sieve: _Sieve, meters: Meters) -> None:
    unknown = ~sieve.rows["point"].isin(list(meters.capacity_w))
    once_per = "column" if sieve.raw.columns.wide else None
    reason = _says("point", "is not a known metering point")
    sieve.refuse(unknown, Rule.METER, reason, column=sieve.raw.columns.point, once_per=once_per)


def _measure(sieve: _Sieve, meters: Meters, mtu: Mtu, one_way: bool) -> None:
    unit, decimal = sieve.raw.columns.unit, sieve.raw.columns.decimal
    values = sieve.rows["value"].map(lambda value: _numeral(value, decimal))
    wh_per_unit = _WH_PER_UNIT.get(unit) or _W_PER_UNIT[unit] * mtu.hours
    wh = pd.to_numeric(values, errors="coerce").astype("float64") * wh_per_unit
    sieve.rows = sieve.rows.assign(wh=wh.round(), exact_wh=wh)
    no_number = wh.isna() | wh.abs().eq(np.inf)
    sieve.refuse(no_number, Rule.NUMBER, _says("value", "is not a finite number"))
    if one_way:
        sieve.refuse(sieve.rows["wh"] < 0, Rule.SIGN, _says("value", "must not be negative"))
    capacity_wh = sieve.rows["point"].map(dict(meters.capacity_w)).astype("float64") * mtu.hours
    limit_wh = np.minimum(capacity_wh, NO_CAP)
    sieve.rows = sieve.rows.assign(limit_wh=limit_wh)
    sieve.refuse(
        ~(sieve.rows["wh"].abs() <= limit_wh),
        Rule.RANGE,
        lambda row: (
            f"{row.wh:,.0f} Wh is more than the {row.limit_wh:,.0f} Wh"
            f" the connection of {row.point} carries"
        ),
    )


def _numeral(value: Any, decimal: str) -> Any:
    """Value that pandas may read as a number: no truth values, and the decimal sign the file states."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, str) and decimal != ".":
        return None if "." in value else value.replace(decimal, ".")
    return value


def _verify(sieve: _Sieve, meters: Meters) -> None:
    if not meters.addresses and sieve.raw.columns.signature is None:
        return
    owner = {point: address.lower() for point, address in meters.addresses.items()}

    def fault(row: Any) -> str | None:
        address = owner.get(row.point)
        if pd.isna(row.signature) or row.signature == "":
            return None if address is None else f"reading of {row.point} is not signed"
        if address is None:
            return f"reading of {row.point} is signed, but the key of its meter is not known"
        signer = signer_of(str(row.signature), row.point, int(row.period), int(row.wh))
        if signer is None or signer.lower() != address:
            return f"signature is not the one of {row.point}'s meter on this reading"
        return None

    found = [fault(row) for row in sieve.rows.itertuples()]
    faults = pd.Series(found, index=sieve.rows.index, dtype=object)
    column = sieve.raw.columns.signature
    sieve.refuse(faults.notna(), Rule.SIGNATURE, lambda row: str(faults[row.Index]), column=column)


def _refuse_doubles(sieve: _Sieve) -> None:
    same_slot = sieve.rows.groupby(["point", "period"], sort=False)["wh"]
    contradicted = same_slot.transform("nunique") > 1
    sieve.refuse(contradicted, Rule.DUPLICATE, _doubled("stands beside another of the same period"))
    repeated = sieve.rows.duplicated(["point", "period"])
    sieve.refuse(repeated, Rule.DUPLICATE, _doubled("is there twice"))


def _gaps(
    raw: Raw, held: pd.DataFrame, points: Any, mtu: Mtu, expected: range | None
) -> list[Refusal]:
    """One refusal per stretch of missing periods; a refused row is a fault, not a gap as well."""
    if expected is None:
        if held.empty:
            return []
        expected = range(int(held["period"].min()), int(held["period"].max()) + 1)
    by_point = dict(tuple(held.groupby("point")["period"]))
    refusals = []
    for point in points:
        there = np.unique(np.asarray(by_point.get(point, ()), dtype=np.int64))
        bounds = np.concatenate([[expected.start - 1], there, [expected.stop]])
        for at in np.flatnonzero(np.diff(bounds) > 1):
            column = point if raw.columns.wide else None
            stretch = _stretch(raw, mtu, int(bounds[at]) + 1, int(bounds[at + 1]) - 1)
            reason = f"no reading of {point} {stretch}"
            refusals.append(Refusal(raw.file, None, column, Rule.GAP, reason))
    return refusals


def _stretch(raw: Raw, mtu: Mtu, first: int, last: int) -> str:
    """Stretch of periods in words; names the clock change where it is the likely reason."""
    words = f"from {_utc(mtu, first)} to {_utc(mtu, last + 1)} ({many(last + 1 - first, 'period')})"
    if raw.columns.timezone is not None:
        day = pd.Timestamp(mtu.start(first)).tz_convert(raw.columns.timezone).date()
        length = timedelta(seconds=len(mtu.local_day(day, raw.columns.timezone)) * mtu.seconds)
        if length != timedelta(days=1):
            words += f"; {day} has {length / timedelta(hours=1):g} hours in {raw.columns.timezone}"
    return words


def _says(column: str, reason: str) -> Callable[[Any], str]:
    def words(row: Any) -> str:
        value = getattr(row, column)
        return f"{'nothing' if pd.isna(value) else repr(str(value))} {reason}"

    return words


def _doubled(reason: str) -> Callable[[Any], str]:
    return lambda row: f"reading of {row.point}, {row.wh:,.0f} Wh in period {row.period}, {reason}"


def _utc(mtu: Mtu, period: int) -> str:
    return f"{mtu.start(period):%Y-%m-%dT%H:%MZ}"
