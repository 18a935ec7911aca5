"""Who acts on a command line, and with how much money."""

import argparse
from pathlib import Path

from eth_account.signers.local import LocalAccount

from gridbourse.chain.keys.keystores import Keystores, find_password
from gridbourse.crowdsale.desk import micro_eur


def add_party_options(parser: argparse.ArgumentParser) -> None:
    """Where numbers of metering points are, and the acting party's own key."""
    parser.add_argument("--participants", type=Path, help="CSV: point_id, number; default:"
                        " beside the deployment record")  # fmt: skip
    parser.add_argument("--keystore", type=Path, help="key of who acts, instead of WHO")
    parser.add_argument("--password-file", type=Path, help="of the keystore; else from the"
                        " environment")  # fmt: skip


def own_key(options: argparse.Namespace) -> LocalAccount | None:
    """The acting party's own key, out of its keystore; None where it gave none."""
    if options.keystore is None:
        return None
    password = find_password(options.password_file)
    return Keystores(options.keystore.parent).unlock(options.keystore.stem, password)


def amount(text: str) -> int:
    """An amount in euros as µEUR; argparse's own error for another text."""
    try:
        return micro_eur(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
