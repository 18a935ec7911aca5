"""Rebuild a run's market from the chain's logs and the scenario, and name every difference."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.audit.check import check
from gridbourse.audit.compare.bills import Baselines, baselines
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import load_run
from gridbourse.report import formatting as words
from gridbourse.scenario.scenario import load
from gridbourse.text import many
from scripts import command_parser, parse
from scripts import run as run_script

DIFFERENT = 1


def main(*args: str, web3: Web3 | None = None) -> int:
    """Entry of ``python -m scripts.check``; exit code 1 when anything differs; asks no chain."""
    parser = command_parser("check", __doc__)
    parser.add_argument("folder", type=Path, help="out folder of a replay, such as out/demo")
    options = parse(parser, args)

    run = load_run(options.folder)
    scenario = load(run.scenario_file, run.overrides)
    rebuilt = check(run, scenario)
    record = _record(rebuilt)
    without = baselines(rebuilt, scenario)
    if without is not None:
        record["bills_micro_eur"] = without._asdict() | {"curtailment": without.curtailment}
    (options.folder / "check.json").write_text(json.dumps(record, indent=2) + "\n")
    _show(rebuilt, record["rebuilt"], without)
    return DIFFERENT if rebuilt.findings.differences else 0


def _record(rebuilt: Rebuilt) -> dict[str, Any]:
    findings = rebuilt.findings
    return {
        "identical": not findings.differences,
        "rebuilt": _totals(rebuilt),
        "compared": dict(findings.compared),
        "differences": [asdict(difference) for difference in findings.differences],
    }


def _totals(rebuilt: Rebuilt) -> dict[str, int]:
    money, readings = rebuilt.money, rebuilt.metering.readings
    return {
        "logs": rebuilt.events,
        "participants": len(rebuilt.members.participants),
        **{what: count for market in rebuilt.markets for what, count in market.totals().items()},
        "positions": sum(map(len, money.positions.values())),
        "readings": sum(map(len, readings.values())),
        "periods_settled": len({period for _, period in rebuilt.metering.finished}),
        "balances": len(money.free),
        "money_micro_eur": money.total(),
    }


def _show(rebuilt: Rebuilt, totals: dict[str, int], without: Baselines | None) -> None:
    console = Console(highlight=False)
    findings = rebuilt.findings
    counts = (f"{what.replace('_', ' ')} {count:,}" for what, count in totals.items())
    console.print(f"rebuilt from the log: {', '.join(counts)}")
    table = Table("fact or rule", "compared", "different")
    for column in table.columns[1:]:
        column.justify = "right"
    different = findings.by_kind()
    for what, times in sorted(findings.compared.items()):
        table.add_row(what, f"{times:,}", f"{different[what]:,}" if different[what] else "-")
    console.print(table)
    if without is not None:
        console.print(
            f"without a market: {words.euro(without.no_market)} uncurtailed,"
            f" {words.euro(without.no_market_capped)} under the DSO's caps:"
            f" curtailment took {words.euro(without.curtailment)}"
        )
    for difference in findings.differences:
        console.print(str(difference), markup=False, soft_wrap=True)
    if not findings.differences:
        console.print("the chain and the rebuilt market are the same")
    else:
        console.print(many(len(findings.differences), "difference"))


if __name__ == "__main__":
    run_script(main)
