"""The whole market, rebuilt by walking through the log: which event does what."""

from collections.abc import Callable, Iterable

from gridbourse.audit.corrections import Corrections
from gridbourse.audit.errors import AuditError
from gridbourse.audit.events import Event
from gridbourse.audit.findings import Findings
from gridbourse.audit.folder import Rules
from gridbourse.audit.market import Market
from gridbourse.audit.members import Members
from gridbourse.audit.metering import Metering
from gridbourse.audit.money import Money
from gridbourse.audit.tariffs import Clock, Tariffs

NO_EFFECT = frozenset(
    {
        # what the setting up leaves behind: no balance follows from it
        ("ParticipantRegistry", "RoleAdminChanged"),
        ("SettlementCurrency", "SystemHolderAdded"),
        ("ClearingHouse", "ModuleProposed"),
        ("ClearingHouse", "ModuleAuthorised"),
        ("ClearingHouse", "ModuleRevoked"),
        ("ClearingHouse", "Sealed"),
        ("GridOracle", "MarketSet"),
        ("CallAuction", "EIP712DomainChanged"),
        # each says again what a Transfer says
        ("SettlementCurrency", "Approval"),
        ("SettlementCurrency", "Minted"),
        ("SettlementCurrency", "Redeemed"),
    }
)


class Rebuilt:
    """State of the market after the events walked through; `findings` has what did not fit."""

    def __init__(self, rules: Rules, house: str, auction: str) -> None:
        self.findings = findings = Findings()
        self.members = Members(findings)
        self.tariffs = Tariffs(self.members)
        self.clock = Clock(rules, findings)
        self.money = Money(house, self.members, self.tariffs, findings)
        self.market = Market(rules, self.members, self.clock, self.money, findings)
        self.metering = Metering(
            self.members, self.tariffs, self.clock, self.market, self.money, findings
        )
        self.corrections = Corrections(self.members, self.metering, self.money, findings)
        self.events = 0
        self._auction = auction.lower()
        self._on = self._handlers()

    def walk(self, events: Iterable[Event]) -> None:
        """Take in events in the order of the chain."""
        for event in events:
            self.events += 1
            key = (event.contract, event.name)
            if key != ("GridOracle", "Capped"):  # caps are told right after the book they void
                self.market.expire()
            if key in NO_EFFECT:
                continue
            if key not in self._on:
                raise AuditError(f"{event.where}: no rule for {event.contract}.{event.name}")
            if "market" in event.values:
                market = event["market"].lower()
                self.findings.compare(
                    "module", f"{event.name}, {event.where}", market, self._auction
                )
            self._on[key](event)
        self.market.expire()
        for part in (self.market, self.metering, self.corrections):
            part.require_nothing_loose()

    def _handlers(self) -> dict[tuple[str, str], Callable[[Event], None]]:
        members, money, market, metering = self.members, self.money, self.market, self.metering
        corrections = self.corrections
        return {
            ("ParticipantRegistry", "AreaAdded"): members.area_added,
            ("ParticipantRegistry", "ZoneAdded"): members.zone_added,
            ("ParticipantRegistry", "GatewayAdded"): members.gateway_added,
            ("ParticipantRegistry", "RoleGranted"): members.role_granted,
            ("ParticipantRegistry", "RoleRevoked"): members.role_revoked,
            ("ParticipantRegistry", "ParticipantRegistered"): members.registered,
            ("ParticipantRegistry", "MandateGiven"): members.mandated,
            ("ParticipantRegistry", "ParticipantSuspended"): members.suspended,
            ("ParticipantRegistry", "ParticipantReinstated"): members.reinstated,
            ("ParticipantRegistry", "ParticipantLeft"): members.left,
            ("MarketClock", "ClockAdvanced"): self.clock.advanced,
            ("Tariff", "EnergyPricesSet"): self.tariffs.prices_set,
            ("Tariff", "GridFeesSet"): self.tariffs.fees_set,
            ("SettlementCurrency", "Transfer"): money.transferred,
            ("ClearingHouse", "Deposited"): money.deposited,
            ("ClearingHouse", "Withdrawn"): money.withdrawn,
            ("ClearingHouse", "CreditLimitSet"): money.credit_limited,
            ("ClearingHouse", "PeriodActivated"): money.activated,
            ("CallAuction", "OrderPlaced"): market.order_placed,
            ("CallAuction", "OrdersPlaced"): market.orders_placed_by_gateway,
            ("CallAuction", "Cleared"): market.cleared,
            ("CallAuction", "OrdersShrunk"): market.shrunk,
            ("CallAuction", "Reopened"): market.reopened,
            ("CallAuction", "Voided"): market.voided,
            ("GridOracle", "Capped"): market.capped,
            ("GridOracle", "Accepted"): market.accepted,
            ("ClearingHouse", "TradesBooked"): market.trades_booked,
            ("ClearingHouse", "SpreadCollected"): market.spread_collected,
            ("CallAuction", "Booked"): market.booked,
            ("MeterOracle", "ReadingsSubmitted"): metering.submitted,
            ("Settlement", "ReadingsAwaited"): metering.awaited,
            ("Settlement", "ReadingEstimated"): metering.estimated,
            ("ClearingHouse", "DebtIncurred"): metering.indebted,
            ("ClearingHouse", "GroupsSettled"): metering.groups_settled,
            ("Settlement", "Settled"): metering.area_settled,
            ("ClearingHouse", "PeriodFinished"): metering.period_finished,
            ("Settlement", "ReadingsCorrected"): corrections.readings_corrected,
            ("ClearingHouse", "GroupCorrected"): corrections.group_corrected,
        }
