"""Deploy a scenario's market to a network and, on a development chain, register its participants.

    python -m scripts.devnet up
    python -m scripts.deploy scenarios/rural3.toml --network devnet
    python -m scripts.status --network devnet

The record goes to deployments/<network>.json; beside it, never on the chain and never committed, the
mapping from metering points to participant numbers and accounts, for its owner alone.

On any other network each role has its own key: --keys, or GRIDBOURSE_KEYS, names a folder with a keystore or
an address for each role (see gridbourse.chain.keys.role_keys), GRIDBOURSE_KEYSTORE_PASSWORD opens the
operator's; and participants come with keys of their own, by scripts.onboard.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.deployment.record import (
    DeploymentError,
    DeploymentRecord,
    chain_identity,
    record_path,
)
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.connect import is_development_chain
from gridbourse.commands import command, next_line, quoted
from gridbourse.deployment.live_market import deploy_market, found_market
from gridbourse.onboarding.mapping import found_mapping
from gridbourse.scenario.scenario import Scenario, load
from gridbourse.text import many
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
    """Refuse to overwrite a record unasked, except that of a development chain that has ended since."""
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
    about = {"file": options.scenario, "overrides": {}}
    people = []
    if is_development_chain(w3):
        market, members = found_market(w3, scenario, about)
        people = members.table.reset_index().to_dict("records")
    else:
        keys = Keyring.for_chain(w3, options.keys)
        market = deploy_market(w3, keys, scenario, about)
    market.record.save(record)
    mapping = mapping_path(options.network)
    found_mapping(mapping, people)
    table = Table(title=f"{scenario.name} on {options.network}", title_justify="left")
    table.add_column("contract")
    table.add_column("address")
    table.add_column("block", justify="right")
    for name, contract in market.record.contracts.items():
        table.add_row(name, contract.address, str(contract.block))
    out = Console()
    out.print(table)
    gas = sum(use.gas for use in market.chain.gas.values())
    out.print(f"{many(len(people), 'participant')}, {gas / 1e6:.1f} M gas")
    print(f"Record   {record}")
    print(f"Mapping  {mapping}   (personal data: keep it, do not publish it)")
    print(next_line(command("status", "--network", quoted(options.network))))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("deploy", __doc__)
    parser.add_argument("scenario", nargs="?", default="scenarios/rural3.toml", help="TOML file")
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    parser.add_argument("--overwrite", action="store_true", help="the record of a deployment")
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FOLDER",
        help="of a keystore for each role; not on development chains",
    )
    return parser


if __name__ == "__main__":
    run(main)
