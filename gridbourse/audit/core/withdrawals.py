"""Withdrawals, rebuilt: set aside, then paid, kept for debts or put back (`Withdrawals.sol`).

Block time is not in the logs: that a dispute window was over when money left is assumed.
"""

from collections import defaultdict
from typing import NamedTuple

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.money import Money
from gridbourse.audit.core.registry import Members
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT, is_participant


class Withdrawal(NamedTuple):
    """Withdrawal under way; ready_at: unix seconds of block time."""

    account: int
    recipient: str
    micro_eur: int
    ready_at: int


class Payment(NamedTuple):
    """Payment that an ended withdrawal owes, and its recipient; told by the next Withdrawn."""

    account: int
    recipient: str
    micro_eur: int


class Withdrawals:
    """Withdrawals under way by number; campaigns: addresses that collect what owners agreed to pay."""

    def __init__(
        self, money: Money, members: Members, findings: Findings, campaigns: set[str]
    ) -> None:
        self._money, self._members, self._findings = money, members, findings
        self._campaigns = campaigns
        self._count = 0
        self._unpaid: Payment | None = None
        self.under_way: dict[int, Withdrawal] = {}
        self._put_back: dict[str, int] = {}  # ready_at of what was last put back, by campaign
        self.taken: defaultdict[tuple[str, int], int] = defaultdict(int)
        """µEUR set aside by recipient and account, without what went back to the account."""
        self.received: defaultdict[str, int] = defaultdict(int)
        """µEUR paid by recipient."""

    def announced(self, event: Event) -> None:
        """WithdrawalAnnounced: of what may leave the account, by its holder or by a campaign."""
        self._count += 1
        account, amount = event["account"], event["amountMicroEur"]
        recipient, where = event["recipient"].lower(), f"withdrawal, {event.at('account')}"
        self._findings.compare("withdrawal", f"number, {where}", event["id"], self._count)
        free = self._money.may_leave(account) >= amount
        self._findings.require("money rule", where, free, "not free, or needed to cover debts")
        theirs = self._holds(account, recipient) or (
            is_participant(account) and recipient in self._campaigns
        )
        self._findings.require("withdrawal", where, theirs, f"{recipient} does not hold it")
        latest = max((each.ready_at for each in self.under_way.values()), default=0)
        in_order = event["readyAt"] >= latest or event["readyAt"] == self._put_back.get(recipient)
        self._findings.require("withdrawal", where, in_order, "ready before an earlier one")
        self._money.free[account] -= amount
        self._money.set_aside += amount
        self.taken[recipient, account] += amount
        self.under_way[event["id"]] = Withdrawal(account, recipient, amount, event["readyAt"])

    def finished(self, event: Event) -> None:
        """WithdrawalFinished: a debt that came meanwhile is paid first; the rest leaves."""
        taken = self._take(event)
        if taken is None:
            return
        account, where = taken.account, event.at("id")
        kept = min(max(-self._money.free[account], 0), taken.micro_eur)
        paid = taken.micro_eur - kept
        chain = (event["paidMicroEur"], event["keptMicroEur"])
        self._findings.compare("withdrawal", f"(paid, kept) µEUR, {where}", chain, (paid, kept))
        self._money.free[account] += kept
        self.taken[taken.recipient, account] -= kept
        self.received[taken.recipient] += paid
        if account == SUPPLIER_ACCOUNT or account in self._money.free.earners:
            cover, house = self._money.backing()
            covered = min(cover, 0) + house >= 0
            self._findings.require("money rule", where, covered, "needed to cover debts")
        self._unpaid = Payment(account, taken.recipient, paid)

    def paid(self, event: Event) -> None:
        """Withdrawn: the payment of the withdrawal that has just ended."""
        chain = Payment(event["account"], event["to"].lower(), event["amountMicroEur"])
        where = f"(account, to, µEUR), {event.where}"
        due, self._unpaid = self._unpaid, None
        self._findings.compare(
            "withdrawal", where, tuple(chain), None if due is None else tuple(due)
        )
        self._money.withdrawals += 0 if due is None else due.micro_eur

    def cancelled(self, event: Event) -> None:
        """WithdrawalCancelled: all of it goes back to its account."""
        taken = self._take(event)
        if taken is None:
            return
        chain = (event["account"], event["amountMicroEur"])
        rebuilt = (taken.account, taken.micro_eur)
        self._findings.compare(
            "withdrawal", f"(account, µEUR) put back, {event.at('id')}", chain, rebuilt
        )
        self._money.free[taken.account] += taken.micro_eur
        self.taken[taken.recipient, taken.account] -= taken.micro_eur
        self._put_back[taken.recipient] = taken.ready_at

    def _take(self, event: Event) -> Withdrawal | None:
        taken = self.under_way.pop(event["id"], None)
        where = event.at("id")
        self._findings.require("withdrawal", where, taken is not None, "none is under way")
        self._money.set_aside -= taken.micro_eur if taken else 0
        return taken

    def _holds(self, account: int, address: str) -> bool:
        if not is_participant(account):
            return self._members.holds_house(account, address)
        member = self._members.participants.get(account)
        return member is not None and member.account == address

    def require_nothing_loose(self) -> None:
        """Final check: every payment that a withdrawal owes was made."""
        loose = self._unpaid is None
        self._findings.require("withdrawal", "the last that ended", loose, "nothing was paid")
