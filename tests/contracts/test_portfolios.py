"""Contracts between aggregators and prosumers: the contract is the model, whatever is done in which order."""

import random
from dataclasses import astuple

import pytest
from brownie import Portfolios, web3

from gridbourse.chain.bindings.portfolios import acceptance_domain, sign_acceptance
from gridbourse.model.portfolio_contract import Book, Contract, ContractRefused, Control, Resource
from tests.contracts.market import FIRST, GATE_CLOSURE, MTU, role
from tests.contracts.refusal import ask, fact, refusal

START = FIRST + 3
FAR = 2**40 - 1


class Hall:
    """Two aggregators among the participants of area 0."""

    def __init__(self, market):
        by = {"from": market.operator}
        self.market = market
        self.contract = Portfolios.deploy(market.registry, market.clock, by)
        self.aggregators = market.in_area(0)[:2]
        self.prosumers = market.in_area(0)[2:5]
        market.give("AGGREGATOR", *(one.account for one in self.aggregators))

    @property
    def next_open(self):
        return self.market.clock.nextOpenPeriod()

    def terms(self, who=None, aggregator=None, start=START, until=START + 10, **other):
        aggregator, who = aggregator or self.aggregators[0], who or self.prosumers[0]
        values = {
            "resources": int(Resource.BATTERY | Resource.PV), "control": int(Control.MIXED),
            "permille": 800, "may_trade": True,
        } | other  # fmt: skip
        return Contract(aggregator.number, who.number, start, until, **values)

    def propose(self, terms):
        account = self.market.registry.accountOf(terms.aggregator)
        tx = self.contract.propose(*astuple(terms)[1:], {"from": account})
        return fact(tx, "ContractProposed")[0]

    def refused(self, terms, by=None):
        by = by or self.market.registry.accountOf(terms.aggregator)
        return refusal(self.contract.propose, *astuple(terms)[1:], by=by)

    def concluded(self, who=None, **terms):
        who = who or self.prosumers[0]
        tx = self.contract.accept(self.propose(self.terms(who, **terms)), who.sends)
        return fact(tx, "ContractAccepted")[2]

    def of(self, who, period):
        return tuple(self.contract.contractOf(who.number, period))

    def signed(self, proposal, terms, who, expiry=FAR):
        domain = acceptance_domain(web3.eth.chain_id, self.contract.address)
        return sign_acceptance(local(who), domain, proposal, terms, expiry)


def local(member):
    """The participant's key: brownie accounts of known keys sign typed data through eth-account."""
    from eth_account import Account

    return Account.from_key(member.account.private_key)


@pytest.fixture(scope="module")
def hall(market):
    return Hall(market)


# --- by hand -----------------------------------------------------------------------------------


def test_who_accepts_is_under_contract_from_the_first_to_the_last_period(hall):
    ann, (first, _) = hall.prosumers[0], hall.aggregators
    terms = hall.terms()
    proposal = hall.propose(terms)
    assert tuple(hall.contract.proposalOf(proposal)) == astuple(terms)
    assert hall.of(ann, START) == (0, 0, False)
    tx = hall.contract.accept(proposal, ann.sends)

    assert fact(tx, "ContractAccepted") == (proposal, ann.number, 0)
    assert tuple(hall.contract.contractAt(ann.number, 0)) == astuple(terms)
    assert hall.contract.contractCount(ann.number) == 1
    under = (first.number, 800, True)
    assert [hall.of(ann, START + n) == under for n in (-1, 0, 9, 10)] == [False, True, True, False]
    assert refusal(hall.contract.proposalOf, proposal, by=ann.account) == ("NoProposal", proposal)


def test_a_signature_brought_by_the_aggregator_is_an_acceptance(hall):
    ann, ben, first = *hall.prosumers[:2], hall.aggregators[0]
    terms = hall.terms()
    proposal = hall.propose(terms)
    good = hall.signed(proposal, terms, ann)
    accept = hall.contract.acceptSigned
    late = web3.eth.get_block("latest")["timestamp"] - 1
    for given, error in (
        (hall.signed(proposal, hall.terms(permille=900), ann), "SignerIsNotParticipant"),
        (hall.signed(proposal + 1, terms, ann), "SignerIsNotParticipant"),
        (hall.signed(proposal, terms, ben), "SignerIsNotParticipant"),
        ((FAR - 1, *good[1:]), "SignerIsNotParticipant"),
        (hall.signed(proposal, terms, ann, late), "SignatureExpired"),
    ):
        refused = refusal(accept, proposal, *given, by=first.account)
        assert refused[:2] == (error, ann.number)
    tx = accept(proposal, *good, first.sends)

    assert fact(tx, "ContractAccepted") == (proposal, ann.number, 0)
    assert refusal(accept, proposal, *good, by=first.account) == ("NoProposal", proposal)


def test_one_contract_at_a_time(hall):
    ann, (_, second) = hall.prosumers[0], hall.aggregators
    hall.concluded()
    overlapping = hall.propose(hall.terms(aggregator=second, start=START + 9, until=START + 20))
    assert refusal(hall.contract.accept, overlapping, by=ann.account) == (
        "ContractRuns", ann.number, 0, START + 10,
    )  # fmt: skip
    assert hall.concluded(aggregator=second, start=START + 10, until=START + 20, permille=500) == 1
    assert hall.of(ann, START + 9)[0] == hall.aggregators[0].number
    assert hall.of(ann, START + 10) == (second.number, 500, True)


@pytest.mark.parametrize("side", ["prosumer", "aggregator"])
def test_either_side_ends_it_with_notice(hall, side):
    ann, first = hall.prosumers[0], hall.aggregators[0]
    by = {"prosumer": ann, "aggregator": first}[side]
    hall.concluded(start=START, until=START + 10)
    end = hall.contract.end
    refused = lambda until, by=by: refusal(end, ann.number, 0, until, by=by.account)  # noqa: E731
    assert refused(START - 1) == ("NoticeTooShort", START - 1, START), "it has not begun"
    hall.market.clock.advanceTo((START + 4) * MTU - GATE_CLOSURE, {"from": hall.market.operator})
    assert hall.next_open == START + 5
    assert refused(START + 4) == ("NoticeTooShort", START + 4, START + 5)
    assert refused(START + 10) == ("EndsBefore", ann.number, 0, START + 10)
    stranger = hall.prosumers[1]
    assert refused(START + 6, stranger) == ("NotAParty", stranger.account)
    assert refusal(end, ann.number, 1, START + 6, by=by.account) == ("NoContract", ann.number, 1)
    tx = end(ann.number, 0, START + 5, by.sends)

    assert fact(tx, "ContractEnded") == (ann.number, 0, START + 5, by.number)
    assert hall.of(ann, START + 4)[0] == first.number, "what has been stays provable"
    assert hall.of(ann, START + 5) == (0, 0, False)
    assert hall.concluded(start=START + 5, until=START + 6) == 1


def test_a_contract_that_has_not_begun_is_ended_before_it_does(hall):
    ann, second = hall.prosumers[0], hall.aggregators[1]
    hall.concluded()
    hall.contract.end(ann.number, 0, START, ann.sends)
    assert hall.of(ann, START) == (0, 0, False)
    hall.concluded(aggregator=second)
    assert hall.of(ann, START)[0] == second.number


def test_who_may_propose_what(hall):
    first, ann, market = hall.aggregators[0], hall.prosumers[0], hall.market
    terms, now = hall.terms, hall.next_open
    assert hall.refused(terms(), ann.account) == ("NotAnAggregator", ann.number)
    assert hall.refused(terms(), market.stranger) == ("UnknownParticipant", market.stranger)
    for bad, error in (
        (terms(start=now - 1), ("PeriodClosed", now - 1, now)),
        (terms(until=START), ("NoPeriods", START, START)),
        (terms(who=first), ("OwnPortfolio", first.number)),
        (terms(resources=0), ("UnknownResources", 0, 31)),
        (terms(resources=32), ("UnknownResources", 32, 31)),
        (terms(control=3), ("UnknownControl", 3)),
        (terms(permille=1_001), ("PermilleOutOfRange", 1_001)),
    ):
        assert hall.refused(bad) == error
    nobody = Contract(first.number, 4_000, START, START + 1, 1, 0, 0, False)
    assert hall.refused(nobody) == ("NoParticipant", 4_000)


def test_a_proposal_is_taken_back_or_lapses(hall):
    first, second = hall.aggregators
    ann, ben = hall.prosumers[:2]
    accept, withdraw = hall.contract.accept, hall.contract.withdraw
    gone, late, orphan = (hall.propose(hall.terms(start=START + n)) for n in (0, 0, 5))
    assert refusal(accept, gone, by=ben.account) == ("NotAParty", ben.account)
    assert refusal(withdraw, gone, by=second.account) == ("NotAParty", second.account)
    tx = withdraw(gone, first.sends)
    assert fact(tx, "ProposalWithdrawn") == (gone,)
    assert refusal(accept, gone, by=ann.account) == ("NoProposal", gone)
    hall.market.clock.advanceTo(START * MTU - GATE_CLOSURE, {"from": hall.market.operator})
    assert refusal(accept, late, by=ann.account) == ("PeriodClosed", START, START + 1)
    by = {"from": hall.market.operator}
    hall.market.registry.revokeRole(role("AGGREGATOR"), first.account, by)
    assert refusal(accept, orphan, by=ann.account) == ("NotAnAggregator", first.number)


# --- the contract is the model -----------------------------------------------------------------


class Walk:
    """Random steps on both, the same refusals, the same contracts in every period after each."""

    def __init__(self, hall, seed):
        self.hall, self.draw, self.model = hall, random.Random(seed), Book()
        self.account_of = {m.number: m.account for m in hall.market.members}
        self.numbers = {m.number for m in hall.aggregators}
        self.done = {"went through": 0, "refused": 0}

    def step(self):
        draw, hall = self.draw, self.hall
        kind = draw.choices(
            (self.propose, self.accept, self.end, self.withdraw, self.wait), (4, 5, 4, 1, 1)
        )[0]
        kind()
        questions = [
            (hall.contract.contractOf, who.number, period)
            for who in hall.prosumers
            for period in range(START - 2, START + 26, 3)
        ]
        for (_, who, period), found in zip(questions, ask(*questions), strict=True):
            held = self.model.contract_of(who, period)
            expected = (held.aggregator, held.permille, held.may_trade) if held else (0, 0, False)
            assert tuple(found) == expected, (who, period)

    def both(self, by_model, method, *arguments, by):
        expected = None
        try:
            by_model()
        except ContractRefused as refused:
            expected = refused.error
        if expected is None:
            method(*arguments, {"from": by})
        else:
            assert refusal(method, *arguments, by=by) == expected
        self.done["went through" if expected is None else "refused"] += 1

    def propose(self):
        draw, hall = self.draw, self.hall
        start = draw.randint(hall.next_open - 1, START + 20)
        terms = hall.terms(
            draw.choice(hall.prosumers), draw.choice(hall.aggregators), start,
            start + draw.randint(0, 8), permille=draw.choice((0, 700, 1_000, 1_001)),
            may_trade=draw.random() < 0.5, control=draw.randrange(3),
        )  # fmt: skip
        self.both(
            lambda: self.model.propose(terms, hall.next_open, self.numbers, self.account_of),
            hall.contract.propose, *astuple(terms)[1:], by=self.account_of[terms.aggregator],
        )  # fmt: skip

    def accept(self):
        number = self.draw.randrange(self.model.proposed + 1)
        terms = self.model.proposals.get(number)
        by = self.account_of[terms.participant if terms else self.hall.prosumers[0].number]
        self.both(
            lambda: self.model.accept(number, self.hall.next_open, self.numbers),
            self.hall.contract.accept, number, by=by,
        )  # fmt: skip

    def end(self):
        who = self.draw.choice(self.hall.prosumers).number
        number = self.draw.randrange(4)
        until = self.draw.randint(START - 1, START + 24)
        mine = self.model.contracts.get(who, [])
        sides = [who] + [mine[number].aggregator for _ in mine[number : number + 1]]
        self.both(
            lambda: self.model.end(who, number, until, self.hall.next_open),
            self.hall.contract.end, who, number, until, by=self.account_of[self.draw.choice(sides)],
        )  # fmt: skip

    def withdraw(self):
        number = self.draw.randrange(self.model.proposed + 1)
        terms = self.model.proposals.get(number)
        by = self.account_of[terms.aggregator if terms else self.hall.aggregators[0].number]
        self.both(
            lambda: self.model.withdraw(number), self.hall.contract.withdraw, number, by=by
        )  # fmt: skip

    def wait(self):
        clock = self.hall.market.clock
        clock.advanceTo(
            clock.timestamp() + self.draw.randint(0, MTU), {"from": self.hall.market.operator}
        )


@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk_is_the_models(hall, seed):
    walk = Walk(hall, seed)
    for _ in range(80):
        walk.step()

    assert min(walk.done.values()) > 15, walk.done
    assert walk.model.contracts
