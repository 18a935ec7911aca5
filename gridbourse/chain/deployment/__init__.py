"""Contracts of one market: settings, deployment, and the record of it."""
