"""The flexibility market, rebuilt and compared."""
