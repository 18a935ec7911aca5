"""What the README's figures come from; each script writes JSON to benchmarks/results."""
