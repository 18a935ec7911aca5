"""Contracts as Python classes: the calls the off-chain side makes, in its own types."""
