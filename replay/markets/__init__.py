"""Markets of a period: one module for each kind, behind one protocol."""
