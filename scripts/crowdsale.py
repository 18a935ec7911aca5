"""Campaigns: money for a project from many, from the first offer to the last claim.

    python -m scripts.crowdsale open roof --point P0069 --goal 12870 --profit-share 900
    python -m scripts.crowdsale fund roof 2500 --by P0002 --pay-in bank-4711
    python -m scripts.crowdsale release roof --evidence "panels ordered"
    python -m scripts.crowdsale claim roof --by P0002
    python -m scripts.crowdsale status

WHO is a metering point of the deployment, or public/NAME for somebody who is none; who has a key of
its own gives --keystore instead. `policy open` lets the public in. Amounts are euros; a share is one
millionth of a euro given. `status NAME` says what comes next.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from eth_account.signers.local import LocalAccount
from eth_utils import is_checksum_address, keccak
from rich.console import Console
from web3 import Web3

import scripts
from gridbourse.chain.connect import let_time_pass
from gridbourse.chain.crowdsale import (
    KINDS,
    NOBODY,
    PURPOSES,
    Campaign,
    EquityCampaign,
    RewardCampaign,
    authorise,
    set_open,
)
from gridbourse.crowdsale import showing
from gridbourse.crowdsale.desk import DAY_S, Desk, micro_eur, shares_of
from gridbourse.crowdsale.errors import CrowdsaleError
from gridbourse.crowdsale.showing import agreement, euro, time
from gridbourse.crowdsale.standing import standing
from gridbourse.metering.points import read_numbers
from gridbourse.onboarding.keystores import Keystores, find_password
from oracle.corrections import read_history
from oracle.export_income import attest_premiums, record_exports
from scripts import mapping_path, on_record, parse, run

Options = argparse.Namespace
OUT = Console(highlight=False)


def main(*args: str, web3: Web3 | None = None) -> int:
    """One step on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    mapping = options.participants or mapping_path(options.network)
    numbers = read_numbers(mapping) if mapping.exists() else {}
    with on_record(options.network, web3) as market:
        desk = Desk(market, numbers, _key(options))
        _STEPS[options.command](desk, options)
    return 0


def _key(options: Options) -> LocalAccount | None:
    """The acting party's own key, out of its keystore."""
    if options.keystore is None:
        return None
    password = find_password(options.password_file)
    return Keystores(options.keystore.parent).unlock(options.keystore.stem, password)


# --- what is agreed, and the funding ---------------------------------------------------------------


def _draft(desk: Desk, options: Options) -> None:
    _made(desk, options)
    _say_next(desk, options)


def _made(desk: Desk, options: Options) -> Campaign:
    """Deploy by the terms of the command line and keep the record, which has it from now on."""
    if options.point is None or options.goal is None:
        raise CrowdsaleError(
            f"{options.name!r} is not there yet: a new campaign needs --point and --goal"
        )
    campaign = desk.draft(
        options.name,
        options.kind,
        options.point,
        goal=options.goal,
        cap=options.cap,
        minimum=options.minimum,
        maximum=options.maximum,
        funding_days=options.funding_days,
        building_days=options.building_days,
        term_days=options.term_days,
        panel_permille=options.panel_permille,
        beneficiary=options.beneficiary,
    )
    desk.market.record.save(scripts.record_path(options.network))
    OUT.print(f"{options.kind} campaign {options.name!r} at {campaign.address}")
    return campaign


def _open(desk: Desk, options: Options) -> None:
    """Of a new name, all in one: draft, the owner's offer, open."""
    there = desk.campaigns().get(options.name)
    agreed = _agreement(options)
    campaign = _made(desk, options) if there is None else there
    if agreed is not None:
        if not isinstance(campaign, EquityCampaign):
            raise CrowdsaleError(f"{options.name!r}: only an equity campaign has a share or a rent")
        campaign.offer(desk.owner(campaign), *agreed)
    campaign.open(desk.owner(campaign), shares_of(campaign.terms().goal, options.milestones))
    _say_next(desk, options)


def _agreement(options: Options) -> tuple[str, int] | None:
    if options.profit_share is not None:
        return "profit share", options.profit_share
    return None if options.rent is None else ("rent", options.rent)


def _offer(desk: Desk, options: Options) -> None:
    agreed = _agreement(options)
    if agreed is None:
        raise CrowdsaleError("an offer is a --profit-share or a --rent")
    campaign = desk.of_kind(options.name, EquityCampaign)
    by = desk.owner(campaign) if options.by == "owner" else desk.party(options.by)
    OUT.print(f"offer {campaign.offer(by, *agreed)}: {agreement(agreed)}")
    _say_next(desk, options)


def _accept(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, EquityCampaign)
    campaign.accept(desk.owner(campaign), options.offer)
    OUT.print(f"agreed: {agreement(campaign.agreed())}")
    _say_next(desk, options)


def _decline(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, EquityCampaign)
    campaign.decline(desk.owner(campaign), options.offer)
    OUT.print(f"offer {options.offer} is declined")


def _fund(desk: Desk, options: Options) -> None:
    campaign, by = desk.campaign(options.name), desk.party(options.by)
    if options.pay_in is not None:
        desk.pay_in(by, options.amount, options.pay_in)
    campaign.fund(by, options.amount)
    _say_next(desk, options)


def _conclude(desk: Desk, options: Options) -> None:
    OUT.print(desk.campaign(options.name).conclude(desk.market.keys["operator"]))
    _say_next(desk, options)


# --- building --------------------------------------------------------------------------------------


def _release(desk: Desk, options: Options) -> None:
    """The attester confirms the next milestone; the owner takes out what it releases."""
    campaign = desk.campaign(options.name)
    attester, milestone = desk.market.keys["attester"], campaign.read("confirmed")
    campaign.confirm_milestone(attester, milestone, _hash(options))
    account = campaign.account()
    free = account.released - account.withdrawn
    owner = campaign.read("owner")
    if campaign.read("beneficiary") == owner:
        campaign.withdraw(desk.owner(campaign))
        OUT.print(f"milestone {milestone + 1}: {euro(free)} EUR to the owner")
    else:
        OUT.print(f"milestone {milestone + 1}: {euro(free)} EUR wait for the beneficiary")
    _say_next(desk, options)


def _withdraw(desk: Desk, options: Options) -> None:
    campaign = desk.campaign(options.name)
    campaign.withdraw(
        desk.party(options.by) if options.by or options.keystore else desk.owner(campaign)
    )
    _say_next(desk, options)


def _built(desk: Desk, options: Options) -> None:
    desk.campaign(options.name).confirm_built(desk.market.keys["attester"], _hash(options))
    _say_next(desk, options)


def _operate(desk: Desk, options: Options) -> None:
    first = desk.campaign(options.name).start_operating(
        desk.market.keys["attester"], _hash(options)
    )
    OUT.print(f"operates from period {first} on")
    _say_next(desk, options)


def _abandon(desk: Desk, options: Options) -> None:
    campaign = desk.campaign(options.name)
    by = desk.owner(campaign) if options.by == "owner" else desk.market.keys[options.by]
    campaign.abandon(by, _hash(options))
    _say_next(desk, options)


# --- what it earns ---------------------------------------------------------------------------------


def _authorise(desk: Desk, options: Options) -> None:
    authorise(desk.market, desk.of_kind(options.name, EquityCampaign))
    _say_next(desk, options)


def _record(desk: Desk, options: Options) -> None:
    """Prove exports, state premiums, collect what is due."""
    campaign = desk.of_kind(options.name, EquityCampaign)
    operator, rebuilt = desk.market.keys["operator"], read_history(desk.market).rebuilt
    periods = record_exports(desk.market, rebuilt, campaign, operator)
    premiums = attest_premiums(desk.market, rebuilt, campaign)
    OUT.print(f"{periods} periods recorded, {euro(premiums)} EUR paid above feed-in")
    OUT.print(f"{euro(campaign.collect(operator))} EUR collected from the owner's account")
    _say_next(desk, options)


def _claim(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, EquityCampaign)
    for who in options.by or [None]:
        OUT.print(f"{who or 'claimed'}: {euro(campaign.claim(desk.party(who)))} EUR")


def _refund(desk: Desk, options: Options) -> None:
    campaign = desk.campaign(options.name)
    for who in options.by or [None]:
        party = desk.party(who)
        due = campaign.read("refundOf", party.address)
        campaign.refund(party)
        OUT.print(f"{who or 'refunded'}: {euro(due)} EUR")


def _transfer(desk: Desk, options: Options) -> None:
    to = desk.party_address(options.to)
    desk.campaign(options.name).transfer(desk.party(options.by), to, options.amount)
    OUT.print(f"{options.amount:,} shares to {options.to}")


def _close(desk: Desk, options: Options) -> None:
    desk.campaign(options.name).close(desk.market.keys["operator"])
    _say_next(desk, options)


# --- rewards ---------------------------------------------------------------------------------------


def _goods(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, RewardCampaign)
    description = keccak(text=options.description)
    good = campaign.list_good(desk.owner(campaign), description, options.price, options.stock)
    OUT.print(f"good {good}: {options.description}, {options.stock} at {euro(options.price)} EUR")


def _pick(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, RewardCampaign)
    campaign.pick(desk.party(options.by), options.good, options.count)
    OUT.print(f"{options.count} of good {options.good} picked")


def _hand_over(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, RewardCampaign)
    to = desk.party_address(options.to)
    campaign.hand_over(desk.owner(campaign), to, options.good, options.count)
    OUT.print(f"the owner says: {options.count} of good {options.good} handed over")


def _received(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, RewardCampaign)
    campaign.confirm_receipt(desk.party(options.by), options.good, options.count)
    OUT.print(f"the funder says: {options.count} of good {options.good} received")


# --- for all of them -------------------------------------------------------------------------------


def _policy(desk: Desk, options: Options) -> None:
    for purpose in PURPOSES:
        set_open(desk.market, purpose, options.state == "open")
    OUT.print(
        f"{', '.join(PURPOSES)}: {options.state} to anyone; markets are for participants alone"
    )


def _wait(desk: Desk, options: Options) -> None:
    let_time_pass(desk.market.chain.w3, options.days * DAY_S)
    OUT.print(f"block time is {time(desk.block_time())}")


def _status(desk: Desk, options: Options) -> None:
    if options.name is None:
        showing.show_all(OUT, desk, options.network)
    else:
        showing.show(OUT, desk, options.name, options.network)


def _say_next(desk: Desk, options: Options) -> None:
    showing.say_next(OUT, standing(desk, options.name), options.network)


def _hash(options: Options) -> bytes:
    """Of a file where there is one of that name, else of the words themselves."""
    path = Path(options.evidence)
    return keccak(path.read_bytes()) if path.is_file() else keccak(text=options.evidence)


_STEPS: dict[str, Callable[[Desk, Options], None]] = {
    "draft": _draft, "offer": _offer, "accept": _accept, "decline": _decline, "open": _open,
    "fund": _fund, "conclude": _conclude, "release": _release, "withdraw": _withdraw,
    "built": _built, "operate": _operate, "abandon": _abandon, "authorise": _authorise,
    "record": _record, "claim": _claim, "refund": _refund, "transfer": _transfer,
    "close": _close, "goods": _goods, "pick": _pick, "hand-over": _hand_over,
    "received": _received, "policy": _policy, "wait": _wait, "status": _status,
}  # fmt: skip


# --- the command line ------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.crowdsale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--network", default="devnet", help="devnet or an RPC address")
    parser.add_argument("--participants", type=Path, help="CSV: point_id, number; default: beside"
                        " the deployment record")  # fmt: skip
    parser.add_argument("--keystore", type=Path, help="key of who acts, in its keyring key's place")
    parser.add_argument("--password-file", type=Path, help="of the keystore; else from the"
                        " environment")  # fmt: skip
    steps = parser.add_subparsers(dest="command", required=True, metavar="STEP")

    def step(name: str, what: str, of_campaign: bool = True) -> argparse.ArgumentParser:
        added = steps.add_parser(name, help=what, description=what)
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
    transfer.add_argument("amount", type=_amount, metavar="EUR")
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
        made.add_argument("--goal", type=_amount, metavar="EUR")
        made.add_argument("--cap", type=_amount, metavar="EUR", help="default: the goal")
        made.add_argument("--minimum", type=_amount, metavar="EUR", default=1, help="of a funder")
        made.add_argument("--maximum", type=_amount, metavar="EUR", help="default: the cap")
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
    fund.add_argument("amount", type=_amount, metavar="EUR")
    fund.add_argument("--by", metavar="WHO")
    fund.add_argument("--pay-in", metavar="REFERENCE", help="the treasurer mints it first, against"
                      " this bank deposit")  # fmt: skip
    step("conclude", "end the funding at its end, or once the cap is reached")


def _agreement_options(parser: argparse.ArgumentParser) -> None:
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--profit-share", type=_natural, metavar="PERMILLE", help="of export income")
    one.add_argument("--rent", type=_amount, metavar="EUR", help="a delivery period")


def _reward_steps(step: Step) -> None:
    goods = step("goods", "list a good, before the campaign opens")
    goods.add_argument("description")
    goods.add_argument("price", type=_amount, metavar="EUR")
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


def _amount(text: str) -> int:
    try:
        return micro_eur(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


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
