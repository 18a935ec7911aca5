"""Replays a scenario through the whole market: contracts, oracles, plant, settlement, record."""
