"""Comparisons of the rebuilt market with the scenario and with the chain's own storage."""
