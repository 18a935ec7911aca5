"""Optimisation without a twin in Solidity: homes, storage, portfolios, bids to other markets."""
