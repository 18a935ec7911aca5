"""Energy prices, grid fees and market time, rebuilt (`Tariff.sol`, `MarketClock.sol`)."""

from collections import defaultdict
from typing import NamedTuple, TypeVar

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.registry import Members
from gridbourse.audit.core.rules import Rules

FLAT = 0
Dated = TypeVar("Dated")


class EnergyPrices(NamedTuple):
    """Prices of the supplier, µEUR per Wh."""

    retail: int
    feed_in: int


class Fees(NamedTuple):
    """Grid fees of a zone, µEUR per Wh."""

    import_fee: int
    local_fee: int
    export_fee: int


class Tariffs:
    """Prices and fees of an area and period, by the newest change at or before it."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._prices: defaultdict[int, list[tuple[int, EnergyPrices]]] = defaultdict(list)
        self._fees: dict[tuple[int, int], list[tuple[int, Fees]]] = {}

    def prices_set(self, event: Event) -> None:
        """EnergyPricesSet."""
        prices = EnergyPrices(event["retailMicroEurPerWh"], event["feedInMicroEurPerWh"])
        self._prices[event["area"]].append((event["fromPeriod"], prices))

    def prices_withdrawn(self, event: Event) -> None:
        """EnergyPricesWithdrawn: the newest ones."""
        versions = self._prices[event["area"]]
        if versions and versions[-1][0] == event["fromPeriod"]:
            versions.pop()

    def fees_set(self, event: Event) -> None:
        """GridFeesSet."""
        fees = Fees(
            event["importMicroEurPerWh"], event["localMicroEurPerWh"], event["exportMicroEurPerWh"]
        )
        key = (event["area"], event["zone"])
        self._fees.setdefault(key, []).append((event["fromPeriod"], fees))

    def fees_withdrawn(self, event: Event) -> None:
        """GridFeesWithdrawn: the newest ones of the zone."""
        versions = self._fees.get((event["area"], event["zone"]), [])
        if versions and versions[-1][0] == event["fromPeriod"]:
            versions.pop()

    def highest_fee(self, area: int, period: int) -> int:
        """Highest import or local fee of an area's zones, µEUR per Wh, at which its orders are backed."""
        held = [_newest(found, period) for (its, _), found in self._fees.items() if its == area]
        return max((max(fees.import_fee, fees.local_fee) for fees in held if fees), default=0)

    def energy(self, area: int | None, period: int) -> EnergyPrices:
        """Energy prices of an area and period; zero while none are set."""
        prices = [] if area is None else self._prices[area]
        return _newest(prices, period) or EnergyPrices(0, 0)

    def fees(self, area: int, zone: int, period: int) -> Fees:
        """Fees a zone sets itself in an area, else those of the zone above, else the area's flat ones."""
        while True:
            fees = _newest(self._fees.get((area, zone), []), period)
            if fees is not None:
                return fees
            if zone == FLAT:
                return Fees(0, 0, 0)
            zone = self._members.zones[zone].parent if zone < len(self._members.zones) else FLAT


class Clock:
    """Market time of a replay. Block time is not in the logs: where it counts, every moment is allowed."""

    def __init__(self, rules: Rules, findings: Findings) -> None:
        self._rules, self._findings, self._time = rules, findings, 0

    def advanced(self, event: Event) -> None:
        """ClockAdvanced: only forward."""
        self._findings.require(
            "market time", event.where, event["timestamp"] >= self._time, "runs forward"
        )
        self._time = event["timestamp"]

    @property
    def is_known(self) -> bool:
        """True where the logs tell market time."""
        return self._rules.replay

    @property
    def time(self) -> int:
        """Market time; 0 while it is not known."""
        return self._time

    @property
    def next_open_period(self) -> int:
        """First period that takes orders; 0 while market time is not known."""
        return (self._time + self._rules.gate_closure_seconds) // self._rules.mtu_seconds + 1

    @property
    def current_period(self) -> int:
        """Period that market time is in; 0 while it is not known."""
        return self._time // self._rules.mtu_seconds

    def require_open(self, period: int, where: str) -> None:
        """Require, of orders, a period before gate closure and not beyond the horizon."""
        open_ = self._time < self._closure(period) and self._within_horizon(period)
        self._require(open_, where, "the period takes no orders")

    def require_revealing(self, period: int, seconds: int, where: str, begun: bool) -> None:
        """Require the time to reveal sealed answers, the last seconds before gate closure; or to commit."""
        in_time = (self._time >= self._closure(period) - seconds) == begun
        self._require(in_time, where, "too early" if begun else "answers are being revealed")

    def require_before(self, time: int, where: str) -> None:
        """Require that a closing time has not come yet."""
        self._require(self._time < time, where, "it is closed")

    def require_since(self, time: int, where: str) -> None:
        """Require that a closing time has come."""
        self._require(self._time >= time, where, "it is not closed")

    def require_undelivered(self, period: int, where: str) -> None:
        """Require, of caps, a period before delivery and not beyond the horizon."""
        coming = self._time < period * self._rules.mtu_seconds
        self._require(
            coming and self._within_horizon(period), where, "delivery has begun, or is too far off"
        )

    def require_closed(self, period: int, where: str) -> None:
        """Require gate closure, for clearing and for giving back what did not trade."""
        self._require(self._time >= self._closure(period), where, "the gate is open")

    def require_delivered(self, period: int, where: str) -> None:
        """Require the end of delivery, for readings and settlement."""
        delivered = self._time >= (period + 1) * self._rules.mtu_seconds
        self._require(delivered, where, "the period is not over")

    def _within_horizon(self, period: int) -> bool:
        return period < self.next_open_period + self._rules.horizon_periods

    def _closure(self, period: int) -> int:
        return period * self._rules.mtu_seconds - self._rules.gate_closure_seconds

    def _require(self, holds: bool, where: str, rule: str) -> None:
        if self._rules.replay:
            self._findings.require("market time", where, holds, rule)


def _newest(versions: list[tuple[int, Dated]], period: int) -> Dated | None:
    return next((value for start, value in reversed(versions) if start <= period), None)
