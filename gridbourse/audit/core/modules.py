"""Markets that the clearing house serves, rebuilt (`Modules.sol`): settlement asks each of them."""

from collections.abc import Callable, Mapping
from typing import Protocol

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.chain.bindings.clearing_house import MARKET

Handlers = dict[str, Callable[[Event], None]]


class Market(Protocol):
    """Interface of a market of any kind."""

    name: str

    def is_booked(self, area: int, period: int) -> bool:
        """True where every trade of the area and period is booked, or never will be."""

    def handlers(self) -> Handlers:
        """Handler of each event of its contract."""

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""

    def trades_booked(self, event: Event) -> None:
        """TradesBooked of the clearing house, in its name."""

    def require_nothing_loose(self) -> None:
        """Final check: no event waits for the one that would explain it."""


class Modules:
    """Markets of the deployment by lower-case address, and those in service."""

    def __init__(self, markets: Mapping[str, Market], findings: Findings) -> None:
        self.by_address, self._findings = markets, findings
        self.in_service: list[Market] = []

    def of(self, event: Event) -> Market | None:
        """Market that an event names; a difference where that is none of the deployment's."""
        return self._known(event["market"], event)

    def taking(self, event: Event) -> Market | None:
        """The same for an event that takes money or energy: a market out of service may only give back."""
        market = self.of(event)
        if market is not None:
            place = f"{event.name} of {market.name}, {event.where}"
            self._findings.require("module", place, market in self.in_service, "it was revoked")
        return market

    def authorised(self, event: Event) -> None:
        """ModuleAuthorised: a module that may trade is a market whose logs are audited."""
        if event["permissions"] & MARKET:
            market = self._known(event["module"], event)
            if market is not None and market not in self.in_service:
                self.in_service.append(market)

    def revoked(self, event: Event) -> None:
        """ModuleRevoked: settlement does not ask it any more."""
        gone = self.by_address.get(event["module"].lower())
        self.in_service = [market for market in self.in_service if market is not gone]

    def _known(self, address: str, event: Event) -> Market | None:
        market = self.by_address.get(address.lower())
        place = f"{event.name} of {address}, {event.where}"
        self._findings.require("module", place, market is not None, "no market of the deployment")
        return market
