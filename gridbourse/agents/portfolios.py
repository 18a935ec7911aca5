"""Aggregators and their prosumers: portfolios, auctions and answers.

An aggregator is a participant with a connection point and its own assets. For its shortage in a
period, by its forecast and its earlier trades, it holds a bid auction under its ceiling; its
surplus it sells in an offer auction above its floor. A prosumer answers the auctions of its
own aggregator; one without a contract answers the auction of the area with the best limit for it. Prosumers
answer with their expected energy, at the price of their strategy. Source: [Talari-nd] §2.2, Fig. 5.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gridbourse.agents.bidding import Trader
from gridbourse.model.aggregator_auction import Auction
from gridbourse.model.portfolio_contract import Contract, Control, Resource
from gridbourse.model.trade import LEAST_WH, MOST_WH
from gridbourse.scenario import seeded_draws as draws
from gridbourse.scenario.rules import Aggregator
from gridbourse.scenario.scenario import Scenario

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Posted:
    """Auction that an aggregator posts."""

    aggregator: Aggregator
    auction: Auction


@dataclass(frozen=True)
class Answer:
    """Answer of a prosumer; auction: its place among those posted."""

    auction: int
    point_id: str
    tick: int
    wh: int


@dataclass(frozen=True)
class Portfolios:
    """Portfolios of a scenario's aggregators; deterministic by its seed."""

    scenario: Scenario

    @cached_property
    def aggregator_of(self) -> dict[str, Aggregator]:
        """The aggregator of every participant that has a contract, by point."""
        own = {one.point for one in self.scenario.aggregators}
        points = self.scenario.points
        found = {}
        for point in points.index[points["participant"]]:
            rest = draws.generator(self.scenario.strategy.seed, "aggregator", point).random()
            for one in () if point in own else self.scenario.aggregators:
                if 0 <= rest < one.share:
                    found[str(point)] = one
                rest -= one.share
        return found

    @cached_property
    def mandated(self) -> frozenset[str]:
        """Points whose contract lets their aggregator trade for them."""
        seed = self.scenario.strategy.seed
        return frozenset(
            point
            for point, one in self.aggregator_of.items()
            if draws.share(one.mandate_share, seed, "trading mandate", point)
        )

    def contracts(self, numbers: Mapping[str, int]) -> Iterator[Contract]:
        """Contract of each prosumer, for the whole replay; numbers: participant number by point."""
        replayed = self.scenario.replayed
        for point, one in self.aggregator_of.items():
            yield Contract(
                numbers[one.point],
                numbers[point],
                replayed.start,
                replayed.stop,
                sum(Resource[name.upper()] for name in one.resources),
                int(Control[one.control.upper()]),
                one.permille,
                point in self.mandated,
            )

    def auctions(self, wanted_wh: Ints) -> list[Posted]:
        """Auctions of the aggregators; wanted_wh: net energy of every point to trade, + has a surplus."""
        rows = {str(point): row for row, point in enumerate(self.scenario.points.index)}
        band, rules = self.scenario.band, self.scenario.auction_rules
        posted = []
        for one in self.scenario.aggregators:
            wanted = int(wanted_wh[rows[one.point]])
            if abs(wanted) < LEAST_WH:
                continue
            buys = wanted < 0
            limit = one.ceiling_micro_eur_per_wh if buys else one.floor_micro_eur_per_wh
            wh = min(abs(wanted), MOST_WH)
            pay_as_bid = rules.pricing == "pay_as_bid"
            posted.append(Posted(one, Auction(buys, wh, band.tick_of(limit), pay_as_bid)))
        return posted

    def answers(self, period: int, wanted_wh: Ints, posted: Sequence[Posted]) -> list[Answer]:
        """Answers of the prosumers, in the order of the points; wanted_wh as in `auctions`."""
        points = self.scenario.points
        own = {one.point for one in self.scenario.aggregators}
        rows = zip(points.index, points["participant"], wanted_wh.tolist(), strict=True)
        answers = []
        for point, takes_part, wanted in rows:
            if not takes_part or not wanted or point in own:
                continue
            side = "offer" if wanted > 0 else "bid"
            trader = Trader.drawn(self.scenario, str(point))
            tick = trader.tick(side, period, self.scenario.strategy.seed, self.scenario.band)
            place = self._answered(str(point), wanted > 0, tick, posted)
            if place is not None:
                answers.append(Answer(place, str(point), tick, min(abs(wanted), MOST_WH)))
        return answers

    def _answered(self, point: str, sells: bool, tick: int, posted: Sequence[Posted]) -> int | None:
        """Auction with the best limit for the prosumer, of those whose limit its price meets."""
        mine = self.aggregator_of.get(point)
        sign = 1 if sells else -1
        fits = [
            place
            for place, one in enumerate(posted)
            if one.auction.buys == sells
            and mine in (None, one.aggregator)
            and sign * tick <= sign * one.auction.tick
        ]
        return max(fits, key=lambda place: sign * posted[place].auction.tick, default=None)
