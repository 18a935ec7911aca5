"""The chain's rules for readings and verdicts, on disk so that it outlives a killed oracle."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from oracle.dso.verdict import NumberedCaps


class Refused(Exception):
    """What the chain reverts."""


class MeterChain:
    """Takes version n + 1 only after n, and keeps every batch."""

    def __init__(self, path: Path):
        self.path = path
        self.batches: dict[int, list[dict[int, int]]] = {}
        if path.exists():
            self.batches = {
                int(period): [{int(n): wh for n, wh in batch.items()} for batch in batches]
                for period, batches in json.loads(path.read_text()).items()
            }

    def version(self, period: int) -> int:
        return len(self.batches.get(period, []))

    def submit(self, period: int, version: int, readings: Mapping[int, int]) -> str:
        if version != self.version(period) + 1:
            raise Refused(f"version {version} out of turn")
        self.batches.setdefault(period, []).append(dict(readings))
        self.path.write_text(json.dumps(self.batches))
        return f"0x{period}-{version}"

    def holds(self, period: int) -> dict[int, int]:
        """Readings that stand."""
        return {n: wh for batch in self.batches.get(period, []) for n, wh in batch.items()}


class GridChain:
    """A book that is cleared again after every capping, until it is accepted."""

    def __init__(self, positions_wh: Mapping[int, int] | None = None):
        self.rounds: dict[int, int] = {}
        self.accepted: set[int] = set()
        self.in_force: dict[int, dict[int, tuple[int, int]]] = {}
        self.posts: list[tuple[str, int, int, bytes, bytes]] = []
        self.positions = dict(positions_wh or {})
        self.booked: dict[int, tuple[int, int]] = {}

    def round(self, period: int) -> int:
        return self.rounds.get(period, 0)

    def judged(self, period: int, round_: int) -> bool:
        return round_ < self.round(period) or period in self.accepted

    def book_root(self, period: int) -> bytes:
        return period.to_bytes(10, "big") + self.round(period).to_bytes(10, "big")

    def positions_wh(self, period: int) -> Mapping[int, int]:
        return self.positions

    def booked_wh(self, period: int) -> Mapping[int, tuple[int, int]]:
        return self.booked

    def caps(self, period: int) -> NumberedCaps:
        return self.in_force.get(period, {})

    def accept(self, period: int, round_: int, book_root: bytes, report_hash: bytes) -> str:
        self._judge("accept", period, round_, book_root, report_hash)
        self.accepted.add(period)
        return "0xaccept"

    def cap(
        self, period: int, round_: int, book_root: bytes, caps: NumberedCaps, report_hash: bytes
    ) -> str:
        for number, former in self.caps(period).items():
            if any(new > old for new, old in zip(caps[number], former, strict=True)):
                raise Refused(f"cap of {number} raised")
        self._judge("cap", period, round_, book_root, report_hash)
        self.in_force[period] = dict(caps)
        self.rounds[period] = round_ + 1
        return "0xcap"

    def _judge(self, what: str, period: int, round_: int, root: bytes, report: bytes) -> None:
        if self.judged(period, round_) or round_ != self.round(period):
            raise Refused(f"round {round_} is over")
        if root != self.book_root(period):
            raise Refused("other book")
        self.posts.append((what, period, round_, root, report))


class Killed(BaseException):
    """The oracle is no more; nothing may catch this."""


class Killing:
    """Wraps chain or journal: ends the oracle at the n-th instant, before or after a call of it."""

    def __init__(self, clock: "DeathClock", target: object, methods: tuple[str, ...]):
        self._clock = clock
        self._target = target
        self._methods = methods

    def __getattr__(self, name: str) -> object:
        real = getattr(self._target, name)
        if name not in self._methods:
            return real

        def call(*arguments: object) -> object:
            self._clock.tick()
            answer = real(*arguments)
            self._clock.tick()
            return answer

        return call


class DeathClock:
    """Counts instants and dies at one of them; 0 = never."""

    def __init__(self, at: int, die: Callable[[], None]):
        self.instants = 0
        self._at = at
        self._die = die

    def tick(self) -> None:
        self.instants += 1
        if self.instants == self._at:
            self._die()


def raise_killed() -> None:
    raise Killed
