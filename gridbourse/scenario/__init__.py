"""Scenarios: participants, profiles, grid, tariff, and the plant that delivers in a replay."""
