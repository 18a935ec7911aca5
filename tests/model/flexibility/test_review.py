"""Verified flexibility measured anew."""

import random
from dataclasses import replace

import pytest

from gridbourse.model.flexibility.market import Leg, Request, aggregators_part, verify
from gridbourse.model.flexibility.products import CONGESTION, CONGESTION_METERED, Way
from gridbourse.model.flexibility.review import Verified, book, leg_shares, review
from gridbourse.model.house_accounts import DSO_ACCOUNT as DSO
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT as SUPPLIER
from gridbourse.model.house_accounts import TSO_ACCOUNT as TSO
from gridbourse.model.house_accounts import dso_account
from gridbourse.model.ledger import Ledger

COMPENSATED = replace(CONGESTION_METERED, compensation_micro_eur_per_wh=90)
SELLER, AGGREGATOR, BUYER = 8, 9, 10


def verified(
    way: Way = Way.UP, metered: int = 500, buyer: int = DSO, wh: int = 500, before: int = 0
) -> Verified:
    """500 Wh at 40 µEUR/Wh, an aggregator gets a fifth of the payment."""
    request = Request(COMPENSATED, way, wh, 10, house=buyer < SELLER)
    leg = Leg(SELLER, wh, 40, wh * 300)
    one = Verified(request, leg, buyer, 0, metered, before, AGGREGATOR, 800)
    return leg_shares([one], 10**9)[0]


def changes_of(was: Verified, metered: int) -> dict[int, int]:
    found = review(was, metered)
    assert found is not None
    return dict(found.changes)


def test_a_reading_that_was_false_costs_the_seller_payment_and_penalty() -> None:
    paid, moved, penalty = 500 * 40, 500 * 90, 500 * 40
    assert changes_of(verified(), 0) == {
        SELLER: -paid * 8 // 10 - penalty,
        AGGREGATOR: -paid * 2 // 10,
        DSO: paid + penalty - moved,
    }


def test_who_was_penalised_for_a_reading_that_was_false_has_it_all_back() -> None:
    there = changes_of(verified(metered=0), 500)
    assert there == {who: -amount for who, amount in changes_of(verified(), 0).items()}


def test_downwards_the_buyer_pays_the_compensation() -> None:
    found = changes_of(verified(Way.DOWN, metered=0), -500)
    assert found[DSO] == -500 * 40 - 500 * (40 + 90) - 500 * 90


def test_what_changes_nothing_is_no_review() -> None:
    assert review(verified(), 500) is None
    assert review(verified(), 900) is None, "more than was awarded"


@pytest.mark.parametrize("buyer", [DSO, TSO, BUYER])
@pytest.mark.parametrize("way", [Way.UP, Way.DOWN])
def test_reviews_leave_nothing_of_the_readings_before(way: Way, buyer: int) -> None:
    """Whatever was read in between: in sum accounts change as if the last reading had been the first."""
    draw = random.Random(f"{way} {buyer}")
    for _ in range(100):
        readings = [draw.randint(-900, 900) for _ in range(5)]
        one, total = verified(way, readings[0], buyer), Ledger()
        for reading in readings[1:]:
            if found := review(one, reading):
                for who, amount in found.changes:
                    total.balances[who] += amount
                one = found.now
        straight = review(verified(way, readings[0], buyer), readings[-1])
        expected = dict(straight.changes) if straight else {}
        assert {who: amount for who, amount in total.balances.items() if amount} == expected


def test_a_review_never_pays_one_response_twice() -> None:
    """Legs share the response in the order in which they were verified, whatever they are reviewed by."""
    draw = random.Random(4)
    for _ in range(200):
        wanted = [draw.randint(1, 400) for _ in range(3)]
        legs = [verified(wh=wh, metered=0, before=sum(wanted[:i])) for i, wh in enumerate(wanted)]
        response = draw.randint(-200, 1_500)
        delivered = [one.finding(response).delivered_wh for one in legs]
        assert sum(delivered) == max(0, min(response, sum(wanted)))


def test_a_review_finds_what_verification_would_have() -> None:
    draw = random.Random(5)
    for _ in range(200):
        was, reading = verified(metered=draw.randint(-900, 900)), draw.randint(-900, 900)
        found = review(was, reading)
        now = found.now if found else was
        expected = verify(was.leg, COMPENSATED, Way.UP, 0, reading)
        assert now.stands == expected
        if found:
            assert found.shared == aggregators_part(expected.paid_micro_eur, 800)


def test_who_stood_by_is_held_to_its_schedule_by_the_right_reading() -> None:
    leg = Leg(SELLER, 500, 40, 500 * 80, stands_by=True)
    was = Verified(Request(CONGESTION, Way.UP, 500, 10), leg, DSO, -1_000, -530)
    assert changes_of(was, -1_000) == {SELLER: 470 * 80}, "of the supplier, who had the penalty"


def test_what_the_supplier_could_not_compensate_is_not_given_back() -> None:
    legs = leg_shares([verified(), verified()], 500 * 90 + 1_000)
    assert [leg.compensated for leg in legs] == [500 * 90, 1_000]
    assert changes_of(legs[1], 0)[DSO] == 500 * 80 - 1_000
    assert changes_of(legs[1], 499)[DSO] == 80, "of one Wh, with its damages"


def test_booking_reviews_makes_no_money_and_pays_out_no_one_elses() -> None:
    draw = random.Random(6)
    for _ in range(300):
        money = Ledger()
        for account in (DSO, SUPPLIER, TSO, SELLER, AGGREGATOR, BUYER):
            money.deposit(account, draw.randint(0, 60_000))
        for _ in range(4):
            was = verified(
                draw.choice((Way.UP, Way.DOWN)),
                draw.randint(-600, 600),
                draw.choice((DSO, TSO, BUYER)),
            )
            if found := review(was, draw.randint(-600, 600)):
                book(money, found)
            for account in (DSO, TSO, SUPPLIER, SELLER, AGGREGATOR, BUYER):
                if free := money.spendable(account):
                    money.withdraw(account, free, 0)
            assert money.money_sum == 0
            assert money.gap <= 0


def test_the_dso_of_another_area_is_credited_as_a_house_account_never_as_who_may_wait() -> None:
    """The seller has nothing to give back: a participant's credit would wait, a DSO's does not."""
    money, dso = Ledger(), dso_account(3)
    bought = verified()
    request = replace(bought.request, product=CONGESTION_METERED)
    was = replace(bought, buyer=dso, request=request, compensated=0)
    found = review(was, 0)
    assert found is not None
    earned = dict(found.changes)[dso]
    assert earned > 0
    book(money, found)
    assert money.strength < 0
    assert not money.waiting.get(dso)
    assert (money.balances[dso], money.money_sum) == (earned, 0)
