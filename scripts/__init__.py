"""Command lines. Each script has ``main(*args, web3=None)``, so that ``python -m scripts.NAME`` and
``brownie run NAME`` share their code; the former comes in through :func:`run`.

``brownie run NAME main -- --option value``: brownie takes what is before the ``--`` for its own.
"""

import argparse
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

from scripts.environment import BAD_INPUT, require_environment

require_environment()  # before the first import that needs a package

from web3 import Web3

from gridbourse.chain.deployment.market import Market, open_market
from gridbourse.chain.deployment.record import record_path
from gridbourse.chain.node.answers import without_secrets
from gridbourse.chain.node.compiler import Artifact, compiler_settings, load_artifacts, uncompiled
from gridbourse.chain.node.connect import session
from gridbourse.chain.operations.market_areas import in_area
from gridbourse.commands import command, quoted, with_interpreter
from gridbourse.errors import GridbourseError
from gridbourse.index.history import EventIndex
from gridbourse.metering.points import read_numbers
from gridbourse.text import PLAIN, many, one_line
from scripts.progress import working

INTERRUPTED = 130
Numbers = dict[str, tuple[int, ...]]


def command_parser(script: str, description: str | None) -> argparse.ArgumentParser:
    """A parser whose help names the commands as they work from here."""
    return argparse.ArgumentParser(
        prog=command(script),
        description=with_interpreter(description or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse(parser: argparse.ArgumentParser, args: Sequence[str]) -> argparse.Namespace:
    """The options; the ``--`` that brownie leaves in front of them is none.

    Of the network's address they have what may be shown: see `node.without_secrets`.
    """
    options = parser.parse_args(args[1:] if args[:1] == ("--",) else args)
    if "network" in options:
        options.network = without_secrets(options.network)
    return options


def compiled() -> dict[str, Artifact]:
    """The contracts by name. Where they have to be compiled first, which takes a minute or so, it says so."""
    files = uncompiled()
    if not files:
        return load_artifacts()
    with working(f"compiling {many(files, 'contract file')} with solc {compiler_settings().solc}"):
        return load_artifacts()


@contextmanager
def chain(network: str, given: Web3 | None) -> Iterator[Web3]:
    """The connection given, else one to the network for as long as the block lasts."""
    if uncompiled():
        compiled()
    if given is not None:
        yield given
        return
    with session(network) as w3:
        yield w3


@contextmanager
def on_record(network: str, given: Web3 | None) -> Iterator[Market]:
    """The market on record for a network, opened on the connection given or on one of its own."""
    record = record_path(network)
    with chain(network, given) as w3:
        market = open_market(w3, record)
        with closing(EventIndex(market, index_path(network))) as market.log:
            try:
                yield market
            finally:
                market.log = None


@contextmanager
def on_area(network: str, area: str | None, given: Web3 | None) -> Iterator[Market]:
    """The market on record, bound to the area of this name, or to its only one where none is named."""
    with on_record(network, given) as market:
        yield in_area(market, area)


def numbers_in(market: Market, network: str, named: Path | None = None) -> Numbers:
    """Participant numbers by metering point, of the market's area.

    named: the mapping to read instead of the one beside the record; without either, nobody is known.
    """
    mapping = named or mapping_of(market, network)
    return read_numbers(mapping) if mapping.exists() else {}


def mapping_of(market: Market, network: str) -> Path:
    """Path of the mapping from metering points to participants of the market's area."""
    return mapping_path(network, market.area, market.area_name)


def mapping_path(network: str, area: int = 0, name: str = "") -> Path:
    """Path of the mapping from metering points to participants that `scripts.deploy` writes, area by area."""
    return _beside_record(network, "participants.csv", area, name)


def onboarding_folder(network: str, area: int = 0, name: str = "") -> Path:
    """Folder of an area's people, their keystores and the register of them."""
    return _beside_record(network, "onboarding", area, name)


def _beside_record(network: str, what: str, area: int, name: str) -> Path:
    return record_path(network).with_suffix(f".{name}.{what}" if area else f".{what}")


def index_path(network: str) -> Path:
    """Path of the event index of the deployment on record for a network."""
    return record_path(network).with_suffix(".index.sqlite")


def said_again(options: argparse.Namespace) -> tuple[str, ...]:
    """Words of a next command that name the network and area of this one."""
    network = () if options.network == "devnet" else ("--network", quoted(options.network))
    area = () if options.area is None else ("--area", quoted(options.area))
    return (*network, *area)


def area_option(parser: argparse.ArgumentParser, default: str) -> None:
    """--area NAME; default: said in the help."""
    parser.add_argument("--area", metavar="NAME", help=f"market area; default: {default}")


def run(main: Callable[..., int | None]) -> NoReturn:
    """Call ``main`` with the command line; what gridbourse refuses is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of few characters shows what it can
            stream.reconfigure(errors=PLAIN)
    try:
        sys.exit(main(*sys.argv[1:]))
    except GridbourseError as error:
        print(one_line(f"{type(error).__name__}: {error}"), file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
