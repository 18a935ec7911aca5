"""Tokens of verified flexibility, rebuilt: minted, moved with their claims, redeemed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.transfers import Transfer
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.model.flexibility.market import claim_moved
from gridbourse.model.house_accounts import MARGIN_ACCOUNT

WHAT = "flexibility token"


@dataclass(frozen=True)
class Minted:
    """Token that a verification has to mint: participant, token, Wh and claim."""

    participant: int
    token: int
    wh: int
    claim: int


@dataclass
class Tokens:
    """Holdings by (token, address): Wh, and claims in µEUR. due: tokens still to be minted."""

    common: Common
    market: str
    wh: defaultdict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    claims: defaultdict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    due: list[Minted] = field(default_factory=list)
    minted_wh: int = 0
    _moving: tuple[int, str, str, int, str] | None = None
    _redeeming: tuple[str, int] | None = None

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return {
            "TransferSingle": self.moved,
            "ClaimMoved": self.claim_moved,
            "ApprovalForAll": lambda _: None,
            "URI": lambda _: None,
        }

    def moved(self, event: Event) -> None:
        """TransferSingle: minted as verified, burnt, or given to the holder of an account."""
        self.redeemed()
        sender, receiver = event["from"].lower(), event["to"].lower()
        token, wh, where = event["id"], event["value"], event.where
        if sender != NOBODY:
            self._require(where, self.wh[token, sender] >= wh, "more than it holds")
        known = receiver == NOBODY or self.common.members.account_number(receiver) is not None
        self._require(where, known, "to somebody without an account")
        self._require(where, self._may_move(sender, receiver), "by an account that was replaced")
        claim = 0
        if sender == NOBODY:
            claim = self._mint(event)
        else:
            claim = claim_moved(self.claims[token, sender], self.wh[token, sender], wh)
            self.wh[token, sender] -= wh
        if receiver != NOBODY:
            self.wh[token, receiver] += wh
        self._moving = (token, sender, receiver, claim, where)

    def _may_move(self, sender: str, receiver: str) -> bool:
        """True unless tokens leave a replaced account for another than its participant's present one."""
        members = self.common.members
        former = members.formerly.get(sender)
        return former is None or members.participants[former].account == receiver

    def _mint(self, event: Event) -> int:
        """Compare a mint with the next that is due; its claim, µEUR."""
        due = self.due.pop(0) if self.due else None
        found = (
            self.common.members.account_number(event["to"]), event["id"], event["value"],
        )  # fmt: skip
        expected = None if due is None else (due.participant, due.token, due.wh)
        place = f"(participant, token, Wh) minted, {event.where}"
        self.common.findings.compare(WHAT, place, found, expected)
        self.minted_wh += event["value"]
        return 0 if due is None else due.claim

    def claim_moved(self, event: Event) -> None:
        """ClaimMoved: in proportion to the tokens it goes with."""
        if self._moving is None:
            self._require(event.where, False, "no tokens moved")
            return
        token, sender, receiver, claim, _ = self._moving
        self._moving = None
        found = (event["id"], event["from"].lower(), event["to"].lower(), event["amountMicroEur"])
        place = f"(token, from, to, µEUR) of a claim, {event.where}"
        self.common.findings.compare(WHAT, place, found, (token, sender, receiver, claim))
        if sender != NOBODY:
            self.claims[token, sender] -= claim
        if receiver != NOBODY:
            self.claims[token, receiver] += claim
        else:
            who, owed = self._redeeming or (sender, 0)
            self._redeeming = (who, owed + claim)

    def redeemed(self) -> None:
        """Compare the payment of the last holder that redeemed, which is made all at once.

        Called before each event but those of the currency; does nothing while more may be redeemed.
        """
        paid = self.common.transfers.waiting(self.market)
        if self._redeeming is None or not (paid or self._redeeming[1] == 0):
            return
        self._pay()

    def _pay(self) -> None:
        assert self._redeeming is not None
        (who, owed), self._redeeming = self._redeeming, None
        account = self.common.members.account_number(who)
        due = [Transfer(MARGIN_ACCOUNT, -1 if account is None else account, owed)]
        self.common.transfers.move_next(self.market, due, f"redeemed by {who}")

    @property
    def kept_micro_eur(self) -> int:
        """Sum that the margin account holds for all claims, µEUR."""
        return sum(self.claims.values())

    def supply_wh(self) -> dict[int, int]:
        """Wh by token."""
        found: defaultdict[int, int] = defaultdict(int)
        for (token, _), wh in self.wh.items():
            found[token] += wh
        return dict(found)

    def require_nothing_loose(self) -> None:
        """Final check: every verified delivery was minted, and every redemption paid."""
        if self._redeeming is not None:
            self._pay()
        for due in self.due:
            place = f"participant {due.participant}, token {due.token}"
            self._require(place, False, f"{due.wh} Wh were verified and not minted")
        if self._moving is not None:
            self._require(self._moving[4], False, "its claim did not move")

    def _require(self, where: str, holds: bool, rule: str) -> None:
        self.common.findings.require(WHAT, where, holds, rule)
