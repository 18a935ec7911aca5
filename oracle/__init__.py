"""The off-chain oracles: what meters read, and what the grid bears, brought to the chain."""
