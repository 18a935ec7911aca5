"""Two periods of a small market in which neighbours pay for a panel; two campaigns come to nothing."""

from pathlib import Path

from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.audit.check import rebuild
from gridbourse.audit.core.rules import rules_of
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import logs_of
from gridbourse.chain.bindings.crowdsale import (
    Campaign,
    CampaignTerms,
    EquityCampaign,
    RewardCampaign,
)
from gridbourse.chain.deployment.crowdsale import authorise, launch, set_open
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.encoding.lanes import BID, OFFER, PER_GROUP
from gridbourse.chain.node.connect import let_time_pass
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.chain.operations.withdrawals import finish_due
from gridbourse.scenario.scenario import load
from oracle.claims.export_income import attest_premiums, record_exports
from oracle.meter.corrections import book_corrections
from tests.audit.small_market import SmallMarket, overrides

EVIDENCE = keccak(text="photographs of the roof")
GOAL = 300_000
ROOF, GARDEN, SCHOOL = "EquityCampaign/roof", "RewardCampaign/garden", "DonationCampaign/school"


class CrowdMarket(SmallMarket):
    """Participant 0 owns the roof; 1 and 2 and somebody from outside pay for it."""

    def seconds(self) -> int:
        return self.chain.w3.eth.get_block("latest")["timestamp"]

    def wait(self, until: int) -> None:
        let_time_pass(self.chain.w3, until - self.seconds())

    def purse(self, who: LocalAccount, amount: int) -> None:
        treasurer, reference = self.keys["treasurer"], keccak(text=f"{who.address} {amount}")
        self.market.currency.write(treasurer, "set-up", "mint", who.address, amount, reference)

    def start(self, kind: str, name: str) -> Campaign:
        begin = self.seconds() + 200_000
        terms = CampaignTerms(
            self.numbers[0], EVIDENCE, GOAL, GOAL + 50_000, 1_000, GOAL,
            begin, begin + 1_000, begin + 5_000, 2,
        )  # fmt: skip
        return launch(self.market, kind, name, terms)

    def rebuilt(self) -> Rebuilt:
        record = self.market.record
        return rebuild(record, rules_of(record), logs_of(deployment_logs(self.market)))


def run_crowdsales(scenario_file: Path, folder: Path) -> CrowdMarket:
    """One of everything a campaign's log can hold."""
    given = overrides("uniform") | {"periods": 2}
    m = CrowdMarket(load(scenario_file, given), groups_a_call=500)
    owner, attester = m.accounts[0], m.keys["attester"]
    outsider = m.keys["somebody from outside"]
    for purpose in ("HOLD_CURRENCY", "FUND", "HOLD_SHARES"):
        set_open(m.market, purpose, True)
    roof, garden, school = (
        m.start(kind, name)
        for kind, name in (("equity", "roof"), ("reward", "garden"), ("donation", "school"))
    )
    assert isinstance(roof, EquityCampaign)
    assert isinstance(garden, RewardCampaign)
    roof.decline(owner, roof.offer(m.accounts[1], "rent", 900))
    roof.accept(owner, roof.offer(m.accounts[1], "profit share", 400))
    garden.list_good(owner, EVIDENCE, 50_000, 5)
    for campaign in (roof, garden, school):
        campaign.open(owner, [100_000, 200_000])
    funders = (m.accounts[1], m.accounts[2], outsider)
    for funder in funders:
        m.purse(funder, 500_000)
    m.wait(roof.terms().start + 500)  # later ones begin by seconds later
    authorise(m.market, roof)
    for campaign, amounts in (
        (roof, (150_000, 120_001, 55_555)),
        (garden, (200_000, 133_333)),
        (school, (90_000,)),
    ):
        for funder, amount in zip(funders, amounts, strict=False):
            campaign.fund(funder, amount)
    garden.pick(m.accounts[1], 0, 4)
    m.wait(school.terms().end)
    for campaign in (roof, garden, school):
        campaign.conclude(owner)
    school.refund(m.accounts[1])
    garden.confirm_milestone(attester, 0, EVIDENCE)
    garden.hand_over(owner, m.accounts[1].address, 0, 1)
    garden.confirm_receipt(m.accounts[1], 0, 1)
    garden.abandon(attester, EVIDENCE)
    for funder in funders[:2]:
        garden.refund(funder)
    garden.withdraw(owner)
    for milestone in range(2):
        roof.confirm_milestone(attester, milestone, EVIDENCE)
    roof.withdraw(owner)
    roof.confirm_built(attester, EVIDENCE)
    first = m.scenario.first_period
    m.open(first)
    assert roof.start_operating(attester, EVIDENCE) == first
    _live(m, roof, first, outsider)
    m.write(folder, scenario_file, given)
    return m


def _live(m: CrowdMarket, roof: EquityCampaign, first: int, outsider: LocalAccount) -> None:
    """Two periods: sold above the feed-in tariff; then capped. Income, claims, and shares that move."""
    attester = m.keys["attester"]
    for period in (first, first + 1):
        m.mandated(period, {0: (OFFER, 20, 600), 2: (BID, 200, 350), 3: (BID, 90, 211)})
    for period, cap in ((first, None), (first + 1, 300)):
        m.close(period)
        price = m.clear(period)
        if cap:
            m.cap(period, {0: (cap, 2**28 - 1)})
            price = m.clear(period)
        m.accept(period)
        m.book(period, price)
    for period in (first, first + 1):
        m.at((period + 1) * m.scenario.mtu_seconds)
        m.meter(period, 1, {i: 700 if i == 0 else -100 for i in range(9)})
        m.settle(period)
        rebuilt = m.rebuilt()
        evidence, group = (
            rebuilt.metering.evidence.of(FIRST_AREA, period),
            m.numbers[0] // PER_GROUP,
        )
        roof.record_exports(outsider, [evidence.leaf(group)], [evidence.path(group)])
        roof.attest_premiums(attester, [period], [rebuilt.crowdsales.premium(ROOF, period)])
        assert roof.collect(outsider) > 0
        m.pass_window()
        assert finish_due(m.market, outsider, roof.address) > 0
        roof.claim(m.accounts[1])
        roof.transfer(m.accounts[1], outsider.address, 40_000)
    roof.claim(outsider)
    _correct(m, roof, first, outsider)
    m.at((first + 2) * m.scenario.mtu_seconds)
    roof.close(outsider)


def _correct(m: CrowdMarket, roof: EquityCampaign, period: int, outsider: LocalAccount) -> None:
    """The owner's meter had read 50 Wh too little; what is on record already is not brought again."""
    operator, before = m.keys["operator"], m.rebuilt()
    assert record_exports(m.market, before, roof, operator) == 0
    assert book_corrections(m.market, before, {period: {m.numbers[0]: 750}})
    rebuilt = m.rebuilt()
    assert record_exports(m.market, rebuilt, roof, operator) == 1
    assert attest_premiums(m.market, rebuilt, roof) == rebuilt.crowdsales.premium(ROOF, period) > 0
    assert roof.collect(outsider) > 0
