"""Take money out of the clearing house: set it aside, and have it paid after the dispute window.

    python -m scripts.withdraw announce 12.50 --by P0002
    python -m scripts.withdraw status
    python -m scripts.withdraw finish
    python -m scripts.withdraw cancel 3 --by P0002

WHO is a metering point of the deployment, or dso, supplier, operator, rounding, spread or tso for a
house account; a party with a key of its own gives --keystore instead of its point's. Money set
aside has left the account; debts of the account when the window is over are paid from it first. From
a house account only money can go out that is not needed to cover what participants owe. `pay-waiting` brings
credits that wait into their accounts as far as the supplier's money reaches.
"""

import argparse
from collections.abc import Callable, Mapping

from eth_account.signers.local import LocalAccount
from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.operations import withdrawals
from gridbourse.chain.operations.withdrawals import Withdrawal
from gridbourse.commands import command, next_line, quoted
from gridbourse.crowdsale.desk import Desk
from gridbourse.crowdsale.display import euro
from gridbourse.model.house_accounts import (
    OPERATOR_ACCOUNT,
    ROUNDING_ACCOUNT,
    SPREAD_ACCOUNT,
    SUPPLIER_ACCOUNT,
    TSO_ACCOUNT,
    is_participant,
)
from gridbourse.text import moment
from scripts import command_parser, parse, run, said_again
from scripts.party import add_party_options, amount, party_at

HOUSE = {
    "supplier": SUPPLIER_ACCOUNT, "operator": OPERATOR_ACCOUNT, "rounding": ROUNDING_ACCOUNT,
    "spread": SPREAD_ACCOUNT, "tso": TSO_ACCOUNT,
}  # fmt: skip
"""House account by name; besides these, dso is that of the area's DSO."""
OPERATORS = ("rounding", "spread")
"""Accounts from which the operator withdraws."""
Options = argparse.Namespace


class Counter:
    """Deployed market, with the steps at it."""

    def __init__(
        self, market: Market, numbers: Mapping[str, tuple[int, ...]], key: LocalAccount | None
    ) -> None:
        self.market, self._key = market, key
        self._desk = Desk(market, numbers, key)
        self._house = HOUSE | {"dso": market.dso_account}
        self._names = {account: name for name, account in self._house.items()}
        self._names |= {found[-1]: point for point, found in numbers.items()}

    def account(self, who: str | None) -> int:
        """Account number of WHO, or of the key given."""
        if who in self._house:
            return self._house[who]
        if who is not None:
            return self._desk.number_of(who)
        number: int = self.market.registry.read("numberOf", self._desk.party(None).address)
        return number

    def key(self, who: str | None) -> LocalAccount:
        """Key with which WHO signs."""
        if self._key is None and who in self._house:
            return self.market.keys["operator" if who in OPERATORS else who]
        return self._desk.party(who)

    def name(self, account: int) -> str:
        """Name of the account's holder."""
        return self._names.get(account, f"participant {account}")

    def now(self) -> int:
        """Block time, unix seconds."""
        return self._desk.block_time()


def main(*args: str, web3: Web3 | None = None) -> int:
    """One step on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    with party_at(options, web3) as (market, numbers, key):
        STEPS[options.command](Counter(market, numbers, key), options)
    return 0


def _announce(counter: Counter, options: Options) -> None:
    account = counter.account(options.by)
    key, micro_eur = counter.key(options.by), options.amount
    number = withdrawals.announce(counter.market, key, account, micro_eur)
    out = Console(highlight=False)
    left = [each for each in withdrawals.under_way(counter.market) if each.number == number]
    if not left:
        out.print(f"{euro(micro_eur)} EUR paid to {key.address}: this market has no dispute window")
        return
    [found] = left
    out.print(
        f"withdrawal {number}: {euro(micro_eur)} EUR set aside, paid from {moment(found.ready_at)} on"
    )
    _say_next(out, f"finish {number}", options, f"anyone, from {moment(found.ready_at)} on")
    _say_next(out, f"cancel {number}{_by(options)}", options, "its holder, before that")


def _finish(counter: Counter, options: Options) -> None:
    out, now, operator = Console(highlight=False), counter.now(), counter.market.keys["operator"]
    there = {each.number: each for each in withdrawals.under_way(counter.market)}
    chosen = options.number or [n for n, each in there.items() if each.ready_at <= now]
    for number in chosen:
        done = withdrawals.finish(counter.market, operator, number)
        whose = counter.name(there[number].account) if number in there else "?"
        kept = f", {euro(done.kept)} EUR kept for what it owed" if done.kept else ""
        out.print(f"withdrawal {number}: {euro(done.paid)} EUR paid to {whose}{kept}")
    if not chosen:
        out.print("No withdrawal is due.")
    waiting = [each for number, each in there.items() if number not in chosen]
    if waiting:
        _say_first(out, waiting, options)


def _cancel(counter: Counter, options: Options) -> None:
    out = Console(highlight=False)
    there = {each.number: each for each in withdrawals.under_way(counter.market)}
    withdrawals.cancel(counter.market, counter.key(options.by), options.number)
    back = euro(there[options.number].micro_eur)
    out.print(f"withdrawal {options.number}: {back} EUR back in its account")


def _pay_waiting(counter: Counter, options: Options) -> None:
    out = Console(highlight=False)
    paid = withdrawals.pay_waiting(counter.market, counter.market.keys["operator"])
    for account, credit in paid.items():
        out.print(f"{counter.name(account)}: {euro(credit)} EUR")
    left = counter.market.house.read("waitingMicroEur")
    if left:
        out.print(f"{euro(left)} EUR wait until the supplier pays in")
    elif not paid:
        out.print("No credit waits.")


def _status(counter: Counter, options: Options) -> None:
    """Show withdrawals under way, of one account or of all, and what an account could take out."""
    out = Console(highlight=False)
    found = withdrawals.under_way(counter.market)
    if options.by is not None or options.keystore is not None:
        account = counter.account(options.by)
        found = [each for each in found if each.account == account]
        house = counter.market.house
        out.print(f"{counter.name(account)}")
        out.print(f"Free     {euro(house.read('balanceOf', account))} EUR")
        out.print(f"May go   {euro(withdrawals.may_leave(counter.market, account))} EUR")
        if is_participant(account) and (credit := house.read("waitingOf", account)):
            out.print(f"Waits    {euro(credit)} EUR, until the supplier pays in")
    table = Table(title="withdrawals under way", title_justify="left")
    for heading in ("number", "account", "EUR", "paid from"):
        table.add_column(heading, justify="right" if heading in ("number", "EUR") else "left")
    for each in found:
        table.add_row(
            str(each.number),
            counter.name(each.account),
            euro(each.micro_eur),
            moment(each.ready_at),
        )
    out.print(table if found else "No withdrawal is under way.")
    if any(each.ready_at <= counter.now() for each in found):
        _say_next(out, "finish", options, "anyone")
    elif found:
        _say_first(out, found, options)


def _by(options: Options) -> str:
    """Option of the acting party, as on the command line."""
    if options.keystore is not None:
        return f" --keystore {quoted(options.keystore)}"
    return f" --by {quoted(options.by)}"


def _say_first(out: Console, waiting: list[Withdrawal], options: Options) -> None:
    first = min(waiting, key=lambda each: each.ready_at)
    _say_next(out, f"finish {first.number}", options, f"anyone, from {moment(first.ready_at)} on")


def _say_next(out: Console, step: str, options: Options, remark: str) -> None:
    out.print(next_line(command("withdraw", step, *said_again(options)), remark), soft_wrap=True)


STEPS: dict[str, Callable[[Counter, Options], None]] = {
    "announce": _announce,
    "finish": _finish,
    "cancel": _cancel,
    "pay-waiting": _pay_waiting,
    "status": _status,
}


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("withdraw", __doc__)
    everywhere = argparse.ArgumentParser(add_help=False)
    add_party_options(everywhere)
    everywhere.add_argument("--by", metavar="WHO", help="whose account; a point or a house account")
    steps = parser.add_subparsers(dest="command", required=True, metavar="STEP")

    def step(name: str, what: str) -> argparse.ArgumentParser:
        return steps.add_parser(name, help=what, description=what, parents=[everywhere])

    step("announce", "set money aside; it is paid after the dispute window").add_argument(
        "amount", type=amount, metavar="EUR"
    )
    step("finish", "pay what is due: those named, or every one whose window is over").add_argument(
        "number", type=int, nargs="*"
    )
    step("cancel", "put the money back into its account").add_argument("number", type=int)
    step("pay-waiting", "pay credits that wait, as far as the supplier's money reaches")
    step("status", "withdrawals under way, of all or of one account")
    return parser


if __name__ == "__main__":
    run(main)
