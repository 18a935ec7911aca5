"""Show where a deployed market stands.

python -m scripts.status --network devnet
"""

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.deploy import Market
from gridbourse.chain.overview import due, ring
from gridbourse.commands import command, next_line, quoted
from gridbourse.wording import many
from scripts import command_parser, on_record, parse, run

LAST = 12
"""Periods shown."""
HEADINGS = (
    "period", "start (UTC)", "pool", "trades waiting", "verdict", "rounds", "readings", "settled",
    "held EUR",
)  # fmt: skip
NUMBERS = ("trades waiting", "rounds", "held EUR")


def main(*args: str, web3: Web3 | None = None) -> None:
    """Show the market recorded for the network."""
    parser = command_parser("status", __doc__)
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    options = parse(parser, args)
    with on_record(options.network, web3) as market:
        _show(market, options.network)


def _show(market: Market, network: str) -> None:
    out = Console()
    clock = market.clock
    now = clock.timestamp()
    limit = market.registry.seat_limit()
    time = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    mode = "replay clock" if clock.read("replay") else "block time"
    out.print(
        f"[bold]{market.record.scenario.get('file', '')}[/] on {network}, commit {market.record.commit}"
    )
    out.print(f"Market time   {time} ({mode}), period {now // clock.read('mtuSeconds')}")
    out.print(
        f"Currency held {market.currency.read('balanceOf', market.house.address) / 1e6:,.2f} EUR"
    )
    out.print(
        f"Money sum     {market.house.money_sum(limit)} µEUR (accounts + holds − currency; 0 always)"
    )
    periods = ring(market)
    table = Table(
        title=f"last {min(LAST, len(periods))} of {many(len(periods), 'period')}",
        title_justify="left",
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
    where = ("--network", quoted(network))
    if due(market):
        print(next_line(command("settle", *where)))
    elif not periods:
        print(next_line(command("replay", *where)))


if __name__ == "__main__":
    run(main)
