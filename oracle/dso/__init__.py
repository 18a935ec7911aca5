"""The DSO's oracle: grid checks and verdicts before delivery, and its need of flexibility."""
