"""Campaigns lived at random beside the model: the same refusals, the same money, after every step.

Funders, transfers, failures, abandonments, refunds, income and claims come in any order Hypothesis finds;
each transaction is of an exact second, so that deadlines are met to the second too.
"""

from typing import Any

import pytest
from brownie import chain
from brownie.exceptions import VirtualMachineError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gridbourse.model import crowdsale as model
from gridbourse.model.equity import Agreement, Equity, Export, Form
from tests.contracts.campaigns import EVIDENCE, PAYMENT, anchors, mint, next_block_at
from tests.contracts.campaigns import block_time as now_on_chain
from tests.contracts.market import FEED_IN, FIRST, RETAIL, TIMELOCK, role
from tests.contracts.refusal import ask
from tests.contracts.test_equity import settle

GOAL, CAP, MINIMUM, MAXIMUM, TERM = 1_000, 1_300, 10, 900, 12
HOLDERS = 4
OWNER = 9  # of the members
PURSE = 2_000
WHO = st.integers(0, HOLDERS - 1)
AMOUNT = st.one_of(st.integers(0, 950), st.sampled_from((MINIMUM - 1, MINIMUM, MAXIMUM, MAXIMUM + 1)))
SECONDS = st.integers(1, 400)
MILESTONES = st.sampled_from(([1_000], [400, 600], [1, 333, 666]))
FATES = st.sampled_from(("open", "fall short", "one short", "exactly", "overshoot", "operate", "operate"))
Phases = model.Phase


class CampaignLife(RuleBasedStateMachine):
    """An equity campaign, which has all that the others have and more."""

    def __init__(self, market: Any) -> None:
        super().__init__()
        chain.snapshot()
        self.market = market
        self.owner = market.members[OWNER]
        self.accounts = [member.account for member in market.members[:HOLDERS]]
        self.period, self.proofs = FIRST, {}

    def teardown(self) -> None:
        chain.revert()

    @initialize(
        fate=FATES, milestones=MILESTONES, form=st.sampled_from((Form.PROFIT_SHARE, Form.RENT)),
        value=st.integers(1, 1_000), permille=st.sampled_from((1_000, 334)), data=st.data(),
    )  # fmt: skip
    def launch(self, fate, milestones, form, value, permille, data):
        market, by = self.market, {"from": self.market.operator}
        self.now = now_on_chain()
        start = self.now + TIMELOCK + 1_000
        end, late = start + 2_000, start + 5_000
        terms = (self.owner.number, EVIDENCE, GOAL, CAP, MINIMUM, MAXIMUM, start, end, late, TERM)
        self.contract = market.contracts.EquityCampaign.deploy(
            anchors(market), terms, market.house, market.settlement, market.tariff, permille, by
        )
        market.currency.addSystemHolder(self.contract, by)
        market.house.proposeModule(self.contract, PAYMENT, by)
        chain.sleep(TIMELOCK)
        market.house.authoriseModule(self.contract, by)
        for account in self.accounts:
            market.currency.approve(self.contract, 10**9, {"from": account})
        mint(market, dict.fromkeys(self.accounts, PURSE))
        rules = model.Rules(GOAL, CAP, MINIMUM, MAXIMUM, start, end, late, TERM)
        self.model = Equity(rules, "owner", "attester", panel_permille=permille)
        self.by = {
            "owner": self.owner.account, "attester": market.other_gateway, "anyone": market.stranger,
        } | dict(enumerate(self.accounts))  # fmt: skip
        self.model.agreed = Agreement(form, value)
        self.contract.offer(form, value, self.owner.sends)
        self.now = now_on_chain()
        self.both(0, "open", "owner", lambda: self.model.open("owner", milestones, self.now), milestones)
        if fate != "open":
            self.fund_to(fate, data)

    def fund_to(self, fate, data):
        """The funding ends at a total that matters."""
        total = {
            "fall short": data.draw(st.integers(0, GOAL - 1)), "one short": GOAL - 1, "exactly": GOAL,
            "overshoot": data.draw(st.integers(GOAL + 1, CAP)), "operate": data.draw(st.integers(GOAL, CAP)),
        }[fate]  # fmt: skip
        self.now = self.model.rules.start - 1
        first = min(total, data.draw(st.integers(MINIMUM, 400)))
        for who, amount in enumerate((first, min(total - first, 500), max(0, total - first - 500))):
            if amount:
                self.fund(who, amount, 1)
        if data.draw(st.booleans()):  # else somebody gets there before
            self.now = self.model.rules.end - 1
            self.conclude(1)
        if fate == "operate" and self.model.phase == Phases.SUCCEEDED:
            for milestone in range(len(self.model.milestones)):
                self.confirm("attester", milestone, 1)
            self.built("attester", 1)
            self.operate("attester", 1)

    # --- both sides ----------------------------------------------------------------------------

    def both(self, seconds: int, method: str, by: Any, expect: Any, *given: Any) -> Any:
        """The same on both sides: what the model refuses, the contract refuses by the same rule."""
        self.now += max(1, seconds)
        try:
            expected, refused = expect(), None
        except model.Refused as error:
            expected, refused = None, error.rule
        next_block_at(self.now)
        try:
            getattr(self.contract, method)(*given, {"from": self.by[by]})
            found = None
        except VirtualMachineError as error:
            found = str(error.revert_msg).split(":")[0]
        assert found == refused, (method, given, by)
        return expected

    @rule(who=WHO, amount=AMOUNT, seconds=SECONDS)
    def fund(self, who, amount, seconds):
        self.both(seconds, "fund", who, lambda: self.model.fund(who, amount, self.now), amount)

    @rule(seconds=SECONDS)
    def conclude(self, seconds):
        self.both(seconds, "conclude", "anyone", lambda: self.model.conclude(self.now))

    @rule(deadline=st.sampled_from(("start", "end", "operate_by")), before=st.integers(0, 2))
    def wait_for_a_deadline(self, deadline, before):
        """So that what comes next is of the very second, or one off."""
        self.now = max(self.now, getattr(self.model.rules, deadline) - before - 1)

    @rule(by=st.sampled_from(("attester", "owner")), milestone=st.integers(0, 3), seconds=SECONDS)
    def confirm(self, by, milestone, seconds):
        expect = lambda: self.model.confirm_milestone(by, milestone)  # noqa: E731
        self.both(seconds, "confirmMilestone", by, expect, milestone, EVIDENCE)

    @rule(by=st.sampled_from(("attester", "owner")), seconds=SECONDS)
    def built(self, by, seconds):
        self.both(seconds, "confirmBuilt", by, lambda: self.model.confirm_built(by), EVIDENCE)

    @rule(by=st.just("attester"), seconds=SECONDS)
    def operate(self, by, seconds):
        expect = lambda: self.model.start_operating(by, self.period)  # noqa: E731
        self.both(seconds, "startOperating", by, expect, EVIDENCE)

    @rule(seconds=SECONDS)
    def close(self, seconds):
        self.both(seconds, "close", "anyone", lambda: self.model.close(self.period))

    @rule(by=st.sampled_from(("owner", 0)), seconds=SECONDS)
    def withdraw(self, by, seconds):
        self.both(seconds, "withdraw", by, lambda: self.model.withdraw(by))

    @rule(by=st.sampled_from(("owner", "attester", "anyone")), seconds=SECONDS)
    @precondition(lambda self: self.model.phase in (Phases.SUCCEEDED, Phases.BUILT))
    def abandon(self, by, seconds):
        self.both(seconds, "abandon", by, lambda: self.model.abandon(by, self.now), EVIDENCE)

    @rule(who=WHO, seconds=SECONDS)
    def refund(self, who, seconds):
        self.both(seconds, "refund", who, lambda: self.model.refund(who))

    # --- shares and income ---------------------------------------------------------------------

    @rule(who=WHO, to=WHO, part=st.floats(0, 1.1), seconds=SECONDS)
    def transfer(self, who, to, part, seconds):
        tokens = int(self.model.tokens[who] * part)
        expect = lambda: self.model.transfer(who, to, tokens)  # noqa: E731
        self.both(seconds, "transfer", who, expect, self.accounts[to], tokens)

    @precondition(lambda self: self.model.phase in (Phases.OPERATING, Phases.CLOSED))
    @rule(wh=st.integers(-3_000, 20_000))
    def a_period_passes(self, wh):
        """Metered and settled; of the owner's meter this reading."""
        self.period += 1
        self.proofs[self.period] = (max(wh, 0), settle(self.market, self.period, wh))
        self.settle_the_other_area()
        self.now = max(self.now, now_on_chain())
        self.record(self.period)

    def settle_the_other_area(self):
        """So that the period's slot is free for a later one."""
        self.market.trade(self.period, 1)
        self.market.meter(self.period, {m.number: 0 for m in self.market.in_area(1)})
        self.market.settle(self.period, 1)

    def record(self, period):
        wh, (leaf, path) = self.proofs[period]
        expect = lambda: self.model.record(period, Export(wh, RETAIL, FEED_IN))  # noqa: E731
        self.both(1, "recordExports", "anyone", expect, [leaf.words], [path])

    @precondition(lambda self: self.proofs)
    @rule(data=st.data())
    def record_again(self, data):
        self.record(data.draw(st.sampled_from(sorted(self.proofs))))

    @precondition(lambda self: self.proofs)
    @rule(data=st.data(), part=st.floats(0, 1.05))
    def attest(self, data, part):
        period = data.draw(st.sampled_from(sorted(self.proofs)))
        premium = int(self.proofs[period][0] * (RETAIL - FEED_IN) * part)
        expect = lambda: self.model.attest("attester", period, premium)  # noqa: E731
        self.both(1, "attestPremiums", "attester", expect, [period], [premium])

    @precondition(lambda self: self.model.phase in (Phases.OPERATING, Phases.CLOSED))
    @rule(leave=st.one_of(st.none(), st.integers(0, 5_000)))
    def collect(self, leave):
        """Perhaps the owner has drawn its account down before, to little or nothing."""
        house, number = self.market.house, self.owner.number
        free = house.balanceOf(number)
        if leave is not None and free > leave:
            house.withdraw(free - leave, self.owner.sends)
            free = leave
        self.now = max(self.now, now_on_chain())
        clock = int(self.market.clock.currentPeriod())
        taken = self.both(1, "collect", "anyone", lambda: self.model.collect(clock, free))
        assert house.balanceOf(number) == free - (taken or 0)

    @rule(who=WHO, seconds=SECONDS)
    def claim(self, who, seconds):
        self.both(seconds, "claim", who, lambda: self.model.claim(who))

    # --- after every step ----------------------------------------------------------------------

    @invariant()
    def both_are_the_same_and_every_unit_is_accounted_for(self):
        if not hasattr(self, "model"):
            return
        m, c, currency = self.model, self.contract, self.market.currency
        views = (
            c.phase, c.fundedMicroEur, c.releasedMicroEur, c.withdrawnMicroEur, c.refundedMicroEur,
            c.collectedMicroEur, c.claimedMicroEur, c.totalSupply, c.dueMicroEur, c.confirmed,
        )  # fmt: skip
        found = ask(
            *((view,) for view in views),
            (currency.balanceOf, c),
            *((c.balanceOf, a) for a in self.accounts),
            *((c.claimableOf, a) for a in self.accounts),
            *((c.refundOf, a) for a in self.accounts),
        )
        who = range(HOLDERS)
        clock = self.market.clock.currentPeriod()
        assert found == [
            m.phase, m.funded, m.released, m.withdrawn, m.refunded,
            m.collected, m.dividends.claimed, m.supply, m.due(clock), m.confirmed,
            m.held,
            *(m.tokens[i] for i in who),
            *(m.dividends.claimable(i) for i in who),
            *(m.refund_of(i) for i in who),
        ]  # fmt: skip
        to_claim = sum(m.dividends.claimable(i) for i in who)
        remainder = m.collected - m.dividends.claimed - to_claim
        assert 0 <= remainder < HOLDERS
        to_refund = sum(m.refund_of(i) for i in who)
        assert 0 <= m.held - to_refund - to_claim - remainder
        if m.phase == Phases.FAILED:
            assert to_refund + m.refunded == m.funded  # whole
        if m.phase == Phases.ABANDONED:
            rest = m.funded - m.released - m.refunded - to_refund
            assert 0 <= rest < HOLDERS


@pytest.fixture(scope="module")
def crowd(market):
    market.registry.grantRole(role("ATTESTER"), market.other_gateway, {"from": market.operator})
    return market


def test_the_contract_lives_as_the_model_does(crowd):
    run_state_machine_as_test(
        lambda: CampaignLife(crowd),
        settings=settings(
            max_examples=14,
            stateful_step_count=22,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=HealthCheck.all(),
        ),
    )
