"""Payments that need a proof of what was settled, brought to their contracts."""
