"""The meters' oracle: readings, and their corrections after settlement."""
