"""The registry of participants (`ParticipantRegistry.sol`)."""

from collections.abc import Sequence
from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.contract import Bound


class Registration(NamedTuple):
    """A row of `ParticipantRegistry.register`; the capacity is Wh in one period."""

    account: str
    metering_point: bytes
    area: int
    zone: int
    capacity_wh: int
    from_period: int


class ParticipantRegistry(Bound):
    """Who may do what, and where each metering point sits."""

    def register(self, by: LocalAccount, rows: Sequence[Registration]) -> list[int]:
        """Numbers of the rows, in order; all are registered or none."""
        receipt = self.write(by, "register", "register", rows, units=len(rows))
        return [event["participant"] for event in self.events_in(receipt, "ParticipantRegistered")]

    def seat_limit(self) -> int:
        """One above the highest number a seat exists for."""
        return self.read("seatLimit")
