"""Reference clearing of the call auction, which `contracts/libraries/MeritOrder.sol` must equal.

A sealed double auction on a grid of price ticks: bids in descending, offers in
ascending price; the crossing sets volume and price. Of the outcomes of greatest welfare it takes the one of
greatest volume; the uniform price is the middle, rounded down to a tick, of
[max(marginal ask, first rejected bid), min(marginal bid, first rejected ask)]; orders at the
marginal tick are rationed pro rata by cumulative rounding in participant order.

Source: [Khajeh2022] §1.4, §2.1.2, Fig. 4 (pool-based markets); [Nicolaisen2001] for the middle of the
price interval.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.errors import ModelError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Band:
    """Price band: `ticks` prices from `floor` in steps of `tick`, in µEUR per Wh."""

    floor_micro_eur_per_wh: int
    tick_micro_eur_per_wh: int
    ticks: int

    def price(self, tick: int) -> int:
        """Price of a tick in µEUR per Wh."""
        return self.floor_micro_eur_per_wh + tick * self.tick_micro_eur_per_wh

    def in_use(self, retail_micro_eur_per_wh: int) -> "Band":
        """Band of a period: no price above the supplier's retail price in it; none below the floor."""
        below = (
            retail_micro_eur_per_wh - self.floor_micro_eur_per_wh
        ) // self.tick_micro_eur_per_wh
        return replace(self, ticks=max(0, min(self.ticks, below + 1)))

    def tick_of(self, price_micro_eur_per_wh: int) -> int:
        """Tick of a price; ModelError when the price is outside the band or between two ticks."""
        tick, off = divmod(
            price_micro_eur_per_wh - self.floor_micro_eur_per_wh, self.tick_micro_eur_per_wh
        )
        if off or not 0 <= tick < self.ticks:
            raise ModelError(
                f"price: {price_micro_eur_per_wh} µEUR/Wh is not a tick of the band "
                f"{self.price(0)}..{self.price(self.ticks - 1)} by {self.tick_micro_eur_per_wh}"
            )
        return tick


@dataclass(frozen=True)
class Margin:
    """Marginal tick of one side: `accepted_wh` of `offered_wh`."""

    tick: int
    accepted_wh: int
    offered_wh: int


@dataclass(frozen=True)
class Crossing:
    """Crossing of demand and supply; `price_tick` is None when nothing trades."""

    volume_wh: int
    price_tick: int | None
    bid: Margin | None
    ask: Margin | None


@dataclass(frozen=True)
class Clearing:
    """Result of an auction. Arrays have the shape (orders,), in participant order.

    fills_wh: energy that trades, ≥ 0. payments_micro_eur: + received, − paid.
    spread_micro_eur: what buyers paid above what sellers received (pay-as-bid; else 0).
    """

    crossing: Crossing
    price_micro_eur_per_wh: int | None
    fills_wh: Ints
    payments_micro_eur: Ints
    spread_micro_eur: int


def cross(bids_wh: Ints, asks_wh: Ints) -> Crossing:
    """Meet demand and supply given as Wh on each tick, shapes (ticks,)."""
    demand = np.cumsum(bids_wh[::-1])[::-1]  # at this price or above
    supply = np.cumsum(asks_wh)  # at this price or below
    volume = int(np.minimum(demand, supply).max(initial=0))
    if volume == 0:
        return Crossing(0, None, None, None)
    ask = int(np.argmax(supply >= volume))
    bid = int(np.flatnonzero(demand >= volume)[-1])
    low, high = ask, bid
    rejected_bids = np.flatnonzero(bids_wh[: bid + 1])
    if demand[bid] == volume:
        rejected_bids = rejected_bids[rejected_bids < bid]
    if rejected_bids.size:
        low = max(low, int(rejected_bids[-1]))
    rejected_asks = np.flatnonzero(asks_wh[ask:]) + ask
    if supply[ask] == volume:
        rejected_asks = rejected_asks[rejected_asks > ask]
    if rejected_asks.size:
        high = min(high, int(rejected_asks[0]))
    return Crossing(
        volume,
        (low + high) // 2,
        Margin(bid, volume - int(demand[bid] - bids_wh[bid]), int(bids_wh[bid])),
        Margin(ask, volume - int(supply[ask] - asks_wh[ask]), int(asks_wh[ask])),
    )


def clear(is_offer: Bools, tick: Ints, wh: Ints, band: Band, pay_as_bid: bool = False) -> Clearing:
    """Clear limit orders, one a participant, given in participant order; shapes (orders,).

    Raises ModelError for an order outside the band or with negative energy.
    """
    _require_orders(tick, wh, band)
    bids = np.bincount(tick[~is_offer], weights=wh[~is_offer], minlength=band.ticks)
    asks = np.bincount(tick[is_offer], weights=wh[is_offer], minlength=band.ticks)
    crossing = cross(bids.astype(np.int64), asks.astype(np.int64))
    fills = np.zeros(len(wh), dtype=np.int64)
    if crossing.bid is None or crossing.ask is None or crossing.price_tick is None:
        return Clearing(crossing, None, fills, fills.copy(), 0)
    for side, margin, better in (
        (~is_offer, crossing.bid, tick > crossing.bid.tick),
        (is_offer, crossing.ask, tick < crossing.ask.tick),
    ):
        fills[side & better] = wh[side & better]
        at_margin = side & (tick == margin.tick)
        fills[at_margin] = ration(wh[at_margin], margin.accepted_wh, margin.offered_wh)
    uniform = band.price(crossing.price_tick)
    own = band.floor_micro_eur_per_wh + tick * band.tick_micro_eur_per_wh
    payments = fills * (own if pay_as_bid else uniform) * np.where(is_offer, 1, -1)
    return Clearing(crossing, uniform, fills, payments, -int(payments.sum()))


def ration(wh: Ints, accepted_wh: int, offered_wh: int) -> Ints:
    """Pro rata shares by cumulative rounding: integer, in order, summing to exactly `accepted_wh`."""
    # Python integers: cumulative energy times accepted energy may pass 63 bits.
    cumulative = [0, *(int(c) * accepted_wh // offered_wh for c in np.cumsum(wh))]
    totals: Ints = np.array(cumulative, dtype=np.int64)
    return totals[1:] - totals[:-1]


def _require_orders(tick: Ints, wh: Ints, band: Band) -> None:
    for name, bad, rule in (
        ("tick", (tick < 0) | (tick >= band.ticks), f"must lie in 0..{band.ticks - 1}"),
        ("wh", wh < 0, "must not be negative"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            value = int((tick if name == "tick" else wh)[row])
            raise ModelError(f"order {row}: {name} {value} {rule}")
