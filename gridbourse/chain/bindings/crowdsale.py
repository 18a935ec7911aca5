"""Crowdsale campaigns: money for one project from many; see `contracts/crowdsale`.

A campaign is deployed for its project when the market is long there; the deployment record has it under
its kind and name. The operator lets it hold currency and, of equity, proposes it as a payment module,
which binds after the clearing house's timelock.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.commitment import Leaf, Path

PHASES = (
    "draft", "open", "succeeded", "failed", "built", "operating", "closed", "abandoned",
)  # fmt: skip
FORMS = ("none", "profit share", "rent")
"""Of `EquityCampaign`: permille of the export income, or µEUR a delivery period."""
PURPOSES = ("HOLD_CURRENCY", "FUND", "HOLD_SHARES")
"""Purposes that the registry may open to anyone."""


class CampaignTerms(NamedTuple):
    """Terms that do not change over a campaign's life: `Campaign.Terms`, field by field.

    installation: participant number of the metering point; its account is the property owner. project:
    32-byte hash of what is to be built. Money in µEUR; start, end, operate_by: unix seconds of block time.
    term_periods: delivery periods from the first one of operation until the campaign may be closed.
    """

    installation: int
    project: bytes
    goal: int
    cap: int
    minimum: int
    maximum: int
    start: int
    end: int
    operate_by: int
    term_periods: int


class Account(NamedTuple):
    """Sources and uses of a campaign's money, µEUR."""

    funded: int
    released: int
    withdrawn: int
    refunded: int
    collected: int = 0
    claimed: int = 0

    @property
    def held(self) -> int:
        """Currency that the campaign has to hold."""
        return self.funded - self.refunded - self.withdrawn + self.collected - self.claimed


class Campaign(Bound):
    """Base of all kinds of campaign."""

    def terms(self) -> CampaignTerms:
        """Terms it was made with."""
        return CampaignTerms(*self.read("terms"))

    def phase(self) -> str:
        """One of PHASES."""
        return PHASES[self.read("phase")]

    def account(self) -> Account:
        """Account of its money."""
        names = ("fundedMicroEur", "releasedMicroEur", "withdrawnMicroEur", "refundedMicroEur")
        return Account(*(self.read(name) for name in names))

    def currency_held(self) -> int:
        """µEUR the currency has on the campaign's name."""
        currency = self.chain.bind("SettlementCurrency", self.read("currency"))
        return currency.functions.balanceOf(self.address).call()

    def stake(self, holder: str) -> int:
        """Tokens of an account: one is one µEUR given."""
        return self.read("balanceOf", holder)

    def open(self, owner: LocalAccount, milestones_micro_eur: Sequence[int]) -> None:
        """Open for funding; the milestones add up to the goal."""
        self.write(owner, "crowdsale open", "open", list(milestones_micro_eur))

    def fund(self, by: LocalAccount, amount_micro_eur: int) -> None:
        """Give currency the caller holds: an approval, then the funding."""
        currency = Bound(self.chain, self.chain.bind("SettlementCurrency", self.read("currency")))
        currency.write(by, "crowdsale approve", "approve", self.address, amount_micro_eur)
        self.write(by, "crowdsale fund", "fund", amount_micro_eur)

    def conclude(self, by: LocalAccount) -> str:
        """End the funding; the phase it leads to."""
        self.write(by, "crowdsale conclude", "conclude")
        return self.phase()

    def confirm_milestone(self, attester: LocalAccount, milestone: int, evidence: bytes) -> None:
        """Release the next milestone on evidence (32-byte hash)."""
        self.write(attester, "crowdsale attest", "confirmMilestone", milestone, evidence)

    def confirm_built(self, attester: LocalAccount, evidence: bytes) -> None:
        """It is built."""
        self.write(attester, "crowdsale attest", "confirmBuilt", evidence)

    def start_operating(self, attester: LocalAccount, evidence: bytes) -> int:
        """It operates; the first delivery period: the one after the market clock's present one."""
        self.write(attester, "crowdsale attest", "startOperating", evidence)
        return self.read("firstPeriod")

    def withdraw(self, beneficiary: LocalAccount) -> None:
        """Take out what milestones have released."""
        self.write(beneficiary, "crowdsale withdraw", "withdraw")

    def close(self, by: LocalAccount) -> None:
        """The term is over."""
        self.write(by, "crowdsale close", "close")

    def abandon(self, by: LocalAccount, evidence: bytes) -> None:
        """Give the project up: what was not released goes back."""
        self.write(by, "crowdsale abandon", "abandon", evidence)

    def refund(self, holder: LocalAccount) -> None:
        """Take the caller's money back from what failed or was abandoned."""
        self.write(holder, "crowdsale refund", "refund")

    def transfer(self, by: LocalAccount, to: str, tokens: int) -> None:
        """Give shares to another account; of equity only."""
        self.write(by, "crowdsale transfer", "transfer", to, tokens)


class EquityCampaign(Campaign):
    """Investors get a part of the export income, or a rent."""

    def account(self) -> Account:
        """Account of its money."""
        more = (self.read("collectedMicroEur"), self.read("claimedMicroEur"))
        return Account(*super().account()[:4], *more)

    def offer(self, by: LocalAccount, form: str, value: int) -> int:
        """Offer a "profit share" (permille) or a "rent" (µEUR a delivery period); the offer's number."""
        receipt = self.write(by, "crowdsale offer", "offer", FORMS.index(form), value)
        return self.events_in(receipt, "Offered")[0]["offer"]

    def accept(self, owner: LocalAccount, offer: int) -> None:
        """The campaign goes by this offer."""
        self.write(owner, "crowdsale offer", "accept", offer)

    def decline(self, owner: LocalAccount, offer: int) -> None:
        """It never will."""
        self.write(owner, "crowdsale offer", "decline", offer)

    def agreed(self) -> tuple[str, int]:
        """(form, value) the campaign goes by; ("none", 0) before."""
        return FORMS[self.read("form")], self.read("value")

    def record_exports(
        self, by: LocalAccount, leaves: Sequence[Leaf], paths: Sequence[Path]
    ) -> TxReceipt:
        """Prove what the installation exported in settled periods, each once."""
        proofs = ([tuple(leaf) for leaf in leaves], [tuple(path) for path in paths])
        return self.write(by, "crowdsale record", "recordExports", *proofs, units=len(leaves))

    def attest_premiums(
        self, attester: LocalAccount, periods: Sequence[int], premiums_micro_eur: Sequence[int]
    ) -> None:
        """State what the market paid above the feed-in tariff, for recorded periods."""
        lists = (list(periods), list(premiums_micro_eur))
        self.write(attester, "crowdsale premium", "attestPremiums", *lists, units=len(periods))

    def export(self, period: int) -> tuple[int, bool, bool]:
        """(exported Wh, recorded, premium attested) of a period."""
        wh, recorded, attested = self.read("exportOf", period)
        return wh, recorded, attested

    def payers(self) -> list[int]:
        """Participants who hold or held the metering point, in order: each owes for its periods."""
        registry = self.chain.bind("ParticipantRegistry", self.read("registry"))
        held = registry.events.ParticipantRegistered().get_logs(
            from_block=0, argument_filters={"meteringPoint": self.read("meteringPoint")}
        )
        return [event["args"]["participant"] for event in held]

    def _leaving(self, payer: int) -> list[int]:
        """Withdrawals a payer has announced, where what it owes is not in its account any more."""
        house = self.chain.bind("ClearingHouse", self.read("clearingHouse"))
        if house.functions.balanceOf(payer).call() >= self.read("arrearsOf", payer):
            return []
        told = house.events.WithdrawalAnnounced().get_logs(
            from_block=0, argument_filters={"account": payer}
        )
        numbers = [event["args"]["id"] for event in told]
        under_way = [(number, house.functions.withdrawalOf(number).call()) for number in numbers]
        return [number for number, found in under_way if found[0] == payer and not found[4]]

    def due(self) -> int:
        """µEUR that all of them owed over all time."""
        return sum(self.read("dueOf", payer) for payer in self.payers())

    def collect(self, by: LocalAccount) -> int:
        """Take what is due from their clearing-house accounts; µEUR taken, 0 when they are empty.

        What came in since the last time is the shares' from now on, also where nothing more is due.
        """
        taken = 0
        for payer in self.payers():
            leaving = self._leaving(payer)
            receipt = self.write(by, "crowdsale collect", "collect", payer, leaving)
            taken += sum(event["amountMicroEur"] for event in self.events_in(receipt, "Collected"))
        return taken

    def claimable(self, holder: str) -> int:
        """µEUR a holder may claim now."""
        return self.read("claimableOf", holder)

    def claim(self, holder: LocalAccount) -> int:
        """Take out what the caller's shares have earned, µEUR."""
        receipt = self.write(holder, "crowdsale claim", "claim")
        return self.events_in(receipt, "Claimed")[0]["amountMicroEur"]


class RewardCampaign(Campaign):
    """Funders get goods."""

    def list_good(
        self, owner: LocalAccount, description: bytes, price_micro_eur: int, stock: int
    ) -> int:
        """List a good; its number."""
        receipt = self.write(owner, "crowdsale goods", "list", description, price_micro_eur, stock)
        return self.events_in(receipt, "GoodListed")[0]["good"]

    def pick(self, funder: LocalAccount, good: int, count: int) -> None:
        """Pick vouchers for money given."""
        self.write(funder, "crowdsale goods", "pick", good, count)

    def hand_over(self, owner: LocalAccount, funder: str, good: int, count: int) -> None:
        """The owner's half of a redemption."""
        self.write(owner, "crowdsale goods", "handOver", funder, good, count)

    def confirm_receipt(self, funder: LocalAccount, good: int, count: int) -> None:
        """The funder's half of a redemption."""
        self.write(funder, "crowdsale goods", "confirmReceipt", good, count)


class DonationCampaign(Campaign):
    """Funders get a receipt that stays their own."""


KINDS: dict[str, type[Campaign]] = {
    "equity": EquityCampaign,
    "reward": RewardCampaign,
    "donation": DonationCampaign,
}


def _plain(value: Any) -> Any:
    """As JSON takes it: bytes in hexadecimal, tuples as lists."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
