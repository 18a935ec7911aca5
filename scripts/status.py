"""Show the state of a deployed market.

python -m scripts.status --network devnet
"""

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.operations.market_areas import each_area
from gridbourse.chain.operations.market_state import Slots, backing, due, ring, slots_of
from gridbourse.chain.operations.withdrawals import under_way
from gridbourse.commands import command, next_line, quoted
from gridbourse.text import many, moment
from scripts import command_parser, on_record, parse, run

LAST = 12
"""Number of periods shown."""
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
    time = moment(now)
    mode = "replay clock" if clock.read("replay") else "block time"
    out.print(
        f"[bold]{market.record.scenario.get('file', '')}[/] on {network}, commit {market.record.commit}"
    )
    mtu = clock.read("mtuSeconds")
    out.print(f"Market time   {time} ({mode}), period {now // mtu}")
    slots = slots_of(market)
    _show_money(out, market, limit, slots)
    areas = each_area(market)
    shown = [_show_periods(out, area, slots, mtu, len(areas) > 1) for area in areas]
    where = ("--network", quoted(network))
    if any(due(area) for area in areas):
        print(next_line(command("settle", *where)))
    elif not any(shown):
        print(next_line(command("replay", *where)))


def _show_periods(out: Console, market: Market, slots: Slots, mtu: int, is_named: bool) -> int:
    """A row for each of the newest periods of an area; how many hold a slot of its ring."""
    periods = ring(market, slots)
    of_area = f" of area {market.area_name}" if is_named else ""
    table = Table(
        title=f"last {min(LAST, len(periods))} of {many(len(periods), 'period')}{of_area}",
        title_justify="left",
    )
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left")
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
    return len(periods)


def _show_money(out: Console, market: Market, limit: int, slots: Slots) -> None:
    """Show the money held, whether it adds up, and whether what could be withdrawn now is there."""
    found, going = backing(market, slots), under_way(market)
    asked = f"{found.asked / 1e6:,.2f} EUR can be asked for now"
    out.print(f"Currency held {found.held / 1e6:,.2f} EUR")
    out.print(
        f"Money sum     {market.house.money_sum(limit)} µEUR (accounts + holds − currency; 0 always)"
    )
    out.print(f"Solvent       {'yes' if found.solvent else '[bold red]NO[/]'}, {asked}")
    out.print(f"Cover         {found.cover / 1e6:,.2f} EUR (the supplier's, less what is owed)")
    waiting = market.house.waiting(limit)
    out.print(
        f"Credits wait  {found.waiting / 1e6:,.2f} EUR of {many(len(waiting), 'participant')}"
    )
    first = min((each.ready_at for each in going), default=None)
    since = "" if first is None else f", the first from {moment(first)} on"
    out.print(
        f"Going out     {found.set_aside / 1e6:,.2f} EUR in {many(len(going), 'withdrawal')}{since}"
    )


if __name__ == "__main__":
    run(main)
