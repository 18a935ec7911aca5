"""Comparisons made and differences found; no difference stops the audit."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Difference:
    """Difference between the chain and the rebuilt market in one value."""

    what: str
    where: str
    chain: str
    rebuilt: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where}: chain {self.chain}, rebuilt {self.rebuilt}"


@dataclass
class Findings:
    """Comparisons counted by kind, and the differences in the order they were found."""

    compared: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def compare(self, what: str, where: str, chain: Any, rebuilt: Any) -> None:
        """Count one comparison; a difference when the two are not equal."""
        self.compared[what] += 1
        if chain != rebuilt:
            self.differences.append(Difference(what, where, _shown(chain), _shown(rebuilt)))

    def require(self, what: str, where: str, holds: bool, rule: str) -> None:
        """Count one rule the chain must have kept; a difference where it was broken."""
        self.compared[what] += 1
        if not holds:
            self.differences.append(Difference(what, where, "allowed", f"refused, {rule}"))

    def by_kind(self) -> Counter[str]:
        """Number of differences by kind."""
        return Counter(difference.what for difference in self.differences)


def _shown(value: Any) -> str:
    """Value as a difference shows it."""
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return "nothing" if value is None else str(value)
