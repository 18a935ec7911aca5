"""Where a period is traded: one module for each kind of market, behind one protocol."""
