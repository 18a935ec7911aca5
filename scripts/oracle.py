"""Run an off-chain oracle until it is told to stop.

    python -m scripts.oracle meter readings/ --network devnet
    python -m scripts.oracle meter readings/ --once --value kwh --unit kWh --timezone Europe/Berlin
    python -m scripts.oracle grid scenarios/elecbay.toml --network devnet

meter: watches a folder of meter files (CSV, Parquet), judges each row, and brings the readings to the
chain, once, whatever happens in between. Readings that come after their period was settled on an
estimate are booked as corrections. Put files in by renaming them.
grid: looks what waits for the DSO, runs the power flow on the scenario's grid and forecasts, and brings
the verdicts to the chain, each once: on the pool's book, on groups of trades, on what flows besides.
Every refusal is a line of the log. Exit code 1: some was refused, the rest went in.
"""

import argparse
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from web3 import Web3

from gridbourse.chain.bindings.grid_oracle import GridOracle
from gridbourse.chain.bindings.meter_oracle import MeterOracle
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.record import record_path
from gridbourse.deployment.live_market import desks
from gridbourse.metering.sources import Columns, Unit
from gridbourse.model.periods import Mtu
from gridbourse.onboarding.applications import read_meters
from gridbourse.scenario.areas import load_areas
from gridbourse.tables import CSV, PARQUET
from gridbourse.text import one_line
from oracle.common.daemon import Daemon, Feed
from oracle.common.journal import Journal
from oracle.dso.watch import Connected, GridWatch
from oracle.meter.corrections import LateReadings, SettledPeriods
from oracle.meter.feed import MeterFeed
from oracle.meter.folder import KnownPoints, MeterFolder
from scripts import area_option, command_parser, mapping_of, on_area, parse, run

log = logging.getLogger(__name__)

SOME_REFUSED = 1
POLL_S = 2.0


class OneLine(logging.Formatter):
    """A line for a record, whatever names of files and answers of nodes are in it."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def main(*args: str, web3: Web3 | None = None) -> int:
    """Run on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    lines = logging.StreamHandler()
    lines.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    return ORACLES[options.oracle](options, web3)


def _meter(options: argparse.Namespace, web3: Web3 | None) -> int:
    with (
        on_area(options.network, options.area, web3) as market,
        _journal(market, options) as journal,
    ):
        meters = _meters(market, journal, options)
        _introduce(market, options, journal, market.meter, "meter oracle", (
            f"watches {options.folder} for files {CSV} and {PARQUET}",
            f"metering points by {_mapping(market, options)}",
        ))  # fmt: skip
        late = LateReadings(market, journal)
        _run([meters, late], options.once)
        return SOME_REFUSED if meters.refused or late.refused else 0


def _grid(options: argparse.Namespace, web3: Web3 | None) -> int:
    areas = load_areas(options.scenario)
    scenario = [*areas][areas.named(options.area)]
    with on_area(options.network, options.area, web3) as market:
        connected = Connected(market, _mapping(market, options), frozenset(scenario.points.index))
        connected.at(market.clock.read("nextOpenPeriod"))  # a mapping that cannot be read ends it
        verdicts = options.verdicts or _files(market, options) / "verdicts"
        with _journal(market, options) as journal:
            grid = GridWatch(market, scenario, desks(market), connected, journal, verdicts)
            judged = [*(["pool"] if market.pool else []), *(desk.name for desk in desks(market))]
            _introduce(market, options, journal, market.grid, "grid oracle", (
                f"judges {', '.join(judged)} on the grid of {options.scenario}",
                f"connection points by {_mapping(market, options)}; reports to {verdicts}",
            ))  # fmt: skip
            _run([grid], options.once)
        return SOME_REFUSED if grid.refused else 0


def _introduce(
    market: Market,
    options: argparse.Namespace,
    journal: Journal,
    contract: MeterOracle | GridOracle,
    whose: str,
    watches: Sequence[str],
) -> None:
    """Log what this process is and watches, before it starts."""
    lines = (
        f"{whose} of area {market.area_name} on {options.network}, chain {market.record.chain_id},"
        f" commit {market.record.commit}",
        f"contract {contract.address}, signs as {contract.account.address}",
        *watches,
        f"journal {journal.path}",
        "does what there is to do, and ends" if options.once else
        f"looks every {POLL_S:g} s; stop it with Ctrl-C or SIGTERM",
    )  # fmt: skip
    for line in lines:
        log.info("%s", line)


def _mapping(market: Market, options: argparse.Namespace) -> Path:
    return options.participants or mapping_of(market, options.network)


ORACLES = {"meter": _meter, "grid": _grid}


def _run(feeds: Sequence[Feed], once: bool) -> None:
    """One cycle, in which a chain that is away is an error; else all of them, which bear with it."""
    if not once:
        return Daemon(feeds, POLL_S).run_until_signal()
    for feed in feeds:
        while feed.due():
            feed.step()
    return None


def _meters(market: Market, journal: Journal, options: argparse.Namespace) -> MeterFolder:
    mtu = Mtu(market.clock.read("mtuSeconds"))
    addresses = read_meters(options.meters) if options.meters else {}
    points = KnownPoints(market.registry, _mapping(market, options), mtu, addresses)
    settled = SettledPeriods(market)
    return MeterFolder(
        options.folder,
        _columns(options),
        points,
        MeterFeed(market.meter, journal, settlement=settled, capacity_wh=points.capacity_wh),
        lambda: market.clock.timestamp() // mtu.seconds,
        options.skip_refused,
    )


def _columns(options: argparse.Namespace) -> Columns:
    names = {column.name: getattr(options, column.name) for column in dataclasses.fields(Columns)}
    return Columns(**names | {"point": None, "value": None} if options.wide else names)


def _journal(market: Market, options: argparse.Namespace) -> Journal:
    """Each oracle has its own."""
    files, whose = _files(market, options), "" if options.oracle == "meter" else "-grid"
    return Journal(options.journal or files.with_name(f"{files.name}{whose}.sqlite"))


def _files(market: Market, options: argparse.Namespace) -> Path:
    """One name a deployment: what was sent to another says nothing here."""
    of_area = f"-{market.area_name}" if market.area else ""
    name = f"{market.record.genesis_hash[2:10]}-{market.meter.address[2:10]}{of_area}"
    return record_path(options.network).with_suffix(".oracle") / name


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("oracle", __doc__)
    shared = argparse.ArgumentParser(add_help=False)
    option = shared.add_argument
    option("--network", default="devnet", help="devnet or an RPC address")
    option("--once", action="store_true", help="do what there is to do, and end")
    option("--participants", type=Path, help="CSV: point_id, number; default: beside the record")
    area_option(shared, "the only one")
    option("--journal", type=Path, help="SQLite file; default: beside the record")
    oracles = parser.add_subparsers(dest="oracle", required=True)
    grid = oracles.add_parser("grid", parents=[shared], help="verdicts of the DSO")
    grid.add_argument("scenario", type=Path, help="TOML file: grid, limits and forecasts")
    grid.add_argument(
        "--verdicts", type=Path, help="folder of the reports; default: beside the record"
    )
    meter = oracles.add_parser("meter", parents=[shared], help="readings from a folder of files")
    option, usual = meter.add_argument, Columns()
    option("folder", type=_folder, help="where the files are put")
    option("--skip-refused", action="store_true", help="send the good rows of a file")
    option(
        "--meters", type=Path, help="CSV: metering_point, meter_address; their readings are signed"
    )
    option("--time", default=usual.time, help="column of times (%(default)s)")
    option("--point", default=usual.point, help="column of metering points (%(default)s)")
    option("--value", default=usual.value, help="column of values, + injects (%(default)s)")
    option("--wide", action="store_true", help="every column but the time is a metering point")
    option("--unit", default=usual.unit, choices=get_args(Unit), help="of values (%(default)s)")
    option("--signature", help="column of the meters' signatures")
    option("--timezone", help="of times without UTC offset, such as Europe/Berlin")
    option("--time-format", help="as for strptime; default: ISO 8601")
    option(
        "--marks", default=usual.marks, choices=["start", "end"], help="(%(default)s of a period)"
    )
    option("--separator", default=usual.separator, help="of CSV fields")
    option("--decimal", default=usual.decimal, choices=[".", ","], help="before a fraction")
    return parser


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return Path(text)


if __name__ == "__main__":
    run(main)
