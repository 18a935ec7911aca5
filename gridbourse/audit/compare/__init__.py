"""The rebuilt market against the scenario and against the chain's own storage."""
