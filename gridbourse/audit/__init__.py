"""The checker: from the chain's logs and the scenario alone, rebuild every balance and position.

It sends nothing and asks no node. What it clears and settles, it does with `gridbourse.model`, and
compares each step with what the contracts wrote into their logs, and the end with their storage.
"""
