"""Offer a community's demand response to the balancing market: bids accepted, and members' earnings.

    python -m scripts.balance scenarios/corby/balancing

The folder holds terms.toml, prices.csv, offers.csv and deliveries.csv; see scenarios/README.md.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.scenario.balancing import Balancing, read_balancing
from gridbourse.scheduling.external_balancing import (
    BidTooSmall,
    Proceeds,
    accepted,
    proceeds,
    qualify,
)
from scripts import command_parser, parse, run

PER_EUR = 1_000_000


def main(*args: str, web3: Web3 | None = None) -> None:
    """Entry of ``python -m scripts.balance``; asks no chain."""
    parser = command_parser("balance", __doc__)
    parser.add_argument("folder", type=Path, help="folder of terms, prices, offers, deliveries")
    balancing = read_balancing(parse(parser, args).folder)
    console = Console(highlight=False)
    bids = Table("bid", "time", "area", "way", "MW", "asks", "market", "what becomes of it")
    for column in bids.columns[4:7]:
        column.justify = "right"
    sold = [found for bid in balancing.bids if (found := _offer(balancing, bid.name, bids))]
    for refused in balancing.refused:
        bids.add_row(refused.name, "", "", "", "", "", "", f"refused: {refused.reason}")
    console.print(bids)
    for found in sold:
        console.print(_shares(balancing, found))


def _offer(balancing: Balancing, name: str, table: Table) -> Proceeds | None:
    """Row of one bid; its proceeds where the market takes it."""
    bid = next(bid for bid in balancing.bids if bid.name == name)
    mtu, price = balancing.mtu, balancing.prices[bid.period, bid.area, bid.direction]
    found, left_out = None, ""
    try:
        qualified = qualify(bid, balancing.product, mtu)
    except BidTooSmall as error:
        outcome = f"refused: {str(error).removeprefix(f'bid {name}: ')}"
    else:
        bid = qualified.bid
        if qualified.left_out:
            sites = (f"{site} ({watts / 1e6:.3f} MW)" for site, watts in qualified.left_out.items())
            left_out = f"; left out, too small: {', '.join(sites)}"
        outcome = "not taken: asks more than the market pays"
        if accepted(bid, price):
            answers = balancing.responses.get(name, {})
            found = proceeds(bid, balancing.product, mtu, price, answers, balancing.terms)
            outcome = f"{found.delivered_wh / bid.wh:.1%} of {bid.wh:,} Wh delivered"
    table.add_row(
        name,
        f"{mtu.start(bid.period):%F %RZ}",
        bid.area,
        bid.direction.name.lower(),
        f"{bid.wh / mtu.hours / 1e6:.3f}",
        f"{bid.price_micro_eur_per_mwh / PER_EUR:.2f}",
        f"{price / PER_EUR:.2f}",
        outcome + left_out,
    )
    return found


def _shares(balancing: Balancing, found: Proceeds) -> Table:
    terms = balancing.terms
    title = f"{found.bid.name}: shared by {terms.sharing.value}, EUR"
    table = Table(title=title, title_justify="left")
    table.add_column("member", no_wrap=True)
    for heading in ("delivered Wh", "missing Wh", "pay", "penalty", "gets"):
        table.add_column(heading, justify="right")
    for share in found.shares:
        table.add_row(
            share.member,
            f"{share.delivered_wh:,}",
            f"{share.missing_wh:,}",
            *(_eur(m) for m in (share.pay_micro_eur, share.penalty_micro_eur, share.net_micro_eur)),
        )
    table.add_section()
    table.add_row(terms.account, "", "", "", "", _eur(found.account_micro_eur))
    amounts = (found.pay_micro_eur, found.penalty_micro_eur, found.net_micro_eur)
    table.add_row("system operator pays", f"{found.delivered_wh:,}", "", *map(_eur, amounts))
    return table


def _eur(micro_eur: int) -> str:
    return f"{micro_eur / PER_EUR:,.6f}"


if __name__ == "__main__":
    run(main)
