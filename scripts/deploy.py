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
from typing import Any

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
from gridbourse.deployment.live_market import deploy_market, found_areas
from gridbourse.onboarding.mapping import found_mapping
from gridbourse.scenario.areas import Areas, load_areas
from gridbourse.text import many
from scripts import chain, command_parser, index_path, mapping_path, parse, run


def main(*args: str, web3: Web3 | None = None) -> None:
    """Deploy to `web3` when given, else to the network the arguments name."""
    options = parse(_parser(), args)
    record = record_path(options.network)
    areas = load_areas(Path(options.scenario))
    with chain(options.network, web3) as w3:
        if record.exists() and not options.overwrite:
            _require_gone(record, w3, options.network)
        _deploy(w3, areas, record, options)


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


def _deploy(w3: Web3, areas: Areas, record: Path, options: argparse.Namespace) -> None:
    about = {"file": options.scenario, "overrides": {}}
    people: dict[str, list[dict[Any, Any]]] = {name: [] for name in areas.names}
    if is_development_chain(w3):
        there = found_areas(w3, [*areas], about)
        market = there[0].market
        for name, live in zip(areas.names, there, strict=True):
            people[name] = live.members.table.reset_index().to_dict("records")
    else:
        keys = Keyring.for_chain(w3, options.keys)
        market = deploy_market(w3, keys, [*areas], about)
    market.record.save(record)
    for file in record.parent.glob(f"{index_path(options.network).name}*"):
        file.unlink()  # of the deployment that this one takes the place of
    mappings = {}
    for number, name in enumerate(areas.names):
        mappings[name] = mapping_path(options.network, number, name)
        found_mapping(mappings[name], people[name])
    table = Table(title=f"{areas.name} on {options.network}", title_justify="left")
    table.add_column("contract")
    table.add_column("address")
    table.add_column("block", justify="right")
    for name, contract in market.record.contracts.items():
        table.add_row(name, contract.address, str(contract.block))
    out = Console()
    out.print(table)
    gas = sum(use.gas for use in market.chain.gas.values())
    out.print(f"{many(sum(map(len, people.values())), 'participant')}, {gas / 1e6:.1f} M gas")
    print(f"Record   {record}")
    for mapping in mappings.values():
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
