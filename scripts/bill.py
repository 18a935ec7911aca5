"""A participant's bill of a month from a deployed market: energy, fees, corrections, and the sum.

    python -m scripts.bill P0007 --month 2016-07 --network devnet
    python -m scripts.bill P0007 --month 2016-07 --json bill.json --html bill.html

POINT is a metering point of the mapping that stays beside the chain, or a participant number. A bill has the
delivery periods of its month as they were settled, and what was corrected in it of any period.
"""

import argparse
import json
from pathlib import Path

from web3 import Web3

from gridbourse.chain.deployment.market import Market
from gridbourse.commands import command, next_line, quoted
from gridbourse.index.bill import BillError, bill, month_of
from gridbourse.index.history import indexed
from gridbourse.report.bill import as_json, print_bill, write_bill
from gridbourse.text import meant, one_line
from scripts import area_option, command_parser, numbers_in, on_area, parse, run


def main(*args: str, web3: Web3 | None = None) -> None:
    """Print the bill, from `web3` when given, else from the network the arguments name."""
    options = parse(_parser(), args)
    with on_area(options.network, options.area, web3) as market:
        numbers = numbers_in(market, options.network, options.participants)
        number = _number(market, options.point, numbers, options.number)
        month = month_of(options.month, options.timezone, market.clock.read("mtuSeconds"))
        with indexed(market) as index:
            found = bill(index, market, options.point, number, month)
    if not found.settled and not found.lines:
        raise BillError(
            one_line(
                f"month: {options.month} has no settled period and no booking of {options.point}"
            )
        )
    print_bill(found)
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(found), indent=2) + "\n")
        print(f"Figures  {options.json}")
    if options.html is not None:
        print(f"Page     {write_bill(found, options.html)}")
    if found.settled < found.periods:
        print(next_line(command("settle", "--network", quoted(options.network))))


def _number(
    market: Market, point: str, numbers: dict[str, tuple[int, ...]], chosen: int | None
) -> int:
    """Participant number of a point; `chosen` where several held it one after the other.

    The mapping comes first: points of real meters (EAN) are decimal too.
    """
    held = numbers.get(point)
    if held is None and point.isdecimal():
        return int(point)
    if held is None:
        near = meant(point, numbers)
        hint = f"; did you mean {near!r}?" if near else ""
        raise BillError(
            one_line(f"point: {point!r} is not in the mapping of area {market.area_name}{hint}")
        )
    if chosen is not None and chosen in held:
        return chosen
    if len(held) > 1:
        raise BillError(
            one_line(f"point: {point!r} was of participants {list(held)}; name one by --number")
        )
    return held[0]


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("bill", __doc__)
    parser.add_argument("point", help="metering point, or participant number")
    parser.add_argument("--month", required=True, help="such as 2016-07")
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    area_option(parser, "the only one")
    parser.add_argument("--timezone", default="UTC", help="of the month (%(default)s)")
    parser.add_argument("--number", type=int, help="participant, where several held the point")
    parser.add_argument(
        "--participants", type=Path, help="CSV: point_id, number; default: beside the record"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to print")
    return parser


if __name__ == "__main__":
    run(main)
