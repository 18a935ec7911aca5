"""The reference clearing against optima of HiGHS, and against hand-worked books."""

import numpy as np
import pytest

from gridbourse.model.call_auction import Band, Clearing, clear, ration
from gridbourse.model.errors import ModelError
from tests.model.books import BAND, EDGE_BOOKS, LAST, Book, random_books
from tests.model.welfare_lp import LimitOrder, greatest_volume, greatest_welfare


def cleared(book: Book, pay_as_bid: bool = False) -> Clearing:
    return clear(book.is_offer, book.tick, book.wh, BAND, pay_as_bid)


def limit_orders(book: Book) -> list[LimitOrder]:
    rows = zip(book.is_offer.tolist(), book.tick.tolist(), book.wh.tolist(), strict=True)
    return [LimitOrder(is_offer, BAND.price(tick), wh) for is_offer, tick, wh in rows]


def require_optimal(book: Book) -> None:
    result = cleared(book)
    limits = np.array([order.limit for order in limit_orders(book)], dtype=np.int64)
    welfare = int((result.fills_wh * limits * np.where(book.is_offer, -1, 1)).sum())
    optimum = greatest_welfare(limit_orders(book))

    assert welfare == optimum, book
    assert result.crossing.volume_wh == greatest_volume(limit_orders(book), optimum), book


def require_fair(book: Book) -> None:
    """Both sides trade the same, nobody more than ordered, nobody at a price against its limit."""
    result = cleared(book)
    fills, volume = result.fills_wh, result.crossing.volume_wh
    assert fills[book.is_offer].sum() == fills[~book.is_offer].sum() == volume, book
    assert ((fills >= 0) & (fills <= book.wh)).all(), book
    if result.price_micro_eur_per_wh is None:
        assert volume == 0, book
        return
    limit = BAND.floor_micro_eur_per_wh + book.tick * BAND.tick_micro_eur_per_wh
    traded = fills > 0
    assert (limit[traded & book.is_offer] <= result.price_micro_eur_per_wh).all(), book
    assert (limit[traded & ~book.is_offer] >= result.price_micro_eur_per_wh).all(), book
    # Nobody strictly inside the price is left out: an equilibrium price.
    whole = fills == book.wh
    assert whole[book.is_offer & (limit < result.price_micro_eur_per_wh)].all(), book
    assert whole[~book.is_offer & (limit > result.price_micro_eur_per_wh)].all(), book


@pytest.mark.parametrize("book", EDGE_BOOKS, ids=str)
def test_edge_books_reach_the_optimum_of_the_linear_programme(book: Book) -> None:
    require_optimal(book)
    require_fair(book)


def test_a_thousand_random_books_reach_the_optimum_of_the_linear_programme() -> None:
    for book in random_books(1_000, seed=20160701):
        require_optimal(book)
        require_fair(book)


@pytest.mark.parametrize(
    ("name", "volume", "tick"),
    [
        # Between the offer at 20 and the bid at 40; the rejected ones at 19 and 41 lie outside.
        ("exact crossing", 600, 30),
        # The rejected bid at 29 and the rejected offer at 32 narrow the interval: (29 + 32) // 2.
        ("exact crossing, both rejected sides inside", 600, 30),
        # (20 + 41) / 2 = 30.5 is rounded down to a tick.
        ("exact crossing, nothing rejected", 600, 30),
        # A margin that is partly filled sets the price alone.
        ("bid margin partly filled", 450, 25),
        ("offer margin partly filled", 450, 15),
        ("edges of the band cross", 300, LAST),
        ("all at tick 0", 400, 0),
        ("all at the last tick", 400, LAST),
    ],
)
def test_hand_worked_prices(name: str, volume: int, tick: int) -> None:
    book = next(book for book in EDGE_BOOKS if book.name == name)

    crossing = cleared(book).crossing

    assert (crossing.volume_wh, crossing.price_tick) == (volume, tick)


@pytest.mark.parametrize("name", ["nobody", "bids only", "offers only", "no crossing"])
def test_without_a_crossing_there_is_neither_trade_nor_price(name: str) -> None:
    book = next(book for book in EDGE_BOOKS if book.name == name)

    result = cleared(book)

    assert result.price_micro_eur_per_wh is None
    assert not result.fills_wh.any()
    assert not result.payments_micro_eur.any()


def test_rationing_goes_by_cumulative_rounding_in_participant_order() -> None:
    # 10 of 3 × 10: the cumulative shares 3.33, 6.67, 10 round down to 3, 6, 10.
    assert ration(np.array([10, 10, 10]), 10, 30).tolist() == [3, 3, 4]
    assert ration(np.array([1, 1, 1, 1]), 2, 4).tolist() == [0, 1, 0, 1]


def test_uniform_price_leaves_no_spread_and_pay_as_bid_all_of_it() -> None:
    book = Book.of("", ("bid", 40, 600), ("offer", 20, 600))

    uniform, own = cleared(book), cleared(book, pay_as_bid=True)

    assert uniform.payments_micro_eur.tolist() == [-600 * 200, 600 * 200]
    assert uniform.spread_micro_eur == 0
    assert own.payments_micro_eur.tolist() == [-600 * 240, 600 * 160]
    assert own.spread_micro_eur == 600 * 80


def test_orders_outside_the_band_and_negative_energy_are_refused() -> None:
    with pytest.raises(ModelError, match=r"order 1: tick 56 must lie in 0\.\.55"):
        cleared(Book.of("", ("bid", 3, 1), ("offer", LAST + 1, 1)))
    with pytest.raises(ModelError, match="order 0: wh -1 must not be negative"):
        cleared(Book.of("", ("bid", 3, -1)))


def test_a_band_in_use_has_no_price_above_retail() -> None:
    band = Band(80, 4, 56)  # up to 300

    assert band.in_use(300) == band.in_use(10_000) == band
    for retail, ticks in ((299, 55), (296, 55), (295, 54), (80, 1), (79, 0), (0, 0)):
        assert band.in_use(retail).ticks == ticks


def test_a_price_is_a_tick_of_the_band_or_refused() -> None:
    band = Band(80, 4, 56)

    assert [band.tick_of(80), band.tick_of(300)] == [0, 55]
    for price in (79, 82, 304):
        with pytest.raises(ModelError, match=f"{price} µEUR/Wh is not a tick of the band"):
            band.tick_of(price)
