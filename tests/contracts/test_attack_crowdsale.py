"""Attacks on who gave money for a panel: by its owner, who comes and goes, and by doors that close."""

from dataclasses import replace

import brownie
import pytest
from brownie import chain

from tests.contracts.campaigns import (
    EVIDENCE,
    MILESTONES,
    NOBODY,
    PAYMENT,
    PROFIT_SHARE,
    RENT,
    Launched,
    anchors,
    launch,
    launch_equity,
    mint,
    terms_of,
)
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import CAPACITY_WH, FEED_IN, FIRST, PURSE, Market, role, signer
from tests.contracts.refusal import fact, refusal
from tests.contracts.test_corrections import path_of
from tests.contracts.test_equity import leaf_of, record

P = FIRST + 1
NEWCOMER, NEXT = 100, 18  # a serial number nobody has yet, and the number it will get
CURRENCY, FUND = role("HOLD_CURRENCY"), role("FUND")


@pytest.fixture(scope="module")
def owner(market):
    return market.members[9]


@pytest.fixture
def running(market, owner, alice, bob):
    """Half of the income is alice's and bob's."""
    gifts = {alice.account: 5_000, bob.account: 5_000}
    return launch_equity(market, owner, PROFIT_SHARE, 500).funded(gifts).operating()


@pytest.fixture
def point(market, owner):
    return market.registry.meteringPointOf(owner.number)


def successor(market, point, start):
    return (signer(NEWCOMER), point, 0, 0, CAPACITY_WH, start)


def taken_out(market, owner):
    by = {"from": market.operator}
    return fact(market.registry.leaveMarket(owner.number, by), "ParticipantLeft")[1]


def exported(market, launched, period, number, wh):
    """Settles a period in which a participant exported, and records it."""
    members = [m.number for m in market.in_area(0)]
    market.trade(period)
    market.deliver(period)
    market.meter(period, dict.fromkeys(members, 0) | {number: wh})
    market.settle(period)
    groups = list(market.registry.groupsOf(0, 0, 9))
    profiles = market.registry.profilesOfGroups(period, groups)
    leaves = [
        replace(leaf_of(market, period, group, None), profiles=int(four))
        for group, four in zip(groups, profiles, strict=True)
    ]
    leaf = next(leaf for leaf in leaves if leaf.group == number // 4)
    return record(launched, (leaf, path_of([leaves], leaf)))


def test_an_owner_cannot_leave_its_investors(market, owner, running, point):
    """Before: out of the market and in again by another account, and the income was 0 for 20 years."""
    refused = refusal(market.registry.leaveMarket, owner.number, by=owner.account)
    assert refused == ("ExportPledged", bytes.fromhex(str(point)[2:]), 1_000)
    market.advance_to(running.contract.untilPeriod())
    running.contract.close({"from": market.stranger})
    market.registry.leaveMarket(owner.number, owner.sends)


def test_an_owner_cannot_come_back_free_of_its_pledge(market, owner, running, point, alice):
    """The point is pledged, whoever holds it: who comes to it has said so, and owes of its own export."""
    exported(market, running, P + 1, owner.number, 1_000)
    until = taken_out(market, owner)
    row = successor(market, point, until)
    refused = refusal(market.registry.register, [row], by=market.operator)
    given = bytes.fromhex(str(point)[2:])
    assert refused == ("PledgeNotTakenOver", given, row[0], 1_000)
    tx = market.pledges.stateTakeOver(point, True, {"from": row[0]})
    assert fact(tx, "TakeOverStated") == (point, row[0], True)
    market.registry.register([row], {"from": market.operator})
    assert market.registry.holderAt(point, until - 1) == owner.number
    assert market.registry.holderAt(point, until) == NEXT
    market.fund({NEXT: PURSE})
    exported(market, running, until, NEXT, 3_000)

    contract = running.contract
    assert (contract.dueOf(owner.number), contract.dueOf(NEXT)) == (500 * FEED_IN, 1_500 * FEED_IN)
    tx = contract.collect(NEXT, [], {"from": market.stranger})
    assert fact(tx, "Collected") == (NEXT, 1_500 * FEED_IN, 0)
    tx = contract.collect(owner.number, [], {"from": market.stranger})
    assert fact(tx, "Collected") == (owner.number, 500 * FEED_IN, 0)
    assert contract.claimableOf(alice.account) == 1_000 * FEED_IN
    assert contract.owner() == owner.account  # what milestones release stays who built it


def test_nobody_owes_for_a_point_that_nobody_holds(market, owner, running, point):
    until = taken_out(market, owner)
    leaf = (until, owner.number // 4, 0, 0, 0, 0)
    refused = refusal(
        running.contract.recordExports, [leaf], [([], bytes(32), [])], by=market.stranger
    )
    assert refused == ("NobodyAtThePoint", bytes.fromhex(str(point)[2:]), until)


def test_an_owner_cannot_leave_a_rent_to_who_comes_after_it(market, owner, alice, bob, point):
    """Agreed with accomplices, at any height: a newcomer owes only for its own time, and has said so."""
    gifts = {alice.account: 5_000, bob.account: 5_000}
    launched = launch_equity(market, owner, RENT, 250).funded(gifts).operating()
    market.advance_to(P + 2)
    until = taken_out(market, owner)
    row = successor(market, point, until)
    market.pledges.stateTakeOver(point, True, {"from": row[0]})
    market.registry.register([row], {"from": market.operator})
    market.advance_to(until + 3)
    first = launched.contract.firstPeriod()
    assert launched.contract.dueOf(owner.number) == (until - first) * 250
    assert launched.contract.dueOf(NEXT) == 3 * 250
    assert launched.contract.dueOf(alice.number) == 0  # of another point
    market.pledges.stateTakeOver(point, False, {"from": row[0]})  # too late, for it is there
    assert market.pledges.takesOver(point, row[0]) is False


def test_the_thief_of_an_owners_key_cannot_take_what_is_released_for_ever(
    market, owner, alice, bob
):
    """Before: the campaign had the account written in; with another in its place, the money stayed lost."""
    fresh = signer(NEWCOMER)
    launched = launch(market, "DonationCampaign", owner, NOBODY)
    launched.funded({alice.account: 5_000, bob.account: 5_000})
    launched.confirm(0)
    market.registry.proposeAccount(owner.number, fresh, owner.sends)
    chain.sleep(7 * 86_400)
    market.registry.takeAccount(owner.number, {"from": fresh})
    refused = refusal(launched.contract.withdraw, by=owner.account)
    assert refused == ("OnlyBeneficiary", owner.account, fresh)
    launched.contract.withdraw({"from": fresh})
    assert market.currency.balanceOf(fresh) == MILESTONES[0]


# --- who is first --------------------------------------------------------------------------------

WINDOW = 86_400


@pytest.fixture(scope="module")
def patient(module_isolation):
    """A market whose withdrawals wait a day, as a deployed one's do."""
    project = brownie.project.get_loaded_projects()[0]
    return Market(project, dispute_window=WINDOW).admit(10)


def test_an_owner_cannot_withdraw_before_its_investors_collect(patient):
    """Before: settled, withdrawn in the next transaction, nothing left to collect; for all of the term."""
    owner, (alice, bob) = patient.members[9], patient.members[:2]
    house, by = patient.house, {"from": patient.stranger}
    gifts = {alice.account: 5_000, bob.account: 5_000}
    running = launch_equity(patient, owner, PROFIT_SHARE, 500).funded(gifts).operating()
    exported(patient, running, P + 1, owner.number, 1_000)
    everything = house.balanceOf(owner.number)
    house.withdraw(everything, owner.sends)
    mine = house.withdrawals()
    tx = running.contract.collect(owner.number, [mine], by)

    due = 500 * FEED_IN
    assert fact(tx, "Collected") == (owner.number, due, 0)
    assert house.withdrawalOf(mine)["amountMicroEur"] == 0
    taken, rest = (house.withdrawalOf(mine + step) for step in (1, 2))
    assert (taken["recipient"], taken["amountMicroEur"]) == (running.contract, due)
    assert (rest["recipient"], rest["amountMicroEur"]) == (owner.account, everything - due)
    assert rest["readyAt"] <= taken["readyAt"]
    assert running.contract.claimableOf(alice.account) == 0  # it is on its way
    assert patient.money_sum() == 0
    again = running.contract.collect(owner.number, [mine + 2], by)
    assert "Collected" not in again.events
    for stranger in (mine, mine + 1):  # over, and a module's
        refused = refusal(running.contract.collect, owner.number, [stranger], by=patient.stranger)
        assert refused == ("NoWithdrawal", stranger)
    refused = refusal(house.collectAnnounced, mine + 2, owner.number, 1, by=alice.account)
    assert refused == ("MissingPermission", alice.account, PAYMENT)
    chain.sleep(WINDOW)
    house.finishWithdrawal(mine + 1, by)
    running.contract.claim(alice.sends)
    assert patient.currency.balanceOf(alice.account) == due // 2
    house.finishWithdrawal(mine + 2, by)
    assert patient.money_sum() == 0


# --- doors that close --------------------------------------------------------------------------


def opened(market, *purposes, is_open=True):
    for purpose in purposes:
        market.registry.setOpen(purpose, is_open, {"from": market.operator})


def test_a_campaign_of_anyones_making_cannot_keep_what_was_given(market, owner, accounts):
    """No system contract, funded while anyone might hold the currency: its refunds ended with that."""
    anyone, terms = accounts[15], terms_of(owner)
    opened(market, CURRENCY, FUND)
    by = {"from": market.stranger}
    contract = market.contracts.DonationCampaign.deploy(anchors(market), terms, NOBODY, by)
    campaign = Launched(market, contract, owner, terms, market.other_gateway)
    refused = refusal(contract.open, MILESTONES, by=owner.account)
    assert refused == ("NoSystemHolder", contract.address)
    market.currency.addSystemHolder(contract, {"from": market.operator})
    campaign.open()
    mint(market, {anyone: 700})
    campaign.fund(anyone, 700)
    opened(market, CURRENCY, FUND, is_open=False)
    contract.abandon(EVIDENCE, owner.sends)
    contract.refund({"from": anyone})
    assert market.currency.balanceOf(anyone) == 700


def test_a_door_that_closes_cannot_keep_money_in_a_contract(market, accounts, tmp_path_factory):
    """Whatever contract held it meanwhile gives it back; nobody else sends anything more."""
    anyone, other = accounts[15], accounts[16]
    vault = deploy_contract("HostileHolder", tmp_path_factory, accounts)
    opened(market, CURRENCY)
    mint(market, {anyone: 700})
    market.currency.transfer(vault.address, 700, {"from": anyone})
    opened(market, CURRENCY, is_open=False)
    give = market.currency.transfer.encode_input(anyone, 300)
    transact(vault.functions.run(market.currency.address, give), accounts)
    assert market.currency.balanceOf(anyone) == 300
    refused = refusal(market.currency.transfer, other, 1, by=anyone)
    assert refused == ("HolderNotPermitted", other)
    mints = (anyone, 1, role("bank"))
    assert refusal(market.currency.mint, *mints, by=market.treasurer) == (
        "HolderNotPermitted",
        anyone,
    )
    market.currency.redeem(300, {"from": anyone})
