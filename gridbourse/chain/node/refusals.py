"""What contracts refuse, in words: numbers that stand for a phase, a role or a time are given as such."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from eth_utils import keccak

from gridbourse.text import moment

ENUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "AuctionBoard.Phase": ("open", "cleared", "ended"),
    "Campaign.Phase": (
        "draft", "open", "succeeded", "failed", "built", "operating", "closed", "abandoned",
    ),
    "Deals.Phase": ("none", "concluded", "closed"),
    "EquityCampaign.Form": ("none", "profit share", "rent"),
    "IFlexibilityMarket.Phase": ("open", "cleared", "void", "awarded", "ended"),
    "IGridOracle.Verdict": ("none", "capping", "capped", "accepted", "fallback"),
    "CallAuctionBook.Phase": ("open", "cleared", "booked", "void"),
}  # fmt: skip
"""Names of the values of every enum that an error shows, by its name in the ABI."""
STATUSES: Final = {0: "none", 1: "active", 2: "suspended", 3: "left", 7: "removed"}
"""Of a participant: `Profile.sol`."""
PERMISSIONS: Final = {1: "market", 2: "settlement", 4: "oracle", 8: "payment"}
"""Of a module: `ClearingHouse`."""
NAMED: Final = (
    "OPERATOR", "DSO", "TSO", "SUPPLIER", "GATEWAY", "AGGREGATOR", "METER_ORACLE", "GRID_ORACLE",
    "VERIFIER", "ATTESTER", "TREASURER", "ADMIN_REMOVAL", "HOLD_CURRENCY", "FUND", "HOLD_SHARES",
)  # fmt: skip
"""Roles and purposes, which the chain has as hashes of these names: `Roles.sol`, `Purposes.sol`."""
TIMES: Final = frozenset(
    ("deadline", "timestamp", "from", "until", "start", "end", "now_", "expiry", "latest",
     "current", "earliest")
)  # fmt: skip
"""Parameters that are unix seconds, beside those that end in At, where they are beyond the year 2001: some
errors count delivery periods under the same name."""
ROLE_NAMES: Final = frozenset(("role", "neededRole"))
"""Parameters that are roles: there, and nowhere else, zero is the admin's."""
FIRST_TIME: Final = 1_000_000_000
_NAME_OF: Final = {keccak(text=name): name for name in NAMED}


def worded(inputs: Iterable[Mapping[str, Any]], values: Mapping[str, Any]) -> dict[str, str]:
    """The values of an error as a reader wants them, by name.

    inputs: the error's, as its ABI has them, in the order of values.
    """
    return {
        name: _word(str(given.get("internalType", "")), name, value)
        for given, (name, value) in zip(inputs, values.items(), strict=True)
    }


def _word(kind: str, name: str, value: Any) -> str:
    if kind.startswith("enum "):
        return _of(ENUMS.get(kind.removeprefix("enum "), ()), value)
    if isinstance(value, int) and not isinstance(value, bool):
        if (name in TIMES or name.endswith("At")) and FIRST_TIME <= value < 1 << 37:
            return moment(value)
        return _NUMBERS.get(name, str)(value)
    if isinstance(value, bytes):
        if name in ROLE_NAMES and not any(value):
            return "ADMIN"
        return _NAME_OF.get(value, f"0x{value.hex()}")
    return str(value)


def _of(names: tuple[str, ...], value: int) -> str:
    return names[value] if value < len(names) else str(value)


_NUMBERS: Final[Mapping[str, Callable[[int], str]]] = {
    "status": lambda value: STATUSES.get(value, str(value)),
    "permission": lambda value: PERMISSIONS.get(value, str(value)),
}
