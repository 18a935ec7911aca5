"""What every campaign does: funding, milestones, giving back; shown on a donation, which adds nothing."""

import pytest

from tests.contracts.campaigns import (
    CAP,
    EVIDENCE,
    GOAL,
    MAXIMUM,
    MILESTONES,
    MINIMUM,
    NOBODY,
    TERM,
    Launched,
    arguments,
    block_time,
    launch,
    mint,
    next_block_at,
    pass_to,
    terms_of,
)
from tests.contracts.market import FIRST, GATE_CLOSURE, HORIZON, MTU, role
from tests.contracts.refusal import deployment_refusal, fact, refusal

DRAFT, OPEN, SUCCEEDED, FAILED, BUILT, OPERATING, CLOSED, ABANDONED = range(8)


@pytest.fixture(scope="module")
def owner(market):
    return market.members[9]


@pytest.fixture(scope="module")
def draft(market, owner):
    return launch(market, "DonationCampaign", owner)


@pytest.fixture
def open_(draft):
    return draft.open()


@pytest.fixture
def full(market, draft, alice, bob):
    """Eleven of ten thousand: above the goal, below the cap."""
    return draft.funded({alice.account: 7_000, bob.account: 4_000})


def purse(market, account):
    return market.currency.balanceOf(account)


# --- terms and opening -------------------------------------------------------------------------


def test_a_campaign_is_what_it_was_made_with(market, draft, owner):
    contract = draft.contract

    assert tuple(contract.terms())[2:] == tuple(draft.terms)[2:]
    assert (contract.owner(), contract.beneficiary()) == (owner.account, owner.account)
    assert contract.phase() == DRAFT
    assert contract.decimals() == 6
    assert contract.totalSupply() == draft.held() == 0


@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"installation": 999}, ("installation is registered", 999, 0)),
        ({"goal": 0}, ("goal above zero", 0, 0)),
        ({"cap": GOAL - 1}, ("cap not below goal", GOAL - 1, GOAL)),
        ({"cap": 2**56}, ("cap not above", 2**56, 2**56 - 1)),
        ({"maximum": MINIMUM - 1}, ("maximum not below minimum", MINIMUM - 1, MINIMUM)),
        ({"minimum": 0, "maximum": 0}, ("maximum above zero", 0, 0)),
        ({"start": 9, "end": 9}, ("end after start", 9, 9)),
        ({"operate_by": 9, "end": 2**39}, ("operateBy after end", 9, 2**39)),
    ],
)
def test_terms_that_make_no_sense_are_refused(market, owner, wrong, refused):
    bad = arguments(market, "DonationCampaign", terms_of(owner, **wrong))
    error = deployment_refusal(market.contracts.DonationCampaign, *bad, by=market.operator)
    assert error == ("BadTerms", *refused)


def test_a_campaign_that_is_over_before_it_begins_is_refused(market, owner):
    now = block_time()
    bad = arguments(market, "DonationCampaign", terms_of(owner, start=now - 9, end=now - 1))
    error = deployment_refusal(market.contracts.DonationCampaign, *bad, by=market.operator)
    assert error[:3] == ("BadTerms", "end after now", now - 1)


def test_the_owner_alone_opens_it_with_milestones_that_make_the_goal(market, draft, owner, alice):
    opening = draft.contract.open
    assert refusal(opening, MILESTONES, by=alice.account) == (
        "OnlyOwner",
        alice.account,
        owner.account,
    )
    by = owner.account
    assert refusal(opening, [4_000, 5_999], by=by) == ("MilestonesDiffer", 9_999, GOAL)
    assert refusal(opening, [1] * 17, by=by) == ("BadTerms", "milestones not above", 17, 16)

    (told,) = fact(opening(MILESTONES, owner.sends), "Opened")
    assert list(told) == MILESTONES
    assert list(draft.contract.milestones()) == MILESTONES
    assert refusal(opening, MILESTONES, by=by) == ("WrongPhase", OPEN)


def test_it_opens_until_its_end_and_no_later(draft, owner):
    t = draft.terms
    pass_to(t.end)
    refused = refusal(draft.contract.open, MILESTONES, by=owner.account)
    assert refused == ("OutsideFunding", t.end, t.start, t.end)


# --- funding -----------------------------------------------------------------------------------


def test_money_given_becomes_tokens(market, open_, alice):
    mint(market, {alice.account: 500})
    tx = open_.fund(alice.account, 300)

    assert fact(tx, "Funded") == (alice.account, 300, 300)
    assert open_.contract.balanceOf(alice.account) == open_.contract.totalSupply() == 300
    assert open_.held() == 300
    assert purse(market, alice.account) == 200


def test_the_first_second_counts_and_the_end_does_not(market, draft, owner, alice):
    t, fund = draft.terms, draft.contract.fund
    draft.contract.open(MILESTONES, owner.sends)
    mint(market, {alice.account: 1_000})
    market.currency.approve(draft.contract, 1_000, alice.sends)
    pass_to(t.start - 1)
    outside = ("OutsideFunding", t.start - 1, t.start, t.end)
    assert refusal(fund, 200, by=alice.account) == outside

    next_block_at(t.start)
    fund(200, alice.sends)
    next_block_at(t.end - 1)
    fund(200, alice.sends)
    pass_to(t.end)
    assert refusal(fund, 200, by=alice.account) == ("OutsideFunding", t.end, t.start, t.end)
    assert draft.contract.fundedMicroEur() == 400


def test_who_funds_stays_within_minimum_and_maximum(market, open_, alice):
    by = alice.account
    mint(market, {by: 20_000})
    fund = open_.contract.fund
    assert refusal(fund, 0, by=by) == ("NothingToMove", by)
    assert refusal(fund, MINIMUM - 1, by=by) == ("BelowMinimum", by, MINIMUM - 1, MINIMUM)
    assert refusal(fund, MAXIMUM + 1, by=by) == ("AboveMaximum", by, MAXIMUM + 1, MAXIMUM)
    open_.fund(by, MINIMUM)
    open_.fund(by, 1)  # in all it is enough
    assert refusal(fund, MAXIMUM - 100, by=by) == ("AboveMaximum", by, MAXIMUM + 1, MAXIMUM)


def test_the_cap_is_met_exactly_and_never_passed(market, open_, alice, bob, carol):
    mint(market, {m.account: 8_000 for m in (alice, bob, carol)})
    open_.fund(alice.account, 6_000)
    open_.fund(bob.account, 5_950)
    refused = refusal(open_.contract.fund, 51, by=carol.account)
    assert refused == ("AboveCap", 51, 50)
    assert refusal(open_.contract.fund, 49, by=carol.account)[0] == "BelowMinimum"
    open_.fund(carol.account, 50)  # fills it, so it may be below the minimum
    assert refusal(open_.contract.fund, 1, by=carol.account) == ("AboveCap", 1, 0)

    tx = open_.contract.conclude({"from": market.stranger})  # before the end: nothing more can come
    assert fact(tx, "Concluded") == (SUCCEEDED, CAP)


def test_without_an_approval_nothing_is_given(market, open_, alice):
    mint(market, {alice.account: 500})
    refused = refusal(open_.contract.fund, 300, by=alice.account)
    assert refused == ("ERC20InsufficientAllowance", open_.contract, 0, 300)


def test_a_stranger_does_not_fund(market, open_):
    refused = refusal(open_.contract.fund, 300, by=market.stranger)
    assert refused == ("NotPermitted", market.stranger, role("FUND"))


@pytest.mark.parametrize(
    ("total", "phase"), [(GOAL - 1, FAILED), (GOAL, SUCCEEDED), (GOAL + 1, SUCCEEDED)]
)
def test_a_unit_more_or_less_decides(market, open_, alice, bob, total, phase):
    mint(market, {alice.account: 7_000, bob.account: 7_000})
    open_.fund(alice.account, 5_000)
    open_.fund(bob.account, total - 5_000)
    conclude, end = open_.contract.conclude, open_.terms.end
    pass_to(end - 1)
    assert refusal(conclude, by=market.stranger) == ("NotOver", end - 1, end)
    next_block_at(end)

    assert fact(conclude({"from": market.stranger}), "Concluded") == (phase, total)
    assert refusal(conclude, by=market.stranger) == ("WrongPhase", phase)


# --- milestones --------------------------------------------------------------------------------


def test_milestones_release_money_in_turn_and_the_owner_pulls_it(market, full, owner):
    withdraw, before = full.contract.withdraw, purse(market, owner.account)
    assert refusal(withdraw, by=owner.account) == ("NothingToMove", owner.account)
    tx = full.confirm(0)
    assert fact(tx, "MilestoneConfirmed") == (0, 4_000, "0x" + EVIDENCE.hex())
    assert purse(market, owner.account) == before  # never pushed
    assert fact(withdraw(owner.sends), "Released") == (owner.account, 4_000)
    assert refusal(full.contract.confirmMilestone, 0, EVIDENCE, by=full.attester) == (
        "MilestoneOutOfTurn", 0, 1, 2,
    )  # fmt: skip
    assert fact(full.confirm(1), "MilestoneConfirmed")[1] == 7_000  # and what is above the goal
    withdraw(owner.sends)

    assert purse(market, owner.account) == before + 11_000
    assert full.held() == 0
    assert refusal(full.contract.confirmMilestone, 2, EVIDENCE, by=full.attester) == (
        "MilestoneOutOfTurn", 2, 2, 2,
    )  # fmt: skip


def test_only_the_beneficiary_withdraws(full, owner, alice):
    full.confirm(0)
    refused = refusal(full.contract.withdraw, by=alice.account)
    assert refused == ("OnlyBeneficiary", alice.account, owner.account)


@pytest.mark.parametrize("method", ["confirmMilestone", "confirmBuilt", "startOperating"])
def test_the_attester_alone_confirms(full, owner, method):
    given = (0, EVIDENCE) if method == "confirmMilestone" else (EVIDENCE,)
    refused = refusal(getattr(full.contract, method), *given, by=owner.account)
    assert refused == ("MissingRole", owner.account, role("ATTESTER"))


def test_nothing_is_released_before_the_funding_has_succeeded(open_):
    for method, given in (("confirmMilestone", (0, EVIDENCE)), ("confirmBuilt", (EVIDENCE,))):
        refused = refusal(getattr(open_.contract, method), *given, by=open_.attester)
        assert refused == ("WrongPhase", OPEN)


def test_it_is_built_operates_and_closes_after_its_term(market, full):
    contract, by = full.contract, {"from": full.attester}
    assert refusal(contract.startOperating, EVIDENCE, by=full.attester) == ("WrongPhase", SUCCEEDED)
    assert fact(contract.confirmBuilt(EVIDENCE, by), "Built") == ("0x" + EVIDENCE.hex(),)
    out_of_turn = ("MilestoneOutOfTurn", 2, 0, 2)
    assert refusal(contract.startOperating, EVIDENCE, by=full.attester) == out_of_turn
    full.confirm(0)
    full.confirm(1)
    tx = contract.startOperating(EVIDENCE, by)
    assert fact(tx, "Operating") == (FIRST + 1, "0x" + EVIDENCE.hex())
    market.advance_to(FIRST + TERM)
    assert refusal(contract.close, by=market.stranger) == (
        "NotOver",
        FIRST + TERM,
        FIRST + 1 + TERM,
    )
    market.advance_to(FIRST + 1 + TERM)
    contract.close({"from": market.stranger})

    assert contract.phase() == CLOSED
    assert refusal(contract.close, by=market.stranger) == ("WrongPhase", CLOSED)


# --- giving back -------------------------------------------------------------------------------


def test_a_failed_campaign_gives_all_back_in_any_order_for_ever(market, draft, alice, bob, carol):
    gifts = {alice.account: 4_000, bob.account: 3_000, carol.account: 2_999}
    draft.funded(gifts)
    assert draft.contract.phase() == FAILED
    pass_to(block_time() + 10 * 365 * 86_400)
    for account in (carol.account, alice.account, bob.account):
        tx = draft.contract.refund({"from": account})
        assert fact(tx, "Refunded") == (account, gifts[account], gifts[account])
        assert refusal(draft.contract.refund, by=account) == ("NothingToMove", account)
        assert purse(market, account) == gifts[account]

    assert draft.held() == draft.contract.totalSupply() == 0
    assert draft.contract.refundedMicroEur() == 9_999


def test_nobody_is_refunded_what_has_succeeded(full, alice):
    assert refusal(full.contract.refund, by=alice.account) == ("WrongPhase", SUCCEEDED)
    assert full.contract.refundOf(alice.account) == 0


def test_an_abandoned_project_gives_back_what_was_not_released(
    market, draft, owner, alice, bob, carol
):
    """7,000 of 11,000 over tokens of which none divides evenly; the remainder is the beneficiary's."""
    gifts = {alice.account: 3_333, bob.account: 5_000, carol.account: 2_667}
    draft.funded(gifts)
    draft.confirm(0)
    tx = draft.contract.abandon(EVIDENCE, {"from": draft.attester})
    assert fact(tx, "Abandoned")[1:4] == (SUCCEEDED, 7_000, 11_000)
    parts = {who: amount * 7_000 // 11_000 for who, amount in gifts.items()}
    for account in (bob.account, carol.account):
        draft.contract.refund({"from": account})
    last = draft.contract.refund({"from": alice.account})

    assert {who: purse(market, who) for who in gifts} == parts
    remainder = 7_000 - sum(parts.values())
    assert remainder > 0
    assert fact(last, "RemainderReleased") == (remainder,)
    before = purse(market, owner.account)
    draft.contract.withdraw(owner.sends)
    assert purse(market, owner.account) == before + 4_000 + remainder
    assert draft.held() == 0


def test_an_owner_gives_up_while_nothing_is_released(draft, full, owner):
    tx = full.contract.abandon(EVIDENCE, owner.sends)
    assert fact(tx, "Abandoned")[2:4] == (11_000, 11_000)
    assert full.contract.phase() == ABANDONED


def test_an_owner_keeps_nothing_by_giving_up(full, owner):
    full.confirm(0)
    refused = refusal(full.contract.abandon, EVIDENCE, by=owner.account)
    assert refused == ("MissingRole", owner.account, role("ATTESTER"))


def test_an_open_campaign_given_up_has_failed(market, open_, owner, alice):
    mint(market, {alice.account: 500})
    open_.fund(alice.account, 500)
    refused = refusal(open_.contract.abandon, EVIDENCE, by=alice.account)
    assert refused == ("MissingRole", alice.account, role("ATTESTER"))
    open_.contract.abandon(EVIDENCE, owner.sends)
    assert open_.contract.phase() == FAILED
    open_.contract.refund(alice.sends)
    assert purse(market, alice.account) == 500


def test_anyone_ends_what_does_not_operate_in_time(market, full):
    contract, late = full.contract, full.terms.operate_by
    full.confirm(0)
    contract.confirmBuilt(EVIDENCE, {"from": full.attester})
    pass_to(late - 1)
    refused = refusal(contract.abandon, EVIDENCE, by=market.stranger)
    assert refused == ("MissingRole", market.stranger, role("ATTESTER"))
    next_block_at(late)
    contract.abandon(EVIDENCE, {"from": market.stranger})
    assert contract.refundPoolMicroEur() == 7_000


def test_an_open_campaign_is_never_late(market, alice):
    """It may have reached its goal: anyone concludes it, and nobody else than its own gives it up."""
    launched = launch(market, "DonationCampaign", market.members[9]).open()
    pass_to(launched.terms.operate_by)
    refused = refusal(launched.contract.abandon, EVIDENCE, by=alice.account)
    assert refused == ("MissingRole", alice.account, role("ATTESTER"))


def test_no_term_begins_before_the_market_clock(market, alice, bob):
    """It would be over with the clock's first step, and a rent owed for all of it."""
    by, owner = {"from": market.operator}, market.members[9]
    clock = market.contracts.MarketClock.deploy(
        market.registry, True, MTU, GATE_CLOSURE, HORIZON, by
    )
    terms, at = terms_of(owner), (market.registry, clock, market.currency)
    contract = market.contracts.DonationCampaign.deploy(at, terms, NOBODY, by)
    market.currency.addSystemHolder(contract, by)
    launched = Launched(market, contract, owner, terms, market.other_gateway)
    launched.funded({alice.account: 5_000, bob.account: 5_000})
    for milestone in range(2):
        launched.confirm(milestone)
    contract.confirmBuilt(EVIDENCE, {"from": launched.attester})
    refused = refusal(contract.startOperating, EVIDENCE, by=launched.attester)
    assert refused == ("ClockNotBegun",)


def test_what_is_all_released_or_over_is_not_abandoned(full):
    full.confirm(0)
    full.confirm(1)
    refused = refusal(full.contract.abandon, EVIDENCE, by=full.attester)
    assert refused == ("NothingToMove", full.attester)
    full.operating()
    refused = refusal(full.contract.abandon, EVIDENCE, by=full.attester)
    assert refused == ("WrongPhase", OPERATING)


# --- receipts, and whom they are for -----------------------------------------------------------


def test_a_receipt_is_never_transferred(full, alice, bob):
    contract = full.contract
    refused = ("NotTransferable", alice.account, bob.account)
    assert refusal(contract.transfer, bob.account, 1, by=alice.account) == refused
    contract.approve(bob.account, 5, alice.sends)
    assert refusal(contract.transferFrom, alice.account, bob.account, 1, by=bob.account) == refused
    assert contract.balanceOf(alice.account) == 7_000


def test_a_donation_may_be_for_somebody_else(market, owner, alice, bob, carol):
    gift = launch(market, "DonationCampaign", owner, carol.account)
    gift.funded({alice.account: 7_000, bob.account: 4_000})
    gift.confirm(0)
    assert refusal(gift.contract.withdraw, by=owner.account) == (
        "OnlyBeneficiary", owner.account, carol.account,
    )  # fmt: skip
    gift.contract.withdraw(carol.sends)
    assert purse(market, carol.account) == 4_000


def test_a_system_contract_is_nobodys_beneficiary(market, owner):
    bad = arguments(market, "DonationCampaign", terms_of(owner), market.house)
    error = deployment_refusal(market.contracts.DonationCampaign, *bad, by=market.operator)
    assert error[:2] == ("BadTerms", "beneficiary is no system contract")


def test_currency_is_never_pushed_into_a_campaign(market, open_, alice):
    """Else what it holds would not be what it has booked."""
    mint(market, {alice.account: 10})
    refused = refusal(market.currency.transfer, open_.contract, 10, by=alice.account)
    assert refused == ("OnlyByHolder", open_.contract, alice.account)
