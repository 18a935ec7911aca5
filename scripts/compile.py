"""Compile the contracts when they have changed, and print their sizes."""

from web3 import Web3

from gridbourse.chain.node.compiler import MAX_DEPLOYED_BYTES, compiler_settings
from gridbourse.text import many
from scripts import command_parser, compiled, parse, run


def main(*args: str, web3: Web3 | None = None) -> None:
    """Entry of ``python -m scripts.compile [--sizes]``; no chain is needed."""
    parser = command_parser("compile", __doc__)
    parser.add_argument("--sizes", action="store_true", help="list every contract, largest first")
    options = parse(parser, args)

    settings = compiler_settings()
    largest_first = sorted(
        (a for a in compiled().values() if a.bytecode), key=lambda a: -a.deployed_size
    )
    for artifact in largest_first if options.sizes else largest_first[:1]:
        print(
            f"{artifact.name:30} {artifact.deployed_size:>6,} of {MAX_DEPLOYED_BYTES:,} bytes"
            f"  {artifact.source}"
        )
    print(
        f"{many(len(largest_first), 'contract')}, solc {settings.solc},"
        f" {settings.evm_version}, {settings.optimizer_runs} runs"
    )


if __name__ == "__main__":
    run(main)
