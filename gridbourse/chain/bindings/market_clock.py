"""Market time (`MarketClock.sol`)."""

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.contract import Bound


class MarketClock(Bound):
    """Market time."""

    def advance_to(self, by: LocalAccount, timestamp: int) -> None:
        """Move a replay clock forward."""
        self.write(by, "clock", "advanceTo", timestamp)

    def timestamp(self) -> int:
        """Market time, unix seconds."""
        return self.read("timestamp")
