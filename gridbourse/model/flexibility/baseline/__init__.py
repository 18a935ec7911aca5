"""Measurement and verification: what was delivered, against a baseline anyone can recompute.

[Strang-nd] §II ("methods to calculate baseline, methods to measure actual
consumption"). `methods` holds the named methods as data, `evidence` what they are computed from,
`compute` the computation, `canonical` the bytes a commitment hashes, `delivery` what follows from a
baseline and a reading, `schedule` why a falsely declared one does not pay.
"""
