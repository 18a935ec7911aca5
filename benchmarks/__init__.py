"""What the README's figures come from; each script writes JSON to benchmarks/results."""

from scripts.environment import require_environment

require_environment()
