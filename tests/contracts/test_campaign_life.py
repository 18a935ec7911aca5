"""Campaigns lived at random beside the model: the same refusals, the same money, after every step.

Funders, transfers, failures, abandonments, refunds, income and claims come in any order that a seed draws,
mostly what the phase is about; each transaction is of an exact second, so that deadlines are met to the
second too.
"""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from brownie import chain
from brownie.exceptions import VirtualMachineError

from gridbourse.model.crowdsale import campaign as model
from gridbourse.model.crowdsale.equity import Agreement, Equity, Export, Form
from tests.contracts.campaigns import EVIDENCE, PAYMENT, anchors, income_of, mint, next_block_at
from tests.contracts.campaigns import block_time as now_on_chain
from tests.contracts.market import FEED_IN, FIRST, RETAIL, TIMELOCK
from tests.contracts.refusal import ask
from tests.contracts.test_corrections import lanes
from tests.contracts.test_equity import settle

GOAL, CAP, MINIMUM, MAXIMUM, TERM = 1_000, 1_300, 10, 900, 4
HOLDERS = 4
HELD = range(HOLDERS)
OWNER = 9  # of the members
PURSE = 2_000
MILESTONES = ([1_000], [400, 600], [1, 333, 666])
PARTIES = ("owner", "attester", "anyone")
LIVES = [
    ("open", 0, 40), ("open", 1, 40), ("short", 0, 20), ("one short", 0, 20), ("exactly", 0, 40),
    ("overshot", 0, 40), ("full", 0, 40), *(("operating", seed, 60) for seed in range(5)),
]  # fmt: skip
"""Where a life begins - open, or with a funding that ends at a total that matters -, its seed, its steps."""
P = model.Phase
INCOME = "pass_a_period correct attest collect collect transfer transfer claim claim withdraw"
ABOUT = {
    P.OPEN: "fund fund fund wait conclude",
    P.SUCCEEDED: "confirm confirm built withdraw transfer abandon wait",
    P.FAILED: "refund",
    P.BUILT: "confirm operate withdraw transfer abandon wait",
    P.OPERATING: f"{INCOME} {INCOME} record_again close",
    P.CLOSED: f"{INCOME} record_again",
    P.ABANDONED: "refund transfer withdraw",
}
"""What each phase is about."""


class CampaignLife:
    """An equity campaign, which has all that a donation has and more."""

    about = ABOUT

    def __init__(self, market: Any, fate: str, seed: int) -> None:
        self.market, self.random = market, Random(f"{fate} {seed}")
        self.owner = market.members[OWNER]
        self.accounts = [member.account for member in market.members[:HOLDERS]]
        self.period, self.proofs = FIRST, {}
        self.purses = [PURSE] * HOLDERS
        self.launch()
        self.begin(fate)

    def launch(self):
        market, by = self.market, {"from": self.market.operator}
        start = now_on_chain() + TIMELOCK + 1_000
        times = (start, start + 2_000, start + 5_000)
        terms = (self.owner.number, EVIDENCE, GOAL, CAP, MINIMUM, MAXIMUM, *times, TERM)
        self.make(terms, model.Rules(GOAL, CAP, MINIMUM, MAXIMUM, *times, TERM))
        market.currency.addSystemHolder(self.contract, by)
        for account in self.accounts:
            market.currency.approve(self.contract, 10**9, {"from": account})
        mint(market, dict.fromkeys(self.accounts, PURSE))
        self.by = {
            "owner": self.owner.account, "attester": market.other_gateway, "anyone": market.stranger,
        } | dict(enumerate(self.accounts))  # fmt: skip
        self.now = now_on_chain()
        milestones = self.random.choice(MILESTONES)
        opening = ("owner", milestones, self.tick())
        self.both("open", "owner", self.model.open, opening, milestones)

    def make(self, terms, rules):
        """The contract and its model, with something agreed, and authorised to collect."""
        draw, market, by = self.random, self.market, {"from": self.market.operator}
        form, permille = draw.choice((Form.PROFIT_SHARE, Form.RENT)), draw.choice((1_000, 334))
        value = draw.randint(1, 1_000)
        self.contract = market.contracts.EquityCampaign.deploy(
            anchors(market), terms, market.house, *income_of(market), permille, by
        )
        market.house.proposeModule(self.contract, PAYMENT, by)
        chain.sleep(TIMELOCK)
        market.house.authoriseModule(self.contract, by)
        self.contract.offer(form, value, self.owner.sends)
        self.model = Equity(rules, "owner", "attester", panel_permille=permille)
        self.model.agreed = Agreement(form, value)

    def begin(self, fate):
        """As far as the fate goes; what comes then is drawn."""
        if fate == "open":
            self.now = self.model.rules.start - 3
            return
        total = {
            "short": self.random.randint(0, GOAL - 2), "one short": GOAL - 1, "exactly": GOAL,
            "overshot": self.random.randint(GOAL + 1, CAP - 1), "full": CAP,
            "operating": self.random.randint(GOAL, CAP),
        }[fate]  # fmt: skip
        self.now = self.model.rules.start
        for who, amount in enumerate((min(total, 400), min(total - 400, 500), total - 900)):
            if amount > 0:
                self.fund(who, amount)
        if fate != "full":
            self.now = self.model.rules.end - 1
        self.conclude()
        assert (self.model.phase == P.SUCCEEDED) == (total >= GOAL)
        if fate == "operating":
            for milestone in range(len(self.model.milestones)):
                self.confirm("attester", milestone)
            self.built("attester")
            self.operate("attester")

    def live(self, steps):
        """Step after step, each looked at, until nobody has anything left in it."""
        self.look()
        for _ in range(steps):
            if self.model.phase in (P.FAILED, P.ABANDONED) and self.model.held == 0:
                break
            here = self.random.random() < 0.85
            names = (
                self.about[self.model.phase] if here else " ".join(self.about.values())
            ).split()
            getattr(self, self.random.choice(names))()
            self.look()

    # --- both sides ----------------------------------------------------------------------------

    def tick(self):
        """The second of the next transaction."""
        self.now += self.random.choice((1, 1, 400))
        return self.now

    def both(self, method, by, of_model, expected, *given):
        """The same on both sides: what the model refuses, the contract refuses by the same rule."""
        try:
            result, refused = of_model(*expected), None
        except model.Refused as error:
            result, refused = None, error.rule
        next_block_at(self.now)
        try:
            getattr(self.contract, method)(*given, {"from": self.by[by]})
            found = None
        except VirtualMachineError as error:
            found = str(error.revert_msg).split(":")[0]
        assert found == refused, (method, by, given)
        return result

    def somebody(self):
        return self.random.randrange(HOLDERS)

    def party(self):
        return self.random.choice(PARTIES)

    def attester(self):
        return self.random.choice(("attester", "attester", "attester", "owner"))

    # --- funding, building, giving back --------------------------------------------------------

    def fund(self, who=None, amount=None):
        at_edges = (MINIMUM - 1, MINIMUM, MAXIMUM, MAXIMUM + 1, self.random.randint(0, 700))
        who = self.somebody() if who is None else who
        amount = self.random.choice(at_edges) if amount is None else amount
        before = self.model.funded
        self.both("fund", who, self.model.fund, (who, amount, self.tick()), amount)
        self.purses[who] -= self.model.funded - before

    def conclude(self):
        self.both("conclude", "anyone", self.model.conclude, (self.tick(),))

    def wait(self):
        """Until what comes next is of the very second of a deadline, or one off."""
        deadline = self.random.choice(("start", "end", "operate_by"))
        at = getattr(self.model.rules, deadline) - self.random.randint(0, 2)
        self.now = max(self.now, at - 1)

    def confirm(self, by=None, milestone=None):
        by = by or self.attester()
        if milestone is None:
            milestone = self.random.choice((self.model.confirmed, 1))
        self.tick()
        confirm = self.model.confirm_milestone
        self.both("confirmMilestone", by, confirm, (by, milestone), milestone, EVIDENCE)

    def built(self, by=None):
        by = by or self.attester()
        self.tick()
        self.both("confirmBuilt", by, self.model.confirm_built, (by,), EVIDENCE)

    def operate(self, by=None):
        by = by or self.attester()
        self.tick()
        operate, clock = self.model.start_operating, self.clock()
        self.both("startOperating", by, operate, (by, clock), EVIDENCE)

    def close(self):
        self.tick()
        self.both("close", "anyone", self.model.close, (self.clock(),))

    def withdraw(self):
        by = self.random.choice(("owner", "owner", "owner", 0))
        self.tick()
        self.both("withdraw", by, self.model.withdraw, (by,))

    def abandon(self):
        by = self.party()
        self.both("abandon", by, self.model.abandon, (by, self.tick()), EVIDENCE)

    def refund(self):
        who = self.somebody()
        self.tick()
        self.purses[who] += self.both("refund", who, self.model.refund, (who,)) or 0

    # --- shares and income ---------------------------------------------------------------------

    def clock(self):
        return int(self.market.clock.currentPeriod())

    def transfer(self):
        who, to = self.somebody(), self.somebody()
        tokens = int(self.model.tokens[who] * self.random.random() * 1.1)
        self.tick()
        self.both(
            "transfer", who, self.model.transfer, (who, to, tokens), self.accounts[to], tokens
        )

    def pass_a_period(self):
        """Metered and settled, whatever the owner's meter reads."""
        wh = self.random.randint(-3_000, 20_000)
        self.period += 1
        self.proofs[self.period] = (max(wh, 0), settle(self.market, self.period, wh))
        if self.period > FIRST + 2:  # or there is no slot for a later one
            self.settle_the_other_area(self.period - 2)
        self.now = max(self.now, now_on_chain())
        self.record(self.period)

    def settle_the_other_area(self, period):
        self.market.trade(period, 1)
        self.market.meter(period, {m.number: 0 for m in self.market.in_area(1)})
        self.market.settle(period, 1)

    def record(self, period):
        wh, (leaf, path) = self.proofs[period]
        self.tick()
        known = (period, Export(wh, RETAIL, FEED_IN))
        self.both("recordExports", "anyone", self.model.record, known, [leaf.words], [path])

    def record_again(self):
        if self.proofs:
            self.record(self.random.choice(sorted(self.proofs)))

    def correct(self):
        """A reading after settlement, to another one or the same, recorded again."""
        if not self.proofs:
            return
        period, wh = self.random.choice(sorted(self.proofs)), self.random.randint(-3_000, 20_000)
        _, (leaf, path) = self.proofs[period]
        later = replace(leaf, readings=lanes([0, wh, 0, 0]))
        by = {"from": self.market.meter_oracle}
        self.market.settlement.correct(0, leaf.words, path, later.readings, by)
        self.proofs[period] = (max(wh, 0), (later, path))
        self.now = max(self.now, now_on_chain())
        self.record(period)

    def attest(self):
        if not self.proofs:
            return
        by, period = self.attester(), self.random.choice(sorted(self.proofs))
        most = self.proofs[period][0] * (RETAIL - FEED_IN)
        premium = self.random.choice((0, most, most + 1, self.random.randint(0, most)))
        self.tick()
        stated = (by, period, premium)
        self.both("attestPremiums", by, self.model.attest, stated, [period], [premium])

    def collect(self):
        """Perhaps the owner has drawn its account down before, to little or nothing."""
        house, number = self.market.house, self.owner.number
        free, leave = house.balanceOf(number), self.random.choice((0, 1_000, 10**9, 10**9))
        if free > leave:
            house.withdraw(free - leave, self.owner.sends)
            free = leave
        self.now = max(self.now, now_on_chain())
        self.tick()
        taken = self.both("collect", "anyone", self.model.collect, (self.clock(), free), number, [])
        assert house.balanceOf(number) == free - (taken or 0)

    def claim(self):
        who = self.somebody()
        self.tick()
        self.purses[who] += self.both("claim", who, self.model.claim, (who,)) or 0

    # --- after every step ----------------------------------------------------------------------

    def look(self):
        """Both are the same, and every unit is accounted for."""
        m, c, currency = self.model, self.contract, self.market.currency
        views = (
            c.phase, c.fundedMicroEur, c.releasedMicroEur, c.withdrawnMicroEur, c.refundedMicroEur,
            c.totalSupply, c.confirmed,
        )  # fmt: skip
        of_holders = (currency.balanceOf, c.balanceOf, c.refundOf)
        of_kind, known = self.of_kind()
        found = ask(
            *((view,) for view in views),
            (currency.balanceOf, c),
            *((view, account) for view in of_holders for account in self.accounts),
            *of_kind,
        )
        tokens, refunds = [m.tokens[i] for i in HELD], [m.refund_of(i) for i in HELD]
        assert found == [
            m.phase, m.funded, m.released, m.withdrawn, m.refunded, m.supply, m.confirmed,
            m.held, *self.purses, *tokens, *refunds, *known,
        ]  # fmt: skip
        if m.phase == P.FAILED:
            assert sum(refunds) == m.held == m.funded - m.refunded  # whole
        if m.phase == P.ABANDONED:
            rest = m.held - (m.released - m.withdrawn) - sum(refunds)
            assert 0 <= rest < HOLDERS

    def of_kind(self):
        """What is asked of equity beside, and what the model knows of it."""
        m, c = self.model, self.contract
        claimable = [m.dividends.claimable(i) for i in HELD]
        assert 0 <= m.collected - m.dividends.claimed - sum(claimable) < HOLDERS
        number, views = self.owner.number, (c.collectedMicroEur, c.claimedMicroEur)
        asked = [*((view,) for view in views), (c.dueOf, number)]
        asked += [(c.claimableOf, a) for a in self.accounts]
        due = m.due(self.clock())
        return asked, [m.collected, m.dividends.claimed, due, *claimable]


@pytest.mark.parametrize(("fate", "seed", "steps"), LIVES)
def test_the_contract_lives_as_the_model_does(market, fate, seed, steps):
    CampaignLife(market, fate, seed).live(steps)
