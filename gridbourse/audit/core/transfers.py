"""Money that markets move between accounts besides trades, rebuilt: fees and margins."""

from collections import defaultdict
from typing import NamedTuple

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.money import Money
from gridbourse.model.house_accounts import MARGIN_ACCOUNT


class Transfer(NamedTuple):
    """Payment of µEUR from one account to another."""

    payer: int
    payee: int
    micro_eur: int


class Transfers:
    """Transfers of each market, each ahead of the event that explains it."""

    def __init__(self, money: Money, findings: Findings) -> None:
        self._money, self._findings = money, findings
        self._unexplained: defaultdict[str, list[Transfer]] = defaultdict(list)
        self.margins: defaultdict[str, int] = defaultdict(int)
        """µEUR on the margin account, by the market that put it there."""

    def transferred(self, market: str, event: Event) -> None:
        """Transferred: kept until an event of its market explains it."""
        moved = Transfer(event["from"], event["to"], event["amountMicroEur"])
        self._unexplained[market].append(moved)

    def waiting(self, market: str) -> list[Transfer]:
        """Transfers of a market that are not explained yet, in order."""
        return self._unexplained[market]

    def move_next(self, market: str, expected: list[Transfer], where: str) -> None:
        """The same where later events explain more of what it moved."""
        count = sum(transfer.micro_eur != 0 for transfer in expected)
        rest = self._unexplained[market][count:]
        del self._unexplained[market][count:]
        self.move(market, expected, where)
        self._unexplained[market] = rest

    def move(self, market: str, expected: list[Transfer], where: str) -> None:
        """Compare the transfers of a market with those due, and book them; a zero amount is not moved."""
        due = [transfer for transfer in expected if transfer.micro_eur]
        chain = self._unexplained.pop(market, [])
        self._findings.compare("transfer", f"{market}, {where}", _shown(chain), _shown(due))
        for payer, payee, micro_eur in due:
            free = self._money.may_leave(payer)
            place = f"account {payer}, {where}"
            self._findings.require("money rule", place, free >= micro_eur, "not free")
            self._money.free[payer] -= micro_eur
            self._money.free[payee] += micro_eur
            self.margins[market] += micro_eur * (
                (payee == MARGIN_ACCOUNT) - (payer == MARGIN_ACCOUNT)
            )
            if payer == MARGIN_ACCOUNT:
                place = f"margin, {market}, {where}"
                own = self.margins[market] >= 0
                self._findings.require("attribution", place, own, "of another market")

    def require_nothing_loose(self) -> None:
        """Final check: every transfer is explained."""
        for market, transfers in self._unexplained.items():
            for transfer in transfers:
                place = f"{market}, {_shown([transfer])}"
                self._findings.require("transfer", place, False, "no event explains it")


def _shown(transfers: list[Transfer]) -> str:
    return ", ".join(f"{t.micro_eur} µEUR from {t.payer} to {t.payee}" for t in transfers) or "none"
