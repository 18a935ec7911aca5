"""Contracts between aggregators and prosumers, rebuilt (`Portfolios.sol`) with the reference model."""

from collections.abc import Callable

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.registry import Members
from gridbourse.audit.core.tariff import Clock
from gridbourse.model.portfolio_contract import Book, Contract, ContractRefused

WHAT = "contract"


class Portfolios:
    """Proposals and contracts. `concluded`: terms as accepted, in order."""

    name = "Portfolios"

    def __init__(self, members: Members, clock: Clock, findings: Findings) -> None:
        self._members, self._clock, self._findings = members, clock, findings
        self.book = Book()
        self.concluded: list[Contract] = []

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return {
            "ContractProposed": self.proposed,
            "ProposalWithdrawn": self.withdrawn,
            "ContractAccepted": self.accepted,
            "ContractEnded": self.ended,
        }

    def may_trade_for(self, aggregator: int | None, participant: int, period: int) -> bool:
        """True where a contract lets the aggregator trade for the participant."""
        terms = self.book.contract_of(participant, period)
        return terms is not None and terms.aggregator == aggregator and terms.may_trade

    def proposed(self, event: Event) -> None:
        """ContractProposed: numbered in order, within the rules."""
        where = event.at("proposal")
        terms = Contract(*event["terms"])
        self._findings.compare(WHAT, f"proposal, {where}", event["proposal"], self.book.proposed)
        parties = (event["aggregator"], event["participant"])
        self._findings.compare(
            WHAT, f"parties, {where}", parties, (terms.aggregator, terms.participant)
        )
        people = self._members.participants
        self._by_the_rules(
            where,
            lambda: self.book.propose(terms, self._next_open, self._members.aggregators, people),
        )

    def withdrawn(self, event: Event) -> None:
        """ProposalWithdrawn: of a proposal that is open."""
        self._by_the_rules(
            event.at("proposal"), lambda: self.book.withdraw(event["proposal"])
        )  # fmt: skip

    def accepted(self, event: Event) -> None:
        """ContractAccepted: of a proposal that is open, after the end of the former contract."""
        number, where = event["proposal"], event.at("proposal", "participant")
        terms = self.book.proposals.get(number)
        place = self._by_the_rules(
            where, lambda: self.book.accept(number, self._next_open, self._members.aggregators)
        )
        if terms is None or place is None:
            return
        self.concluded.append(terms)
        told = (event["participant"], event["number"])
        self._findings.compare(WHAT, f"(party, number), {where}", told, (terms.participant, place))

    def ended(self, event: Event) -> None:
        """ContractEnded: by one of its sides, with notice."""
        who, number, where = event["participant"], event["number"], event.at("participant")
        self._by_the_rules(
            where, lambda: self.book.end(who, number, event["untilPeriod"], self._next_open)
        )
        mine = self.book.contracts.get(who, [])
        sides = {who, *(terms.aggregator for terms in mine[number : number + 1])}
        self._findings.require(WHAT, f"ended by, {where}", event["by"] in sides, "not a party")

    @property
    def _next_open(self) -> int:
        return self._clock.next_open_period if self._clock.is_known else 0

    def _by_the_rules(self, where: str, step: Callable[[], int | None]) -> int | None:
        try:
            found = step()
        except ContractRefused as refused:
            self._findings.require(WHAT, where, False, str(refused))
            return None
        self._findings.require(WHAT, where, True, "")
        return found
