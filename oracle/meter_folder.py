"""A folder that metering systems put files into: each is read, judged, and its readings pushed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Final, NamedTuple

from gridbourse.chain.contracts import ParticipantRegistry
from gridbourse.chain.transactions import Reverted
from gridbourse.metering.errors import ReadingError
from gridbourse.metering.points import Holders, read_numbers
from gridbourse.metering.sources import FIRST_ROW, Columns, read
from gridbourse.metering.validation import Meters, validate
from gridbourse.model.periods import Mtu
from gridbourse.wording import many, moment
from oracle.errors import FeedError
from oracle.meter_feed import MeterFeed

log = logging.getLogger(__name__)

OURS: Final = ("MissingRole",)
"""What the chain refuses whatever the readings are: nothing to hold against a file."""


@dataclass
class KnownPoints:
    """Metering points of the market: who they are, what they can carry, and the keys of their meters.

    mapping: CSV with point_id and number, read anew each time since people come and go; addresses:
    of meters' keys by point.
    """

    registry: ParticipantRegistry
    mapping: Path
    mtu: Mtu
    addresses: Mapping[str, str] = field(default_factory=dict)
    _capacity_w: dict[int, float] = field(default_factory=dict)

    def look_up(self) -> tuple[Holders, Meters]:
        """(Who is at each point, what is known of the points)."""
        numbers = read_numbers(self.mapping)
        for number in {n for turns in numbers.values() for n in turns} - self._capacity_w.keys():
            capacity_wh = self.registry.read("profileOf", number)[2]
            self._capacity_w[number] = capacity_wh / self.mtu.hours
        capacity_w = {p: max(self._capacity_w[n] for n in turns) for p, turns in numbers.items()}
        membership = cache(partial(self.registry.read, "membershipOf"))  # anew each time: people go
        return Holders(numbers, membership), Meters(capacity_w, self.addresses)


class _Batch(NamedTuple):
    file: str
    period: int
    readings: Mapping[int, int]


class MeterFolder:
    """A feed of the daemon.  `refused`: refused rows, files and batches so far, each of them logged.

    A file is read again when it changes, and after a start; what was sent is not sent again.  Files
    have to come in whole, by renaming: what begins with a dot or is no .csv or .parquet is left
    alone.  Readings of a period that is not over wait.
    """

    name: Final = "meters"

    def __init__(
        self,
        folder: Path,
        columns: Columns,
        points: KnownPoints,
        feed: MeterFeed,
        current_period: Callable[[], int],
        skip_refused: bool = False,
    ):
        """skip_refused: the good rows of a file go in beside refused ones, otherwise none does."""
        self._folder, self._columns, self._points = folder, columns, points
        self._feed, self._current_period = feed, current_period
        self._skip_refused = skip_refused
        self.refused = 0
        self._read: dict[Path, tuple[int, int]] = {}
        self._waiting = [_Batch("journal", period, {}) for period in feed.pending()]

    def due(self) -> bool:
        """Whether there is a file to read or a batch to push."""
        return any(self._unread()) or any(self._ready())

    def step(self) -> None:
        """Push one period of a file; when there is none, read a file."""
        batch = next(self._ready(), None)
        if batch is not None:
            self._push(batch)
            self._waiting.remove(batch)
        elif unread := next(self._unread(), None):
            path, stamp = unread
            self._take_in(path)
            self._read[path] = stamp

    def waits_for(self) -> str:
        """Why there is nothing to do: no file, or periods that are not over."""
        if not self._waiting:
            return f"no new file in {self._folder}"
        mtu, periods = self._points.mtu, {batch.period for batch in self._waiting}
        over = moment(round(mtu.start(min(periods) + 1).timestamp()))
        return f"readings of {many(len(periods), 'period')} wait; the first is over at {over}"

    def _unread(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        for path in sorted(self._folder.iterdir()):
            if path.suffix not in FIRST_ROW or path.name.startswith("."):
                continue
            with suppress(FileNotFoundError):  # taken away meanwhile
                stat = path.stat()
                stamp = (stat.st_mtime_ns, stat.st_size)
                if self._read.get(path) != stamp:
                    yield path, stamp

    def _ready(self) -> Iterator[_Batch]:
        if self._waiting:
            now = self._current_period()
            yield from (batch for batch in self._waiting if batch.period < now)

    def _take_in(self, path: Path) -> None:
        holders, meters = self._points.look_up()
        strict, periods = not self._skip_refused, {}
        try:
            raw = read(path, self._columns)
            found = validate(raw, meters, self._points.mtu, strict=strict)
            refusals, periods = found.refusals, found.by_period(holders.at)
        except ReadingError as error:
            refusals = error.refusals
        for refusal in refusals:
            self._refuse(str(refusal))
        others = [batch for batch in self._waiting if batch.file != path.name]
        self._waiting = others + [_Batch(path.name, *period) for period in sorted(periods.items())]

    def _push(self, batch: _Batch) -> None:
        """What cannot be sent is struck out of the journal, so that it is in nobody's way."""
        try:
            sent = self._feed.push(batch.period, batch.readings)
        except FeedError as error:
            self._refuse(f"{batch.file}: {error}")
        except Reverted as refusal:
            if refusal.name in OURS:
                raise
            self._feed.withdraw(batch.period)
            self._refuse(f"{batch.file}, period {batch.period}: {refusal}")
        else:
            log.info("%s, period %d: %s", batch.file, batch.period, many(len(sent), "transaction"))

    def _refuse(self, why: str) -> None:
        self.refused += 1
        log.error("%s", why)
