"""Solvency of the clearing house, checked after every block of the log.

Conservation is not enough: accounts may add up to the currency held while one of them is so far below
zero that another's money cannot be paid. All that could be withdrawn together must be held.
"""

from gridbourse.audit.core.findings import Difference, Findings
from gridbourse.audit.core.money import Money


class Solvency:
    """Check once a block; `first_broken` is the first block that does not end solvent."""

    def __init__(self, money: Money, findings: Findings) -> None:
        self._money, self._findings = money, findings
        self._block: int | None = None
        self.first_broken: int | None = None

    def before(self, block: int) -> None:
        """Check the former block ahead of the first event of another."""
        if self._block is not None and block != self._block:
            self.look()
        self._block = block

    def look(self) -> None:
        """Check at the end of a block; only the first that is not solvent is a difference."""
        if self._block is None:
            return
        self._look_at_credit()
        self._findings.compared["solvency"] += 1
        if self.first_broken is not None:
            return
        claims, short = self._money.claims(), self._money.periods_short()
        if claims.asked > claims.currency_held:
            asked = ", ".join(f"{name} {value}" for name, value in claims._asdict().items())
            self._report(f"{claims.asked} µEUR can be asked for ({asked})",
                         f"at most {claims.currency_held} µEUR")  # fmt: skip
        elif short:
            (area, period), sum_ = next(iter(short.items()))
            self._report(
                f"holds and open trades of area {area}, period {period} are {sum_} µEUR",
                "never below 0",
            )

    def _look_at_credit(self) -> None:
        """Check that the supplier's cover backs orders on credit, unless the block settled and used it."""
        money, drawn = self._money, sorted(self._money.drawn_on)
        if drawn and not money.has_settled:
            place = f"credit of participants {drawn}, block {self._block}"
            covered = money.backing().strength >= 0
            self._findings.require("money rule", place, covered, "not covered by the supplier")
        money.drawn_on.clear()
        money.has_settled = False

    def _report(self, found: str, rule: str) -> None:
        self.first_broken = self._block
        self._findings.differences.append(
            Difference("solvency", f"block {self._block}, the first", found, rule)
        )
