"""Contracts between aggregators and prosumers, which `contracts/registry/Portfolios.sol` must equal.

An aggregator proposes, the prosumer accepts; a participant has one contract at a time, each beginning at
or after the end of the one before. Either side ends it with notice: from the next period that takes
orders on, or a later one. Source: [Talari-nd] §2.2, §2.3.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag

from gridbourse.model.errors import ModelError

WHOLE_PERMILLE = 1_000


class Resource(IntFlag):
    """Resources that an aggregator may call on."""

    BATTERY = 1
    EV = 2
    HEAT_PUMP = 4
    SHIFTABLE_LOAD = 8
    PV = 16


ALL_RESOURCES = int(~Resource(0))


class Control(IntEnum):
    """Means of control: dispatch, a price signal, or both."""

    DIRECT = 0
    INDIRECT = 1
    MIXED = 2


class ContractRefused(ModelError):
    """Call that the rules do not allow; error: name and values of the chain's refusal."""

    def __init__(self, name: str, *values: int) -> None:
        super().__init__(f"{name}{values}")
        self.error = (name, *values)


@dataclass(frozen=True)
class Contract:
    """Terms; periods from_period to until_period - 1; resources as bits; shares in permille."""

    aggregator: int
    participant: int
    from_period: int
    until_period: int
    resources: int
    control: int
    permille: int
    may_trade: bool


@dataclass
class Book:
    """All proposals and contracts. Participants by number; next_open: the period whose gate closes next."""

    proposals: dict[int, Contract] = field(default_factory=dict)
    contracts: dict[int, list[Contract]] = field(default_factory=dict)
    proposed: int = 0

    def propose(
        self, terms: Contract, next_open: int, aggregators: Collection[int], people: Collection[int]
    ) -> int:
        """Number of a new proposal; ContractRefused for terms outside the rules."""
        _require(terms.aggregator in aggregators, "NotAnAggregator", terms.aggregator)
        _require(terms.participant in people, "NoParticipant", terms.participant)
        _require(terms.participant != terms.aggregator, "OwnPortfolio", terms.aggregator)
        periods = (terms.from_period, terms.until_period)
        _require(terms.from_period < terms.until_period, "NoPeriods", *periods)
        known = 0 < terms.resources <= ALL_RESOURCES
        _require(known, "UnknownResources", terms.resources, ALL_RESOURCES)
        _require(terms.control in [*Control], "UnknownControl", terms.control)
        _require(terms.permille <= WHOLE_PERMILLE, "PermilleOutOfRange", terms.permille)
        _require(terms.from_period >= next_open, "PeriodClosed", terms.from_period, next_open)
        self.proposals[self.proposed] = terms
        self.proposed += 1
        return self.proposed - 1

    def proposal(self, number: int) -> Contract:
        """Proposal that waits; ContractRefused when there is none."""
        _require(number in self.proposals, "NoProposal", number)
        return self.proposals[number]

    def withdraw(self, number: int) -> None:
        """Take a proposal back."""
        self.proposal(number)
        del self.proposals[number]

    def accept(self, number: int, next_open: int, aggregators: Collection[int]) -> int:
        """Number of the new contract among the participant's."""
        terms = self.proposal(number)
        _require(terms.aggregator in aggregators, "NotAnAggregator", terms.aggregator)
        _require(terms.from_period >= next_open, "PeriodClosed", terms.from_period, next_open)
        mine = self.contracts.setdefault(terms.participant, [])
        last = mine[-1].until_period if mine else 0
        place = len(mine) - 1
        _require(last <= terms.from_period, "ContractRuns", terms.participant, place, last)
        del self.proposals[number]
        mine.append(terms)
        return place + 1

    def end(self, participant: int, number: int, until: int, next_open: int) -> None:
        """End a contract with period `until` - 1."""
        mine = self.contracts.get(participant, [])
        _require(number < len(mine), "NoContract", participant, number)
        terms = mine[number]
        before = until < terms.until_period
        _require(before, "EndsBefore", participant, number, terms.until_period)
        earliest = max(next_open, terms.from_period)
        _require(until >= earliest, "NoticeTooShort", until, earliest)
        mine[number] = replace(terms, until_period=until)

    def contract_of(self, participant: int, period: int) -> Contract | None:
        """Contract that holds in a period; None without one."""
        held = [
            terms
            for terms in self.contracts.get(participant, [])
            if terms.from_period <= period < terms.until_period
        ]
        return held[0] if held else None


def _require(holds: bool, name: str, *values: int) -> None:
    if not holds:
        raise ContractRefused(name, *values)
