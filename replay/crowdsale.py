"""Campaign of a scenario in a replay: funded and built before the first period, paid after the last.

The holders' income is taken from the owner's account and leaves the market, so the accounts
record it as a transfer; the sum due on the chain must be the model's from the replay's own figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.chain.bindings.crowdsale import FORMS, PURPOSES, CampaignTerms, EquityCampaign
from gridbourse.chain.deployment.crowdsale import authorise, launch, set_open
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.node.connect import let_time_pass
from gridbourse.chain.operations.withdrawals import finish_due
from gridbourse.deployment.participants import Membership, account_name
from gridbourse.index.history import read_history
from gridbourse.model.crowdsale.campaign import Rules
from gridbourse.model.crowdsale.equity import Agreement, Equity, Export, Form, premium_micro_eur
from gridbourse.scenario.crowdsale import OWNER, CampaignPlan
from gridbourse.scenario.scenario import Scenario
from oracle.claims.export_income import attest_premiums, record_exports
from replay.markets.market import OUTSIDE, Transfer
from replay.period_walk import PeriodResult, ReplayError


def public_name(name: str) -> str:
    """Name of the key of a person that is no participant."""
    return f"public/{name}"


@dataclass
class CampaignRun:
    """Campaign of a scenario on a chain.

    states: (phase, block time, unix seconds) as it went through them. claims: µEUR by holder.
    """

    market: Market
    scenario: Scenario
    plan: CampaignPlan
    number: int
    campaign: EquityCampaign
    states: list[tuple[str, int]] = field(default_factory=list)
    claims: dict[str, int] = field(default_factory=dict)

    @property
    def owner(self) -> LocalAccount:
        """The property owner."""
        return self.market.keys[account_name(self.plan.panel.point)]

    @property
    def holders(self) -> Mapping[str, LocalAccount]:
        """All funders, by connection point or name."""
        keys = self.market.keys
        participants = {point: keys[account_name(point)] for point in self.plan.funders}
        return participants | {name: keys[public_name(name)] for name in self.plan.public}

    # --- before the first period ---------------------------------------------------------------

    def fund(self) -> None:
        """Agree on terms, open, and collect every funder's money."""
        plan, campaign = self.plan, self.campaign
        self._note()
        by_owner = plan.offered_by == OWNER
        offeror = self.owner if by_owner else self.market.keys[account_name(plan.offered_by)]
        offer = campaign.offer(offeror, plan.form, plan.value)
        if not by_owner:
            campaign.accept(self.owner, offer)
        campaign.open(self.owner, list(plan.milestones.values()))
        self._note()
        for name, amount in {**plan.funders, **plan.public}.items():
            self._bring_in(name, amount)
            campaign.fund(self.holders[name], amount)
        campaign.conclude(self.market.keys["operator"])
        self._note()

    def build(self) -> None:
        """Confirm every milestone; operation begins with the period after the market clock's."""
        attester = self.market.keys["attester"]
        for at, name in enumerate(self.plan.milestones):
            self.campaign.confirm_milestone(attester, at, keccak(text=name))
            self.campaign.withdraw(self.owner)
        self.campaign.confirm_built(attester, keccak(text="built"))
        self._note()
        self._start_clock()
        self.campaign.start_operating(attester, keccak(text="operating"))
        self._note()

    def _bring_in(self, name: str, amount: int) -> None:
        """Let the treasurer mint against the funder's bank deposit."""
        reference = keccak(text=f"bank/{self.campaign.address}/{name}")
        self.market.currency.write(
            self.market.keys["treasurer"], "deposit", "mint",
            self.holders[name].address, amount, reference,
        )  # fmt: skip

    def _start_clock(self) -> None:
        """Set the clock to just before the first period's orders, where the walk begins."""
        lead = self.scenario.market.gate_closure_s
        at = self.scenario.first_period * self.scenario.mtu_seconds - lead - 1
        self.market.clock.advance_to(self.market.keys["operator"], at)

    def _note(self) -> None:
        time = self.market.chain.w3.eth.get_block("latest")["timestamp"]
        self.states.append((self.campaign.phase(), time))

    # --- after the last period -----------------------------------------------------------------

    def pay(self, results: Mapping[int, PeriodResult]) -> list[Transfer]:
        """Record and collect the income of the periods, and claim it after the dispute window; returns the
        payments out of the owner's account.

        ReplayError where the sum due on the chain differs from the model's.
        """
        market, campaign = self.market, self.campaign
        rebuilt = read_history(market).rebuilt
        record_exports(market, rebuilt, campaign, market.keys["operator"])
        attest_premiums(market, rebuilt, campaign)
        self._require_equal(results)
        operator = market.keys["operator"]
        collected = campaign.collect(operator)
        let_time_pass(market.chain.w3, market.house.read("disputeWindowSeconds"))
        finish_due(market, operator, campaign.address)
        campaign.collect(operator)  # what has come in belongs to the shares from now on
        for name, account in self.holders.items():
            self._require_part(name, collected)
            if campaign.claimable(account.address):
                self.claims[name] = campaign.claim(account)
        kind = self.plan.form.replace(" ", "_")
        return [Transfer(self.number, OUTSIDE, kind, collected)] if collected else []

    def export_of(self, result: PeriodResult) -> Export:
        """Export of a period, by the replay's own meters, caps and trades."""
        if result.metered_wh is None:
            raise ReplayError(f"period {result.period} was not delivered")
        tariff = self.scenario.tariff
        row = self.scenario.points.index.get_loc(self.plan.panel.point)
        wh = max(0, min(int(result.metered_wh[row]), int(result.caps.export_cap_wh[row])))
        sold = int(result.contracts_wh[row])
        paid = sum(trading.payments_micro_eur.get(self.number, 0) for trading in result.tradings)
        retail, feed_in = tariff.retail_micro_eur_per_wh, tariff.feed_in_micro_eur_per_wh
        premium = premium_micro_eur(wh, sold, paid, retail, feed_in)
        return Export(wh, retail, feed_in, premium)

    def _require_equal(self, results: Mapping[int, PeriodResult]) -> None:
        """Require that the model's campaign owes the same on the same exports as the chain's."""
        plan, terms = self.plan, self.campaign.terms()
        rules = Rules(*terms[2:])
        agreed = Agreement(Form(FORMS.index(plan.form)), plan.value)
        model = Equity(rules, "owner", "attester", agreed=agreed)
        model.first_period = self.campaign.read("firstPeriod")
        model.exports = {period: self.export_of(result) for period, result in results.items()}
        expected = model.due(self.market.clock.read("currentPeriod"))
        if (due := self.campaign.due()) != expected:
            raise ReplayError(
                f"campaign {plan.name}: {due} µEUR are due on the chain, {expected} by the model"
            )

    def _require_part(self, name: str, collected: int) -> None:
        """Require of one distribution that each holder gets its part by what it gave, rounded down."""
        stake = {**self.plan.funders, **self.plan.public}[name]
        expected = collected * stake // self.plan.cap
        found = self.campaign.claimable(self.holders[name].address)
        if found != expected:
            raise ReplayError(
                f"campaign {self.plan.name}: {name} may claim {found} µEUR on the chain,"
                f" {expected} by the model"
            )


def begin(market: Market, scenario: Scenario, members: Membership) -> CampaignRun | None:
    """Launch the scenario's campaign, fund it and have the panel built; None without one."""
    plan = scenario.crowdsale
    if plan is None:
        return None
    number = members.number_of[plan.panel.point]
    now = market.chain.w3.eth.get_block("latest")["timestamp"]
    terms = CampaignTerms(
        installation=number,
        project=keccak(text=f"{plan.name}: {plan.panel.watt_peak} W"),
        goal=plan.goal,
        cap=plan.cap,
        minimum=plan.minimum,
        maximum=plan.maximum,
        start=now,
        end=now + plan.funding_s,
        operate_by=now + plan.funding_s + plan.building_s,
        term_periods=plan.term_periods,
    )
    if plan.public:
        for purpose in PURPOSES:
            set_open(market, purpose, True)
    campaign = cast(EquityCampaign, launch(market, "equity", plan.name, terms))
    run = CampaignRun(market, scenario, plan, number, campaign)
    run.fund()
    let_time_pass(market.chain.w3, market.house.read("timelockSeconds"))
    authorise(market, campaign)
    run.build()
    return run
