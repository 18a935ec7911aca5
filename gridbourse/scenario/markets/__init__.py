"""Tables of a scenario file, one file for each kind of market.

Each has `read(fields, context)`, its rules in the scenario, and `of_contract(scenario)`, the part of these
that its contract is deployed with, in the order of the contract's rules; None without such a market.
"""
