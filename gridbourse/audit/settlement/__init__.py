"""Readings, settlement, corrections and compensations, rebuilt and compared."""
