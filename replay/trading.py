"""Order entry: by mandate, signed one by one, or each with its own transaction."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from gridbourse.chain.contracts import Outcome
from gridbourse.chain.deploy import AREA, Market
from gridbourse.chain.lanes import BID, OFFER, order_lane
from gridbourse.chain.signing import OrderTerms, order_domain, sign_order
from gridbourse.model.clearing import Band
from gridbourse.scenario.scenario import Scenario
from replay.onboarding import Membership, account_name

FIRST_SEQUENCE = 1
SIGNATURE_LIFE_S = 3_600
# In one transaction, by what the first orders of a ring slot cost: 23,000, 78,000 and 86,000 gas.
MANDATED_A_CALL = 500
SIGNED_A_CALL = 150
GROUPS_A_CALL = 150
"""Groups of four participants booked or settled."""
ROUTES = ("own", "signed", "mandate")


@dataclass
class Desk:
    """Places the orders of a period and clears it.

    route_of: point_id -> "own", "signed" or "mandate", drawn once by the scenario's seed.
    """

    market: Market
    scenario: Scenario
    members: Membership
    band: Band

    def __post_init__(self) -> None:
        points = list(self.members.table.index)
        parties = self.scenario.parties
        draw = np.random.default_rng([self.scenario.strategy.seed, len(points)]).random(len(points))
        edges = [parties.own_share, parties.own_share + parties.signed_share]
        self.route_of = dict(
            zip(points, (ROUTES[i] for i in np.digitize(draw, edges)), strict=True)
        )
        chain = self.market.chain
        self._domain = order_domain(chain.w3.eth.chain_id, self.market.auction.address)

    def place(self, period: int, orders: pd.DataFrame) -> pd.DataFrame:
        """Place orders (point_id, side, wh, price_micro_eur_per_wh); returns them with `route`, `number`."""
        placed = orders.assign(
            period=period,
            route=orders["point_id"].map(self.route_of),
            number=orders["point_id"].map(self.members.number_of),
            tick=orders["price_micro_eur_per_wh"].map(self.band.tick_of),
            code=orders["side"].map({"bid": BID, "offer": OFFER}),
        ).sort_values("number", ignore_index=True)
        by_route = {route: placed[placed["route"] == route] for route in ROUTES}
        self._place_own(period, by_route["own"])
        self._place_signed(period, by_route["signed"])
        self._place_mandated(period, by_route["mandate"])
        return placed

    def clear(self, period: int) -> Outcome:
        """Clear the book that stands."""
        return self.market.auction.clear(self.market.keys["operator"], AREA, period)

    def book(self, period: int, fills: int) -> None:
        """Book every fill of an accepted clearing; `fills` is how many there are."""
        self.market.auction.book(self.market.keys["operator"], AREA, period, GROUPS_A_CALL, fills)

    def _place_own(self, period: int, orders: pd.DataFrame) -> None:
        for order in _rows(orders):
            account = self.market.keys[account_name(order.point_id)]
            self.market.auction.place(account, period, order.code, order.tick, order.wh)

    def _place_mandated(self, period: int, orders: pd.DataFrame) -> None:
        gateway = self.market.keys["gateway"]
        for some in _slices(orders, MANDATED_A_CALL):
            lanes = {
                o.number: order_lane(o.code, o.tick, o.wh, FIRST_SEQUENCE) for o in _rows(some)
            }
            self.market.auction.place_batch(gateway, AREA, period, lanes)

    def _place_signed(self, period: int, orders: pd.DataFrame) -> None:
        gateway = self.market.keys["gateway"]
        for some in _slices(orders, SIGNED_A_CALL):
            expiry = self.market.chain.w3.eth.get_block("latest")["timestamp"] + SIGNATURE_LIFE_S
            signed = [
                sign_order(
                    self.market.keys[account_name(o.point_id)],
                    self._domain,
                    OrderTerms(
                        AREA, period, o.number, o.code, o.tick, o.wh,
                        FIRST_SEQUENCE, gateway.address, expiry,
                    ),
                )
                for o in _rows(some)
            ]  # fmt: skip
            self.market.auction.place_signed(gateway, AREA, period, signed)


class Placed(NamedTuple):
    """A row of the orders that are placed, in types of the chain."""

    point_id: str
    number: int
    code: int
    tick: int
    wh: int


def _rows(orders: pd.DataFrame) -> Iterator[Placed]:
    columns = (orders[name].tolist() for name in Placed._fields)
    return (Placed(*row) for row in zip(*columns, strict=True))


def _slices(frame: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), rows):
        yield frame.iloc[start : start + rows]
