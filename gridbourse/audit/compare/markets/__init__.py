"""Markets against their scenario, one file for each kind.

Each has `expected(scenario, band)`, the rules that its contract should have, None without such a market, and
`compare(rebuilt, area, scenario)` for what else the scenario says of it.
"""
