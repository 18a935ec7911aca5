"""Event index: the log of a deployment in a file, so that no step reads the whole chain."""
