"""Crowdsale campaigns: funding, and the income from equity."""
