"""Offers and requests of a bilateral market, with seeded preferences.

Every buyer has, drawn once: a preferred source of energy, a preferred seller, and the worth of its
preferences.  The source of the sellers' energy is attested, not claimed; here it is drawn by the
scenario's shares, since benchmark profiles know PV alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gridbourse.agents.bidding import Trader
from gridbourse.model.bilateral import Offer, Premiums, PriceRule, Request, Zones
from gridbourse.scenario import seeded_draws as draws
from gridbourse.scenario.rules import BilateralRules
from gridbourse.scenario.scenario import Scenario

PRICE_RULES = {"seller": PriceRule.SELLER, "midpoint": PriceRule.MIDPOINT}


@dataclass(frozen=True)
class Neighbours:
    """Participants of a bilateral market.

    numbers: participant number by point; zone_numbers: of the grid zones, as in the registry.
    """

    scenario: Scenario
    numbers: Mapping[str, int]
    zone_numbers: Mapping[str, int]

    @property
    def rules(self) -> BilateralRules:
        """Rules of the scenario's bilateral market."""
        return self.scenario.bilateral_rules

    @property
    def sources(self) -> list[str]:
        """Names of the sources; the index in this list is the bit on-chain."""
        return list(self.rules.sources)

    @cached_property
    def sellers(self) -> list[str]:
        """Participants known to have something to sell at times."""
        produces = self.scenario.producers
        points = self.scenario.points
        taking_part = zip(points.index, points["participant"], strict=True)
        return [str(point) for point, takes_part in taking_part if takes_part and produces[point]]

    def source_of(self, seller: str) -> str:
        """Source of a seller's energy."""
        rng = draws.generator(self.scenario.strategy.seed, "source", seller)
        return str(rng.choice(self.sources, p=list(self.rules.sources.values())))

    def favourite_of(self, buyer: str) -> str | None:
        """Seller that a buyer prefers, or has picked for good; None where nobody sells."""
        others = [seller for seller in self.sellers if seller != buyer]
        if not others:
            return None
        return str(draws.generator(self.scenario.strategy.seed, "favourite", buyer).choice(others))

    def listings(
        self, period: int, wanted_wh: NDArray[np.int64]
    ) -> tuple[list[Offer], list[Request]]:
        """Offers and requests of a period, each in the order of the points.

        wanted_wh: net energy of every point to trade, Wh, + has a surplus.
        """
        offers, requests = [], []
        points = self.scenario.points
        rows = zip(points.index, points["zone"], points["participant"], wanted_wh, strict=True)
        for point, zone_name, takes_part, net_wh in rows:
            point_id, wh, zone = str(point), int(net_wh), self.zone_numbers[zone_name]
            if not takes_part or abs(wh) < self.rules.min_wh:
                continue
            if wh > 0:
                offers.append(self._offer(point_id, zone, wh, period))
            else:
                requests.append(self._request(point_id, zone, -wh, period))
        return offers, requests

    @cached_property
    def zones(self) -> Zones:
        """Tree of the scenario's zones, as the registry numbers them."""
        numbers = self.zone_numbers
        return Zones(
            {
                number: numbers.get(self.scenario.zones[zone] or "", 0)
                for zone, number in numbers.items()
            }
        )

    @property
    def _standing(self) -> bool:
        return self.rules.choice == "standing"

    def _offer(self, point_id: str, zone: int, wh: int, period: int) -> Offer:
        """Offer at the price of a strategy; with standing choices at the producer's one price, its cost."""
        trader, band = Trader.drawn(self.scenario, point_id), self.scenario.band
        tick = trader.cost_tick
        if not self._standing:
            tick = trader.tick("offer", period, self.scenario.strategy.seed, band)
        return Offer(self.numbers[point_id], wh, band.price(tick), self.source_of(point_id), zone)

    def _request(self, point_id: str, zone: int, wh: int, period: int) -> Request:
        """Request; a buyer that picked a producer pays that one's price, up to the retail price."""
        band, seed = self.scenario.band, self.scenario.strategy.seed
        favourite = self.favourite_of(point_id)
        if self._standing:
            seller = None if favourite is None else self.numbers[favourite]
            most = band.price(band.ticks - 1)
            return Request(self.numbers[point_id], wh, most, zone, seller=seller)
        tick = Trader.drawn(self.scenario, point_id).tick("bid", period, seed, band)
        rng = draws.generator(seed, "wishes", point_id)
        liked = str(rng.choice(self.sources))
        limits = self.rules.premiums
        source, favourite_, own_zone, per_hop = (
            int(rng.integers(most, endpoint=True))
            for most in (limits.source, limits.favourite, limits.own_zone, limits.per_hop)
        )
        strict = draws.share(self.rules.strict_share, seed, "strict", point_id)
        return Request(
            self.numbers[point_id],
            wh,
            band.price(tick),
            zone,
            sources=frozenset({liked}) if strict else None,
            premiums=Premiums(
                sources={liked: source},
                sellers={} if favourite is None else {self.numbers[favourite]: favourite_},
                own_zone=own_zone,
                per_hop=-per_hop,
            ),
        )
