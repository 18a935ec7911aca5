"""Acting party of a command line, where it acts, and amounts of money."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eth_account.signers.local import LocalAccount
from web3 import Web3

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.keys.keystores import Keystores, find_password
from gridbourse.crowdsale.desk import micro_eur
from scripts import Numbers, area_option, numbers_in, on_area


def add_party_options(parser: argparse.ArgumentParser, area: str = "the only one") -> None:
    """Add the options for network, area, mapping of metering points, and the acting party's own key."""
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    area_option(parser, area)
    parser.add_argument("--participants", type=Path, help="CSV: point_id, number; default:"
                        " beside the deployment record")  # fmt: skip
    parser.add_argument("--keystore", type=Path, help="key of who acts, instead of WHO")
    parser.add_argument("--password-file", type=Path, help="of the keystore; else from the"
                        " environment")  # fmt: skip


@contextmanager
def party_at(
    options: argparse.Namespace, web3: Web3 | None, otherwise: int | None = None
) -> Iterator[tuple[Market, Numbers, LocalAccount | None]]:
    """The market bound to the area named, its participants by metering point, and the party's own key.

    otherwise: number of the area where none is named; without it, the market's only one.
    """
    area = str(otherwise) if options.area is None and otherwise is not None else options.area
    with on_area(options.network, area, web3) as market:
        yield market, numbers_in(market, options.network, options.participants), own_key(options)


def own_key(options: argparse.Namespace) -> LocalAccount | None:
    """The acting party's own key, out of its keystore; None without one."""
    if options.keystore is None:
        return None
    password = find_password(options.password_file)
    return Keystores(options.keystore.parent).unlock(options.keystore.stem, password)


def amount(text: str) -> int:
    """Amount in euros as µEUR; argparse's own error for another text."""
    try:
        return micro_eur(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
