"""Auctions of an aggregator among its prosumers: the reference that `AggregatorAuction.sol` must equal.

Bid auction: the aggregator buys a quantity; the cheapest offers at or under its ceiling price win until
the quantity is covered. Offer auction: the mirror image for a surplus; the dearest bids at or above its
floor win. The last price tick that wins is shared pro rata by cumulative rounding in participant order,
so nothing depends on who came first. Uniform: everybody trades at the price of that tick. Pay-as-bid:
everybody at its own.

Source: [Talari-nd] §2.2, Fig. 5.4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.call_auction import Band, Margin, ration
from gridbourse.model.errors import ModelError

Ints = NDArray[np.int64]

LEAST_REVEAL_SECONDS = 60
"""Least time in which sealed answers are revealed: with less, nobody could avoid losing its bond."""


@dataclass(frozen=True)
class Auction:
    """Request of an aggregator: `wh` at the price of `tick`, its ceiling when it buys, else its floor."""

    buys: bool
    wh: int
    tick: int
    pay_as_bid: bool = False


@dataclass(frozen=True)
class Award:
    """Result of an auction. Arrays have the shape (answers,), in participant order.

    volume_wh: energy awarded; margin: the last tick that wins, None where nothing does.
    won_wh, price_micro_eur_per_wh: of each answer; a price is 0 where nothing is won.
    """

    volume_wh: int
    margin: Margin | None
    won_wh: Ints
    price_micro_eur_per_wh: Ints

    @property
    def paid_micro_eur(self) -> int:
        """Sum that the aggregator pays when it buys, or receives when it sells."""
        return int((self.won_wh * self.price_micro_eur_per_wh).sum())


def award(auction: Auction, tick: Ints, wh: Ints, band: Band) -> Award:
    """Award an auction to its answers, one a participant, in participant order; shapes (answers,).

    Raises ModelError for an answer beyond the auction's limit, outside the band, or with negative energy.
    """
    _require_answers(auction, tick, wh, band)
    # Rank 0 is the best tick for the aggregator; the limit is the last rank that may win.
    rank = tick if auction.buys else band.ticks - 1 - tick
    offered = np.bincount(rank, weights=wh, minlength=band.ticks).astype(np.int64)
    covered = np.cumsum(offered)
    volume = min(auction.wh, int(covered[-1]))
    won = np.zeros(len(wh), dtype=np.int64)
    prices = won.copy()
    if volume == 0:
        return Award(0, None, won, prices)
    last = int(np.argmax(covered >= volume))
    margin = Margin(
        last if auction.buys else band.ticks - 1 - last,
        volume - int(covered[last] - offered[last]),
        int(offered[last]),
    )
    won[rank < last] = wh[rank < last]
    at_margin = rank == last
    won[at_margin] = ration(wh[at_margin], margin.accepted_wh, margin.offered_wh)
    own = band.floor_micro_eur_per_wh + tick * band.tick_micro_eur_per_wh
    prices[won > 0] = own[won > 0] if auction.pay_as_bid else band.price(margin.tick)
    return Award(volume, margin, won, prices)


def _require_answers(auction: Auction, tick: Ints, wh: Ints, band: Band) -> None:
    beyond = tick > auction.tick if auction.buys else tick < auction.tick
    for name, bad, rule in (
        ("tick", (tick < 0) | (tick >= band.ticks), f"must lie in 0..{band.ticks - 1}"),
        ("tick", beyond, f"is beyond the auction's limit {auction.tick}"),
        ("wh", wh < 0, "must not be negative"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            value = int((tick if name == "tick" else wh)[row])
            raise ModelError(f"answer {row}: {name} {value} {rule}")
