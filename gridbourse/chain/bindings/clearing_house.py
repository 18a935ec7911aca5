"""Money accounts and positions (`ClearingHouse.sol`)."""

from collections.abc import Mapping, Sequence

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.lanes import (
    lanes56,
    pair,
)
from gridbourse.model.house_accounts import FIRST_PARTICIPANT, dso_account


def lanes_set(
    groups: Sequence[int], words: Sequence[int], unset: int
) -> dict[int, tuple[int, int]]:
    """Energy pairs by participant, without the lanes that hold nothing."""
    return {
        participant: pair(lane)
        for group, word in zip(groups, words, strict=True)
        for participant, lane in lanes56(group, word)
        if lane != unset
    }


class ClearingHouse(Bound):
    """Money accounts and what each connection has promised."""

    def deposit(self, by: LocalAccount, amounts: Mapping[int, int]) -> None:
        """Bring currency of the caller into accounts, µEUR by account number."""
        self.write(
            by, "deposit", "deposit", list(amounts), list(amounts.values()), units=len(amounts)
        )

    def balances(self, limit: int) -> dict[int, int]:
        """Free money of every account below `limit` and of the DSOs of all areas, µEUR."""
        registry = self.chain.bind("ParticipantRegistry", self.read("registry"))
        areas = registry.functions.areaCount().call()
        dsos = (dso_account(area) for area in range(1, areas))
        found = dict(enumerate(self.read("balances", limit)))
        return found | {account: self.read("balanceOf", account) for account in dsos}

    def waiting(self, limit: int) -> dict[int, int]:
        """Credit of every account below `limit` that waits for the supplier's money, µEUR; no zeros."""
        if not self.read("waitingMicroEur"):
            return {}
        found = {who: self.read("waitingOf", who) for who in range(FIRST_PARTICIPANT, limit)}
        return {who: credit for who, credit in found.items() if credit}

    def money_sum(self, limit: int) -> int:
        """Gap in the money, µEUR: zero, always.

        |accounts + what waits or is set aside + holds + open trades − (deposits − withdrawals)| +
        |currency held − (deposits − withdrawals)|
        """
        currency = self.chain.bind("SettlementCurrency", self.read("currency"))
        held = currency.functions.balanceOf(self.address).call()
        kept = self.read("depositsMicroEur") - self.read("withdrawalsMicroEur")
        return abs(self.read("moneySum", limit)) + abs(held - kept)

    def periods_held(self, area: int) -> set[int]:
        """Periods of an area that hold their slot of the ring."""
        slots = range(self.read("ringSize"))
        return {self.read("periodAt", area, slot)[0] for slot in slots}

    def positions(
        self, area: int, period: int, groups: Sequence[int]
    ) -> dict[int, tuple[int, int]]:
        """(sold, bought) Wh of the participants in the groups of an area who traded."""
        words = self.read("positionsOfGroups", area, period, list(groups))
        return lanes_set(groups, words, unset=0)


MARKET, SETTLEMENT, ORACLE, PAYMENT = 1, 2, 4, 8
"""Permissions of a module in the clearing house."""
