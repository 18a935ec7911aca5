"""State that every market is rebuilt with: participants, rules, money and energy."""

from gridbourse.audit.core.caps import Caps
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.money import Money
from gridbourse.audit.core.registry import Members
from gridbourse.audit.core.reservations import Reservations, Share
from gridbourse.audit.core.rules import Rules
from gridbourse.audit.core.tariff import Clock, Tariffs
from gridbourse.audit.core.transfers import Transfers


class Common:
    """One of each for a deployment; `house` is the address of its clearing house."""

    def __init__(self, rules: Rules, house: str) -> None:
        self.findings = Findings()
        self.members = Members(self.findings)
        self.tariffs = Tariffs(self.members)
        self.clock = Clock(rules, self.findings)
        self.money = Money(house, self.members, self.tariffs, self.findings)
        self.caps = Caps(self.members, self.findings)
        self.transfers = Transfers(self.money, self.findings)
        self.reservations = Reservations(self.members, self.money, self.findings)
        self._shares: dict[str, Share] = {}

    def reservations_of(self, market: str) -> Share:
        """Reservations of one market, shared by all who act in its name."""
        return self._shares.setdefault(market, Share(market, self.reservations))

    def close_books(self, area: int, period: int, in_service: set[str]) -> None:
        """Require before a settlement that no market still owes its payees more than its payers paid; of a
        market that was revoked, void what it booked."""
        for market, share in self._shares.items():
            if share.open_payments[area, period] > 0:
                revoked = market not in in_service
                place = f"{market}, area {area}, period {period}"
                self.findings.require("settlement", place, revoked, "its payers have not paid")
                share.void(area, period)
