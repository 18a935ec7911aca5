"""Audit of a run: every balance and position, computed again from the chain's logs and the scenario alone.

It sends nothing and asks no node. It clears and settles with `gridbourse.model`, and compares each step
with what the contracts wrote into their logs, and the end with their storage.
"""
