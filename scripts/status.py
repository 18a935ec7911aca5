"""Show where a deployed market stands.

python -m scripts.status --network devnet
"""

import argparse
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.deploy import Market
from gridbourse.chain.overview import backing, due, ring
from gridbourse.chain.withdrawals import under_way
from scripts import on_record, parse, run

LAST = 12
"""Periods shown."""
HEADINGS = (
    "period", "start (UTC)", "pool", "trades waiting", "verdict", "rounds", "readings", "settled",
    "held EUR",
)  # fmt: skip
NUMBERS = ("trades waiting", "rounds", "held EUR")


def main(*args: str, web3: Web3 | None = None) -> None:
    """Show the market recorded for the network."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.status",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    options = parse(parser, args)
    with on_record(options.network, web3) as market:
        _show(market, options.network)


def _show(market: Market, network: str) -> None:
    out = Console()
    clock = market.clock
    now = clock.timestamp()
    limit = market.registry.seat_limit()
    time = _time(now)
    mode = "replay clock" if clock.read("replay") else "block time"
    out.print(
        f"[bold]{market.record.scenario.get('file', '')}[/] on {network}, commit {market.record.commit}"
    )
    out.print(f"Market time   {time} ({mode}), period {now // clock.read('mtuSeconds')}")
    _show_money(out, market, limit)
    periods = ring(market)
    table = Table(
        title=f"last {min(LAST, len(periods))} of {len(periods)} periods", title_justify="left"
    )
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left")
    mtu = clock.read("mtuSeconds")
    for s in periods[-LAST:]:
        start = f"{datetime.fromtimestamp(s.period * mtu, UTC):%Y-%m-%d %H:%M}"
        version = f"version {s.readings_version}" if s.readings_version else "none"
        settled = "yes" if s.settled else "no"
        held = f"{s.held_micro_eur / 1e6:,.2f}"
        table.add_row(
            str(s.period),
            start,
            s.phase,
            str(s.waiting_trades),
            s.verdict,
            str(s.rounds),
            version,
            settled,
            held,
        )
    out.print(table)
    if due(market):
        out.print(f"Next     python -m scripts.settle --network {network}")
    elif not periods:
        out.print(f"Next     python -m scripts.replay --network {network}")


def _show_money(out: Console, market: Market, limit: int) -> None:
    """What is held, whether it adds up, and whether what could be withdrawn now is there."""
    found, going = backing(market), under_way(market)
    asked = f"{found.asked / 1e6:,.2f} EUR can be asked for now"
    out.print(f"Currency held {found.held / 1e6:,.2f} EUR")
    out.print(
        f"Money sum     {market.house.money_sum(limit)} µEUR (accounts + holds − currency; 0 always)"
    )
    out.print(f"Solvent       {'yes' if found.solvent else '[bold red]NO[/]'}, {asked}")
    out.print(f"Cover         {found.cover / 1e6:,.2f} EUR (the supplier's, less what is owed)")
    waiting = market.house.waiting(limit)
    out.print(f"Credits wait  {found.waiting / 1e6:,.2f} EUR of {len(waiting)} participants")
    first = min((each.ready_at for each in going), default=None)
    since = (
        ""
        if first is None
        else f", the first from {datetime.fromtimestamp(first, UTC):%Y-%m-%d %H:%M} UTC"
    )
    out.print(f"Going out     {found.set_aside / 1e6:,.2f} EUR in {len(going)} withdrawals{since}")


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


if __name__ == "__main__":
    run(main)
