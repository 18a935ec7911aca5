"""What holds for every market outcome: money sums to zero, and nobody is worse off for trading."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.call_auction import Band, clear
from gridbourse.model.caps import NO_CAP
from gridbourse.model.settlement import Prices, hold_micro_eur, settle, without_market

ENERGY = st.integers(0, NO_CAP)
NET = st.integers(-NO_CAP, NO_CAP)
PRICE = st.integers(0, 400)
MANY = settings(max_examples=300)


@st.composite
def price_lists(draw) -> Prices:
    """Feed-in not above retail; local energy not dearer in fees than imported energy."""
    feed_in, retail = sorted((draw(PRICE), draw(PRICE)))
    local, imported = sorted((draw(PRICE), draw(PRICE)))
    return Prices(retail, feed_in, imported, local, export_fee=draw(PRICE))


@dataclass(frozen=True)
class Orders:
    is_offer: np.ndarray
    tick: np.ndarray
    wh: np.ndarray

    @property
    def net_wh(self) -> np.ndarray:
        return np.where(self.is_offer, self.wh, -self.wh)


@st.composite
def orders_in(draw, ticks: int) -> Orders:
    order = st.tuples(st.booleans(), st.integers(0, ticks - 1), ENERGY)
    rows = draw(st.lists(order, min_size=1, max_size=24))
    sides, at, wh = zip(*rows, strict=True)
    return Orders(np.array(sides), np.array(at, dtype=np.int64), np.array(wh, dtype=np.int64))


def contracts_of(orders: Orders, fills_wh: np.ndarray) -> np.ndarray:
    return np.where(orders.is_offer, fills_wh, -fills_wh)


@given(data=st.data(), prices=price_lists(), pay_as_bid=st.booleans())
@MANY
def test_money_sums_to_zero_over_all_accounts(data, prices, pay_as_bid):
    band = Band(prices.feed_in, 1, prices.retail - prices.feed_in + 1)
    orders = data.draw(orders_in(band.ticks))
    readings = np.array([data.draw(NET) for _ in orders.wh], dtype=np.int64)
    caps = np.array([data.draw(ENERGY) for _ in orders.wh], dtype=np.int64)

    traded = clear(orders.is_offer, orders.tick, orders.wh, band, pay_as_bid)
    charges = settle(readings, contracts_of(orders, traded.fills_wh), caps, prices)

    participants = int((traded.payments_micro_eur + charges.delta).sum())
    spread = traded.spread_micro_eur
    supplier, dso = int(charges.supplier.sum()), int(charges.dso.sum())
    assert participants + spread + supplier + dso == 0
    assert spread >= 0
    assert (charges.dso >= 0).all()


@given(data=st.data(), prices=price_lists(), pay_as_bid=st.booleans())
@MANY
def test_with_a_perfect_forecast_nobody_is_worse_off_for_trading(data, prices, pay_as_bid):
    band = Band(prices.feed_in, 1, prices.retail - prices.feed_in + 1)
    orders = data.draw(orders_in(band.ticks))
    free = np.full(len(orders.wh), NO_CAP, dtype=np.int64)

    traded = clear(orders.is_offer, orders.tick, orders.wh, band, pay_as_bid)
    charges = settle(orders.net_wh, contracts_of(orders, traded.fills_wh), free, prices)

    with_market = traded.payments_micro_eur + charges.delta
    assert (with_market >= without_market(orders.net_wh, prices).delta).all()


@given(prices=price_lists(), contract=NET, cap=ENERGY, beyond=ENERGY)
@MANY
def test_injection_above_the_cap_changes_nothing(prices, contract, cap, beyond):
    at, above = (
        settle(np.array([reading]), np.array([contract]), np.array([cap]), prices)
        for reading in (cap, cap + beyond)
    )

    assert at.supplier == above.supplier
    assert at.dso == above.dso


@given(prices=price_lists(), reserved=ENERGY, shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@MANY
def test_a_hold_covers_whoever_consumes_no_more_than_it_reserved(prices, reserved, shares):
    bought, consumed = (np.array([int(reserved * share)]) for share in shares)
    rate = prices.retail + max(prices.import_fee, prices.local_fee)

    hold = hold_micro_eur(np.array([reserved]), rate)
    paid = bought * prices.retail  # the most a trade costs
    charges = settle(-consumed, -bought, np.array([NO_CAP]), prices)

    assert (hold - paid + charges.delta >= 0).all()
