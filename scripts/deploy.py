"""Deploy a scenario's market to a network and bring its participants in.

    python -m scripts.devnet up
    python -m scripts.deploy scenarios/rural3.toml --network devnet
    python -m scripts.status --network devnet

The record goes to deployments/<network>.json; beside it, never on the chain and never committed, the
mapping from metering points to participant numbers and accounts.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.connect import is_development_chain
from gridbourse.chain.deployments import (
    DeploymentError,
    DeploymentRecord,
    chain_identity,
    record_path,
)
from gridbourse.commands import command, next_line, quoted
from gridbourse.onboarding.mapping import found_mapping
from gridbourse.scenario.scenario import Scenario, load
from gridbourse.wording import many
from replay.run import found_market
from scripts import chain, command_parser, mapping_path, parse, run


def main(*args: str, web3: Web3 | None = None) -> None:
    """Deploy to `web3` when given, else to the network the arguments name."""
    options = parse(_parser(), args)
    record = record_path(options.network)
    scenario = load(Path(options.scenario))
    with chain(options.network, web3) as w3:
        if record.exists() and not options.overwrite:
            _require_gone(record, w3, options.network)
        _deploy(w3, scenario, record, options)


def _require_gone(record: Path, w3: Web3, network: str) -> None:
    """A record is not overwritten unasked, but one of a development chain that has ended since."""
    if is_development_chain(w3):
        former = DeploymentRecord.load(record)
        if (former.chain_id, former.genesis_hash) != chain_identity(w3):
            print(f"The chain of the former deployment is gone: {record.name} is of the new one.")
            return
    look = command("status", "--network", quoted(network))
    raise DeploymentError(
        f"{record}: there is a deployment ({look}); --overwrite puts another in its place"
    )


def _deploy(w3: Web3, scenario: Scenario, record: Path, options: argparse.Namespace) -> None:
    market, members = found_market(w3, scenario, {"file": options.scenario, "overrides": {}})
    market.record.save(record)
    mapping = mapping_path(options.network)
    found_mapping(mapping, members.table.reset_index().to_dict("records"))
    table = Table(title=f"{scenario.name} on {options.network}", title_justify="left")
    table.add_column("contract")
    table.add_column("address")
    table.add_column("block", justify="right")
    for name, contract in market.record.contracts.items():
        table.add_row(name, contract.address, str(contract.block))
    out = Console()
    out.print(table)
    gas = sum(use.gas for use in market.chain.gas.values())
    out.print(f"{many(len(members.table), 'participant')}, {gas / 1e6:.1f} M gas")
    print(f"Record   {record}")
    print(f"Mapping  {mapping}   (personal data: keep it, do not publish it)")
    print(next_line(command("status", "--network", quoted(options.network))))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("deploy", __doc__)
    parser.add_argument("scenario", nargs="?", default="scenarios/rural3.toml", help="TOML file")
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    parser.add_argument("--overwrite", action="store_true", help="the record of a deployment")
    return parser


if __name__ == "__main__":
    run(main)
