"""Behaviour of participants in a replay: their bids, quotes, listings, offers and consumption."""
