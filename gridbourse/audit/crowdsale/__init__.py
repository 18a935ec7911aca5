"""Crowdsales, rebuilt."""
