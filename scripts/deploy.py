"""Deploy a scenario's market to a network and, on a development chain, bring its participants in.

    python -m scripts.devnet up
    python -m scripts.deploy scenarios/rural3.toml --network devnet
    python -m scripts.status --network devnet

The record goes to deployments/<network>.json; beside it, never on the chain and never committed, the
mapping from metering points to participant numbers and accounts, for its owner alone.

On any other network each role has its own key: --keys, or GRIDBOURSE_KEYS, names a folder with a keystore or
an address for each role (see gridbourse.chain.role_keys), GRIDBOURSE_KEYSTORE_PASSWORD opens the
operator's; and participants come with keys of their own, by scripts.onboard.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.accounts import Keyring
from gridbourse.chain.connect import is_development_chain
from gridbourse.chain.deployments import record_path
from gridbourse.onboarding.keystores import write_private
from gridbourse.scenario.scenario import Scenario, load
from replay.run import deploy_market, found_market
from scripts import chain, parse, run


def main(*args: str, web3: Web3 | None = None) -> None:
    """Deploy to `web3` when given, else to the network the arguments name."""
    options = parse(_parser(), args)
    record = record_path(options.network)
    scenario = load(Path(options.scenario))
    with chain(options.network, web3) as w3:
        _deploy(w3, scenario, record, options)


def _deploy(w3: Web3, scenario: Scenario, record: Path, options: argparse.Namespace) -> None:
    about = {"file": options.scenario, "overrides": {}}
    mapping, count = record.with_suffix(".participants.csv"), 0
    if is_development_chain(w3):
        market, members = found_market(w3, scenario, about)
        write_private(mapping, members.table.to_csv())
        count = len(members.table)
    else:
        keys = Keyring.for_chain(w3, options.keys)
        market = deploy_market(w3, keys, scenario, about)
    market.record.save(record)
    table = Table(title=f"{scenario.name} on {options.network}", title_justify="left")
    table.add_column("contract")
    table.add_column("address")
    table.add_column("block", justify="right")
    for name, contract in market.record.contracts.items():
        table.add_row(name, contract.address, str(contract.block))
    out = Console()
    out.print(table)
    gas = sum(use.gas for use in market.chain.gas.values())
    out.print(f"{count} participants, {gas / 1e6:.1f} M gas\nRecord   {record}")
    if count:
        out.print(f"Mapping  {mapping}   (personal data: keep it, do not publish it)")
    out.print(f"Next     python -m scripts.status --network {options.network}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.deploy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="?", default="scenarios/rural3.toml", help="TOML file")
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FOLDER",
        help="of a keystore for each role; not on development chains",
    )
    return parser


if __name__ == "__main__":
    run(main)
