"""State of a campaign, read from the chain, and the next step."""

from dataclasses import dataclass

from gridbourse.chain.bindings.clearing_house import PAYMENT
from gridbourse.chain.bindings.crowdsale import Account, CampaignTerms, EquityCampaign
from gridbourse.commands import quoted
from gridbourse.crowdsale.desk import DAY_S, Desk
from gridbourse.text import moment

WAYS = {"EquityCampaign": "equity", "RewardCampaign": "reward", "DonationCampaign": "donation"}


@dataclass(frozen=True)
class Standing:
    """agreed: ("none", 0) where nothing is agreed, or nothing can be. confirmed: of the milestones.

    due, µEUR: of equity, over all time; may_collect: True where the clearing house lets it, and
    collects_from, unix seconds: from which its operator may allow it. open_offers: not declined.
    """

    name: str
    kind: str
    phase: str
    owner: str
    terms: CampaignTerms
    account: Account
    milestones: tuple[int, ...]
    confirmed: int
    agreed: tuple[str, int]
    first_period: int
    due: int
    may_collect: bool
    now: int
    open_offers: tuple[int, ...] = ()
    collects_from: int = 0

    @property
    def next_step(self) -> tuple[str, str]:
        """(next step, remark on it, such as whose it is); empty where nothing is left."""
        return _NEXT[self.phase](self)


def standing(desk: Desk, name: str) -> Standing:
    """Read the state from the chain."""
    campaign = desk.campaign(name)
    equity = campaign if isinstance(campaign, EquityCampaign) else None
    permissions = desk.market.house.read("permissionsOf", campaign.address)
    return Standing(
        name=name,
        kind=WAYS[type(campaign).__name__],
        phase=campaign.phase(),
        owner=desk.name_of(campaign.read("owner")),
        terms=campaign.terms(),
        account=campaign.account(),
        milestones=tuple(campaign.read("milestones")),
        confirmed=campaign.read("confirmed"),
        agreed=equity.agreed() if equity else ("none", 0),
        first_period=campaign.read("firstPeriod"),
        due=equity.due() if equity else 0,
        may_collect=bool(permissions & PAYMENT),
        now=desk.block_time(),
        open_offers=_open_offers(equity) if equity else (),
        collects_from=desk.market.house.read("proposalOf", campaign.address)[1] if equity else 0,
    )


def _open_offers(campaign: EquityCampaign) -> tuple[int, ...]:
    return tuple(
        number
        for number in range(campaign.read("offers"))
        if not campaign.read("offerOf", number)[3]
    )


Step = tuple[str, str]


def _draft(s: Standing) -> Step:
    if s.kind == "equity" and s.agreed[0] == "none":
        if s.open_offers:
            return f"accept {quoted(s.name)} {s.open_offers[-1]}", "the owner, or decline"
        return (
            f"offer {quoted(s.name)} --by WHO --profit-share PERMILLE",
            "the owner then accepts, or not",
        )
    return f"open {quoted(s.name)}", "the owner"


def _open(s: Standing) -> Step:
    if s.now >= s.terms.end or s.account.funded == s.terms.cap:
        return f"conclude {quoted(s.name)}", "anyone"
    return f"fund {quoted(s.name)} EUR --by WHO --pay-in REFERENCE", ""


def _building(s: Standing) -> Step:
    if s.confirmed < len(s.milestones):
        return f"release {quoted(s.name)} --evidence TEXT", "the attester, then the beneficiary"
    step = "built" if s.phase == "succeeded" else "operate"
    return f"{step} {quoted(s.name)} --evidence TEXT", "the attester"


def _operating(s: Standing) -> Step:
    if s.kind != "equity":
        return f"close {quoted(s.name)}", "after the term"
    if not s.may_collect and s.now < s.collects_from:
        days = -(-(s.collects_from - s.now) // DAY_S)
        return (
            f"wait {days}",
            f"the timelock runs until {moment(s.collects_from)}; then the operator lets it collect",
        )
    if not s.may_collect:
        return f"authorise {quoted(s.name)}", "the operator"
    return f"record {quoted(s.name)}", "when periods are settled; then the holders claim"


def _given_back(s: Standing) -> Step:
    return f"refund {quoted(s.name)} --by WHO", ""


def _closed(s: Standing) -> Step:
    return (f"claim {quoted(s.name)} --by WHO", "") if s.kind == "equity" else ("", "")


_NEXT = {
    "draft": _draft,
    "open": _open,
    "succeeded": _building,
    "failed": _given_back,
    "built": _building,
    "operating": _operating,
    "closed": _closed,
    "abandoned": _given_back,
}
