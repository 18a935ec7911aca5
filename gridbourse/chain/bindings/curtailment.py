"""The contract by which the DSO pays for curtailment."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.commitment import Leaf, Path
from gridbourse.chain.encoding.lanes import MASK28, MASK56, group_words
from gridbourse.chain.node.transactions import Chain

NAME = "CurtailmentCompensation"
AS_IT_IS = MASK56
"""A lane of a participant whose schedule is not stated."""


class Paid(NamedTuple):
    """Payment to a participant for a period; below 0: what it gave back."""

    period: int
    participant: int
    held_back_wh: int
    micro_eur: int


class CurtailmentCompensation(Bound):
    """States schedules beside the DSO's caps, and pays who was held back by them, in one market area.

    account: the grid oracle's.
    """

    def __init__(self, chain: Chain, contract: Contract, account: LocalAccount, area: int) -> None:
        super().__init__(chain, contract)
        self.account, self.area = account, area

    def state(self, period: int, schedules_wh: Mapping[int, int]) -> None:
        """State what participants are expected to feed in, Wh by number (below 0: nothing), where it
        is not on record as such."""
        wanted = {who: min(max(wh, 0), MASK28) for who, wh in schedules_wh.items()}
        missing = {who: wh for who, wh in wanted.items() if self.stated(period, who) != wh}
        if missing:
            words = group_words(missing, empty=AS_IT_IS)
            self.write(
                self.account, "state schedules", "state",
                self.area, period, words, units=len(missing),
            )  # fmt: skip

    def stated(self, period: int, participant: int) -> int | None:
        """Wh stated; None where nothing is."""
        stated, wh, _ = self.read("recordOf", self.area, period, participant)
        return wh if stated else None

    def paid_wh(self, period: int, participant: int) -> int:
        """Wh of the period for which the participant has its compensation."""
        found: int = self.read("recordOf", self.area, period, participant)[2]
        return found

    def compensate(self, by: LocalAccount, area: int, leaf: Leaf, path: Path) -> list[Paid]:
        """Pay those of a group who are due more, after those who are due less gave back what they have;
        Reverted where nobody is left, or money is short."""
        receipt = self.write(by, "compensate", "compensate", area, leaf, path)
        returned = self.events_in(receipt, "CompensationReturned")
        return [
            *(_paid(event, -1, "returnedWh") for event in returned),
            *(_paid(event, 1, "heldBackWh") for event in self.events_in(receipt, "Compensated")),
        ]


def _paid(event: Mapping[str, Any], sign: int, wh: str) -> Paid:
    amount = sign * event["amountMicroEur"]
    return Paid(event["period"], event["participant"], sign * event[wh], amount)
