"""Bytes of runtime code of every contract that is deployed; writes benchmarks/results/code_sizes.json.

    python -m benchmarks.code_sizes

The figures depend on the sources and the compiler's settings alone, not on comments or the machine. A test
holds them, so that code grows only where it is meant to.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from gridbourse.chain.node.compiler import Artifact, load_artifacts

RESULTS = Path(__file__).parent / "results" / "code_sizes.json"


def sizes(artifacts: Mapping[str, Artifact]) -> dict[str, int]:
    """Bytes of runtime code by contract; libraries, whose code goes into their clients, are left out."""
    return {
        name: artifact.deployed_size
        for name, artifact in sorted(artifacts.items())
        if artifact.bytecode and any(part["type"] == "function" for part in artifact.abi)
    }


def main() -> None:
    """Compile and write."""
    RESULTS.write_text(json.dumps(sizes(load_artifacts()), indent=2) + "\n")
    print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main()
