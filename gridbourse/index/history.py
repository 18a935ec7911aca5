"""History of a deployed market, from its event index: whole, or of a few periods."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from eth_utils.address import is_address, to_checksum_address

from gridbourse.audit.check import decoder_of
from gridbourse.audit.core.events import Event, Log
from gridbourse.audit.core.rules import rules_of
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.market import Market
from gridbourse.index.follow import follow
from gridbourse.index.store import Store

log = logging.getLogger(__name__)


class History(NamedTuple):
    """The market as its log gives it.

    estimates: what was settled in place of a missing reading, Wh by period and participant number.
    """

    rebuilt: Rebuilt
    estimates: dict[int, dict[int, int]]


class EventIndex:
    """The index of one deployment, followed before each question."""

    def __init__(self, market: Market, path: Path | None) -> None:
        self._market, self._store = market, Store(path)
        self._decoder = decoder_of(market.record)
        self._asked: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def events(self, contract: str, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, values) of a contract's events of these names, in order."""
        self._follow()
        for event in self._decoder.decode(self._store.named(contract, names)):
            yield event.name, {name: _checksummed(value) for name, value in event.values.items()}

    def open_subjects(self, contract: str, begins: str, ends: Collection[str]) -> list[int]:
        """Numbers that an event of one name told of and none of the others since, in order."""
        self._follow()
        return self._store.open_subjects(contract, begins, ends)

    def between(
        self, contract: str, names: Collection[str], first: int, end: int
    ) -> Iterator[Event]:
        """A contract's events of these names in the blocks first..end − 1."""
        self._follow()
        yield from self._decoder.decode(self._store.between(contract, names, first, end))

    def of_periods(
        self, contract: str, names: Collection[str], periods: Collection[int]
    ) -> Iterator[Event]:
        """A contract's events of these names that tell of some periods."""
        self._follow()
        yield from self._decoder.decode(self._store.of_periods(contract, names, periods))

    def settled(self, area: int, periods: range) -> list[int]:
        """Periods of a range whose settlement in an area is complete."""
        self._follow()
        return self._store.settled(area, periods)

    def last_block(self) -> int:
        """Number of the chain's newest block."""
        return self._follow()

    def history(self, periods: Collection[int] | None = None) -> History:
        """The market rebuilt from the whole log, or from what the history of some periods needs.

        Of periods alone, positions, readings, caps, evidence and prices of these are as in the whole
        history; balances and findings are not. AuditError for a log that cannot be read.
        """
        self._follow()
        found = self._walked(self._store.logs(periods))
        if periods is not None and not self._agrees(found.rebuilt, periods):
            log.warning("the history of %d periods is read from the whole log", len(periods))
            return self._walked(self._store.logs())
        return found

    def due(self, task: str, area: int, contracts: Collection[str]) -> list[int]:
        """Periods that contracts told something of since `done` was said of the task, and those it left.

        area: of the events; those that name none are of every area. What is told after this call is due
        next time.
        """
        self._asked[_of(task, area)] = self._follow()
        return self._store.due(_of(task, area), area, contracts)

    def done(self, task: str, area: int, left: Collection[int] = ()) -> None:
        """The task has followed what `due` told of, but for some periods."""
        self._store.done(_of(task, area), self._asked[_of(task, area)], left)

    def _follow(self) -> int:
        return follow(self._store, self._market)

    def _walked(self, logs: Sequence[Log]) -> History:
        record = self._market.record
        rebuilt = Rebuilt(record, rules_of(record))
        events = list(self._decoder.decode(logs))
        rebuilt.walk(events)
        estimates: dict[int, dict[int, int]] = {}
        for event in events:
            if event.name == "ReadingEstimated":
                of_period = estimates.setdefault(event["period"], {})
                of_period[event["participant"]] = event["estimateWh"]
        return History(rebuilt, estimates)

    def _agrees(self, rebuilt: Rebuilt, periods: Collection[int]) -> bool:
        """Whether the evidence is what the chain committed to, of every period that is settled."""
        area, settlement = self._market.area, self._market.settlement
        return all(
            rebuilt.metering.evidence.of(area, period).value == settlement.commitment(area, period)
            for period in periods
        )


def _checksummed(value: Any) -> Any:
    """A value as web3 gives it: addresses with their checksum."""
    return to_checksum_address(value) if isinstance(value, str) and is_address(value) else value


def _of(task: str, area: int) -> str:
    return f"{task} of area {area}"


@contextmanager
def indexed(market: Market) -> Iterator[EventIndex]:
    """The event index that the market was opened with, else one in memory."""
    if isinstance(market.log, EventIndex):
        yield market.log
        return
    index = EventIndex(market, None)
    try:
        yield index
    finally:
        index.close()


def read_history(market: Market, periods: Collection[int] | None = None) -> History:
    """History of the market, whole or of some periods; see `EventIndex.history`."""
    with indexed(market) as index:
        return index.history(periods)
