"""Grid: read from a file, solved, compared with its limits, and brought back within them."""
