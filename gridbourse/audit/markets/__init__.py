"""Energy markets, rebuilt and compared, one file for each kind."""
