"""Measurement and verification: delivered energy, against a baseline anyone can recompute.

[Strang-nd] §II ("methods to calculate baseline, methods to measure actual
consumption"). `methods` holds the named methods as data, `evidence` the inputs of the computation,
`compute` the computation, `canonical` the bytes a commitment hashes, `delivery` the consequences of a
baseline and a reading, `schedule` why a falsely declared one does not pay.
"""
