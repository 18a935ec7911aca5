"""Campaigns: money for a project from many, from the first offer to the last claim.

    python -m scripts.crowdsale open roof --point P0069 --goal 12870 --profit-share 900
    python -m scripts.crowdsale fund roof 2500 --by P0002 --pay-in bank-4711
    python -m scripts.crowdsale release roof --evidence "panels ordered"
    python -m scripts.crowdsale claim roof --by P0002
    python -m scripts.crowdsale status

WHO is a metering point of the deployment, or public/NAME for a person that is none; a party with a key of
its own gives --keystore instead. `policy open` lets the public in. Amounts are euros; a share is one
millionth of a euro given. `status NAME` names the next step.
"""

import argparse
from collections.abc import Callable

from eth_utils import is_checksum_address
from web3 import Web3

from gridbourse.chain.bindings.crowdsale import KINDS
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.chain.node.transactions import Reverted
from gridbourse.crowdsale.desk import Desk
from gridbourse.crowdsale.display import what_now
from gridbourse.crowdsale.progress import standing
from scripts import command_parser, parse, run, said_again
from scripts.crowdsale_steps import STEPS
from scripts.party import add_party_options, amount, party_at

OUT_OF_TURN = (
    "WrongPhase", "NotOver", "OutsideFunding", "TimelockRunning", "NothingAgreed", "MilestoneOutOfTurn",
)  # fmt: skip
"""Errors of a step that is too early, too late or out of order."""


def main(*args: str, web3: Web3 | None = None) -> int:
    """One step on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    with party_at(options, web3) as (market, numbers, key):
        desk = Desk(market, numbers, key)
        try:
            STEPS[options.command](desk, options)
        except Reverted as refusal:
            if refusal.name in OUT_OF_TURN and getattr(options, "name", None) in desk.campaigns():
                found = standing(desk, options.name)
                raise refusal.advised(what_now(found, said_again(options))) from refusal
            raise
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("crowdsale", __doc__)
    everywhere = argparse.ArgumentParser(add_help=False)
    add_party_options(everywhere)
    steps = parser.add_subparsers(dest="command", required=True, metavar="STEP")

    def step(name: str, what: str, of_campaign: bool = True) -> argparse.ArgumentParser:
        added = steps.add_parser(name, help=what, description=what, parents=[everywhere])
        if of_campaign:
            added.add_argument("name", help="of the campaign")
        return added

    _funding_steps(step)
    for name, what in (
        ("release", "confirm the next milestone and pay it out"),
        ("built", "confirm that it is built"),
        ("operate", "confirm that it operates from the next delivery period on"),
    ):
        step(name, what).add_argument("--evidence", required=True, help="file, or words")
    step("withdraw", "take out what was released").add_argument("--by", help="the beneficiary")
    abandon = step("abandon", "give the project up; money not released goes back")
    abandon.add_argument("--evidence", required=True, help="file, or words")
    abandon.add_argument("--by", choices=("owner", "attester", "operator"), default="owner")
    step("authorise", "let an equity campaign collect, once the timelock has run")
    step("record", "prove exports of settled periods, and collect what is due")
    for name, what in (
        ("claim", "take out what shares have earned"),
        ("refund", "take money back from what failed or was abandoned"),
    ):
        step(name, what).add_argument("--by", action="append", metavar="WHO", help="again for more")
    transfer = step("transfer", "give shares to somebody else")
    transfer.add_argument("amount", type=amount, metavar="EUR")
    transfer.add_argument("--by", metavar="WHO")
    transfer.add_argument("--to", metavar="WHO", required=True, help="or an address")
    step("close", "after the term")
    _reward_steps(step)
    policy = step("policy", "let anyone hold currency, fund and hold shares, or not", False)
    policy.add_argument("state", choices=("open", "closed"))
    wait = step("wait", "move a development chain's block time forward", False)
    wait.add_argument("days", type=_natural)
    status = step("status", "all campaigns, or one and what comes next", False)
    status.add_argument("name", nargs="?")
    return parser


Step = Callable[..., argparse.ArgumentParser]


def _funding_steps(step: Step) -> None:
    for name, what in (
        ("draft", "deploy a campaign, to be agreed on"),
        ("open", "open for funding; of a new name: deploy, the owner's offer, open"),
    ):
        made = step(name, what)
        made.add_argument("--kind", choices=tuple(KINDS), default="equity")
        made.add_argument("--point", help="metering point of the property owner")
        made.add_argument("--goal", type=amount, metavar="EUR")
        made.add_argument("--cap", type=amount, metavar="EUR", help="default: the goal")
        made.add_argument("--minimum", type=amount, metavar="EUR", default=1, help="of a funder")
        made.add_argument("--maximum", type=amount, metavar="EUR", help="default: the cap")
        for key, days in (("funding", 30), ("building", 180), ("term", 7_300)):
            made.add_argument(f"--{key}-days", type=_natural, default=days, help="%(default)s")
        made.add_argument("--panel-permille", type=_natural, default=1000,
                          help="of all panels behind the meter, by power")  # fmt: skip
        made.add_argument("--beneficiary", type=_address, default=NOBODY, help="of a donation")
        if name == "open":
            _agreement_options(made)
            made.add_argument("--milestones", type=_permille, default=[1000], metavar="A,B,…",
                              help="permille of the goal; default: all at once")  # fmt: skip
    offer = step("offer", "offer a part of the income, or a rent")
    offer.add_argument("--by", metavar="WHO", required=True, help="an investor, or owner")
    _agreement_options(offer)
    for name in ("accept", "decline"):
        step(name, f"{name} an investor's offer").add_argument("offer", type=int)
    fund = step("fund", "give money")
    fund.add_argument("amount", type=amount, metavar="EUR")
    fund.add_argument("--by", metavar="WHO")
    fund.add_argument("--pay-in", metavar="REFERENCE", help="the treasurer mints it first, against"
                      " this bank deposit")  # fmt: skip
    step("conclude", "end the funding at its end, or once the cap is reached")


def _agreement_options(parser: argparse.ArgumentParser) -> None:
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--profit-share", type=_natural, metavar="PERMILLE", help="of export income")
    one.add_argument("--rent", type=amount, metavar="EUR", help="a delivery period")


def _reward_steps(step: Step) -> None:
    goods = step("goods", "list a good, before the campaign opens")
    goods.add_argument("description")
    goods.add_argument("price", type=amount, metavar="EUR")
    goods.add_argument("stock", type=_natural)
    for name, what, who in (
        ("pick", "pick vouchers for money given", "--by"),
        ("hand-over", "the owner says it handed goods over", "--to"),
        ("received", "the funder says it got them", "--by"),
    ):
        added = step(name, what)
        added.add_argument("good", type=int)
        added.add_argument("count", type=_natural)
        added.add_argument(who, metavar="WHO", required=who == "--to")


def _natural(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 1 << 32):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _permille(text: str) -> list[int]:
    return [_natural(part) for part in text.split(",")]


def _address(text: str) -> str:
    if not is_checksum_address(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no checksum address")
    return text


if __name__ == "__main__":
    run(main)
