"""Markets of a deployment, one file for each kind.

Each has `Rules`, what its contract is deployed with beside the settings of the whole, and
`arguments(rules, context)`, those of its constructor.
"""
