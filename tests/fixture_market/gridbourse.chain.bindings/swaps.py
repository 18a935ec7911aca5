"""Swaps (`Swaps.sol`)."""

from gridbourse.chain.bindings.over_the_counter import OverTheCounter


class Swaps(OverTheCounter):
    """The contract."""
