"""Times as people and meters write them: ISO 8601 in its extended and basic forms, or a stated layout."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Parser = Callable[[str], datetime | None]
"""Parser of a time, with its UTC offset where the text has one; None for anything but a time."""

ZONES: Final = ("UTC", "GMT", "Z")
"""Names of time zones that mean the same offset everywhere."""
_DATE: Final = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?=$|[T ])")
_MIDNIGHT: Final = re.compile(r"(?<=[T ])24(?=:?00(?::?00(?:[.,]0+)?)?(?:$|[ Z+-]))")
_ZONE_NAME: Final = re.compile(r"(?<!%)((?:%%)*)%Z")


def parse_iso(text: str) -> datetime | None:
    """ISO 8601: 2016-07-24T10:00Z, 20160724T1000+0200, 2016-07-24 10, 2016-07-24; 24:00 ends a day."""
    text = _DATE.sub(lambda m: f"{m[1]}-{m[2]:0>2}-{m[3]:0>2}", text.strip().upper(), count=1)
    text, ends_day = _MIDNIGHT.subn("00", text, count=1)
    try:
        moment = datetime.fromisoformat(text)
        return moment + timedelta(days=1) if ends_day else moment
    except (ValueError, OverflowError):
        return None


def parser(layout: str | None) -> Parser:
    """Parser of a layout as for strptime; None, or ISO8601: ISO 8601.

    Of names of time zones (%Z) only ZONES are read: the others have different meanings in different places.
    ValueError for anything but a layout.
    """
    if layout is None or layout == "ISO8601":
        return parse_iso
    named = [_ZONE_NAME.sub(rf"\g<1>{zone}", layout) for zone in ZONES]
    has_zone = named[0] != layout
    layouts = named if has_zone else [layout]
    _require_layout(layouts[0])

    def parse(text: str) -> datetime | None:
        for each in layouts:
            try:
                moment = datetime.strptime(text.strip(), each)
            except ValueError:
                continue
            return moment.replace(tzinfo=UTC) if has_zone and moment.tzinfo is None else moment
        return None

    return parse


def names_zone(layout: str | None) -> bool:
    """True where a layout contains the name of a time zone."""
    return layout is not None and _ZONE_NAME.search(layout) is not None


def parse_utc(text: str) -> datetime | None:
    """ISO 8601 time with its UTC offset, as UTC; None for any other text."""
    moment = parse_iso(text)
    return None if moment is None or moment.tzinfo is None else as_utc(moment)


def as_utc(moment: datetime) -> datetime | None:
    """Moment in UTC; None beyond the range of years."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _require_layout(layout: str) -> None:
    if "%" not in layout:
        raise ValueError("has no directive such as %Y")
    try:
        datetime.strptime("no time", layout)
    except ValueError as error:
        if "does not match format" not in str(error):
            raise
