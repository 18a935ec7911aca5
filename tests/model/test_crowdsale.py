"""Crowdsales by the model: by hand, and over random amounts and orders."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.model.crowdsale.campaign import Campaign, Good, Phase, Refused, Reward, Rules
from gridbourse.model.crowdsale.equity import (
    Agreement,
    Dividends,
    Equity,
    Export,
    Form,
    Pledges,
    premium_micro_eur,
)

RULES = Rules(1_000, 1_200, 10, 900, 100, 200, 300, 4)
RETAIL, FEED_IN = 300, 80


def funded(gifts: dict[str, int], kind: type[Campaign] = Campaign) -> Campaign:
    campaign = kind(RULES, "owner", "attester")
    campaign.open("owner", [400, 600], 0)
    for who, amount in gifts.items():
        campaign.fund(who, amount, 150)
    campaign.conclude(200)
    return campaign


def refused(rule: str, act, *given) -> None:
    with pytest.raises(Refused) as error:
        act(*given)
    assert error.value.rule == rule


def test_a_failed_campaign_gives_all_back() -> None:
    campaign = funded({"a": 500, "b": 499})
    assert campaign.phase == Phase.FAILED
    assert [campaign.refund(who) for who in ("b", "a")] == [499, 500]
    assert campaign.held == campaign.supply == campaign.released == 0
    refused("NothingToMove", campaign.refund, "a")


def test_what_is_above_the_goal_comes_with_the_last_milestone() -> None:
    campaign = funded({"a": 900, "b": 200})
    assert campaign.confirm_milestone("attester", 0) == 400
    refused("MilestoneOutOfTurn", campaign.confirm_milestone, "attester", 0)
    refused("MissingRole", campaign.confirm_milestone, "owner", 1)
    assert campaign.confirm_milestone("attester", 1) == 700
    assert campaign.withdraw("owner") == 1_100
    assert campaign.held == 0


@given(
    st.lists(st.integers(200, 240), min_size=5, max_size=5),
    st.permutations(range(5)),
    st.booleans(),
)
def test_an_abandoned_project_gives_back_what_was_not_released(gifts, order, released) -> None:
    gifts = {f"funder {i}": amount for i, amount in enumerate(gifts)}
    campaign = funded(gifts)
    if released:
        campaign.confirm_milestone("attester", 0)
    campaign.abandon("attester", 200)
    pool = campaign.funded - campaign.released
    before = campaign.released
    back = {who: campaign.refund(who) for who in (f"funder {i}" for i in order)}
    for who, amount in gifts.items():
        assert (
            Fraction(amount * pool, campaign.funded) - 1
            < back[who]
            <= Fraction(amount * pool, campaign.funded)
        )
    remainder = campaign.released - before
    assert 0 <= remainder < 5
    assert sum(back.values()) + remainder == pool
    assert campaign.held == campaign.released


def test_funding_has_edges_in_time_and_money() -> None:
    campaign = Campaign(RULES, "owner", "attester")
    campaign.open("owner", [400, 600], 0)
    for now in (99, 200):
        refused("OutsideFunding", campaign.fund, "a", 50, now)
    refused("BelowMinimum", campaign.fund, "a", 9, 100)
    refused("AboveMaximum", campaign.fund, "a", 901, 100)
    campaign.fund("a", 900, 100)
    refused("AboveCap", campaign.fund, "b", 301, 199)
    campaign.fund("b", 295, 199)
    refused("BelowMinimum", campaign.fund, "c", 4, 199)
    campaign.fund("c", 5, 199)  # below the minimum, but it fills the cap
    assert campaign.held == campaign.supply == 1_200
    refused("MissingRole", campaign.abandon, "a", 300)  # an open campaign is concluded, not late


def test_who_may_give_up() -> None:
    campaign = funded({"a": 900, "b": 200})
    refused("MissingRole", campaign.abandon, "a", 299)
    campaign.confirm_milestone("attester", 0)
    refused("MissingRole", campaign.abandon, "owner", 299)
    campaign.abandon("a", 300)
    assert (campaign.pool, campaign.pool_tokens) == (700, 1_100)


# --- equity ------------------------------------------------------------------------------------

PAYMENTS = st.lists(
    st.one_of(
        st.tuples(st.just("pay in"), st.integers(1, 10**6), st.just(0)),
        st.tuples(st.just("move"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("claim"), st.integers(0, 3), st.just(0)),
    ),
    max_size=30,
)


@given(st.lists(st.integers(1, 10**6), min_size=4, max_size=4), PAYMENTS)
def test_every_unit_paid_in_is_somebodys_or_in_the_remainder(shares, steps) -> None:
    held, dividends = dict(enumerate(shares)), Dividends()
    for step, a, b in steps:
        if step == "pay in":
            dividends.distribute(a, held)
        elif step == "move":
            moved = held[a] // 2
            held[a] -= moved
            held[b] += moved
        elif dividends.claimable(a):
            due = dividends.claimable(a)
            assert dividends.claim(a) == due
            refused("NothingToMove", dividends.claim, a)
        claimable = sum(map(dividends.claimable, held))
        assert 0 <= dividends.paid_in - dividends.claimed - claimable < len(held)


def test_income_is_rounded_once() -> None:
    campaign = Equity(RULES, "owner", "attester", panel_permille=334)
    campaign.agreed = Agreement(Form.PROFIT_SHARE, 333)
    campaign.open("owner", [1_000], 0)
    campaign.fund("a", 900, 150)
    campaign.fund("b", 200, 150)
    campaign.conclude(200)
    refused("WrongPhase", campaign.record, 1, Export(1, RETAIL, FEED_IN))
    campaign.confirm_milestone("attester", 0)
    campaign.confirm_built("attester")
    campaign.start_operating("attester", 10)
    for period in (11, 12):
        campaign.record(period, Export(1_001, RETAIL, FEED_IN))
    refused("RecordedBefore", campaign.record, 12, Export(1_001, RETAIL, FEED_IN))
    refused("OutsideTerm", campaign.record, 15, Export(1, RETAIL, FEED_IN))
    campaign.attest("attester", 11, 7)
    refused("AttestedBefore", campaign.attest, "attester", 11, 7)
    assert campaign.due(12) == (2 * 1_001 * FEED_IN + 7) * 334 * 333 // 10**6
    assert campaign.collect(12, 5) == 5
    assert campaign.collect(12, -5) == 0
    assert campaign.collect(12, 10**9) == campaign.due(12) - 5


def operating(permille: int = 1_000, pledges: Pledges | None = None) -> Equity:
    """All of whose income is its investors'; from period 11 on."""
    campaign = Equity(RULES, "owner", "attester", panel_permille=permille)
    campaign.pledges = pledges or campaign.pledges
    campaign.agreed = Agreement(Form.PROFIT_SHARE, 1_000)
    campaign.open("owner", [1_000], 0)
    campaign.fund("a", 900, 150)
    campaign.fund("b", 300, 150)
    campaign.conclude(150)
    campaign.confirm_milestone("attester", 0)
    campaign.confirm_built("attester")
    campaign.start_operating("attester", 10)
    return campaign


def test_a_correction_voids_what_was_attested_and_counts_once() -> None:
    campaign = operating()
    campaign.record(11, Export(1_000, RETAIL, FEED_IN))
    campaign.attest("attester", 11, 500)
    assert campaign.collect(12, 10**9) == 1_000 * FEED_IN + 500
    refused("RecordedBefore", campaign.record, 11, Export(1_000, RETAIL, FEED_IN))
    campaign.record(11, Export(400, RETAIL, FEED_IN))
    assert campaign.due(12) == 400 * FEED_IN
    assert campaign.collect(12, 10**9) == 0
    campaign.attest("attester", 11, 200)
    campaign.record(12, Export(700, RETAIL, FEED_IN))
    assert campaign.collect(12, 10**9) == 100 * FEED_IN - 300


def test_no_term_begins_before_the_market_clock() -> None:
    campaign = funded({"a": 900, "b": 200})
    for milestone in range(2):
        campaign.confirm_milestone("attester", milestone)
    campaign.confirm_built("attester")
    refused("ClockNotBegun", campaign.start_operating, "attester", 0)
    campaign.start_operating("attester", 1)
    assert campaign.first_period == 2


def test_a_premium_goes_up_to_the_retail_price() -> None:
    campaign = operating()
    campaign.record(11, Export(10, RETAIL, FEED_IN))
    refused("PremiumOutOfRange", campaign.attest, "attester", 11, 10 * (RETAIL - FEED_IN) + 1)
    campaign.attest("attester", 11, 10 * (RETAIL - FEED_IN))
    assert campaign.due(12) == 10 * RETAIL


def test_shares_move_once_the_funding_has_succeeded() -> None:
    campaign = Equity(RULES, "owner", "attester", agreed=Agreement(Form.RENT, 1))
    campaign.open("owner", [1_000], 0)
    campaign.fund("a", 900, 150)
    refused("NotTransferable", campaign.transfer, "a", "b", 1)
    campaign.fund("c", 300, 150)
    campaign.conclude(150)
    campaign.transfer("a", "b", 900)
    assert (campaign.tokens["a"], campaign.tokens["b"]) == (0, 900)


def test_no_export_is_promised_twice() -> None:
    pledges = Pledges()
    first, second = operating(600, pledges), Equity(RULES, "owner", "attester", pledges=pledges)
    second.panel_permille, second.agreed = 401, Agreement(Form.RENT, 1)
    refused("PledgedAbove", second.open, "owner", [1_000], 0)
    assert (second.phase, pledges.left) == (Phase.DRAFT, 400)
    second.panel_permille = 400
    second.open("owner", [1_000], 0)
    assert pledges.left == 0
    second.conclude(200)
    assert (second.phase, pledges.left) == (Phase.FAILED, 400)
    first.close(15)
    assert pledges.left == 1_000


def test_who_holds_the_point_owes_for_its_own_periods() -> None:
    """What was agreed binds the metering point: an owner that leaves takes nothing along."""
    campaign = operating()
    campaign.record(11, Export(100, RETAIL, FEED_IN))
    campaign.record(12, Export(300, RETAIL, FEED_IN, holder="next"))
    assert (campaign.due(13), campaign.due(13, "next")) == (100 * FEED_IN, 300 * FEED_IN)
    assert campaign.due(13, "neighbour") == 0
    assert campaign.collect(13, 10**9, "next") == 300 * FEED_IN
    assert (campaign.collected, campaign.collect(13, 10**9, "next")) == (300 * FEED_IN, 0)


def test_a_rent_is_owed_for_ones_own_stay() -> None:
    campaign = Equity(replace(RULES, term_periods=20), "owner", "attester")
    campaign.agreed, campaign.first_period = Agreement(Form.RENT, 7), 11
    first = campaign.first_period
    left = first + 3
    assert campaign.due(first + 5, stay=(0, left)) == 3 * 7
    assert campaign.due(first + 5, "next", (left, 10**6)) == 2 * 7
    assert campaign.due(first + 5, "former", (0, first)) == 0


def test_rent_runs_from_the_first_period_to_the_end_of_the_term() -> None:
    campaign = Equity(RULES, "owner", "attester", agreed=Agreement(Form.RENT, 50))
    campaign.first_period = 11
    assert [campaign.due(period) for period in (5, 11, 12, 15, 99)] == [0, 0, 50, 200, 200]


@pytest.mark.parametrize(
    ("export", "sold", "paid", "premium"),
    [
        (1_000, 600, 600 * 200, 600 * 120),
        (1_000, 0, 0, 0),
        (1_000, -50, -9_000, 0),  # it bought
        (300, 600, 600 * 200, 300 * 120),  # half of it was not there
        (0, 600, 600 * 200, 0),
        (1_000, 600, 600 * 50, 0),  # below the feed-in tariff: that is not its investors' loss
        (1_000, 10, 900_000, 1_000 * 220),  # a trader's gain, not an export's
    ],
)
def test_the_premium_is_what_contracts_paid_above_feed_in(export, sold, paid, premium) -> None:
    assert premium_micro_eur(export, sold, paid, RETAIL, FEED_IN) == premium


# --- rewards -----------------------------------------------------------------------------------


def test_a_good_is_redeemed_when_both_say_so_and_void_with_the_refund() -> None:
    campaign = Reward(RULES, "owner", "attester", goods=[Good(100, 5)])
    campaign.open("owner", [1_000], 0)
    campaign.fund("a", 900, 150)
    campaign.fund("b", 200, 150)
    campaign.pick("a", 0, 3)
    refused("OutOfStock", campaign.pick, "b", 0, 3)
    refused("NotGivenEnough", campaign.pick, "c", 0, 1)
    campaign.conclude(200)
    campaign.hand_over("owner", "a", 0, 2)
    campaign.confirm_receipt("a", 0, 1)
    assert campaign.vouchers["a", 0].redeemed == 1
    refused("AbovePicked", campaign.confirm_receipt, "a", 0, 3)
    campaign.abandon("attester", 200)
    assert campaign.refund("a") == 900
    assert campaign.goods[0].left == 4
    refused("WrongPhase", campaign.confirm_receipt, "a", 0, 1)
