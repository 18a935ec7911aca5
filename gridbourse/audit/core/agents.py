"""Agents, mandates and allowances, rebuilt (`Agents.sol`)."""

from collections import defaultdict

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.portfolios import Portfolios
from gridbourse.audit.core.registry import Members
from gridbourse.chain.bindings.portfolios import GATEWAY_BIT
from gridbourse.model.flexibility.market import within_allowance
from gridbourse.model.house_accounts import is_participant

MOST_MICRO_EUR = (1 << 56) - 1


class Agents:
    """Allowances that participants set for their agents. `at_risk`: µEUR by (period, participant)."""

    name = "Agents"

    def __init__(self, members: Members, portfolios: Portfolios | None, findings: Findings) -> None:
        self._members, self._portfolios, self._findings = members, portfolios, findings
        self.allowances: dict[tuple[int, int], int] = {}
        self.at_risk: defaultdict[tuple[int, int], int] = defaultdict(int)

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return {"AllowanceSet": self.allowance_set}

    def allowance_set(self, event: Event) -> None:
        """AllowanceSet: of a participant, from now on."""
        who, amount = event["participant"], event["microEurPerPeriod"]
        known = who in self._members.participants and amount <= MOST_MICRO_EUR
        where = event.at("participant", "agent")
        self._findings.require("allowance", where, known, "of nobody, or too much")
        self.allowances[who, event["agent"]] = amount

    def agent_of(self, account: str) -> int | None:
        """Agent number of a gateway's or aggregator's account; None where it is neither."""
        gateway = self._members.gateway_number(account)
        if gateway is not None:
            return GATEWAY_BIT | gateway
        return self._members.aggregator_number(account)

    def may_act(self, agent: int, who: int, period: int) -> bool:
        """True where a participant acts itself, or an agent in service by mandate or contract."""
        member = self._members.participants.get(who)
        if member is None or agent == who:
            return member is not None
        if agent & GATEWAY_BIT:
            in_service = self._members.gateway_account(agent ^ GATEWAY_BIT) is not None
            return in_service and member.gateway == agent ^ GATEWAY_BIT
        aggregator = self._members.participants.get(agent)
        in_service = agent in self._members.aggregators and aggregator is not None
        trades = self._portfolios is not None and self._portfolios.may_trade_for(agent, who, period)
        return in_service and aggregator is not None and aggregator.active and trades

    def is_one_with(self, agent: int, counterparty: int, period: int) -> bool:
        """True where the other side is the agent, one it acts for, or a house account whose role it holds."""
        account = self._account_of(agent)
        if not is_participant(counterparty):
            return account is not None and self._members.holds_house(counterparty, account)
        other = self._members.participants.get(counterparty)
        if other is None or other.account == account:
            return other is not None
        gateway = self._members.gateway_number(account) if account else None
        if gateway is not None and other.gateway == gateway:
            return True
        terms = (
            self._portfolios.book.contract_of(counterparty, period) if self._portfolios else None
        )
        if terms is None:
            return False
        aggregator = self._members.participants.get(terms.aggregator)
        return aggregator is not None and aggregator.account == account

    def _account_of(self, agent: int) -> str | None:
        if agent & GATEWAY_BIT:
            return self._members.gateway_account(agent ^ GATEWAY_BIT)
        member = self._members.participants.get(agent)
        return None if member is None else member.account

    def put_at_risk(
        self, period: int, who: int, agent: int, freed: int, more: int, where: str
    ) -> None:
        """Replace the bond of an agent's offer by another, within the allowance of its participant."""
        allowance = self.allowances.get((who, agent), 0)
        fits = within_allowance(self.at_risk[period, who], freed, more, allowance)
        self._findings.require("allowance", where, fits, "more than it allows its agent")
        self.at_risk[period, who] += more - freed
