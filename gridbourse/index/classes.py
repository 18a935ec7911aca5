"""Classes of events: which of them a period's history needs.

A walk through a few periods takes the state of the deployment (participants, modules, contracts between
parties), the tariff in force, and everything that happened in the transactions of those periods.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from gridbourse.audit.core.events import Event

PERIOD_OF_TOKEN: Final = 0xFFFF_FFFF
"""Bits of a flexibility token's id that hold its period (`FlexibilityToken.sol`)."""
MONEY: Final = frozenset(
    {("SettlementCurrency", "Transfer"), ("SettlementCurrency", "Approval"),
     ("SettlementCurrency", "Minted"), ("ClearingHouse", "Transferred"),
     ("ClearingHouse", "Deposited"), ("ClearingHouse", "WaitingPaid"),
     ("ClearingHouse", "WithdrawalAnnounced"), ("ClearingHouse", "WithdrawalFinished"),
     ("ClearingHouse", "WithdrawalCancelled"), ("ClearingHouse", "Withdrawn")}
)  # fmt: skip
"""Movements of money, which belong to the period of their transaction, or to none."""
SUBJECTS: Final = ("id", "participant")
"""Values that events are looked for by, beside area and period."""


TOO_LARGE: Final = 1 << 63
"""First number that the file does not hold; a token's id is above it."""


class Kind(StrEnum):
    """Class of an event."""

    STATE = "state"
    TARIFF = "tariff"
    CLOCK = "clock"
    PERIOD = "period"
    MONEY = "money"


class Place(NamedTuple):
    """Class of an event with the values it is looked for by; None where it has none."""

    kind: Kind
    area: int | None
    period: int | None
    subject: int | None


def places(events: Sequence[Event], transactions: Sequence[int]) -> list[Place]:
    """Place of each event; transactions: position of each event's transaction on the chain.

    A movement of money without a period takes that of its transaction.
    """
    found = [_place(event) for event in events]
    of_transaction: dict[int, int] = {}
    for place, transaction in zip(found, transactions, strict=True):
        if place.period is not None:
            of_transaction.setdefault(transaction, place.period)
    return [
        place._replace(period=of_transaction.get(transaction))
        if place.kind is Kind.MONEY
        else place
        for place, transaction in zip(found, transactions, strict=True)
    ]


def _place(event: Event) -> Place:
    values = event.values
    area = values.get("area")
    subject = next(
        (values[name] for name in SUBJECTS if 0 <= values.get(name, -1) < TOO_LARGE), None
    )
    if event.contract == "FlexibilityToken" and "id" in values:
        return Place(Kind.PERIOD, area, values["id"] & PERIOD_OF_TOKEN, subject)
    if event.contract == "Tariff":
        return Place(Kind.TARIFF, area, values["fromPeriod"], values.get("zone"))
    if (event.contract, event.name) in MONEY:
        return Place(Kind.MONEY, area, None, subject)
    if event.name == "ClockAdvanced":
        return Place(Kind.CLOCK, area, None, subject)
    period = values.get("period")
    return Place(Kind.STATE if period is None else Kind.PERIOD, area, period, subject)
