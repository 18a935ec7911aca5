"""Settle every period that is due, and print where each euro and each watt-hour went.

    python -m scripts.settle --network devnet

Anyone may: the contracts decide what is due and what it comes to. Flexibility on declared schedules is
verified, which mints its tokens; those whose keys are here are redeemed. What waits for the verifier waits.
What was verified on a reading that was replaced or corrected since is reviewed.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from eth_account.signers.local import LocalAccount
from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.audit.flexibility.market import FlexibilityMarket
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.statement import Statement, statement
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.node.transactions import Reverted
from gridbourse.chain.operations.market_areas import each_area, in_area
from gridbourse.chain.operations.market_state import due
from gridbourse.chain.operations.period_end import finish
from gridbourse.chain.operations.withdrawals import pay_waiting
from gridbourse.deployment.participants import account_name
from gridbourse.errors import GridbourseError
from gridbourse.grid.network import Network
from gridbourse.index.history import indexed, read_history
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT
from gridbourse.report import formatting as words
from gridbourse.scenario.areas import load_areas
from gridbourse.scenario.scenario import Scenario
from gridbourse.text import many
from oracle.claims.curtailment import claim
from oracle.verifier.reviews import book_reviews
from scripts import area_option, command_parser, numbers_in, on_record, parse, run
from scripts.correct import show_reviews

PARTIES = ("dso", "tso", "supplier", "operator")
TOKENS_A_CALL = 100
ENERGY = {
    "metered_out": "fed in at the meters",
    "metered_into": "drawn at the meters",
    "traded": "traded between participants",
    "flexibility_up": "flexibility delivered up",
    "flexibility_down": "flexibility delivered down",
    "from_supplier": "beyond contracts, from the supplier",
    "to_supplier": "beyond contracts, to the supplier",
    "unpaid": "fed in beyond a cap, not paid for",
    "compensated": "held back by a cap, compensated",
    "losses": "lost in the grid",
}


def main(*args: str, web3: Web3 | None = None) -> int:
    """Settle on `web3` when given, else on the network the arguments name."""
    parser = command_parser("settle", __doc__)
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    area_option(parser, "all of them, one after the other")
    options = parse(parser, args)
    with on_record(options.network, web3) as market:
        areas = each_area(market) if options.area is None else [in_area(market, options.area)]
        return max([_settle_area(area, options.network, len(areas) > 1) for area in areas])


def _settle_area(market: Market, network: str, is_named: bool) -> int:
    """One area after the other: none waits for another's books, readings or DSO."""
    points = numbers_in(market, network)
    if is_named:
        print(f"Area {market.area_name}")
    return settle(market, points)


def settle(market: Market, points: Iterable[str]) -> int:
    """0 when all that was due in the market's area is settled, 1 when the contracts refused some of it.

    points: metering points of participants, whose tokens are redeemed where their keys are here.
    """
    out = Console()
    table = Table(title="settled", title_justify="left")
    for heading in ("period", "to supplier EUR", "to DSO EUR", "refused because"):
        table.add_column(heading, justify="left" if "refused" in heading else "right")
    settled, refused = [], 0
    operator = market.keys["operator"]
    for period in due(market):
        before = _balances(market)
        reason = _settle_period(market, operator, period)
        refused += bool(reason)
        settled += [] if reason else [period]
        supplier, dso = (
            (after - before) / 1e6 for before, after in zip(before, _balances(market), strict=True)
        )
        table.add_row(str(period), f"{supplier:,.6f}", f"{dso:,.6f}", reason)
    out.print(table if table.row_count else "Nothing is due.")
    _follow_readings(out, market)
    if settled:
        _show(out, market, read_history(market, settled).rebuilt, settled)
    _pay_waiting(out, market, operator)
    _redeem(out, market, points)
    return 1 if refused else 0


def _balances(market: Market) -> tuple[int, int]:
    """Free money of the supplier and of the area's DSO, µEUR."""
    supplier, dso = (
        market.house.read("balanceOf", who) for who in (SUPPLIER_ACCOUNT, market.dso_account)
    )
    return supplier, dso


def _follow_readings(out: Console, market: Market) -> None:
    """Book what settled readings make due besides: compensation of caps, reviews of flexibility."""
    operator = market.keys["operator"]
    with indexed(market) as index:
        if market.compensation is not None:
            periods = index.due("compensation", market.area, ("Settlement",))
            if periods:
                waiting = _compensate(
                    out, market, index.history(periods).rebuilt, operator, periods
                )
                index.done("compensation", market.area, waiting)
        if market.flexibility_market is not None:
            periods = index.due("review", market.area, ("Settlement", "FlexibilityDelivery"))
            if periods:
                rebuilt = index.history(periods).rebuilt
                show_reviews(book_reviews(market, rebuilt, operator, periods))
                index.done("review", market.area)


def _compensate(
    out: Console, market: Market, rebuilt: Rebuilt, operator: LocalAccount, periods: list[int]
) -> set[int]:
    """Claim what caps held back in settled periods; those for which there is no money yet."""
    claims = claim(market, rebuilt, operator, periods)
    for found, what in ((claims.paid, "paid"), (claims.waiting, "waiting for money")):
        if found:
            wh, amount = (sum(of) for of in zip(*((c[2], c[3]) for c in found), strict=True))
            out.print(f"curtailment: {wh:,} Wh held back, {amount / 1e6:,.6f} EUR {what}")
    return {each.period for each in claims.waiting}


def _settle_period(market: Market, by: LocalAccount, period: int) -> str:
    """Bring one period to its end; why not, when the contracts refuse.

    Readings that are missing get their deadline, and are estimated once it has passed.
    """
    try:
        finish(market, by, period)
    except Reverted as error:
        if error.name == "ReadingMissing" and error.values["deadline"] == 0:
            market.settlement.write(by, "await", "awaitReadings", market.area, period)
            if market.flexibility_market and market.flexibility.market.requests(period):
                market.flexibility.await_verification(by, period)
            return f"{error}; from now on awaited, and estimated once the deadline has passed"
        return str(error)
    except GridbourseError as error:
        return str(error)
    return ""


def _pay_waiting(out: Console, market: Market, by: LocalAccount) -> None:
    """Pay the credits that wait as far as the supplier's money reaches, and print what is left of them."""
    paid = pay_waiting(market, by)
    left = market.house.read("waitingMicroEur")
    if paid:
        of_all, where = sum(paid.values()) / 1e6, many(len(paid), "account")
        out.print(f"{of_all:,.6f} EUR that waited are in {where}.")
    if left:
        out.print(f"{left / 1e6:,.6f} EUR of credits wait until the supplier pays in.")


# --- where it went -------------------------------------------------------------------------------


def _show(out: Console, market: Market, rebuilt: Rebuilt, periods: Sequence[int]) -> None:
    """Payments by who, to whom, what for; energy by what became of it."""
    found = [statement(rebuilt, market.area, period) for period in periods]
    money = Table(title="where each euro went", title_justify="left")
    for heading in ("for", "from", "to", "EUR"):
        money.add_column(heading, justify="right" if heading == "EUR" else "left")
    for payer, payee, kind, amount in _flows(found):
        names = (words.name(kind), words.name(payer), words.name(payee))
        money.add_row(*names, f"{amount / 1e6:,.6f}")
    energy = Table(title="where each watt-hour went", title_justify="left")
    energy.add_column("energy")
    energy.add_column("Wh", justify="right")
    sums = {name: sum(each.energy_wh[name] for each in found) for name in found[0].energy_wh}
    sums |= (
        {"losses": losses} if (losses := _losses_wh(market, rebuilt, periods)) is not None else {}
    )
    for name, wh in sums.items():
        energy.add_row(ENERGY[name], f"{wh:,}")
    out.print(money)
    out.print(energy)


def _flows(found: Sequence[Statement]) -> list[tuple[str, str, str, int]]:
    flows = pd.concat([each.flows for each in found], ignore_index=True)
    summed = flows.groupby(["payer", "payee", "kind"], sort=False)["micro_eur"].sum()
    return [(*way, int(amount)) for way, amount in summed.items()]  # type: ignore[misc]


def _losses_wh(market: Market, rebuilt: Rebuilt, periods: Sequence[int]) -> int | None:
    """By power flow on the readings; None where the scenario is not at hand, or not all are metered."""
    about = market.record.scenario
    try:
        scenario = [*load_areas(Path(about["file"]), about["overrides"])][market.area]
    except (GridbourseError, KeyError, IndexError):
        return None
    points = scenario.points
    numbers = rebuilt.members.numbers_in(market.area)
    if not points["participant"].all() or len(points) != len(numbers):
        return None
    network = Network.load(scenario.grid_file, points)
    return sum(_lost(scenario, network, rebuilt, numbers, period) for period in periods)


def _lost(
    scenario: Scenario, network: Network, rebuilt: Rebuilt, numbers: list[int], period: int
) -> int:
    readings = [rebuilt.metering.reading(period, who) or 0 for who in numbers]
    flow = network.run(
        np.array([readings]) / scenario.mtu.hours, scenario.reactive_var(period)[None]
    )
    return round(float(flow.losses_w[0]) * scenario.mtu.hours)


# --- tokens --------------------------------------------------------------------------------------


def _redeem(out: Console, market: Market, points: Iterable[str]) -> None:
    """Everybody whose key is here redeems what it holds."""
    if market.flexibility_market is None:
        return
    names = {name: name for name in PARTIES} | {account_name(point): point for point in points}
    holders = {market.keys[key].address.lower(): key for key in names}
    with indexed(market) as index:
        periods = index.due("redemption", market.area, ("FlexibilityDelivery", "FlexibilityToken"))
        if not periods:
            return
        tokens = index.history(periods).rebuilt.flexibility
        assert tokens is not None, "the record has a flexibility market"
        _redeem_held(out, market, tokens, names, holders)
        index.done("redemption", market.area)


def _redeem_held(
    out: Console,
    market: Market,
    tokens: FlexibilityMarket,
    names: Mapping[str, str],
    holders: Mapping[str, str],
) -> None:
    """Redeem what holders hold of the tokens; a row for each."""
    held: dict[str, list[int]] = {}
    for (token, address), wh in tokens.tokens.wh.items():
        if wh and address in holders:
            held.setdefault(address, []).append(token)
    table = Table(title="tokens redeemed", title_justify="left")
    for heading in ("holder", "tokens", "Wh", "EUR"):
        table.add_column(heading, justify="left" if heading == "holder" else "right")
    for address, mine in held.items():
        key = holders[address]
        for start in range(0, len(mine), TOKENS_A_CALL):
            page = mine[start : start + TOKENS_A_CALL]
            market.flexibility.token.redeem(market.keys[key], page)
        wh, claim = (
            sum(of[token, address] for token in mine)
            for of in (tokens.tokens.wh, tokens.tokens.claims)
        )
        table.add_row(names[key], str(len(mine)), f"{wh:,}", f"{claim / 1e6:,.6f}")
    if table.row_count:
        out.print(table)


if __name__ == "__main__":
    run(main)
