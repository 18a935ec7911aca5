"""Market rebuilt by walking through the log, with the handler of each event."""

from collections.abc import Callable, Iterable
from typing import Any

from gridbourse.audit.core.agents import Agents
from gridbourse.audit.core.context import Common
from gridbourse.audit.core.errors import AuditError
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Market, Modules
from gridbourse.audit.core.portfolios import Portfolios
from gridbourse.audit.core.rules import Rules
from gridbourse.audit.core.solvency import Solvency
from gridbourse.audit.core.withdrawals import Withdrawals
from gridbourse.audit.crowdsale.crowdsales import Crowdsales
from gridbourse.audit.flexibility.market import FlexibilityMarket
from gridbourse.audit.markets.aggregator_auction import AggregatorAuction
from gridbourse.audit.markets.bilateral import BilateralMarket
from gridbourse.audit.markets.call_auction import Pool
from gridbourse.audit.markets.order_book import OrderBookMarket
from gridbourse.audit.markets.over_the_counter import OverTheCounter
from gridbourse.audit.markets.rebuild_context import RebuildContext
from gridbourse.audit.markets.verdicts import Verdicts
from gridbourse.audit.settlement.corrections import Corrections
from gridbourse.audit.settlement.curtailment import Curtailment
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.deployment.record import MARKETS, PLEDGES, DeploymentRecord
from gridbourse.market_kinds import KINDS, REBUILD, part
from gridbourse.model.house_accounts import MARGIN_ACCOUNT

NO_EFFECT = frozenset(
    {
        # deployment events that change no balance
        ("ParticipantRegistry", "RoleAdminChanged"),
        ("ParticipantRegistry", "PolicySet"),
        ("SettlementCurrency", "SystemHolderAdded"),
        ("ClearingHouse", "ModuleProposed"),
        *((market, "EIP712DomainChanged") for market in (*MARKETS, "Portfolios")),
        # each repeats a Transfer
        ("SettlementCurrency", "Approval"),
        ("SettlementCurrency", "Minted"),
        ("SettlementCurrency", "Redeemed"),
    }
)
Handlers = dict[tuple[str, str], Callable[[Event], None]]


class Rebuilt:
    """State of the market after the events walked through; `findings` has what did not fit.

    of_kind: energy markets by kind; portfolios, flexibility, curtailment: None where the deployment has
    none.
    """

    def __init__(self, deployment: DeploymentRecord, rules: Rules) -> None:
        at = {name: contract.address for name, contract in deployment.contracts.items()}
        self._stands_on = {
            "clock": at["MarketClock"].lower(),
            "clearingHouse": at["ClearingHouse"].lower(),
            "pledges": at[PLEDGES].lower(),
        }
        self.common = common = Common(rules, at["ClearingHouse"])
        self.findings, self.members, self.money = common.findings, common.members, common.money
        self.tariffs = common.tariffs
        self.portfolios = (
            Portfolios(self.members, common.clock, self.findings) if rules.portfolios else None
        )
        self.agents = Agents(self.members, self.portfolios, self.findings)
        self.modules = Modules({}, common.findings)
        self.of_kind: dict[str, Any] = {}
        for kind, its_rules in rules.markets.items():
            address = at[KINDS[kind].contract]
            about = RebuildContext(common, self.modules, self.agents, deployment.chain_id, address)
            self.of_kind[kind] = part(REBUILD, kind, "rebuild")(its_rules, about)
        self.metering = Metering(common, self.modules, rules.silent_permille)
        self.corrections = Corrections(common, self.metering)
        self.flexibility = (
            FlexibilityMarket(
                rules.flexibility, common, self.portfolios, self.agents, self.metering,
                self.corrections, rules.mtu_seconds,
            )
            if rules.flexibility
            else None
        )  # fmt: skip
        reach = rules.curtailment_reach_permille
        self.curtailment = None if reach is None else Curtailment(reach, common, self.metering)
        found = (*self.of_kind.values(), self.flexibility, self.curtailment)
        self.markets: list[Market] = [market for market in found if market is not None]
        self.modules.by_address = {at[market.name].lower(): market for market in self.markets}
        self.verdicts = Verdicts(common, self.modules, self.pool)
        campaigns = {at[key].lower() for key in deployment.campaigns}
        self.withdrawals = Withdrawals(self.money, self.members, common.findings, campaigns)
        self.crowdsales = Crowdsales(deployment, common, self.metering, self.withdrawals)
        self.solvency = Solvency(self.money, common.findings)
        self.events = 0
        self._on = self._handlers()

    @property
    def pool(self) -> Pool | None:
        """The call auction, where the deployment has one."""
        return self.of_kind.get("call_auction")

    @property
    def order_book(self) -> OrderBookMarket | None:
        """The order book, where the deployment has one."""
        return self.of_kind.get("order_book")

    @property
    def bilateral(self) -> BilateralMarket | None:
        """The bilateral market, where the deployment has one."""
        return self.of_kind.get("bilateral")

    @property
    def over_the_counter(self) -> OverTheCounter | None:
        """Trades over the counter, where the deployment has them."""
        return self.of_kind.get("over_the_counter")

    @property
    def aggregator_auction(self) -> AggregatorAuction | None:
        """The aggregators' auctions, where the deployment has them."""
        return self.of_kind.get("aggregator_auction")

    def walk(self, events: Iterable[Event]) -> None:
        """Process events in the order of the chain."""
        for event in events:
            self.events += 1
            key = (event.contract, event.name)
            if self.pool and key != ("GridOracle", "Capped"):
                self.pool.expire()  # caps come right after the void of the book they concern
            if self.flexibility:
                self.flexibility.before(event)
            self.solvency.before(event.block)
            if key in NO_EFFECT:
                continue
            if key not in self._on:
                raise AuditError(f"{event.where}: no rule for {event.contract}.{event.name}")
            self._on[key](event)
        if self.pool:
            self.pool.expire()
        for market in self.markets:
            market.require_nothing_loose()
        self.solvency.look()
        self.common.transfers.require_nothing_loose()
        self.metering.require_nothing_loose()
        self.corrections.require_nothing_loose()
        self.withdrawals.require_nothing_loose()
        self.crowdsales.require_nothing_loose()

    # --- events of the clearing house for a market ---------------------------------------------

    def _trades_booked(self, event: Event) -> None:
        if market := self.modules.taking(event):
            market.trades_booked(event)

    def _spread_collected(self, event: Event) -> None:
        market = self.modules.taking(event)
        if market is self.pool and self.pool:
            self.pool.spread_collected(event)
        elif market:
            self.findings.require("spread", event.at("period"), False, "its trades leave none")

    def _transferred(self, event: Event) -> None:
        gives_back = event["from"] == MARGIN_ACCOUNT
        if market := self.modules.of(event) if gives_back else self.modules.taking(event):
            self.common.transfers.transferred(market.name, event)

    def _currency_moved(self, event: Event) -> None:
        self.money.transferred(event)
        self.crowdsales.currency_moved(event)

    def _withdrawal_announced(self, event: Event) -> None:
        self.withdrawals.announced(event)
        self.crowdsales.announced(event)

    def _registry_connected(self, event: Event) -> None:
        """RegistryConnected: to contracts of the deployment; from now on its timelock binds."""
        for name in ("clock", "clearingHouse", "pledges"):
            place = f"{name} of the registry, {event.where}"
            chain = event[name].lower()
            self.findings.compare("registry", place, chain, self._stands_on[name])
        self.members.offices.connected = True

    def _pool_named(self, event: Event) -> None:
        is_pool = self.modules.of(event) is self.pool
        self.findings.require("module", f"pool, {event.where}", is_pool, "not the pool")

    # -------------------------------------------------------------------------------------------

    def _handlers(self) -> Handlers:
        told: list[Market | Portfolios | Agents] = [*self.markets, self.agents]
        if self.portfolios is not None:
            told.append(self.portfolios)
        of_markets = {
            (market.name, name): handler
            for market in told
            for name, handler in market.handlers().items()
        }
        of_markets |= self.crowdsales.handlers()
        beside = self.flexibility.handlers_beside() if self.flexibility else {}
        return (
            of_markets | beside | self._of_the_setting() | self._of_money() | self._of_the_oracles()
        )

    def _of_the_setting(self) -> Handlers:
        members, tariffs = self.members, self.tariffs
        return {
            ("ParticipantRegistry", "AreaAdded"): members.area_added,
            ("ParticipantRegistry", "ZoneAdded"): members.zone_added,
            ("ParticipantRegistry", "GatewayAdded"): members.gateway_added,
            ("ParticipantRegistry", "AreaEnded"): members.area_ended,
            ("ParticipantRegistry", "RegistryConnected"): self._registry_connected,
            ("ClearingHouse", "Sealed"): members.offices.seal,
            ("ParticipantRegistry", "RoleProposed"): members.offices.proposed,
            ("ParticipantRegistry", "RoleProposalWithdrawn"): members.offices.withdrawn,
            ("ParticipantRegistry", "RoleGranted"): members.role_granted,
            ("ParticipantRegistry", "RoleRevoked"): members.offices.revoked,
            ("ParticipantRegistry", "AccountProposed"): members.account_proposed,
            ("ParticipantRegistry", "AccountWithdrawn"): members.account_withdrawn,
            ("ParticipantRegistry", "AccountReplaced"): members.account_replaced,
            ("ParticipantRegistry", "ParticipantRegistered"): self.crowdsales.registered,
            ("ParticipantRegistry", "MandateGiven"): members.mandated,
            ("ParticipantRegistry", "AgentsLimited"): members.agents_limited,
            ("ParticipantRegistry", "SourcesAttested"): members.attested,
            ("ParticipantRegistry", "ParticipantSuspended"): members.suspended,
            ("ParticipantRegistry", "ParticipantReinstated"): members.reinstated,
            ("ParticipantRegistry", "ParticipantLeft"): self.crowdsales.left,
            ("MarketClock", "ClockAdvanced"): self.common.clock.advanced,
            ("Tariff", "EnergyPricesSet"): tariffs.prices_set,
            ("Tariff", "EnergyPricesWithdrawn"): tariffs.prices_withdrawn,
            ("Tariff", "GridFeesSet"): tariffs.fees_set,
            ("Tariff", "GridFeesWithdrawn"): tariffs.fees_withdrawn,
            ("ClearingHouse", "ModuleAuthorised"): self.modules.authorised,
            ("ClearingHouse", "ModuleRevoked"): self.modules.revoked,
            ("GridOracle", "MarketSet"): self._pool_named,
        }

    def _of_money(self) -> Handlers:
        money, metering = self.money, self.metering
        return {
            ("SettlementCurrency", "Transfer"): self._currency_moved,
            ("ClearingHouse", "Deposited"): money.deposited,
            ("ClearingHouse", "WithdrawalAnnounced"): self._withdrawal_announced,
            ("ClearingHouse", "WithdrawalFinished"): self.withdrawals.finished,
            ("ClearingHouse", "WithdrawalCancelled"): self.withdrawals.cancelled,
            ("ClearingHouse", "Withdrawn"): self.withdrawals.paid,
            ("ClearingHouse", "CreditLimitSet"): money.credit_limited,
            ("ClearingHouse", "PeriodActivated"): money.activated,
            ("ClearingHouse", "TradesBooked"): self._trades_booked,
            ("ClearingHouse", "SpreadCollected"): self._spread_collected,
            ("ClearingHouse", "Transferred"): self._transferred,
            ("ClearingHouse", "DebtIncurred"): metering.indebted,
            ("ClearingHouse", "CreditWaits"): metering.credit_waits,
            ("ClearingHouse", "WaitingPaid"): money.waiting_paid,
            ("ClearingHouse", "GroupsSettled"): metering.groups_settled,
            ("ClearingHouse", "PeriodFinished"): metering.period_finished,
            ("ClearingHouse", "GroupCorrected"): self.corrections.group_corrected,
        }

    def _of_the_oracles(self) -> Handlers:
        metering = self.metering
        handlers: Handlers = {
            ("GridOracle", "TradesJudged"): self.verdicts.trades_judged,
            ("GridOracle", "ScheduleCapped"): self.verdicts.schedule_capped,
            ("MeterOracle", "ReadingsSubmitted"): metering.submitted,
            ("Settlement", "ReadingsAwaited"): metering.awaited,
            ("Settlement", "ReadingEstimated"): metering.estimated,
            ("Settlement", "ReadingRefused"): metering.refused,
            ("Settlement", "Settled"): metering.area_settled,
            ("Settlement", "ReadingsCorrected"): self.corrections.readings_corrected,
            ("Settlement", "PositionsCorrected"): self.corrections.positions_corrected,
        }
        if self.pool:
            handlers["GridOracle", "Capped"] = self.pool.capped
            handlers["GridOracle", "Accepted"] = self.pool.accepted
        return handlers
