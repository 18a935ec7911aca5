"""Campaigns for their parties: possible steps, present state, next step."""
