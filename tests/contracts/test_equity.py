"""Equity: what is agreed, what the panel's export has earned, and who is paid how much of it."""

from dataclasses import replace

import pytest

from gridbourse.model.crowdsale.equity import premium_micro_eur
from tests.contracts.campaigns import (
    EVIDENCE,
    GOAL,
    MILESTONES,
    PAYMENT,
    PROFIT_SHARE,
    RENT,
    TERM,
    arguments,
    launch,
    launch_equity,
    mint,
    pass_to,
    terms_of,
)
from tests.contracts.market import FEED_IN, FIRST, PURSE, RETAIL, role
from tests.contracts.refusal import deployment_refusal, fact, refusal
from tests.contracts.test_corrections import Leaf, lanes, path_of

DRAFT, OPEN, SUCCEEDED, FAILED, BUILT, OPERATING, CLOSED, ABANDONED = range(8)
P = FIRST + 1
OWNER = 17  # the owner's number
OWNER_READINGS = (6_000, -700, 1_234)


@pytest.fixture(scope="module")
def owner(market):
    return market.members[9]  # number 17: second lane of the last group of area 0


@pytest.fixture(scope="module")
def running(market, owner):
    """Three investors, three and a bit to seven; half of the income is theirs."""
    alice, bob, carol = (member.account for member in market.members[:3])
    return launch_equity(market, owner).funded({alice: 3_000, bob: 5_500, carol: 1_500}).operating()


def settle(market, period, wh, caps=None, owner=9):
    """A settled period in which the owner's meter reads `wh`; leaf and path of its group."""
    members = market.in_area(0)
    market.close_gate(period)
    if caps:
        market.clear(period)
        market.cap(period, caps)
    market.trade(period)
    market.deliver(period)
    market.meter(period, {m.number: 0 for m in members} | {members[owner].number: wh})
    market.settle(period)
    leaves = [leaf_of(market, period, group, caps) for group in market.registry.groupsOf(0, 0, 9)]
    return leaves[-1], path_of([leaves], leaves[-1])


def leaf_of(market, period, group, caps):
    readings = market.meters.readingsOfGroups(0, period, [group])[0]
    known = [0 if wh == -(2**31) else wh for wh in _lanes(readings)]
    return Leaf(
        period,
        group,
        int(market.registry.profilesOf(group)),
        int(market.house.positionsOfGroups(0, period, [group])[0]),
        lanes(known),
        int(market.grid.capsOf(period, group)) if caps else (1 << 256) - 1,
    )


def _lanes(word):
    four = (word >> (64 * lane) & (1 << 64) - 1 for lane in range(4))
    return [wh - (1 << 64) if wh >> 63 else wh for wh in four]


def record(launched, *proofs):
    leaves, paths = [leaf.words for leaf, _ in proofs], [path for _, path in proofs]
    return launched.contract.recordExports(leaves, paths, {"from": launched.market.stranger})


def refused_record(launched, *proofs):
    leaves, paths = [leaf.words for leaf, _ in proofs], [path for _, path in proofs]
    return refusal(launched.contract.recordExports, leaves, paths, by=launched.market.stranger)


def purse(market, account):
    return market.currency.balanceOf(account)


# --- what is agreed ----------------------------------------------------------------------------


def test_the_owner_offers_and_investors_accept_by_funding(market, owner, alice):
    launched = launch(market, "EquityCampaign", owner)
    opening = launched.contract.open
    assert refusal(opening, MILESTONES, by=owner.account) == ("NothingAgreed",)
    tx = launched.contract.offer(PROFIT_SHARE, 400, owner.sends)
    assert fact(tx, "Offered") == (0, owner.account, PROFIT_SHARE, 400)
    assert fact(tx, "Agreed") == (0, PROFIT_SHARE, 400)
    launched.open()
    mint(market, {alice.account: 500})
    launched.fund(alice.account, 500)
    assert (launched.contract.form(), launched.contract.value()) == (PROFIT_SHARE, 400)


def test_investors_offer_and_the_owner_accepts_or_declines(market, owner, alice, bob):
    contract = launch(market, "EquityCampaign", owner).contract
    contract.offer(PROFIT_SHARE, 700, alice.sends)
    contract.offer(RENT, 12, bob.sends)
    assert contract.form() == 0  # nothing is agreed by an investor's offer
    assert refusal(contract.accept, 0, by=alice.account) == (
        "OnlyOwner",
        alice.account,
        owner.account,
    )
    assert fact(contract.decline(0, owner.sends), "Declined") == (0,)
    assert refusal(contract.accept, 0, by=owner.account) == ("OfferDeclined", 0)
    assert refusal(contract.decline, 0, by=owner.account) == ("OfferDeclined", 0)
    assert refusal(contract.accept, 2, by=owner.account) == ("NoSuchOffer", 2, 2)
    assert fact(contract.accept(1, owner.sends), "Agreed") == (1, RENT, 12)
    assert tuple(contract.offerOf(1)) == (bob.account, RENT, 12, False)
    assert contract.offers() == 2
    contract.open(MILESTONES, owner.sends)
    for method, given in (("offer", (RENT, 5)), ("accept", (1,)), ("decline", (1,))):
        refused = refusal(getattr(contract, method), *given, by=owner.account)
        assert refused == ("WrongPhase", OPEN)  # what was agreed stands


@pytest.mark.parametrize(
    ("form", "value", "most"),
    [
        (0, 5, 2**40 - 1),
        (PROFIT_SHARE, 0, 1_000),
        (PROFIT_SHARE, 1_001, 1_000),
        (RENT, 2**40, 2**40 - 1),
    ],
)
def test_an_offer_that_is_none_is_refused(market, owner, form, value, most):
    contract = launch(market, "EquityCampaign", owner).contract
    assert refusal(contract.offer, form, value, by=owner.account) == ("BadOffer", form, value, most)


def test_a_stranger_offers_nothing(market, owner):
    contract = launch(market, "EquityCampaign", owner).contract
    refused = refusal(contract.offer, RENT, 5, by=market.stranger)
    assert refused == ("NotPermitted", market.stranger, role("FUND"))


@pytest.mark.parametrize("permille", [0, 1_001])
def test_the_panel_has_a_part_of_the_export(market, owner, permille):
    bad = arguments(market, "EquityCampaign", terms_of(owner), permille)
    error = deployment_refusal(market.contracts.EquityCampaign, *bad, by=market.operator)
    assert error == ("BadTerms", "permille of the panel", permille, 1_000)


# --- what the panel earns ----------------------------------------------------------------------


def test_a_settled_export_is_income_at_the_feed_in_tariff(market, running):
    proof = settle(market, P, 6_001)
    tx = record(running, proof)

    assert fact(tx, "ExportRecorded") == (P, 6_001, 6_001 * FEED_IN)
    assert tuple(running.contract.exportOf(P)) == (6_001, True, False)
    assert running.contract.dueOf(OWNER) == 6_001 * FEED_IN // 2


def test_what_is_drawn_is_no_income(market, running):
    record(running, settle(market, P, -3_000))
    assert tuple(running.contract.exportOf(P)) == (0, True, False)
    assert running.contract.dueOf(OWNER) == 0


def test_what_is_injected_above_a_cap_is_not_paid_for_and_no_income(market, running, owner):
    record(running, settle(market, P, 6_000, caps={owner: (4_000, 9_000)}))
    assert next(iter(running.contract.exportOf(P))) == 4_000


def test_each_period_counts_once_and_only_with_its_proof(market, running):
    leaf, path = settle(market, P, 6_000)
    forged = Leaf(**(vars(leaf) | {"readings": lanes([0, 9_000, 0, 0])}))
    assert refused_record(running, (forged, path))[:3] == ("ProofDoesNotMatch", 0, P)
    other = Leaf(**(vars(leaf) | {"group": leaf.group - 1}))
    assert refused_record(running, (other, path)) == ("OtherGroup", leaf.group - 1, leaf.group)
    unsettled = Leaf(**(vars(leaf) | {"period": P + 1}))
    assert refused_record(running, (unsettled, path)) == ("NotSettled", 0, P + 1)
    lists = refusal(running.contract.recordExports, [leaf.words], [], by=market.stranger)
    assert lists == ("ListsDiffer", 1, 0)
    record(running, (leaf, path))
    assert refused_record(running, (leaf, path)) == ("RecordedBefore", P)


def test_many_periods_are_recorded_in_one_call(market, running):
    proofs = [settle(market, P + i, wh) for i, wh in enumerate(OWNER_READINGS)]
    record(running, *proofs)
    export = sum(max(wh, 0) for wh in OWNER_READINGS)
    assert running.contract.dueOf(OWNER) == export * FEED_IN // 2


def corrected(market, proof, wh):
    """The proof after a correction: the leaf is another one, its neighbours are the same."""
    leaf, path = proof
    later = replace(leaf, readings=lanes([0, wh, 0, 0]))
    words = (0, leaf.words, path, later.readings)
    market.settlement.correct(*words, {"from": market.meter_oracle})
    return later, path


def test_a_corrected_reading_is_recorded_again_and_the_difference_counts(market, running):
    proof = settle(market, P, 6_000)
    beside = settle(market, P + 1, 777)
    record(running, proof, beside)
    running.contract.attestPremiums([P, P + 1], [5_000, 33], {"from": running.attester})
    later = corrected(market, proof, 6_500)
    assert (
        refused_record(running, proof)[0] == "ProofDoesNotMatch"
    )  # what was, is no proof any more
    tx = record(running, later)

    assert fact(tx, "ExportRecorded") == (P, 6_500, 6_500 * FEED_IN)
    assert tuple(running.contract.exportOf(P)) == (6_500, True, False)  # to be attested anew
    assert tuple(running.contract.exportOf(P + 1)) == (777, True, True)
    income = (6_500 + 777) * FEED_IN + 33
    assert running.contract.dueOf(OWNER) == income // 2
    assert refused_record(running, later) == ("RecordedBefore", P)
    running.contract.attestPremiums([P], [5_400], {"from": running.attester})
    assert running.contract.dueOf(OWNER) == (income + 5_400) // 2


def test_what_a_correction_takes_off_after_it_was_collected_counts_for_what_comes(market, running):
    contract, anyone = running.contract, {"from": market.stranger}
    proof = settle(market, P, 6_000)
    record(running, proof)
    contract.collect(OWNER, [], anyone)
    had = contract.collectedMicroEur()
    record(running, corrected(market, proof, -40))
    assert contract.dueOf(OWNER) == 0
    assert contract.collect(OWNER, [], anyone).return_value == 0
    record(running, settle(market, P + 1, 5_000))
    assert (
        contract.collect(OWNER, [], anyone).return_value == 0
    )  # less than what was taken too much
    record(running, settle(market, P + 2, 2_000))
    contract.collect(OWNER, [], anyone)
    assert had == 6_000 * FEED_IN // 2
    assert contract.collectedMicroEur() == contract.dueOf(OWNER) == 7_000 * FEED_IN // 2


def test_income_begins_with_operation_and_ends_with_the_term(market, running):
    market.advance_to(P + TERM + 1)
    leaf = Leaf(P - 1, 4, 0, 0, 0)
    nowhere = ([], bytes(32), [])
    span = (P, P + TERM)
    assert refused_record(running, (leaf, nowhere)) == ("OutsideTerm", P - 1, *span)
    late = Leaf(P + TERM, 4, 0, 0, 0)
    assert refused_record(running, (late, nowhere)) == ("OutsideTerm", P + TERM, *span)


def test_there_is_no_income_before_operation(market):
    launched = launch_equity(market, market.members[8])
    assert refused_record(launched, (Leaf(P, 4, 0, 0, 0), ([], bytes(32), []))) == (
        "WrongPhase",
        DRAFT,
    )
    assert refusal(launched.contract.collect, OWNER, [], by=market.stranger) == (
        "WrongPhase",
        DRAFT,
    )


def test_what_the_market_paid_above_the_feed_in_tariff_is_attested_once(market, running):
    record(running, settle(market, P, 6_000))
    premium = premium_micro_eur(6_000, 1_500, 1_000 * 200 + 500 * 150, RETAIL, FEED_IN)
    assert premium == 1_000 * 120 + 500 * 70
    attest, by = running.contract.attestPremiums, running.attester
    most = 6_000 * (RETAIL - FEED_IN)
    assert refusal(attest, [P], [most + 1], by=by) == ("PremiumOutOfRange", P, most + 1, most)
    assert refusal(attest, [P + 1], [1], by=by) == ("NotRecorded", P + 1)
    assert refusal(attest, [P], [], by=by) == ("ListsDiffer", 1, 0)
    owner = running.owner.account
    assert refusal(attest, [P], [1], by=owner) == ("MissingRole", owner, role("ATTESTER"))
    tx = attest([P], [premium], {"from": by})

    assert fact(tx, "PremiumAttested") == (P, premium)
    assert refusal(attest, [P], [1], by=by) == ("AttestedBefore", P)
    assert running.contract.dueOf(OWNER) == (6_000 * FEED_IN + premium) // 2


def test_a_panel_beside_older_ones_counts_by_its_power(market):
    """A third of the panels behind the meter; rounding comes last, and once."""
    launched = launch_equity(market, market.members[8], PROFIT_SHARE, 333, 334)
    launched.funded({market.members[0].account: GOAL - 2_000, market.members[1].account: 2_000})
    launched.operating()
    for period in (P, P + 1):
        record(launched, settle(market, period, 1_001, owner=8))
    exact = 2 * 1_001 * FEED_IN * 334 * 333
    assert launched.contract.dueOf(OWNER - 1) == exact // 1_000_000
    assert launched.contract.dueOf(OWNER) == 0


# --- what is taken from the owner --------------------------------------------------------------


def test_what_is_due_is_taken_from_the_owners_account(market, running, owner):
    record(running, settle(market, P, 6_000))
    before, due = market.house.balanceOf(owner.number), 6_000 * FEED_IN // 2
    tx = running.contract.collect(OWNER, [], {"from": market.stranger})

    assert fact(tx, "Collected") == (OWNER, due, 0)
    assert fact(tx, "Withdrawn") == (owner.number, running.contract, due)
    assert market.house.balanceOf(owner.number) == before - due
    assert running.held() == GOAL + due
    assert market.money_sum() == 0
    again = running.contract.collect(OWNER, [], {"from": market.stranger})
    assert again.return_value == 0
    assert "Collected" not in again.events


def test_who_is_short_is_in_arrears_and_blocks_nothing(market, running, owner):
    record(running, settle(market, P, 6_000))
    house, due = market.house, 6_000 * FEED_IN // 2
    house.withdraw(house.balanceOf(owner.number) - 100, owner.sends)
    tx = running.contract.collect(OWNER, [], {"from": market.stranger})
    assert fact(tx, "Collected") == (OWNER, 100, due - 100)
    assert running.contract.collect(OWNER, [], {"from": market.stranger}).return_value == 0
    record(running, settle(market, P + 1, -1_000))  # now it is in debt
    assert house.balanceOf(owner.number) < 0
    assert running.contract.collect(OWNER, [], {"from": market.stranger}).return_value == 0
    market.fund({owner.number: PURSE})
    tx = running.contract.collect(OWNER, [], {"from": market.stranger})
    assert fact(tx, "Collected") == (OWNER, due - 100, 0)


def test_a_rent_is_owed_for_every_period_of_the_term(market):
    launched = launch_equity(market, market.members[8], RENT, 250)
    a, b = market.members[0].account, market.members[1].account
    launched.funded({a: 7_500, b: 2_500})
    contract = launched.contract
    assert contract.dueOf(OWNER - 1) == 0
    launched.operating()
    assert contract.dueOf(OWNER - 1) == 0
    market.advance_to(P + 3)
    assert contract.dueOf(OWNER - 1) == 3 * 250
    contract.collect(OWNER - 1, [], {"from": market.stranger})
    assert [contract.claimableOf(who) for who in (a, b)] == [562, 187]  # of 562.5 and 187.5
    market.advance_to(P + TERM + 7)
    contract.close({"from": market.stranger})
    contract.collect(OWNER - 1, [], {"from": market.stranger})
    assert contract.collectedMicroEur() == TERM * 250
    assert [contract.claimableOf(who) for who in (a, b)] == [3_750, 1_250]


def test_a_payment_module_takes_for_itself_from_participants_and_nothing_else(market, owner):
    market.authorise(market.dso, PAYMENT)
    house, module = market.house, market.dso
    assert refusal(house.collect, 1, 1, by=module) == ("UnknownAccount", 1)
    have = house.balanceOf(owner.number)
    short = ("InsufficientMoney", owner.number, have, have + 1)
    assert refusal(house.collect, owner.number, have + 1, by=module) == short
    assert refusal(house.transfer, owner.number, 8, 1, by=module)[0] == "MissingPermission"
    house.collect(owner.number, 5, {"from": module})
    assert market.currency.balanceOf(module) == 5
    assert market.money_sum() == 0
    for other in (market.stranger, market.auction):
        assert refusal(house.collect, owner.number, 1, by=other) == (
            "MissingPermission",
            other,
            PAYMENT,
        )


# --- shares and claims -------------------------------------------------------------------------


def earn(market, running, period, wh=6_000):
    record(running, settle(market, period, wh))
    running.contract.collect(OWNER, [], {"from": market.stranger})


def test_holders_claim_their_part_and_the_rest_stays(market, running, alice, bob, carol):
    earn(market, running, P, 1_001)
    due = 1_001 * FEED_IN // 2
    parts = {alice: due * 3_000 // GOAL, bob: due * 5_500 // GOAL, carol: due * 1_500 // GOAL}
    for member, part in parts.items():
        before = purse(market, member.account)
        assert fact(running.contract.claim(member.sends), "Claimed") == (member.account, part)
        assert purse(market, member.account) == before + part
        assert refusal(running.contract.claim, by=member.account) == (
            "NothingToMove",
            member.account,
        )
    assert running.held() == GOAL + due - sum(parts.values())


def test_a_share_that_moves_keeps_what_was_paid_in_before(market, running, alice, bob, carol):
    contract = running.contract
    earn(market, running, P)
    contract.transfer(carol.account, 3_000, alice.sends)
    earn(market, running, P + 1)
    half = 6_000 * FEED_IN // 2
    assert contract.claimableOf(alice.account) == half * 3_000 // GOAL
    assert contract.claimableOf(carol.account) == half * (1_500 + 4_500) // GOAL
    assert contract.claimableOf(bob.account) == 2 * half * 5_500 // GOAL
    contract.transfer(carol.account, 100, carol.sends)  # to itself: nothing changes
    assert contract.claimableOf(carol.account) == half * 6_000 // GOAL


def test_shares_move_among_known_parties_once_the_funding_is_over(market, alice):
    launched = launch_equity(market, market.members[8])
    launched.open()
    mint(market, {alice.account: 500})
    launched.fund(alice.account, 500)
    to = market.members[1].account
    transfer = launched.contract.transfer
    assert refusal(transfer, to, 1, by=alice.account) == ("NotTransferable", alice.account, to)
    pass_to(launched.terms.end)
    launched.contract.conclude(alice.sends)
    assert refusal(transfer, to, 1, by=alice.account) == ("NotTransferable", alice.account, to)


def test_a_share_never_reaches_a_stranger_or_a_system_contract(market, running, alice):
    transfer = running.contract.transfer
    refused = refusal(transfer, market.stranger, 1, by=alice.account)
    assert refused == ("NotPermitted", market.stranger, role("HOLD_SHARES"))
    for nowhere in (running.contract, market.house):
        refused = refusal(transfer, nowhere, 1, by=alice.account)
        assert refused == ("NotTransferable", alice.account, nowhere)


def test_an_abandoned_equity_refunds_whoever_holds_the_shares(market, alice, bob):
    draft = launch_equity(market, market.members[8])
    draft.funded({alice.account: 5_000, bob.account: 5_000})
    draft.confirm(0)
    draft.contract.transfer(bob.account, 4_000, alice.sends)
    draft.contract.abandon(EVIDENCE, {"from": draft.attester})
    before = [purse(market, m.account) for m in (alice, bob)]
    draft.contract.refund(bob.sends)
    draft.contract.refund(alice.sends)
    after = [purse(market, m.account) for m in (alice, bob)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [600, 5_400]
    assert draft.held() == 4_000
