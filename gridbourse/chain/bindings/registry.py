"""The registry of participants (`ParticipantRegistry.sol`)."""

from collections.abc import Sequence
from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.arguments import label


class Registration(NamedTuple):
    """A row of `ParticipantRegistry.register`; the capacity is Wh in one period."""

    account: str
    metering_point: bytes
    area: int
    zone: int
    capacity_wh: int
    from_period: int


class ParticipantRegistry(Bound):
    """Registry of roles, participants and metering points."""

    def register(self, by: LocalAccount, rows: Sequence[Registration]) -> list[int]:
        """Numbers of the rows, in order; all are registered or none."""
        receipt = self.write(by, "register", "register", rows, units=len(rows))
        return [event["participant"] for event in self.events_in(receipt, "ParticipantRegistered")]

    def add_area(self, by: LocalAccount, name: str, step: str = "open area") -> int:
        """Open a market area; its number. ArgumentError for a name beyond 32 bytes."""
        receipt = self.write(by, step, "addArea", label("addArea", name))
        number: int = self.events_in(receipt, "AreaAdded")[0]["area"]
        return number

    def add_zone(self, by: LocalAccount, name: str, parent: int) -> int:
        """Add a grid zone below a parent (0 = none); its number."""
        receipt = self.write(by, "register", "addZone", label("addZone", name), parent, units=0)
        number: int = self.events_in(receipt, "ZoneAdded")[0]["zone"]
        return number

    def seat_limit(self) -> int:
        """One above the highest number a seat exists for."""
        return self.read("seatLimit")
