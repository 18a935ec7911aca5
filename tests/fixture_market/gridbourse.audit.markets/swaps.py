"""Swaps, rebuilt."""

from gridbourse.audit.markets.over_the_counter import DealRules, OverTheCounter, rules_of
from gridbourse.audit.markets.rebuild_context import RebuildContext

__all__ = ["rebuild", "rules_of"]


class Swaps(OverTheCounter):
    """The market."""

    name = "Swaps"


def rebuild(rules: DealRules, about: RebuildContext) -> Swaps:
    """The market of a deployment, before its first event."""
    return Swaps(rules, (about.chain_id, about.address), about.common)
