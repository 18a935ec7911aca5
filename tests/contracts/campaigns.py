"""Campaigns on the market of `tests.contracts.market`, their funders, and the exact second of each call."""

from dataclasses import dataclass
from typing import Any

from brownie import chain, web3
from eth_utils import keccak

from gridbourse.chain.bindings.crowdsale import CampaignTerms
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.model.crowdsale.campaign import Rules
from tests.contracts.market import TIMELOCK, Market, Member

PAYMENT = 8
PROFIT_SHARE, RENT = 1, 2
EVIDENCE = keccak(text="photographs of the roof")
PROJECT = keccak(text="ten panels on the roof")
GOAL, CAP, MINIMUM, MAXIMUM = 10_000, 12_000, 100, 8_000
MILESTONES = [4_000, 6_000]
TERM = 20
LEAD, FUNDING, BUILDING = 1_000, 5_000, 20_000
"""Seconds to the start, from there to the end, and from there to when it has to operate."""


def block_time() -> int:
    return web3.eth.get_block("latest")["timestamp"]


def next_block_at(timestamp: int) -> None:
    """The next transaction is of this second."""
    web3.provider.make_request("evm_setNextBlockTimestamp", [timestamp])


def pass_to(timestamp: int) -> None:
    """A block of this second, and what is asked is asked then."""
    next_block_at(timestamp)
    chain.mine()


def mint(market: Market, purses: dict[Any, int]) -> None:
    """Currency into accounts' own hands."""
    for i, (account, amount) in enumerate(purses.items()):
        reference = keccak(text=f"purse {i} {web3.eth.block_number}")
        market.currency.mint(account, amount, reference, {"from": market.treasurer})


@dataclass
class Launched:
    """A campaign, its owner, and short ways through its life."""

    market: Market
    contract: Any
    owner: Member
    terms: CampaignTerms
    attester: Any

    @property
    def rules(self) -> Rules:
        """As the model has them."""
        t = self.terms
        return Rules(
            t.goal, t.cap, t.minimum, t.maximum, t.start, t.end, t.operate_by, t.term_periods
        )

    def open(self) -> "Launched":
        self.contract.open(MILESTONES, self.owner.sends)
        pass_to(self.terms.start)
        return self

    def fund(self, funder: Any, amount: int) -> Any:
        self.market.currency.approve(self.contract, amount, {"from": funder})
        return self.contract.fund(amount, {"from": funder})

    def funded(self, gifts: dict[Any, int]) -> "Launched":
        """Open, funded, and concluded at its end."""
        self.open()
        mint(self.market, gifts)
        for funder, amount in gifts.items():
            self.fund(funder, amount)
        pass_to(self.terms.end)
        self.contract.conclude({"from": self.market.stranger})
        return self

    def confirm(self, milestone: int) -> Any:
        return self.contract.confirmMilestone(milestone, EVIDENCE, {"from": self.attester})

    def operating(self) -> "Launched":
        """From concluded to operating."""
        for milestone in range(self.contract.confirmed(), len(MILESTONES)):
            self.confirm(milestone)
        self.contract.confirmBuilt(EVIDENCE, {"from": self.attester})
        self.contract.startOperating(EVIDENCE, {"from": self.attester})
        return self

    def held(self) -> int:
        return self.market.currency.balanceOf(self.contract)


def terms_of(owner: Member, **other: Any) -> CampaignTerms:
    start = block_time() + LEAD
    terms = CampaignTerms(
        owner.number, PROJECT, GOAL, CAP, MINIMUM, MAXIMUM,
        start, start + FUNDING, start + FUNDING + BUILDING, TERM,
    )  # fmt: skip
    return terms._replace(**other)


def anchors(market: Market) -> tuple:
    return (market.registry, market.clock, market.currency)


def income_of(market: Market) -> tuple:
    """Where an equity campaign's income is proven, valued and pledged."""
    return (market.settlement, market.tariff, market.pledges)


def arguments(market: Market, kind: str, terms: CampaignTerms, *more: Any) -> tuple:
    """Of the constructor; more: panel permille of equity, beneficiary of a donation."""
    if kind == "EquityCampaign":
        permille = more or (1000,)
        return (anchors(market), terms, market.house, *income_of(market), *permille)
    if kind == "DonationCampaign":
        return (anchors(market), terms, *(more or (NOBODY,)))
    return (anchors(market), terms)


def launch(market: Market, kind: str, owner: Member, *more: Any, **other: Any) -> Launched:
    """Deployed by the operator, who lets it hold currency."""
    by, attester = {"from": market.operator}, market.other_gateway
    terms = terms_of(owner, **other)
    contract = getattr(market.contracts, kind).deploy(*arguments(market, kind, terms, *more), by)
    market.currency.addSystemHolder(contract, by)
    return Launched(market, contract, owner, terms, attester)


def launch_equity(
    market: Market, owner: Member, form: int = PROFIT_SHARE, value: int = 500, *more: Any, **other: Any
) -> Launched:  # fmt: skip
    """Authorised to collect, and with the owner's own offer agreed."""
    authorise = {"from": market.operator}
    lead = TIMELOCK + LEAD
    start = block_time() + lead
    other = {
        "start": start,
        "end": start + FUNDING,
        "operate_by": start + FUNDING + BUILDING,
    } | other
    launched = launch(market, "EquityCampaign", owner, *more, **other)
    market.house.proposeModule(launched.contract, PAYMENT, authorise)
    chain.sleep(TIMELOCK)
    market.house.authoriseModule(launched.contract, authorise)
    launched.contract.offer(form, value, owner.sends)
    return launched
