"""Replay a scenario through the whole market and show the results.

python -m scripts.replay scenarios/rural3.toml --network devnet-child --out out/demo
python -m scripts.replay scenarios/rural3.toml --pv-factor 1 --network embedded --periods 16
"""

import argparse
import json
from pathlib import Path
from typing import Any

from web3 import Web3

from gridbourse.commands import command, next_line, quoted
from gridbourse.report import html
from gridbourse.report import terminal as tables
from gridbourse.report.record import ReportError
from gridbourse.report.summary import summary
from gridbourse.scenario.scenario import load
from replay.output_folder import folder_for, require_room, whole_or_not_at_all
from replay.run import replay
from scripts import chain, command_parser, parse, run


def main(*args: str, web3: Web3 | None = None) -> None:
    """Replay on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    overrides = _overrides(options)
    out = folder_for(Path(options.scenario).stem) if options.out is None else Path(options.out)
    require_room(out, options.overwrite)
    scenario = load(Path(options.scenario), overrides)
    curve = options.curve_period
    if curve is not None and curve not in scenario.replayed:
        raise ReportError(f"curve_period: {curve} is not in {_span(scenario.replayed)}")
    about = {"file": options.scenario, "overrides": overrides}
    name = options.network if web3 is None else "given"
    with whole_or_not_at_all(out) as folder, chain(options.network, web3) as w3:
        record = replay(w3, name, scenario, about, folder).record
        (folder / "summary.json").write_text(json.dumps(summary(record), indent=2) + "\n")
        html.write(record, folder / "report.html", curve)
    tables.print_summary(
        record,
        out / "report.html",
        last_words=[
            next_line(command("check", quoted(out)), "rebuilds every balance from the logs alone"),
            f"Figures  {out / 'summary.json'}\n         for a script",
        ],
    )


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
