"""A folder that metering systems put files into: each is read, judged, and its readings pushed."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from gridbourse.chain.bindings.registry import ParticipantRegistry
from gridbourse.chain.encoding.arguments import ArgumentError
from gridbourse.chain.node.connect import NetworkError
from gridbourse.chain.node.transactions import Reverted, TooLarge
from gridbourse.errors import GridbourseError
from gridbourse.files import other_kind, why
from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.metering.points import Holders, read_numbers
from gridbourse.metering.sources import Columns, read
from gridbourse.metering.validation import Meters, validate
from gridbourse.model.periods import Mtu
from gridbourse.tables import CSV, PARQUET, kind, place_word
from gridbourse.text import many, moment, one_line
from oracle.common.errors import FeedError, OracleError
from oracle.meter.feed import MeterFeed

log = logging.getLogger(__name__)

OURS: Final = ("MissingRole",)
"""What the chain refuses whatever the readings are: nothing to hold against a file."""
LISTED: Final = 3
"""Rows of a file refused by the same rule: more than these are told in one line, with their number."""
AHEAD_S: Final = 366 * 86_400
"""A reading further ahead of market time is refused: no clock is that wrong, and no replay that far."""

Stamp = tuple[int, int]


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
    _capacity_wh: dict[int, int] = field(default_factory=dict)
    _strangers: set[int] = field(default_factory=set)

    def look_up(self) -> tuple[Holders, Meters]:
        """(Who is at each point, what is known of the points); numbers the market never gave are left
        out, with a line of the log each."""
        numbers = read_numbers(self.mapping)
        known = {p: tuple(n for n in turns if self._knows(n)) for p, turns in numbers.items()}
        known = {point: turns for point, turns in known.items() if turns}
        hours = self.mtu.hours
        capacity_w = {p: max(map(self.capacity_wh, ns)) / hours for p, ns in known.items()}
        membership = cache(partial(self.registry.read, "membershipOf"))  # anew each time: people go
        return Holders(known, membership), Meters(capacity_w, self.addresses)

    def capacity_wh(self, number: int) -> int:
        """What a participant's connection carries in a period; Reverted for nobody's number."""
        if number not in self._capacity_wh:
            self._capacity_wh[number] = self.registry.read("profileOf", number)[2]
        return self._capacity_wh[number]

    def _knows(self, number: int) -> bool:
        try:
            return self.capacity_wh(number) > 0
        except (Reverted, ArgumentError) as refusal:
            if number not in self._strangers:
                self._strangers.add(number)
                log.error("%s: participant %d: %s", self.mapping.name, number, one_line(refusal))
            return False


class _Batch(NamedTuple):
    file: str
    period: int
    readings: Mapping[int, int]


class MeterFolder:
    """A feed of the daemon.  `refused`: refused rows, files and batches so far, each of them logged.

    A file is read again when it changes, and after a start; what was sent is not sent again.  Files
    have to come in whole, by renaming: what begins with a dot is left alone.  Whatever else is no
    .csv or .parquet, in capitals or not, is left alone with a line of the log, and so is what can
    not be read: nothing in the folder ends the feed or keeps another file from its turn.
    Readings of a period that is not over wait.
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
        self._read: dict[Path, Stamp] = {}
        self._found: list[tuple[Path, Stamp]] = []
        self._waiting = [_Batch("journal", period, {}) for period in feed.pending()]

    def due(self) -> bool:
        """Whether there is a file to read or a batch to push; OracleError for a folder that is away."""
        if any(self._ready()) or self._found:
            return True
        self._found = self._unread()
        return bool(self._found)

    def step(self) -> None:
        """Push one period of a file; when there is none, read a file."""
        batch = next(self._ready(), None)
        if batch is not None:
            parts = self._push(batch)
            at = self._waiting.index(batch)
            self._waiting[at : at + 1] = parts
        elif self._found:
            path, stamp = self._found[0]
            if os.path.lexists(path):  # it may have been taken away meanwhile
                self._take_in(path)
            self._read[path] = stamp
            del self._found[0]

    def waits_for(self) -> str:
        """Why there is nothing to do: no file, or periods that are not over."""
        if not self._waiting:
            return f"no new file in {self._folder}"
        mtu, periods = self._points.mtu, {batch.period for batch in self._waiting}
        over = moment(round(mtu.start(min(periods) + 1).timestamp()))
        return f"readings of {many(len(periods), 'period')} wait; the first is over at {over}"

    # --- the folder -----------------------------------------------------------------------------

    def _unread(self) -> list[tuple[Path, Stamp]]:
        """What is new or has changed and can be read; the rest is noted, each thing once."""
        found, ignored = [], []
        for path in self._entries():
            try:
                status = path.stat()
                fault = other_kind(path)
            except OSError as error:
                if not path.is_symlink():
                    continue  # taken away meanwhile
                status, fault = path.lstat(), why(path, error)
            stamp = (status.st_mtime_ns, status.st_size)
            if self._read.get(path) == stamp:
                continue
            if kind(path) is None:
                ignored.append(path.name)
            elif fault is not None:
                fault = fault if stat.S_ISLNK(status.st_mode) else f"is {fault}, no file"
                self._refuse(f"{path.name}: {fault}")
            else:
                found.append((path, stamp))
                continue
            self._read[path] = stamp
        if ignored:
            more = f" and {len(ignored) - LISTED:,} more" if len(ignored) > LISTED else ""
            names = one_line(", ".join(ignored[:LISTED]))
            log.warning("ignored, neither %s nor %s: %s%s", CSV, PARQUET, names, more)
        return found

    def _entries(self) -> list[Path]:
        try:
            return sorted(p for p in self._folder.iterdir() if not p.name.startswith("."))
        except OSError as error:
            raise OracleError(one_line(f"{self._folder}: {why(self._folder, error)}")) from error

    def _ready(self) -> Iterator[_Batch]:
        if self._waiting:
            now = self._current_period()
            yield from (batch for batch in self._waiting if batch.period < now)

    # --- a file ---------------------------------------------------------------------------------

    def _take_in(self, path: Path) -> None:
        holders, meters = self._points.look_up()
        now = self._current_period()
        refusals, periods = self._judge(path, holders, meters, now)
        self._tell(path, refusals)
        others = [batch for batch in self._waiting if batch.file != path.name]
        self._waiting = others + [_Batch(path.name, *period) for period in sorted(periods.items())]
        coming = [period for period in periods if period >= now]
        if coming:
            readings = sum(len(periods[period]) for period in coming)
            until = f"{self._points.mtu.start(max(coming) + 1):%Y-%m-%dT%H:%MZ}"
            what = (
                f"{readings:,} readings of periods that are not over wait, the last until {until}"
            )
            log.info("%s: %s", one_line(path.name), what)

    def _judge(
        self, path: Path, holders: Holders, meters: Meters, now: int
    ) -> tuple[Sequence[Refusal], dict[int, dict[int, int]]]:
        """(what is refused, good readings by period and participant); none are good unless all are,
        or the good ones of a file go in."""
        before = now + AHEAD_S // self._points.mtu.seconds
        try:
            raw = read(path, self._columns)
            found = validate(raw, meters, self._points.mtu, strict=False, before=before)
            periods = found.by_period(holders.at)
            refusals = [*found.refusals, *self._beyond(path, periods)]
        except ReadingError as error:
            return error.refusals, {}
        except (NetworkError, OracleError):
            raise
        except Exception as error:
            log.debug("%s", path.name, exc_info=True)
            reason = f"cannot be judged ({type(error).__name__}: {error})"
            return [Refusal(path.name, None, None, Rule.SCHEMA, reason)], {}
        return refusals, periods if self._skip_refused or not refusals else {}

    def _beyond(self, path: Path, periods: dict[int, dict[int, int]]) -> list[Refusal]:
        """Takes out what the connection of its participant does not carry.

        A point's capacity is that of the largest connection it has had."""
        refusals = []
        for period, readings in periods.items():
            for number, wh in list(readings.items()):
                if abs(wh) > (limit := self._points.capacity_wh(number)):
                    reason = (
                        f"{wh:,} Wh is more than the {limit:,} Wh the connection of participant"
                    )
                    reason += f" {number} carries, in period {period}"
                    refusals.append(Refusal(path.name, None, None, Rule.RANGE, reason))
                    del readings[number]
        return refusals

    def _tell(self, path: Path, refusals: Sequence[Refusal]) -> None:
        """A line for each refusal, but one for all when a rule refuses many rows."""

        def alike(refusal: Refusal) -> tuple[str, str]:
            return refusal.rule, refusal.column or ""

        for (rule, _), group in groupby(sorted(refusals, key=alike), key=alike):
            same = list(group)
            for refusal in same[: 1 if len(same) > LISTED else LISTED]:
                more = ""
                if len(same) > LISTED:
                    rows = [each.row for each in same if each.row is not None]
                    span = f", {place_word(path.name)}s {min(rows)} to {max(rows)}" if rows else ""
                    more = f"; and {len(same) - 1:,} more by the rule {rule}{span}"
                self._refuse(f"{refusal}{more}", count=len(same) if more else 1)

    # --- a batch --------------------------------------------------------------------------------

    def _push(self, batch: _Batch) -> list[_Batch]:
        """What is left to push of it: nothing, or the parts the chain may take.

        What cannot be sent is struck out of the journal, so that it is in nobody's way.
        """
        try:
            sent = self._feed.push(batch.period, batch.readings)
        except FeedError as error:
            self._refuse(f"{batch.file}: {error}")
        except (NetworkError, OracleError):
            raise  # of the chain, or of the journal: the batch waits
        except Reverted as refusal:
            if refusal.name in OURS:
                raise
            return self._without(batch, refusal)
        except TooLarge as error:
            return self._halved(batch, error)
        except GridbourseError as error:
            self._feed.withdraw(batch.period)
            self._refuse(f"{batch.file}, period {batch.period}: {error}")
        else:
            file = one_line(batch.file)
            log.info("%s, period %d: %s", file, batch.period, many(len(sent), "transaction"))
        return []

    def _without(self, batch: _Batch, refusal: Reverted) -> list[_Batch]:
        """The readings but the one the chain names; none where it is the batch that it refuses."""
        readings = {**self._feed.withdraw(batch.period), **batch.readings}
        self._refuse(f"{batch.file}, period {batch.period}: {refusal}")
        if readings.pop(refusal.values.get("participant", -1), None) is None or not readings:
            return []
        return [batch._replace(readings=readings)]

    def _halved(self, batch: _Batch, error: TooLarge) -> list[_Batch]:
        readings = {**self._feed.withdraw(batch.period), **batch.readings}
        if len(readings) < 2:
            self._refuse(f"{batch.file}, period {batch.period}: {error}")
            return []
        where = f"{one_line(batch.file)}, period {batch.period}"
        log.warning("%s: %d readings are sent in two parts: %s", where, len(readings), error)
        rows, half = sorted(readings.items()), len(readings) // 2
        return [batch._replace(readings=dict(part)) for part in (rows[:half], rows[half:])]

    def _refuse(self, line: str, count: int = 1) -> None:
        self.refused += count
        log.error("%s", one_line(line))
