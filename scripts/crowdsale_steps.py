"""Steps of `scripts.crowdsale`: at a desk, by the options of the command line."""

import argparse
from collections.abc import Callable
from pathlib import Path

from eth_utils import keccak
from rich.console import Console

import scripts
from gridbourse.chain.bindings.crowdsale import (
    KINDS,
    PURPOSES,
    Campaign,
    EquityCampaign,
    RewardCampaign,
)
from gridbourse.chain.deployment.crowdsale import authorise, set_open
from gridbourse.chain.node.connect import let_time_pass
from gridbourse.chain.operations.withdrawals import finish_due, under_way
from gridbourse.crowdsale import display as showing
from gridbourse.crowdsale.desk import DAY_S, Desk, shares_of
from gridbourse.crowdsale.display import agreement, euro
from gridbourse.crowdsale.errors import CrowdsaleError
from gridbourse.crowdsale.progress import standing
from gridbourse.index.history import indexed
from gridbourse.text import many, moment
from oracle.claims.export_income import attest_premiums, record_exports

Options = argparse.Namespace
OUT = Console(highlight=False)


# --- what is agreed, and the funding ---------------------------------------------------------------


def _draft(desk: Desk, options: Options) -> None:
    _made(desk, options)
    _say_next(desk, options)


def _made(desk: Desk, options: Options) -> Campaign:
    """Deploy by the terms of the command line and save the record, which now includes it."""
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
    """Deploy under a new name, make the owner's offer, and open, in one step."""
    campaign = desk.campaigns().get(options.name)
    agreed = _agreement(options)
    kind = KINDS[options.kind] if campaign is None else type(campaign)
    if agreed is not None and kind is not EquityCampaign:
        raise CrowdsaleError(f"{options.name!r}: only an equity campaign has a share or a rent")
    goal = options.goal if campaign is None else campaign.terms().goal
    milestones = shares_of(goal or 0, options.milestones)
    campaign = campaign or _made(desk, options)
    owner = desk.owner(campaign)
    if isinstance(campaign, EquityCampaign) and agreed is not None:
        campaign.offer(owner, *agreed)
    campaign.open(owner, milestones)
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
    """Confirm the next milestone as attester; the owner takes out what it releases."""
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
    """Prove exports, state premiums, collect what is due; it comes after the dispute window."""
    campaign = desk.of_kind(options.name, EquityCampaign)
    market, operator = desk.market, desk.market.keys["operator"]
    _take_in(desk, campaign)
    task = f"export of {campaign.address}"
    with indexed(market) as index:
        rebuilt = index.history(index.due(task, market.area, ("Settlement",))).rebuilt
        periods = record_exports(market, rebuilt, campaign, operator)
        premiums = attest_premiums(market, rebuilt, campaign)
        index.done(task, market.area)
    OUT.print(f"{many(periods, 'period')} recorded, {euro(premiums)} EUR paid above feed-in")
    OUT.print(f"{euro(campaign.collect(operator))} EUR collected from the owner's account")
    coming = [one for one in under_way(desk.market) if one.recipient == campaign.address]
    if coming:
        amount, last = sum(one.micro_eur for one in coming), max(one.ready_at for one in coming)
        OUT.print(f"{euro(amount)} EUR are on their way to the campaign, until {moment(last)}")
    _say_next(desk, options)


def _take_in(desk: Desk, campaign: EquityCampaign) -> None:
    """Receive what was collected and has waited for its window."""
    operator = desk.market.keys["operator"]
    if amount := finish_due(desk.market, operator, campaign.address):
        OUT.print(f"{euro(amount)} EUR came to the campaign")


def _claim(desk: Desk, options: Options) -> None:
    campaign = desk.of_kind(options.name, EquityCampaign)
    _take_in(desk, campaign)
    for who in options.by or [None]:
        OUT.print(f"{who or options.keystore}: {euro(campaign.claim(desk.party(who)))} EUR")


def _refund(desk: Desk, options: Options) -> None:
    campaign = desk.campaign(options.name)
    for who in options.by or [None]:
        party = desk.party(who)
        due = campaign.read("refundOf", party.address)
        campaign.refund(party)
        OUT.print(f"{who or options.keystore}: {euro(due)} EUR")


def _transfer(desk: Desk, options: Options) -> None:
    to = desk.party_address(options.to)
    desk.campaign(options.name).transfer(desk.party(options.by), to, options.amount)
    OUT.print(f"{many(options.amount, 'share')} to {options.to}")


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
    OUT.print(f"block time is {moment(desk.block_time())}")


def _status(desk: Desk, options: Options) -> None:
    if options.name is None:
        showing.show_all(OUT, desk, scripts.said_again(options))
    else:
        showing.show(OUT, desk, options.name, scripts.said_again(options))


def _say_next(desk: Desk, options: Options) -> None:
    showing.say_next(OUT, standing(desk, options.name), scripts.said_again(options))


def _hash(options: Options) -> bytes:
    """Hash of a file where there is one of that name, else of the words themselves."""
    path = Path(options.evidence)
    return keccak(path.read_bytes()) if path.is_file() else keccak(text=options.evidence)


STEPS: dict[str, Callable[[Desk, Options], None]] = {
    "draft": _draft, "offer": _offer, "accept": _accept, "decline": _decline, "open": _open,
    "fund": _fund, "conclude": _conclude, "release": _release, "withdraw": _withdraw,
    "built": _built, "operate": _operate, "abandon": _abandon, "authorise": _authorise,
    "record": _record, "claim": _claim, "refund": _refund, "transfer": _transfer,
    "close": _close, "goods": _goods, "pick": _pick, "hand-over": _hand_over,
    "received": _received, "policy": _policy, "wait": _wait, "status": _status,
}  # fmt: skip
