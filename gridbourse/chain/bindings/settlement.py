"""Settlement of delivered periods (`Settlement.sol`)."""

from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.commitment import Leaf, Path


class Settlement(Bound):
    """Contract against meter."""

    def settle(
        self, by: LocalAccount, area: int, period: int, groups_a_call: int, units: int = 0
    ) -> None:
        """Settle every group, in as many transactions as it takes; `units` counts accounts for the gas."""
        while not self.done(area, period):
            self.write(by, "settle", "settle", area, period, groups_a_call, units=units)
            units = 0

    def done(self, area: int, period: int) -> bool:
        """Whether every participant of the area is settled for the period."""
        return self.read("progressOf", area, period)[2]

    def correct(
        self, by: LocalAccount, area: int, leaf: Leaf, path: Path, corrected: Leaf
    ) -> TxReceipt:
        """Correct a settled group from `leaf` to the readings of `corrected`; the difference is booked."""
        return self.write(by, "correct", "correct", area, leaf, path, corrected.readings)

    def commitment(self, area: int, period: int) -> bytes:
        """What the area and period were settled on, as one hash; zeros before."""
        return self.read("commitmentOf", area, period)
