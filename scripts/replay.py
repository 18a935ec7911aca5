"""Replay a scenario through the whole market and show the results.

python -m scripts.replay scenarios/rural3.toml --network devnet-child --out out/demo
python -m scripts.replay scenarios/rural3.toml --pv-factor 1 --network embedded --periods 16
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from web3 import Web3

from gridbourse.commands import command, next_line, quoted
from gridbourse.report import html, terminal
from gridbourse.report.areas import figures, print_areas, write_areas
from gridbourse.report.record import ReportError, RunRecord
from gridbourse.report.summary import summary
from gridbourse.scenario.areas import Areas, load_areas
from replay.output_folder import folder_for, require_room, whole_or_not_at_all
from replay.run import replay_areas
from scripts import chain, command_parser, parse, run


def main(*args: str, web3: Web3 | None = None) -> None:
    """Replay on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    overrides = _overrides(options)
    out = folder_for(Path(options.scenario).stem) if options.out is None else Path(options.out)
    require_room(out, options.overwrite)
    areas = load_areas(Path(options.scenario), overrides)
    curve = options.curve_period
    if curve is not None and curve not in areas.first.replayed:
        raise ReportError(f"curve_period: {curve} is not in {_span(areas.first.replayed)}")
    about = {"file": options.scenario, "overrides": overrides}
    name = options.network if web3 is None else "given"
    with whole_or_not_at_all(out) as folder, chain(options.network, web3) as w3:
        done = replay_areas(w3, name, [*areas], about, folder)
        records = [one.record for one in done]
        _write_reports(areas, records, folder, curve)
    last_words = [
        next_line(command("check", quoted(out)), "rebuilds every balance from the logs alone"),
        f"Figures  {out / 'summary.json'}\n         for a script",
    ]
    if len(records) == 1:
        terminal.print_summary(records[0], out / "report.html", last_words=last_words)
    else:
        for record in records:
            terminal.print_summary(record)
        print_areas(records, out / "report.html", last_words)


def _write_reports(
    areas: Areas, records: Sequence[RunRecord], folder: Path, curve: int | None
) -> None:
    """Report and figures of each area, and of all where there are several."""
    for record in records:
        own = folder if len(records) == 1 else folder / record.area
        _dump(own / "summary.json", summary(record))
        html.write(record, own / "report.html", curve)
    if len(records) > 1:
        _dump(folder / "summary.json", figures(records))
        write_areas(areas.name, areas.description, records, folder / "report.html")


def _dump(path: Path, figures_: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures_, indent=2) + "\n")


def _span(periods: range) -> str:
    return f"{periods.start} to {periods.stop - 1}"


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    chosen = {
        "pv_factor": options.pv_factor,
        "start": options.start,
        "periods": options.periods,
        "season": options.season,
        "market.pricing": options.pricing,
        "strategy.seed": options.seed,
    }
    return {key: value for key, value in chosen.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("replay", __doc__)
    parser.add_argument("scenario", nargs="?", default="scenarios/rural3.toml", help="TOML file")
    parser.add_argument(
        "--network",
        default="devnet",
        help="embedded, devnet, devnet-child or an RPC address (default: devnet)",
    )
    parser.add_argument("--out", help="folder for all it leaves; default: a new one below out/")
    parser.add_argument("--overwrite", action="store_true", help="a run that --out holds")
    parser.add_argument("--pv-factor", type=float, help="scale the scenario's PV")
    parser.add_argument("--periods", type=int, help="how many delivery periods")
    parser.add_argument("--season", help="which of the scenario's weeks")
    parser.add_argument("--start", help="first period, such as 2016-07-24T10:30Z")
    parser.add_argument("--pricing", choices=["uniform", "pay_as_bid"])
    parser.add_argument("--seed", type=int, help="of the strategies")
    parser.add_argument("--curve-period", type=int, help="whose clearing curve the report draws")
    return parser


if __name__ == "__main__":
    run(main)
