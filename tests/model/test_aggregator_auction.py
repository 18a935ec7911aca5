"""Aggregator auctions against their definition: exhaustive on what can be enumerated, properties beyond."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.model.aggregator_auction import Auction, Award, award
from gridbourse.model.call_auction import Band
from gridbourse.model.errors import ModelError

BAND = Band(80, 5, 8)
PRICES = [BAND.price(tick) for tick in range(BAND.ticks)]


def awarded(auction: Auction, *answers: tuple[int, int]) -> Award:
    tick, wh = np.array(answers, dtype=np.int64).reshape(-1, 2).T
    return award(auction, tick, wh, BAND)


ANSWERS = st.lists(st.tuples(st.integers(0, BAND.ticks - 1), st.integers(0, 900)), max_size=12)
AUCTIONS = st.builds(
    Auction, st.booleans(), st.integers(1, 3_000), st.integers(0, 7), st.booleans()
)


def within(auction: Auction, answers: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [a for a in answers if (a[0] <= auction.tick if auction.buys else a[0] >= auction.tick)]


# --- by hand -----------------------------------------------------------------------------------


def test_the_cheapest_offers_win_until_the_quantity_is_covered() -> None:
    found = awarded(Auction(True, 1_000, 6), (3, 400), (1, 500), (5, 300), (4, 200))

    assert found.won_wh.tolist() == [400, 500, 0, 100]
    assert found.price_micro_eur_per_wh.tolist() == [PRICES[4], PRICES[4], 0, PRICES[4]]
    assert found.paid_micro_eur == 1_000 * PRICES[4]


def test_an_offer_auction_is_the_mirror_image() -> None:
    found = awarded(Auction(False, 1_000, 1), (3, 400), (1, 500), (5, 300), (4, 200))

    assert found.won_wh.tolist() == [400, 100, 300, 200]
    assert set(found.price_micro_eur_per_wh.tolist()) == {PRICES[1]}


def test_pay_as_bid_is_everybodys_own_price() -> None:
    found = awarded(Auction(True, 700, 6, pay_as_bid=True), (3, 400), (1, 500))

    assert found.won_wh.tolist() == [200, 500]
    assert found.price_micro_eur_per_wh.tolist() == [PRICES[3], PRICES[1]]


def test_the_last_tick_is_shared_pro_rata_whoever_came_first() -> None:
    found = awarded(Auction(True, 500, 6), (2, 300), (2, 600), (2, 100))

    assert found.won_wh.tolist() == [150, 300, 50]


def test_too_little_is_all_taken_and_nothing_comes_to_nothing() -> None:
    assert awarded(Auction(True, 500, 6), (2, 300)).volume_wh == 300
    nothing = awarded(Auction(True, 500, 6))
    assert (nothing.volume_wh, nothing.margin, nothing.paid_micro_eur) == (0, None, 0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((8, 1), "answer 0: tick 8 must lie in 0..7"),
        ((5, 1), "answer 0: tick 5 is beyond the auction's limit 4"),
        ((1, -1), "answer 0: wh -1 must not be negative"),
    ],
)
def test_an_answer_outside_the_rules_is_refused(answer: tuple[int, int], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        awarded(Auction(True, 100, 4), answer)


# --- by enumeration ----------------------------------------------------------------------------


@given(
    st.booleans(),
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=4),
)
def test_small_auctions_cover_most_at_the_least_cost(
    buys: bool, wanted: int, answers: list[tuple[int, int]]
) -> None:
    """Of all ways to take from the answers, the greatest volume, and of those the best for the aggregator."""
    auction = Auction(buys, wanted, 4 if buys else 0, pay_as_bid=True)
    found = awarded(auction, *answers)
    ways = [way for way in product(*(range(wh + 1) for _, wh in answers)) if sum(way) <= wanted]
    most = max(sum(way) for way in ways)
    bills = [
        sum(wh * PRICES[tick] for wh, (tick, _) in zip(way, answers, strict=True))
        for way in ways
        if sum(way) == most
    ]

    assert found.volume_wh == most
    assert found.paid_micro_eur == (min(bills) if buys else max(bills))


def test_every_auction_small_enough_is_the_optimum() -> None:
    """All books of three answers on three ticks: most volume, then best for the aggregator."""
    offers = list(product(range(3), range(3)))
    for book in product(offers, repeat=3):
        tick, wh = np.array(book, dtype=np.int64).T
        ways = np.array(list(product(*(range(w + 1) for w in wh))), dtype=np.int64)
        bills = ways @ np.array([PRICES[t] for t in tick])
        for buys, wanted in product((True, False), range(1, 5)):
            found = award(Auction(buys, wanted, 2 if buys else 0, pay_as_bid=True), tick, wh, BAND)
            most = min(wanted, int(wh.sum()))
            best = bills[ways.sum(axis=1) == most]
            assert found.volume_wh == found.won_wh.sum() == most
            assert found.paid_micro_eur == (best.min() if buys else best.max())


# --- properties --------------------------------------------------------------------------------


@given(AUCTIONS, ANSWERS)
def test_nobody_gets_more_than_it_offers_or_a_worse_price_than_it_asks(
    auction: Auction, answers: list[tuple[int, int]]
) -> None:
    fit = within(auction, answers)
    found = awarded(auction, *fit)

    assert found.won_wh.sum() == found.volume_wh <= auction.wh
    for (tick, wh), won, price in zip(fit, found.won_wh, found.price_micro_eur_per_wh, strict=True):
        assert 0 <= won <= wh
        if won:
            assert price >= PRICES[tick] if auction.buys else price <= PRICES[tick]
            limit = PRICES[auction.tick]
            assert price <= limit if auction.buys else price >= limit


@given(AUCTIONS, ANSWERS, st.randoms())
def test_who_came_first_does_not_matter_beyond_the_last_watt_hour(
    auction: Auction, answers: list[tuple[int, int]], random: object
) -> None:
    fit = within(auction, answers)
    order = list(range(len(fit)))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight = awarded(auction, *fit)
    mixed = awarded(auction, *(fit[i] for i in order))

    assert mixed.volume_wh == straight.volume_wh
    assert mixed.margin == straight.margin
    moved = np.abs(mixed.won_wh - straight.won_wh[order]) if order else np.zeros(1)
    assert moved.max() <= 1  # cumulative rounding
