"""Correct readings of settled periods, however long ago: the difference is booked.

    python -m scripts.correct --network devnet corrections.csv

Columns of the file: participant (number) or point (metering point), period or time (its start,
ISO 8601 with UTC offset), wh (net, + injects). Each refused row is one line; then nothing is sent,
unless --skip-refused lets the others in. Flexibility that was verified on readings of these periods is
reviewed: its new result is booked too. Run again, it sends what is not corrected or reviewed yet.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.market import Market
from gridbourse.index.history import read_history
from gridbourse.metering.corrections import Known, periods_in, read_corrections
from gridbourse.model.periods import Mtu
from gridbourse.text import many
from oracle.meter.corrections import Difference, book_corrections
from oracle.verifier.reviews import Reviewed, book_reviews
from scripts import BAD_INPUT, Numbers, area_option, command_parser, numbers_in, on_area, parse, run

SOME_REFUSED = 1


def main(*args: str, web3: Web3 | None = None) -> int:
    """Correct on `web3` when given, else on the network the arguments name."""
    parser = command_parser("correct", __doc__)
    parser.add_argument("file", type=Path, help="CSV, UTF-8")
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    parser.add_argument("--participants", type=Path, help="CSV: point_id, number; default: beside"
                        " the deployment record")  # fmt: skip
    parser.add_argument("--skip-refused", action="store_true", help="send the rows that are good")
    area_option(parser, "the only one")
    options = parse(parser, args)
    with on_area(options.network, options.area, web3) as market:
        numbers = numbers_in(market, options.network, options.participants)
        return _correct(market, options.file, numbers, options.skip_refused)


def _correct(market: Market, file: Path, numbers: Numbers, skip_refused: bool) -> int:
    mtu = Mtu(market.clock.read("mtuSeconds"))
    rebuilt = read_history(market, periods_in(file, mtu)).rebuilt
    found = read_corrections(file, _known(market, rebuilt, numbers, mtu))
    for refusal in found.refusals:
        print(refusal, file=sys.stderr)
    if found.refusals and not skip_refused:
        return BAD_INPUT
    _show(book_corrections(market, rebuilt, found.readings))
    show_reviews(book_reviews(market, rebuilt, market.keys["meter oracle"], found.readings))
    return SOME_REFUSED if found.refusals else 0


def _known(market: Market, rebuilt: Rebuilt, numbers: Numbers, mtu: Mtu) -> Known:
    members = rebuilt.members.participants

    def is_settled(number: int, period: int) -> bool:
        metering, area = rebuilt.metering, market.area
        return metering.is_settled(area, period) and metering.evidence.of(area, period).has(number)

    capacity = {
        number: who.capacity_wh for number, who in members.items() if who.area == market.area
    }
    return Known(numbers, capacity, is_settled, mtu)


def _show(differences: Sequence[Difference]) -> None:
    out = Console(highlight=False)
    table = Table(title="corrected", title_justify="left")
    for heading in ("period", "participant", "settled Wh", "corrected Wh", "account EUR"):
        table.add_column(heading, justify="right")
    for period, who, settled, corrected, micro_eur in differences:
        energies = (f"{settled:,}", f"{corrected:,}")
        table.add_row(str(period), str(who), *energies, f"{micro_eur / 1e6:+,.6f}")
    out.print(table if differences else "Everything stands as it should be.")
    if differences:
        out.print(
            f"{many(len(differences), 'reading')}; the supplier and the DSO stand against"
            f" {'it' if len(differences) == 1 else 'them'}"
        )


def show_reviews(reviewed: Sequence[Reviewed]) -> None:
    """Show a row for each leg of flexibility whose result changed; nothing where none did."""
    if not reviewed:
        return
    table = Table(title="flexibility reviewed", title_justify="left")
    for heading in ("period", "request", "participant", "was Wh", "is Wh", "account EUR"):
        table.add_column(heading, justify="right")
    for period, request, who, was, is_, micro_eur in reviewed:
        energies = (f"{was:,}", f"{is_:,}")
        table.add_row(str(period), str(request), str(who), *energies, f"{micro_eur / 1e6:+,.6f}")
    Console(highlight=False).print(table)


if __name__ == "__main__":
    run(main)
