"""Strips over the counter: defaults by hand, and money on random courses."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.model.over_the_counter import (
    DealOutcome,
    DealTerms,
    Margins,
    SupplierPrices,
    TermsError,
    damages,
    margins_needed,
    step,
    walk,
)
from gridbourse.model.trade import MOST_PRICE_MICRO_EUR_PER_WH, MOST_WH

TERMS = DealTerms(
    seller=1, buyer=2, first_period=1_000, count=4, wh=5_000, price_micro_eur_per_wh=200,
    seller_margin_micro_eur=600_000, buyer_margin_micro_eur=700_000, salt=bytes(32),
)  # fmt: skip
USUAL = SupplierPrices(retail=300, feed_in=80)
BOOKED, SELLER, BUYER = DealOutcome.BOOKED, DealOutcome.SELLER_DEFAULTS, DealOutcome.BUYER_DEFAULTS


@pytest.mark.parametrize(
    ("outcome", "retail", "feed_in", "owed"),
    [
        (SELLER, 300, 80, 100 * 5_000),  # the buyer buys at 300 what it had for 200
        (SELLER, 201, 80, 5_000),
        (SELLER, 200, 80, 0),
        (SELLER, 150, 80, 0),  # the supplier is cheaper: no harm done, and none paid back
        (BUYER, 300, 80, 120 * 5_000),  # the seller gets 80 for what it had sold for 200
        (BUYER, 300, 200, 0),
        (BUYER, 300, 250, 0),
        (BUYER, 300, -20, 220 * 5_000),
        (BOOKED, 300, 80, 0),
        (DealOutcome.REJECTED, 300, 80, 0),
        (DealOutcome.BOTH_DEFAULT, 300, 80, 0),
    ],
)
def test_a_default_costs_what_the_supplier_makes_the_other_lose(outcome, retail, feed_in, owed):
    assert damages(TERMS, outcome, SupplierPrices(retail, feed_in)) == owed


def test_damages_come_out_of_the_margin_while_it_lasts():
    strip = walk(TERMS, [(SELLER, USUAL)] * 3 + [(BOOKED, USUAL)])

    assert [each.to_buyer for each in strip.steps] == [500_000, 100_000, 0, 0]
    assert [each.unpaid for each in strip.steps] == [0, 400_000, 500_000, 0]
    assert strip.steps[-1].left == Margins(seller=0, buyer=700_000)
    assert strip.buyer_micro_eur == 600_000 - 5_000 * 200
    assert strip.seller_micro_eur == -600_000 + 5_000 * 200


def test_each_side_answers_with_its_own_margin_only():
    strip = walk(TERMS, [(SELLER, USUAL), (BUYER, USUAL), (BUYER, USUAL), (SELLER, USUAL)])

    assert [each.to_buyer for each in strip.steps] == [500_000, 0, 0, 100_000]
    assert [each.to_seller for each in strip.steps] == [0, 600_000, 100_000, 0]
    assert strip.steps[-1].left == Margins(0, 0)
    assert (strip.seller_micro_eur, strip.buyer_micro_eur) == (100_000, -100_000)


def test_a_strip_without_default_gives_both_margins_back():
    strip = walk(TERMS, [(BOOKED, USUAL)] * 3 + [(DealOutcome.REJECTED, USUAL)])

    assert [each.period for each in strip.steps] == [1_000, 1_001, 1_002, 1_003]
    assert [each.paid for each in strip.steps] == [1_000_000] * 3 + [0]
    assert strip.steps[-1].left == TERMS.margins
    assert (strip.seller_micro_eur, strip.buyer_micro_eur) == (3_000_000, -3_000_000)


def test_the_margins_needed_cover_a_default_in_every_period():
    assert margins_needed(TERMS, USUAL) == Margins(4 * 500_000, 4 * 600_000)
    assert margins_needed(TERMS, SupplierPrices(retail=200, feed_in=200)) == Margins(0, 0)


COURSE = st.tuples(
    st.sampled_from(DealOutcome),
    st.builds(SupplierPrices, retail=st.integers(-100, 500), feed_in=st.integers(-100, 500)),
)
STRIPS = st.lists(COURSE, min_size=1, max_size=12)
AMOUNTS = st.integers(0, 10_000)


@given(STRIPS, st.integers(1, 30), st.integers(0, 400), AMOUNTS, AMOUNTS)
def test_a_strip_conserves_money(course, wh, price, seller_margin, buyer_margin):
    terms = DealTerms(1, 2, 7, len(course), wh, price, seller_margin, buyer_margin, bytes(32))

    strip = walk(terms, course)

    assert strip.seller_micro_eur + strip.buyer_micro_eur == 0
    booked = sum(outcome is BOOKED for outcome, _ in course)
    # Beyond the trades a party loses its margin at most, and wins the other's at most.
    beyond = strip.seller_micro_eur - booked * wh * price
    assert -seller_margin <= beyond <= buyer_margin
    for each, (outcome, prices) in zip(strip.steps, course, strict=True):
        assert each.to_buyer + each.to_seller + each.unpaid == damages(terms, outcome, prices)
        assert min(each.to_buyer, each.to_seller, each.unpaid, each.left.seller) >= 0
        assert each.left.buyer >= 0


@given(STRIPS, st.integers(1, 30), st.integers(0, 400))
def test_sufficient_margins_leave_no_default_unpaid(course, wh, price):
    terms = DealTerms(1, 2, 7, len(course), wh, price, 0, 0, bytes(32))
    worst = SupplierPrices(
        max(prices.retail for _, prices in course), min(prices.feed_in for _, prices in course)
    )
    needed = margins_needed(terms, worst)
    covered = replace(
        terms, seller_margin_micro_eur=needed.seller, buyer_margin_micro_eur=needed.buyer
    )

    assert not any(each.unpaid for each in walk(covered, course).steps)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("buyer", 1, "buyer 1 must not be the seller"),
        ("first_period", -1, "first_period -1 must be an integer, at least 0"),
        ("count", 0, "count 0 must be an integer, at least 1"),
        ("wh", 0, f"wh 0 must be an integer, at least 1 and at most {MOST_WH}"),
        ("wh", MOST_WH + 1, f"wh {MOST_WH + 1} "),
        ("wh", 1.5, r"wh 1\.5 must be an integer"),
        ("price_micro_eur_per_wh", -1, "price -1 "),
        ("price_micro_eur_per_wh", MOST_PRICE_MICRO_EUR_PER_WH + 1, "price 65536 "),
        ("price_micro_eur_per_wh", float("nan"), "price nan must be an integer"),
        ("seller_margin_micro_eur", -1, "seller_margin -1 "),
        ("buyer_margin_micro_eur", -1, "buyer_margin -1 "),
        ("salt", bytes(31), "salt has 31 bytes, must have 32"),
    ],
)
def test_bad_terms_are_refused_by_field(field, value, rule):
    with pytest.raises(TermsError, match=rule):
        replace(TERMS, **{field: value})


def test_a_course_of_another_length_and_a_foreign_period_are_refused():
    with pytest.raises(TermsError, match="course: has 3 periods, the strip 4"):
        walk(TERMS, [(BOOKED, USUAL)] * 3)
    with pytest.raises(TermsError, match="period: 1004 is not one of the strip's"):
        step(TERMS, 1_004, TERMS.margins, BOOKED, USUAL)
