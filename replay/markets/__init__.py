"""Markets of a replay: one module for each kind, behind one protocol."""
