"""Scenarios: participants, profiles, grid, tariff, and the plant that answers in a replay."""
