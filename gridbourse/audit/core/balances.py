"""Free money by account, and the sums that all participants together have and owe."""

from collections import defaultdict
from typing import NamedTuple

from gridbourse.model.house_accounts import (
    AREA_DSOS,
    DSO_ACCOUNT,
    OPERATOR_ACCOUNT,
    ROUNDING_ACCOUNT,
    SPREAD_ACCOUNT,
    TSO_ACCOUNT,
    is_participant,
)

EARNERS = (DSO_ACCOUNT, OPERATOR_ACCOUNT, ROUNDING_ACCOUNT, SPREAD_ACCOUNT)
"""House accounts that earn, and so cover debts where the supplier's money does not."""


class Balances(defaultdict[int, int]):
    """µEUR by account number, negative in debt.

    free_micro_eur, debts_micro_eur: sums of the participants above and below zero, the TSO among these; kept
    up to date with every change, since they are read after every block.
    """

    def __init__(self) -> None:
        super().__init__(int)
        self.free_micro_eur = self.debts_micro_eur = 0
        self.earners = set(EARNERS)

    def __setitem__(self, account: int, amount: int) -> None:
        before = self.get(account, 0)
        if account > AREA_DSOS:
            self.earners.add(account)
        if is_participant(account):
            self.free_micro_eur += max(amount, 0) - max(before, 0)
        if is_participant(account) or account == TSO_ACCOUNT:
            self.debts_micro_eur += max(-amount, 0) - max(-before, 0)
        super().__setitem__(account, amount)

    def change(self, account: int, by: int) -> int:
        """Change an account; its balance afterwards."""
        self[account] += by
        return self[account]


class Claims(NamedTuple):
    """Money that could be withdrawn from the clearing house at one moment, and money it holds, µEUR.

    participants: free money of those above zero. house: sum that DSO, supplier, operator, rounding and
    spread account may withdraw together. held_for_others: margins and the TSO's own money.
    set_aside: withdrawals announced. in_periods: holds and open trades.
    """

    participants: int
    house: int
    held_for_others: int
    set_aside: int
    in_periods: int
    currency_held: int

    @property
    def asked(self) -> int:
        """Sum of all claims, µEUR."""
        return sum(self[:-1])
