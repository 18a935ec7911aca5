"""Campaigns on a terminal: their state, as tables and bars, and the next command."""

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from gridbourse.chain.bindings.crowdsale import EquityCampaign
from gridbourse.commands import command, next_line
from gridbourse.crowdsale.desk import Desk
from gridbourse.crowdsale.progress import Standing, standing
from gridbourse.text import moment

BAR = 24
Words = tuple[str, ...]
"""Options of the next command, which name network and area."""


def show_all(out: Console, desk: Desk, where: Words) -> None:
    """One row a campaign."""
    table = Table(title="campaigns, EUR", title_justify="left", padding=0)
    for heading in ("name", "kind", "owner"):
        table.add_column(heading, overflow="fold")
    table.add_column("phase", no_wrap=True)
    for heading in ("goal", "funded", "released", "collected", "claimed"):
        table.add_column(heading, justify="right", overflow="fold")  # no digit is cut off
    for name in desk.campaigns():
        found = standing(desk, name)
        account = found.account
        sums = (account.funded, account.released, account.collected, account.claimed)
        money = (euro(amount) for amount in (found.terms.goal, *sums))
        table.add_row(name, found.kind, found.owner, found.phase, *money)
    if table.row_count:
        out.print(table)
        out.print(_next(("status NAME", ""), where), soft_wrap=True, markup=False)
    else:
        out.print("No campaign yet.")
        first = "open NAME --point POINT --goal EUR --profit-share PERMILLE"
        out.print(_next((first, ""), where), soft_wrap=True, markup=False)


def show(out: Console, desk: Desk, name: str, where: Words) -> None:
    """Show one campaign: its progress, terms and holders."""
    found = standing(desk, name)
    account, terms = found.account, found.terms
    out.print(f"[bold]{name}[/], {found.kind}, {found.phase}; installation of {found.owner}")
    milestones = len(found.milestones)
    bars = Table.grid(padding=(0, 2))
    bars.add_row(
        "Funded",
        ProgressBar(terms.goal, min(account.funded, terms.goal), width=BAR),
        f"{euro(account.funded)} of {euro(terms.goal)} EUR, cap {euro(terms.cap)}",
    )
    bars.add_row(
        "Milestones",
        ProgressBar(max(milestones, 1), found.confirmed, width=BAR),
        f"{found.confirmed} of {milestones}, {euro(account.released)} EUR released",
    )
    out.print(bars)
    out.print(_facts(found))
    _show_holders(out, desk, name)
    say_next(out, found, where)


def say_next(out: Console, found: Standing, where: Words) -> None:
    """Print the phase of a campaign, and the next command."""
    out.print(f"Phase    {found.phase}")
    if found.next_step[0]:
        out.print(_next(found.next_step, where), soft_wrap=True, markup=False)


def what_now(found: Standing, where: Words) -> str:
    """State of a campaign and next step, in one line."""
    words, remark = found.next_step
    said = f"{found.name!r} is {found.phase}"
    if not words:
        return f"{said}, and nothing is left to do"
    return f"{said}; next: {_command(words, where)}" + (f" ({remark})" if remark else "")


def agreement(agreed: tuple[str, int]) -> str:
    """Income of investors, in words; agreed: as returned by `EquityCampaign.agreed`."""
    form, value = agreed
    if form == "profit share":
        return f"{value / 10:g} % of the export income"
    return f"a rent of {euro(value)} EUR a delivery period" if form == "rent" else "nothing yet"


def euro(amount_micro_eur: int) -> str:
    """µEUR as euros, to the last digit there is."""
    return f"{amount_micro_eur / 1e6:,.6f}".rstrip("0").rstrip(".")


def _facts(found: Standing) -> Table:
    account, terms = found.account, found.terms
    facts = Table.grid(padding=(0, 2))
    facts.add_row(
        "Funding", f"{moment(terms.start)} to {moment(terms.end)}, now {moment(found.now)}"
    )
    facts.add_row("Operates by", moment(terms.operate_by))
    if found.kind == "equity":
        facts.add_row("Agreed", agreement(found.agreed))
        facts.add_row(
            "Due",
            f"{euro(found.due)} EUR, collected {euro(account.collected)},"
            f" claimed {euro(account.claimed)}",
        )
    if found.first_period:
        last = found.first_period + terms.term_periods - 1
        facts.add_row("Term", f"periods {found.first_period} to {last}")
    return facts


def _show_holders(out: Console, desk: Desk, name: str) -> None:
    """Show the present holders of tokens; of equity with what they may claim."""
    campaign = desk.campaign(name)
    equity = campaign if isinstance(campaign, EquityCampaign) else None
    table = Table(title="holders", title_justify="left")
    table.add_column("holder")
    for heading in ("holds EUR", *(["may claim EUR"] if equity else [])):
        table.add_column(heading, justify="right")
    for address, tokens in desk.holders(campaign):
        claimable = [euro(equity.claimable(address))] if equity else []
        table.add_row(desk.name_of(address), euro(tokens), *claimable)
    if table.row_count:
        out.print(table)


def _next(step: tuple[str, str], where: Words) -> str:
    words, remark = step
    return next_line(_command(words, where), remark)


def _command(words: str, where: Words) -> str:
    return command("crowdsale", words, *where)
