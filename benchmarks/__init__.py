"""Sources of the README's figures; each script writes JSON to benchmarks/results."""

from scripts.environment import require_environment

require_environment()
