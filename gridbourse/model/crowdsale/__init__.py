"""Crowdsale campaigns: funding, and what equity pays."""
