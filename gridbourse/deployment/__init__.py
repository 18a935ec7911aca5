"""From a scenario to a live market with its participants."""
