"""The verifying oracle: baselines of what was activated, and reviews."""
