"""Flexibility: products, clearing of requests, reviews, and baselines."""
