"""What campaigns at one metering point share of its export: all of it at most, however many there are."""

import pytest

from tests.contracts.campaigns import EVIDENCE, MILESTONES, PROFIT_SHARE, TERM, launch, pass_to
from tests.contracts.market import FIRST, metering_point
from tests.contracts.refusal import fact, refusal


@pytest.fixture
def owner(market):
    return market.members[9]


def at(member):
    """Its metering point."""
    return "0x" + metering_point(member.number - 8).hex()


def drafted(market, owner, permille):
    launched = launch(market, "EquityCampaign", owner, permille)
    launched.contract.offer(PROFIT_SHARE, 1_000, owner.sends)
    return launched


def opened(market, owner, permille):
    launched = drafted(market, owner, permille)
    launched.contract.open(MILESTONES, owner.sends)
    return launched


def test_the_same_export_is_not_promised_twice(market, owner):
    first = drafted(market, owner, 600)
    tx = first.contract.open(MILESTONES, owner.sends)
    assert fact(tx, "Pledged") == (at(owner), first.contract, 600)
    for permille in (401, 1_000):
        second = drafted(market, owner, permille)
        refused = refusal(second.contract.open, MILESTONES, by=owner.account)
        assert refused == ("PledgedAbove", metering_point(9), permille, 400)
        assert second.contract.phase() == 0
    opened(market, owner, 400)
    assert market.pledges.pledgedPermille(at(owner)) == 1_000
    refused = refusal(drafted(market, owner, 1).contract.open, MILESTONES, by=owner.account)
    assert refused == ("PledgedAbove", metering_point(9), 1, 0)
    other = market.members[8]
    opened(market, other, 1_000)  # another installation's export is another one
    assert market.pledges.pledgedPermille(at(other)) == 1_000


def left_after(market, owner, launched):
    assert market.pledges.pledgeOf(launched.contract) == 0
    return 1_000 - market.pledges.pledgedPermille(at(owner))


def test_what_fails_or_is_given_up_gives_its_part_back(market, owner, alice, bob):
    failed, given_up = opened(market, owner, 500), opened(market, owner, 300)
    built = opened(market, owner, 200)
    given_up.contract.abandon(EVIDENCE, owner.sends)
    assert left_after(market, owner, given_up) == 300
    pass_to(failed.terms.end)
    tx = failed.contract.conclude(alice.sends)
    assert fact(tx, "PledgeReleased") == (at(owner), failed.contract, 500)
    assert left_after(market, owner, failed) == 800
    assert market.pledges.pledgeOf(built.contract) == 200  # the others' stand


def test_a_project_abandoned_or_closed_gives_its_part_back(market, owner, alice, bob):
    gifts = {alice.account: 5_000, bob.account: 5_000}
    abandoned = drafted(market, owner, 1_000).funded(gifts)
    assert market.pledges.pledgeOf(abandoned.contract) == 1_000  # as long as it is carried on
    abandoned.contract.abandon(EVIDENCE, owner.sends)
    assert left_after(market, owner, abandoned) == 1_000

    closed = drafted(market, owner, 1_000).funded(gifts).operating()
    market.advance_to(FIRST + 1 + TERM)
    assert market.pledges.pledgeOf(closed.contract) == 1_000
    closed.contract.close(alice.sends)
    assert left_after(market, owner, closed) == 1_000
    later = drafted(market, owner, 1_000).funded(gifts).operating()
    assert later.contract.firstPeriod() >= closed.contract.untilPeriod()  # no Wh is in both


def test_only_campaigns_pledge(market, owner):
    opened(market, owner, 700)
    pledges = market.pledges
    for nobody in (market.stranger, owner.account, market.operator):
        refused = refusal(pledges.pledge, at(owner), 300, by=nobody)
        assert refused == ("NoCampaign", nobody)
        pledges.release(at(owner), {"from": nobody})  # what it never pledged: nothing
    assert pledges.pledgedPermille(at(owner)) == 700
