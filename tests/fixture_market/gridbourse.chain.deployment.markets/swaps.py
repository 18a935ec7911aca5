"""Swaps of a deployment."""

from gridbourse.chain.deployment.markets.over_the_counter import Rules, arguments

__all__ = ["Rules", "arguments"]
