"""Settle every period that is due, and print where each euro went.

    python -m scripts.settle --network devnet

Anyone may: the contracts decide what is due and what it comes to.
"""

import argparse

from eth_account.signers.local import LocalAccount
from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.contracts import DSO_ACCOUNT, SUPPLIER_ACCOUNT
from gridbourse.chain.deploy import AREA, Market
from gridbourse.chain.ending import finish
from gridbourse.chain.overview import due
from gridbourse.chain.transactions import Reverted
from gridbourse.errors import GridbourseError
from scripts import on_record, parse, run


def main(*args: str, web3: Web3 | None = None) -> int:
    """Settle on `web3` when given, else on the network the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.settle",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    options = parse(parser, args)
    with on_record(options.network, web3) as market:
        return _settle(market)


def _settle(market: Market) -> int:
    """0 when all that was due is settled, 1 when the contracts refused some of it."""
    out = Console()
    table = Table(title="settled", title_justify="left")
    for heading in ("period", "to supplier EUR", "grid fees to DSO EUR", "refused because"):
        table.add_column(heading, justify="left" if "refused" in heading else "right")
    refused = 0
    operator = market.keys["operator"]
    for period in due(market):
        before = market.house.balances(1 + SUPPLIER_ACCOUNT)
        reason = _settle_period(market, operator, period)
        refused += bool(reason)
        after = market.house.balances(1 + SUPPLIER_ACCOUNT)
        supplier, dso = (
            (after[who] - before[who]) / 1e6 for who in (SUPPLIER_ACCOUNT, DSO_ACCOUNT)
        )
        table.add_row(str(period), f"{supplier:,.6f}", f"{dso:,.6f}", reason)
    out.print(table if table.row_count else "Nothing is due.")
    return 1 if refused else 0


def _settle_period(market: Market, by: LocalAccount, period: int) -> str:
    """Bring one period to its end; why not, when the contracts refuse.

    Readings that are missing get their deadline, and are estimated once it has passed.
    """
    try:
        finish(market, by, period)
    except Reverted as error:
        if error.name == "ReadingMissing" and error.values["deadline"] == 0:
            market.settlement.write(by, "await", "awaitReadings", AREA, period)
            return f"{error}; from now on awaited, and estimated once the deadline has passed"
        return str(error)
    except GridbourseError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    run(main)
