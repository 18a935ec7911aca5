"""Acting party of a command line, and amounts of money."""

import argparse
from pathlib import Path

from eth_account.signers.local import LocalAccount

from gridbourse.chain.keys.keystores import Keystores, find_password
from gridbourse.crowdsale.desk import micro_eur


def add_party_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the mapping of metering points, and the acting party's own key."""
    parser.add_argument("--participants", type=Path, help="CSV: point_id, number; default:"
                        " beside the deployment record")  # fmt: skip
    parser.add_argument("--keystore", type=Path, help="key of who acts, instead of WHO")
    parser.add_argument("--password-file", type=Path, help="of the keystore; else from the"
                        " environment")  # fmt: skip


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
