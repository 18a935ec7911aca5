"""Behaviour of participants in a replay: what they bid, quote, list, offer and consume."""
