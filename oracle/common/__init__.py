"""Parts all oracles share: the cycle of a process, and the durable outbox."""
