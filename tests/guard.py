"""A limit for what may hang. It is far beyond what anything takes on any machine: no test measures time."""

GUARD_S = 600
