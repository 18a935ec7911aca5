"""The grid: read from a file, solved, held against its limits, and brought back within them."""
